"""Scaling studies: the model's messages and bytes are those counted, exactly; studies run, gather and draw.

With --long, also on eight and sixteen ranks, and that the model's seconds are as near to those measured as
docs/scaling.md says.
"""
import csv
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "jobs/scaling"), str(ROOT / "tests/cli")]
import harness
import model

STUDY = ROOT / "jobs/scaling/study.py"
harness.TIMEOUT = 250  # sixteen ranks that share two cores take their time
CONFIG = """\
grid: {points: 256, length: 88.0}
model: {nonlinear: {kind: mlp, hidden: [24, 40, 16], channels: [3, 2], kernel: 5}}
integrator: {scheme: l2, dt: 0.2, solver: {kind: fft}}
train: {data: none.h5, batch: 32}
benchmark: {repeats: 1, seconds: 0.001}
"""


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "c.yaml").write_text(CONFIG)

    def study(self, *arguments, status=0, launcher=harness.MPIEXEC):
        found = subprocess.run([sys.executable, str(STUDY), *map(str, arguments)], cwd=self.folder, capture_output=True,
                               text=True, timeout=250, check=False, stdin=subprocess.DEVNULL,
                               env={**os.environ, "SINODE": harness.PROGRAM, "SINODE_MPIRUN": str(launcher)})
        self.assertEqual(found.returncode, status, found.stdout + found.stderr)
        return found.stdout + found.stderr

    def table(self, directory):
        with open(self.folder / directory / "scaling.csv", encoding="utf8", newline="") as file:
            return list(csv.DictReader(file))


STEPS = ("generate_step", "halo", "reduction", "solve_fft", "predict_step", "train_iteration")


class Traffic(Folder):
    """Counted through MPI's profiling interface against the formulas."""

    def compare(self, ranks, space, network, names=STEPS, **settings):
        chosen = [f"{key}={value}" for key, value in {"model.nonlinear.kind": network, **settings}.items()]
        words = [word for text in (*chosen, f"parallel.space={space}") for word in ("--set", text)]
        status, out, err = harness.run(self.folder, "benchmark", "c.yaml", "--overwrite", "--set",
                                       f"benchmark.only=[{', '.join(names)}]", *words, ranks=ranks)
        self.assertEqual(status, 0, out + err)
        rows = model.read_rows(self.folder / "run/benchmark.csv")
        self.assertEqual({row["name"] for row in rows}, set(names))
        costs = model.costs(harness.PROGRAM, self.folder / "c.yaml", [(ranks, space)], chosen)
        for row in rows:
            expected = costs[row["name"], ranks, space]
            self.assertEqual((float(row["messages"]), float(row["bytes"])), (expected["messages"], expected["bytes"]),
                             f"{row['name']}: {ranks} ranks, {space} in space, {chosen}")

    def test_one_rank_sends_nothing(self):
        self.compare(1, 1, "mlp")

    def test_perceptrons(self):
        for ranks, space in ((2, 2), (4, 2), *harness.more((2, 1), (4, 4))):
            with self.subTest(ranks=ranks, space=space):
                self.compare(ranks, space, "mlp")

    def test_convolutions(self):
        for ranks, space in ((2, 1), (4, 4), *harness.more((2, 2), (4, 2))):
            with self.subTest(ranks=ranks, space=space):
                self.compare(ranks, space, "conv")

    def test_steps_on_subdomains(self):
        subdomains = {"grid.points": 2050, "grid.length": 22.0 * 2050 / 64, "integrator.subdomains.domain": "subdomains",
                      "model.linear.kind": "stencil", "train.batch": 4, "generate.interval": 0.4}
        for ranks, space, network, scheme in ((2, 2, "product", "3"), (4, 2, "conv", "l2"),
                                              *harness.more((1, 1, "conv", "l2"), (4, 4, "conv", "4"),
                                                            (3, 3, "product", "ars222"), (8, 8, "conv", "l2"))):
            with self.subTest(ranks=ranks, network=network, scheme=scheme):
                self.compare(ranks, space, network, names=("predict_step", "train_iteration"),
                             **{**subdomains, "integrator.scheme": scheme})

    def test_generator_on_subdomains(self):
        for ranks, space in ((3, 3), (4, 2), *harness.more((1, 1), (2, 2), (8, 8), (16, 16))):
            with self.subTest(ranks=ranks, space=space):
                self.compare(ranks, space, "mlp", names=("generate_step",),
                             **{"grid.points": 4097, "grid.length": 22.0 * 4097 / 64, "generate.transform": "local"})

    def test_longer_windows(self):
        self.compare(2, 2, "mlp", **{"train.window": 3})

    def test_solves_on_subdomains(self):
        # The same on any number of ranks from three on: no term grows with it.
        for ranks in (2, 3, *harness.more(1, 4, 8, 16)):
            with self.subTest(ranks=ranks):
                self.compare(ranks, ranks, "conv", names=("solve_local", "predict_step", "train_iteration"),
                             **{"grid.points": 2048, "grid.length": 704.0, "integrator.solver.kind": "local",
                                "integrator.subdomains.domain": "whole"})
        costs = model.costs(harness.PROGRAM, self.folder / "c.yaml", [(4, 4), (1024, 1024)],
                            ["grid.points=1048576", "grid.length=360448"])
        for amount in ("messages", "bytes", "latencies", "carried"):
            self.assertEqual(costs["solve_local", 4, 4][amount], costs["solve_local", 1024, 1024][amount])

    def test_layouts_that_are_uneven(self):
        for network in ("mlp", "conv"):
            with self.subTest(network=network):
                self.compare(3, 3, network)
        self.compare(3, 1, "mlp")

    def test_schemes(self):
        for scheme in ("ars443", "etdrk4", *harness.more("ars111", "ars222", "lawson5")):
            with self.subTest(scheme=scheme):
                self.compare(2, 2, "conv", names=("predict_step", "train_iteration"),
                             **{"integrator.scheme": scheme, "train.window": 2, "generate.interval": 0.4})

    def test_what_has_no_formula_is_no_number(self):
        for setting in ("integrator.scheme=3", "model.nonlinear.kind=product", "parallel.reproducible=true"):
            with self.subTest(setting=setting):
                costs = model.costs(harness.PROGRAM, self.folder / "c.yaml", [(4, 2)], [setting])
                self.assertTrue(math.isnan(costs["train_iteration", 4, 2]["bytes"]))
                self.assertEqual(costs["halo", 4, 2]["messages"], 1)

    def test_wrong_splits(self):
        for splits, words in (("", "needs numbers of ranks"), ("4,", "not '4,'"), ("4x", "not '4x'"), ("2;4", "not '2;4'"),
                              ("4x3", "parallel.space is 3, which does not divide the 4 ranks")):
            with self.subTest(splits=splits):
                status, out, err = harness.run(self.folder, "benchmark", "c.yaml", "--model", splits)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(words, err)

    @harness.long
    def test_eight_and_sixteen_ranks(self):
        # Points that have two factors for so many ranks.
        for ranks, network, points in ((8, "mlp", 256), (16, "conv", 1024)):
            with self.subTest(ranks=ranks):
                self.compare(ranks, ranks, network, names=("generate_step", "halo", "train_iteration"),
                             **{"grid.points": points, "grid.length": 22.0 * points / 64})
        self.compare(16, 1, "mlp", names=("reduction", "train_iteration"))


class Study(Folder):
    def test_strong(self):
        """In the long form with the default split and steps; test_weak has trainings and replicas."""
        which = () if harness.LONG else ("--of", "generate,solve", "--space", "all")
        self.study("run", "c.yaml", "strong", "--ranks", "1,2", "--rounds", 2, *which)
        table = self.table("strong")
        self.assertEqual({(row["name"], row["ranks"], row["space"]) for row in table},
                         {(name, ranks, space) for ranks, space in (("1", "1"), ("2", "2"), *harness.more(("2", "1")))
                          for name in ("generate_step", "solve_fft", "solve_local", "solve_banded",
                                       *harness.more("train_iteration", "reduction", "halo"))})
        for row in table:
            base = next(other for other in table if other["name"] == row["name"] and other["ranks"] == "1")
            speedup = float(base["seconds"]) / float(row["seconds"])
            self.assertAlmostEqual(float(row["speedup"]) / speedup, 1, places=4)
            self.assertAlmostEqual(float(row["efficiency"]) * int(row["ranks"]) / speedup, 1, places=4)
            if row["name"] != "solve_banded":  # no formula
                self.assertEqual((row["messages"], float(row["bytes"])), (row["model_messages"], float(row["model_bytes"])))
        for name in ("scaling.png", "scaling.pdf"):
            self.assertGreater((self.folder / "strong" / name).stat().st_size, 10000)
        self.study("draw", "strong", "--points", "2^20", "--ranks", "64")
        with open(self.folder / "strong/model.csv", encoding="utf8", newline="") as file:
            drawn = list(csv.DictReader(file))
        ways = {"global generator step", "local generator step", "fft solve", "local solve", "banded solve"}
        self.assertLessEqual(ways, {row["name"] for row in drawn})
        for name in ways:
            self.assertEqual([int(row["ranks"]) for row in drawn if row["name"] == name], [2**k for k in range(7)])

    def test_pair(self):
        self.study("pair", "c.yaml", "pair", "--rounds", 1, "--names", "generate_step,solve_local")
        with open(self.folder / "pair/pair.csv", encoding="utf8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["name"] for row in rows], ["generate_step", "solve_local"])
        for row in rows:
            self.assertAlmostEqual(float(row["seconds_1"]) / float(row["seconds_2"]) / float(row["speedup"]), 1, places=3)

    def test_starts_at_one_moment_share_no_session(self):
        launcher, noted = self.folder / "launcher", self.folder / "noted"
        launcher.write_text(f'#!/bin/sh\necho "$OMPI_MCA_orte_tmpdir_base" >>{noted}\nexec {harness.MPIEXEC} "$@"\n')
        launcher.chmod(0o755)
        self.study("pair", "c.yaml", "pair", "--rounds", 1, "--names", "reduction", launcher=launcher)
        folders = noted.read_text().split("\n")[:-1]
        self.assertEqual(len(folders), 4, "one alone, two apart, one of two ranks")
        self.assertEqual(len(set(folders)), 4)
        self.assertFalse(any(pathlib.Path(folder).exists() for folder in folders), "what a start has left is removed")

    def test_weak(self):
        self.study("run", "c.yaml", "weak", "--ranks", "1,2", "--kind", "weak", "--of", "train", "--rounds", 1)
        sizes = {(row["ranks"], row["space"]): (row["points"], row["batch"]) for row in self.table("weak")}
        self.assertEqual(sizes, {("1", "1"): ("256", "32"), ("2", "1"): ("256", "64"), ("2", "2"): ("512", "32")})

    def test_what_is_wrong_is_said(self):
        self.assertIn("--of knows generate", self.study("run", "c.yaml", "x", "--ranks", "1", "--of", "tea", status=2))
        self.assertIn("not a whole number", self.study("run", "c.yaml", "x", "--ranks", "1;2", status=2))
        self.assertIn("status 2", self.study("run", "c.yaml", "x", "--ranks", "1", "--set", "grid.points=3", status=2))
        (self.folder / "empty").mkdir()
        (self.folder / "empty/study.json").write_text('{"kind": "strong"}')
        self.assertIn("run the study first", self.study("report", "empty", status=2))


@harness.long
class Prediction(Folder):
    def test_seconds(self):
        """Within 15 % on one and two ranks, all steps of one study; an fft solve over ranks, whose passes through memory
        overlap with its transforms where caches hold its arrays, within 30 %."""
        for config, of, space in (("fine", "generate,solve", "all"), ("wide", "train", "1,all")):
            self.study("run", ROOT / f"jobs/scaling/{config}.yaml", config, "--ranks", "1,2", "--of", of, "--space", space)
            errors = {(row["name"], row["ranks"], row["space"]): float(row["model_error"]) for row in self.table(config)
                      if row["name"] in ("generate_step", "solve_fft", "train_iteration")}
            print(f"{config}: {errors}")
            for (name, ranks, _), error in errors.items():
                self.assertLessEqual(abs(error), 0.30 if (name, ranks) == ("solve_fft", "2") else 0.15, errors)


if __name__ == "__main__":
    harness.main()
