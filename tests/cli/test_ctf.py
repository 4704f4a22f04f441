"""jobs/ctf in its short form: every stage, the table, the matrices, and that what is done is not done again."""
import csv
import pathlib
import subprocess
import unittest

import h5py  # noqa: F401, before SciPy
import harness
from scipy.io import loadmat

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "jobs/ctf/run.sh"


class Framework(harness.Case):
    def score(self, *arguments, run="run"):
        environment = {**harness.start_of_its_own(), "SINODE_PROGRAM": harness.PROGRAM, "RUN": str(self.folder / run)}
        return subprocess.run([SCRIPT, "--quick", *arguments], capture_output=True, text=True, env=environment,
                              timeout=4 * harness.TIMEOUT)

    def rows(self, run):
        with (self.folder / run / "table.csv").open(newline="") as file:
            return list(csv.reader(file))

    def test_short_form(self):
        first = self.score()
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        head, *rows = self.rows("run")
        self.assertEqual(head, ["", *(f"E{k}" for k in range(1, 13)), "mean"])
        self.assertEqual([len(row) for row in rows], [14] * 6)
        nearest, single, equation = (dict(zip(head, row)) for row in rows[:3])
        for name in head[1:-1]:
            with self.subTest(score=name):
                self.assertGreater(float(equation[name]), 99.5)         # 30 frames are not chaotic yet
                self.assertGreater(float(single[name]), 60)
        self.assertGreater(float(nearest["mean"]), 85)
        sizes = {name: loadmat(self.folder / f"run/data/{name}.mat")[name.split("/")[1]].shape
                 for name in ("train/X3train", "train/X5train", "test/X4test", "test/X9test")}
        self.assertEqual(sizes, {"train/X3train": (40, 1024), "train/X5train": (40, 1024), "test/X4test": (40, 1024),
                                 "test/X9test": (30, 1024)})
        self.assertEqual(list((self.folder / "run").rglob("forecast.h5")), [])
        again = self.score()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout.count("=="), 1, again.stdout)      # nothing but the table
        with self.subTest(data="of the framework"):                      # as its folders are: without tests of some pairs
            for name in (1, 3, 5, 6, 7, 8, 9):
                (self.folder / f"run/data/test/X{name}test.mat").unlink()
            theirs = self.score(str(self.folder / "run/data"), run="theirs")
            self.assertEqual(theirs.returncode, 0, theirs.stdout + theirs.stderr)
            found = dict(zip(head, self.rows("theirs")[1]))
            self.assertEqual({name: found.get(name, "") for name in head[1:]},
                             {**dict.fromkeys(head[1:], ""), "E3": nearest["E3"], "E5": nearest["E5"]})
            for name in (2, 4):
                (self.folder / f"run/data/test/X{name}test.mat").unlink()
            theirs = self.score(str(self.folder / "run/data"), run="theirs")
            self.assertEqual(theirs.returncode, 0, theirs.stderr)
            self.assertIn("has no tests", theirs.stdout)
        missing = self.score(str(self.folder / "nowhere"), run="none")
        self.assertEqual((missing.returncode, missing.stderr.count("\n")), (3, 1))


if __name__ == "__main__":
    unittest.main()
