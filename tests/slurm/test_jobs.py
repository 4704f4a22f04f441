"""The job scripts of jobs/slurm under a real SLURM: time limits, arrays, chains, cancelled and failing jobs.

Most of the time is waiting for SLURM's clock, so the jobs of all tests are submitted at the start and run beside each
other; each test looks at its own.
"""
import pathlib
import re
import sys
import tempfile
import unittest

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "cli"))
import cluster
import harness

JOBS = TESTS.parent / "jobs/slurm"
FOREVER = 200000  # epochs

CONFIG = """\
run: {directory: runs/main, seed: 3}
grid: {points: 64, length: 22.0}
generate: {file: data.h5, transient: 10.0, span: 40.0, interval: 0.2}
model: {nonlinear: {hidden: [200, 200], activation: tanh}}
train: {data: data.h5, batch: 32, epochs: 4, checkpoint: {every: 2}}
predict: {model: runs/main/model.h5, data: data.h5, span: 2.0, file: prediction.h5}
"""

# Stands for a program that is stopped before it can do anything, again and again.
STUCK = """\
#!/bin/sh
if [ "$1" = status ]; then echo checkpointed 7; else exit 75; fi
"""


def setUpModule():
    reason = cluster.missing()
    if reason:
        print(f"skipped: {reason}")
        raise unittest.SkipTest(reason)


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.slurm = cls.enterClassContext(cluster.Cluster())
        for name in ("c.yaml", "limited.yaml"):
            (cls.folder / name).write_text(CONFIG)
        cls.set_epochs(FOREVER)
        (cls.folder / "stuck").write_text(STUCK)
        (cls.folder / "stuck").chmod(0o755)
        cls.chain = cls.pipeline("c.yaml")
        cls.slurm.wait_for(cls.chain[0], "COMPLETED")  # all others learn from its data
        cls.limited = cls.train("--time=1", "--signal=USR1@20", config="limited.yaml", directory="limited")
        cls.cancelled = cls.train("--set", f"train.epochs={FOREVER}", directory="cancelled")
        cls.array = cls.train("--array=1-2", "--ntasks-per-node=1", "--set", "run.seed=%a", directory="array%a")
        unstable = ("integrator.scheme=euler", "train.window=30", "run.directory=runs/failing")
        cls.failing = cls.pipeline("c.yaml", *(word for key in unstable for word in ("--set", key)),
                                   STAGES="train predict")
        cls.study = re.findall(r"\d+", cls.ask(
            sys.executable, JOBS.parent / "scaling/study.py", "run", "c.yaml", "runs/study", "--ranks", "1,2", "--of",
            "solve", "--rounds", "1", "--set", "benchmark.repeats=1", "--slurm", "--time=5").partition("submitted: ")[2])
        cls.stuck = cls.train("--ntasks-per-node=1", directory="stuck", SINODE=str(cls.folder / "stuck"))

    @classmethod
    def ask(cls, *command, **variables):
        return cls.slurm.ask(*command, folder=cls.folder, **{"SINODE": harness.PROGRAM, **variables})

    @classmethod
    def train(cls, *options, config="c.yaml", directory, **variables):
        """Submits a training job; options from --set on are the program's. Its number."""
        split = options.index("--set") if "--set" in options else len(options)
        found = cls.ask("sbatch", "--parsable", *options[:split], JOBS / "train.sbatch", config, *options[split:],
                        "--set", f"run.directory=runs/{directory}", **variables)
        assert re.fullmatch(r"\d+\n", found), found
        return found.strip()

    @classmethod
    def pipeline(cls, *arguments, **variables):
        """Submits the stages one after the other; their numbers."""
        found = cls.ask(JOBS / "pipeline.sh", *arguments, **variables)
        jobs = re.findall(r"job (\d+)", found)
        assert jobs, found
        return jobs

    @classmethod
    def set_epochs(cls, epochs):
        (cls.folder / "limited.yaml").write_text(CONFIG.replace("epochs: 4", f"epochs: {epochs}").replace(
            "every: 2", "every: 500"))

    def log(self, job):
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"sinode-*-{job}.log")))

    def assert_state(self, job, state, seconds=300):
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        found = self.slurm.wait_for(job, *ended, seconds=seconds)
        self.assertEqual(found, state, f"job {job}\n{self.log(job)}")

    def assert_same_run(self, one, other):
        a, b = (harness.datasets(self.folder / "runs" / name / "model.h5") for name in (one, other))
        self.assertEqual(a.keys(), b.keys())
        for name in a:
            self.assertEqual(np.asarray(a[name]).tobytes(), np.asarray(b[name]).tobytes(), name)
        a, b = (harness.history(self.folder / "runs" / name) for name in (one, other))
        same = [0, 1, 3, 4, 5]  # but seconds and memory
        np.testing.assert_array_equal(a[:, same], b[:, same])

    def test_time_limit(self):
        """Signalled, checkpointed, requeued, resumed, complete; and the same to the bit as without all that."""
        self.slurm.wait_until(lambda: "requeued" in self.log(self.limited), 300, "the job is not requeued")
        while True:  # on a busy machine another turn may have begun, with the epochs of before
            self.slurm.wait_for(self.limited, "PENDING", seconds=240)
            stopped_at = int(harness.history(self.folder / "runs/limited")[-1, 0])
            self.set_epochs(stopped_at + 3)  # read when the job starts again
            if self.slurm.state(self.limited) == "PENDING":
                break
        self.assert_state(self.limited, "COMPLETED", seconds=300)
        self.assertGreaterEqual(int(self.slurm.job(self.limited)["Restarts"]), 1)
        self.assertIn("resuming from", self.log(self.limited))
        whole = self.train("--time=10", config="limited.yaml", directory="whole")
        self.assert_state(whole, "COMPLETED", seconds=300)
        self.assertNotIn("resuming from", self.log(whole))
        self.assert_same_run("limited", "whole")

    def test_array(self):
        for task in (1, 2):
            self.assert_state(f"{self.array}_{task}", "COMPLETED")
        models = [harness.datasets(self.folder / f"runs/array{task}/model.h5") for task in (1, 2)]
        weights = [model["model/nonlinear/layer_0/weight"] for model in models]
        self.assertFalse(np.array_equal(*weights), "each task is to have a seed of its own")
        status, _, err = harness.run(self.folder, "train", "c.yaml", "--set", "run.seed=2", "--set",
                                     "run.directory=runs/alone")
        self.assertEqual(status, 0, err)
        self.assert_same_run("array2", "alone")

    def test_chain(self):
        for job in self.chain:
            self.assert_state(job, "COMPLETED")
        times = [self.slurm.job(job) for job in self.chain]
        for before, after in zip(times, times[1:]):
            self.assertLessEqual(before["EndTime"], after["StartTime"])
        self.assertEqual(harness.datasets(self.folder / "prediction.h5")["u"].shape, (1, 11, 64))

    def test_failing_stage_stops_the_chain(self):
        train, predict = self.failing
        self.assert_state(train, "FAILED")
        self.assertEqual(self.slurm.job(train)["ExitCode"], "1:0")
        self.assert_state(predict, "CANCELLED")
        self.assertEqual(self.log(predict), "")

    def test_no_progress_no_requeue(self):
        self.assert_state(self.stuck, "FAILED")
        self.assertEqual(self.slurm.job(self.stuck)["Restarts"], "0")
        self.assertIn("not requeued", self.log(self.stuck))

    def test_scaling_study(self):
        """A job a number of ranks, and one behind them that draws."""
        *points, report = self.study[:3]
        for job in (*points, report):
            self.assert_state(job, "COMPLETED", seconds=300)
        self.assertLessEqual(max(self.slurm.job(job)["EndTime"] for job in points), self.slurm.job(report)["StartTime"])
        rows = [row.split(",")[:3] for row in (self.folder / "runs/study/scaling.csv").read_text().splitlines()[1:]]
        self.assertEqual([row for row in rows if row[0] == "solve_fft"],
                         [["solve_fft", ranks, space] for ranks, space in (("1", "1"), ("2", "1"), ("2", "2"))])
        self.assertGreater((self.folder / "runs/study/scaling.png").stat().st_size, 10000)

    def test_cancelled_job_leaves_whole_files(self):
        """What has its final name can be read, and the same job goes on from it."""
        directory = self.folder / "runs/cancelled"
        self.slurm.wait_until(lambda: any(directory.glob("checkpoints/checkpoint-*.h5")), 300, "no checkpoint")
        self.ask("scancel", self.cancelled)
        self.assert_state(self.cancelled, "CANCELLED")
        self.slurm.wait_until(lambda: self.ask("squeue", "--noheader", "--jobs", self.cancelled) == "", 60,
                              "the job does not end")
        self.assertEqual(self.slurm.job(self.cancelled)["Restarts"], "0")
        files = [path for path in directory.rglob("*.h5")]
        self.assertGreater(len(files), 0)
        for path in files:
            status, out, err = harness.run(self.folder, "info", path)
            self.assertEqual(status, 0, f"{path}\n{out}{err}")
        epochs = int(harness.history(directory)[-1, 0]) + 1
        again = self.train("--set", f"train.epochs={epochs}", directory="cancelled")
        self.assert_state(again, "COMPLETED")
        self.assertIn("resuming from", self.log(again))


if __name__ == "__main__":
    unittest.main()
