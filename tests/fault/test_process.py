"""Processes that end, signals, locks, ranks that do not fit, numbers that are not finite."""
import json
import shutil
import signal
import sys
import time

import faults
import harness

STALL = 8  # seconds without a step after which a run ends: more than a starved machine needs for one


class Process(faults.Case):
    def under_way(self, *settings, ranks=2, sign="checkpoints/*.h5", environment=()):
        """A training that has written such a file. It is ended with the test."""
        words = [word for setting in ("train.epochs=100000", "run.directory=other", "train.checkpoint.every=1",
                                      *settings) for word in ("--set", setting)]
        shutil.rmtree(self.folder / "other", ignore_errors=True)
        process = harness.launch([harness.PROGRAM, "train", "c.yaml", *words], ranks, self.folder, environment)
        self.addCleanup(self.end, process)
        deadline = time.monotonic() + harness.TIMEOUT
        while not list((self.folder / "other").glob(sign)):
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll(), "it has ended")
            time.sleep(0.02)
        return process

    def end(self, process):
        for pid in (*harness.ranks_of(process), process.pid) if process.poll() is None else ():
            harness.send(pid, signal.SIGKILL)
        process.communicate()

    def wait_until_taken(self, pid):
        """No signal waits for the process, or it has ended."""
        deadline = time.monotonic() + harness.TIMEOUT
        while harness.is_alive(pid) and harness.has_signal_waiting(pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def ends_soon(self, process):
        """What it has said when it ends: within half a minute, or ten times what a start takes where other work is on
        the machine."""
        began = time.monotonic()
        result = harness.finish(process)
        ended = time.monotonic()
        self.sinode("check", ranks=2)
        seconds, start = ended - began, time.monotonic() - ended
        print(f"{self._testMethodName}: it has ended after {seconds:.1f} s; a start takes {start:.1f} s", file=sys.stderr)
        self.assertLess(seconds, max(30, 10 * start))
        return result

    def goes_on(self, ranks=2):
        """From the last checkpoint, to the bits of an unbroken run."""
        newest = max((self.folder / "other/checkpoints").glob("checkpoint-??????.h5"))
        epochs = int(newest.stem.rpartition("-")[2]) // 4 + 3
        shutil.rmtree(self.folder / "whole", ignore_errors=True)  # one of before may have had more epochs
        for directory in ("other", "whole"):
            _, err = self.sinode("train", "--set", f"train.epochs={epochs}", "--set", f"run.directory={directory}", ranks=ranks)
            self.assertEqual(err, [])
        self.assert_same_run(self.folder / "whole", self.folder / "other")

    def test_a_rank_leaves(self):
        """a rank that leaves quietly (exit 0) in the midst of a run -> the others end within half a minute; the run goes
        on to the same bits"""
        for rank in (0, 1):
            with self.subTest(rank=rank):
                process = self.under_way(environment={"LD_PRELOAD": faults.preload(), "SINODE_FAULT": "exit"})
                harness.send(harness.ranks_of(process)[rank], signal.SIGRTMIN)
                status, _, _ = self.ends_soon(process)
                state = json.loads((self.folder / "other/status.json").read_text())["state"]
                self.assertEqual(state, "running")
                if harness.mpi_library().startswith("Open MPI"):  # MPICH's mpiexec ends with the rank's own status, 0
                    self.assertNotEqual(status, 0)
                self.goes_on()

    def test_a_rank_crashes(self):
        """a rank that crashes (SIGSEGV) -> the same"""
        process = self.under_way()
        harness.send(harness.ranks_of(process)[1], signal.SIGSEGV)
        self.assertNotEqual(self.ends_soon(process)[0], 0)
        self.goes_on()

    def test_a_rank_stuck(self):
        """a rank that is alive but stuck (stopped, or in a hung mount) -> after run.stall_limit the others end, status
        1, and so the run; it goes on to the same bits"""
        for rank in (0, *harness.more(1)):
            with self.subTest(rank=rank):
                process = self.under_way(f"run.stall_limit={STALL}s")
                harness.send(harness.ranks_of(process)[rank], signal.SIGSTOP)
                status, _, err = self.ends_soon(process)
                self.assertEqual(status, 1, err)
                self.assertRegex(err, rf"error: rank {1 - rank} on \S+: no step for {STALL} s \(run.stall_limit\)")
                self.goes_on()

    def test_suspended(self):
        """a run that is suspended for longer than run.stall_limit -> it goes on when it is woken"""
        process = self.under_way(f"run.stall_limit={STALL}s")
        for pid in harness.ranks_of(process):
            harness.send(pid, signal.SIGSTOP)
        time.sleep(STALL + 1)  # the time itself is what is tested
        for pid in harness.ranks_of(process):
            harness.send(pid, signal.SIGCONT)
        then = json.loads((self.folder / "other/status.json").read_text())["step"]
        deadline = time.monotonic() + harness.TIMEOUT
        while json.loads((self.folder / "other/status.json").read_text())["step"] <= then:
            self.assertIsNone(process.poll(), "it has ended")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        for pid in harness.ranks_of(process):
            harness.send(pid, signal.SIGTERM)
        self.assertEqual(self.ends_soon(process)[0], 75)

    def test_a_signal_to_one_rank(self):
        """SIGTERM, SIGINT or SIGUSR1 to any one rank -> all stop after a checkpoint, with status 75"""
        for number, rank in ((signal.SIGTERM, 1), (signal.SIGINT, 0), (signal.SIGUSR1, 1)):
            with self.subTest(signal=number.name, rank=rank):
                process = self.under_way(ranks=3)
                harness.send(harness.ranks_of(process)[rank], number)
                status, out, err = self.ends_soon(process)
                self.assertEqual(status, 75, out + err)
                self.assertIn("stopped by a signal", err)
                self.assertEqual(json.loads((self.folder / "other/status.json").read_text())["state"], "checkpointed")

    def test_a_second_signal(self):
        """a second signal, in the midst of an iteration -> the run ends at once, status 128 + its number;
        checkpoints are whole"""
        process = self.under_way("integrator.dt=0.00001", "train.window=5", "train.batch=99", ranks=1,
                                 sign="status.json")
        for _ in range(2):
            self.assertIsNone(process.poll())
            harness.send(process.pid, signal.SIGTERM)
            self.wait_until_taken(process.pid)  # two that wait for the process at a time would be one
        status, _, _ = self.ends_soon(process)
        self.assertEqual(status, 128 + signal.SIGTERM)
        process = self.under_way(ranks=1)
        for _ in range(40):
            harness.send(process.pid, signal.SIGTERM)
        self.ends_soon(process)
        self.goes_on(ranks=1)

    def test_two_runs(self):
        """two runs in one directory; two that write one file -> the second: status 3, says who has it; the first goes on"""
        process = self.under_way()
        for command, setting in (("train", "run.directory=other"), ("generate", "run.directory=other")):
            _, err = self.sinode(command, "--set", setting, "--set", "generate.file=new.h5", ranks=2, status=3)
            self.assertIn("other: another run is writing it (process", err[-1])
        self.assertIsNone(process.poll())
        for pid in harness.ranks_of(process):
            harness.send(pid, signal.SIGTERM)
        self.assertEqual(self.ends_soon(process)[0], 75)

    def test_blow_up(self):
        """a loss that is no number in the second iteration -> status 1, names the step; the last checkpoint is good"""
        settings = ("train.optimizer.learning_rate=1e200", "run.directory=other", "run.checkpoint_interval=0.000001s")
        words = [word for setting in settings for word in ("--set", setting)]
        for ranks in (2, *harness.more(1)):
            _, err = self.sinode("train", *words, "--overwrite", ranks=ranks, status=1)
            self.assertRegex(err[-1], "blew up|not finite")
            self.assertEqual(json.loads((self.folder / "other/status.json").read_text())["state"], "failed")
            self.assertEqual([path.name for path in (self.folder / "other/checkpoints").iterdir()], ["checkpoint-000001.h5"])
            out, _ = self.sinode("info", config="other/checkpoints/checkpoint-000001.h5")
            self.assertIn("checkpoint", out)


class Fit(faults.Case):
    def test_ranks(self):
        """ranks that parallel.space does not divide; more space ranks than halves of the grid -> status 2, says what would
        do"""
        self.refused(2, ("parallel.space is 3", "divide"), "train", "parallel.space=3", splits=((2, None), (4, None)))
        self.refused(2, ("parallel.space is 4", "at most 3 ranks"), "generate", "grid.points=6", "generate.file=new.h5",
                     splits=((4, 4),))

    def test_grids_too_small(self):
        """N = 0, 1, 2, 3 and -5 -> status 2, says the least"""
        for points in (0, 1, 2, 3, -5):
            self.refused(2, ("grid.points", ">= 4"), "generate", f"grid.points={points}", "generate.file=new.h5",
                         splits=((1, 1),))

    def test_odd_and_prime_grids(self):
        """N = 4, 5, 7, 9, 13, 45, on one rank and split -> the whole job runs, with the same results to round-off"""
        for points in (4, 13, 45, *harness.more(5, 7, 9)):
            with self.subTest(points=points):
                linear = "dense" if points < 5 else "stencil"  # the stencil has 5 points
                settings = [word for value in (f"grid.points={points}", "train.epochs=2", "grid.length=6.0",
                                               f"model.linear.kind={linear}", "integrator.solver.kind=dense")
                            for word in ("--set", value)]
                for ranks, space in ((1, 1), (2, 2)):
                    for command, name in (("generate", f"generate.file=d{ranks}.h5"), ("train", f"train.data=d{ranks}.h5")):
                        self.sinode(command, *settings, "--overwrite", "--set", name, "--set", f"run.directory=r{ranks}",
                                    ranks=ranks, space=space)
                self.assert_same_data(self.folder / "r1/model.h5", self.folder / "r2/model.h5", tolerance=1e-6)

    def test_more_replicas_than_windows(self):
        """more replicas than a batch has windows -> runs, with the same results to round-off"""
        for ranks in (1, 4):
            self.sinode("train", "--set", "train.batch=2", "--set", "train.epochs=1", "--set", f"run.directory=r{ranks}",
                        ranks=ranks)
        self.assert_same_data(self.folder / "r1/model.h5", self.folder / "r4/model.h5", tolerance=1e-6)


if __name__ == "__main__":
    faults.main()
