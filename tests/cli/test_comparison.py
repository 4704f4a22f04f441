"""jobs/comparison in its short form: every stage, the table, and that what is done is not done again."""
import csv
import pathlib
import subprocess
import unittest

import harness

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "jobs/comparison/run.sh"


class Comparison(harness.Case):
    def compare(self):
        environment = {**harness.start_of_its_own(), "SINODE_PROGRAM": harness.PROGRAM, "RUN": str(self.folder / "run")}
        return subprocess.run([SCRIPT, "--quick"], capture_output=True, text=True, env=environment,
                              timeout=4 * harness.TIMEOUT)

    def test_short_form(self):
        first = self.compare()
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        with (self.folder / "run/table.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        ours = [row for row in rows[1:] if row[4]]
        self.assertEqual([row[:3] for row in ours if row[0] != "the equation, same steps"],
                         [["trained on it", "21.875", "56"], ["trained on it", "60", "128"], ["trained on it", "64", "256"],
                          ["trained on it", "100", "256"], ["trained on it", "200", "512"],
                          ["trained on L = 22", "200", "512"]])
        for row in ours:
            with self.subTest(row=row[:2]):
                self.assertGreater(float(row[4].split()[0]), 0)        # the exponent
                valid, local = (float(row[column].replace("> ", "").split()[0]) for column in (5, 7))
                self.assertGreater(local, 0.9 * valid)
                if row[0] == "the equation, same steps":
                    self.assertLess(float(row[10]), 1e-4)
        self.assertIn("about 98", rows[-1])
        self.assertEqual(list((self.folder / "run").rglob("forecast.h5")), [])
        again = self.compare()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn("predicting", again.stdout)
        self.assertEqual(again.stdout.partition("Table\n")[2], first.stdout.partition("Table\n")[2])


if __name__ == "__main__":
    unittest.main()
