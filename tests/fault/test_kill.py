"""Runs that are killed at random moments and go on."""
import shutil
import signal
import subprocess
import time

import faults
import harness

KILLS = 50 if harness.LONG else 2


class Kill(faults.Case):
    def start(self, command, arguments, ranks, space):
        return harness.start(self.folder, [command, "c.yaml", *arguments], ranks=ranks, space=space)

    def unbroken(self, command, arguments, ranks, space):
        """Seconds that the whole takes; its results stay."""
        started = time.monotonic()
        self.sinode(command, *arguments, ranks=ranks, space=space)
        return time.monotonic() - started

    def killed_again_and_again(self, command, arguments, ranks, space, seconds, one, final, compare):
        """Starts, kills one rank or all at a random moment, and so on; then it may finish. Whenever the file `final` is
        there, it is compared, and all is begun anew."""
        kills = 0
        while kills < KILLS:
            process = self.start(command, arguments, ranks, space)
            time.sleep(faults.RANDOM.uniform(0, 1.1 * seconds))
            pids = harness.ranks_of(process) if ranks > 1 else [process.pid]
            for pid in [faults.RANDOM.choice(pids)] if one and pids else pids:
                harness.send(pid, signal.SIGKILL)
            if pids:
                kills += self.end_of(process) != 0
            else:  # the launcher has not got that far, or has just ended
                self.assertEqual(harness.finish(process)[0], 0)
            if (self.folder / final).exists():
                compare()
                self.begin_anew()
        self.sinode(command, *arguments, ranks=ranks, space=space)
        compare()
        self.assert_nothing_unfinished()

    def end_of(self, process):
        """The exit status. Open MPI's launcher may stay alone, where ranks were killed while they called it ("PMIX ERROR:
        UNREACHABLE")."""
        killed = time.monotonic()
        while process.poll() is None and [pid for pid in harness.ranks_of(process) if harness.is_alive(pid)]:
            self.assertLess(time.monotonic() - killed, harness.TIMEOUT, "the others did not end")
            time.sleep(0.02)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return process.returncode

    def begin_anew(self):
        for path in self.folder.glob("broken*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def training(self, ranks, space, one):
        settings = ("train.epochs=40", "train.checkpoint.every=1", "run.checkpoint_interval=0.05s", "train.validation=0.3")
        arguments = [word for value in settings for word in ("--set", value)]
        seconds = self.unbroken("train", [*arguments, "--set", "run.directory=whole"], ranks, space)
        self.killed_again_and_again("train", [*arguments, "--set", "run.directory=broken"], ranks, space, seconds, one,
                                    "broken/model.h5",
                                    lambda: self.assert_same_run(self.folder / "whole", self.folder / "broken"))

    def test_one_rank_of_a_training(self):
        """kill -9 of one rank of a training at random moments, again and again -> the others end; weights, history and
        every dataset are in the end those of an unbroken run, to the bit"""
        self.training(2, 1, one=True)

    def test_all_ranks_of_a_training(self):
        """kill -9 of all ranks of a training, of a split grid, at random moments -> the same"""
        self.training(2, 2, one=False)

    def generation(self, ranks, space, one):
        settings = ("generate.dealias=true", "generate.transient=200.0", "generate.span=100.0", "generate.members=3",
                    "run.directory=other", "run.checkpoint_interval=0.05s")
        arguments = [word for value in settings for word in ("--set", value)]
        seconds = self.unbroken("generate", [*arguments, "--set", "generate.file=whole.h5"], ranks, space)
        self.killed_again_and_again("generate", [*arguments, "--set", "generate.file=broken.h5"], ranks, space, seconds,
                                    one, "broken.h5",
                                    lambda: self.assert_same_data(self.folder / "whole.h5", self.folder / "broken.h5"))
        self.assertEqual(list(self.folder.glob("*checkpoint*")), [])

    def test_one_rank_of_a_generation(self):
        """kill -9 of one rank of a generation at random moments, again and again -> nothing under the final name before
        it is whole; in the end the file of an unbroken run, to the bit"""
        self.generation(2, 1, one=True)

    def test_all_ranks_of_a_generation(self):
        """kill -9 of all ranks of a generation, of a split grid, at random moments -> the same"""
        self.generation(2, 2, one=False)


if __name__ == "__main__":
    faults.main()
