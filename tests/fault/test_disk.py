"""Disks that are full, read-only, over quota, or lose what they are given."""
import errno
import json
import os
import resource
import subprocess
import unittest

import faults
import harness

TRAIN = ("train.epochs=6", "train.checkpoint.every=1", "run.directory=other")
GENERATE = ("generate.file=new.h5", "run.directory=other")


def can_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


class Write(faults.Case):
    """Writes that fail, by a library that stands before the system's."""

    def training_goes_on(self, result, *words):
        """The run has failed; its checkpoints are sound, and it goes on from the last to what an unbroken run gives."""
        self.assert_error(result, 3, *words)
        self.assert_nothing_unfinished()
        self.assertEqual(json.loads((self.folder / "other/status.json").read_text())["state"], "failed")
        settings = [word for value in TRAIN for word in ("--set", value)]
        self.sinode("train", *settings, "--set", "run.directory=whole", ranks=2)
        _, err = self.sinode("train", *settings, ranks=2)
        self.assertEqual(err, [])
        self.assert_same_run(self.folder / "whole", self.folder / "other")

    def training(self, fault, *words, **more):
        self.training_goes_on(self.injected(fault, "train", *TRAIN, path="checkpoint-000016.h5", **more), *words)

    def test_error_in_a_checkpoint(self):
        """a write of a checkpoint fails (EIO) -> status 3, names the file; checkpoints before it are sound, the run goes
        on to the same bits"""
        self.training("error", "checkpoint-000016.h5", error=errno.EIO)

    def test_error_of_one_rank(self):
        """... on the second rank alone -> the same"""
        self.training("error", "checkpoint-000016.h5", error=errno.EIO, rank=1)

    def test_no_space(self):
        """... for want of space (ENOSPC) -> the same"""
        self.training("error", "checkpoint-000016.h5", "disk full", error=errno.ENOSPC)

    def test_quota(self):
        """... over quota (EDQUOT) -> the same"""
        self.training("error", "checkpoint-000016.h5", error=errno.EDQUOT)

    def test_short_write(self):
        """a write of a checkpoint that writes half and does not say so -> seen when it is read back; the same"""
        self.training("short", "checkpoint-000016.h5", at=2)

    def test_lost_write(self):
        """a write of a checkpoint that writes nothing and says it has -> the same"""
        self.training("lose", "checkpoint-000016.h5", at=2)

    def test_changed_write(self):
        """a write of a checkpoint that changes one bit -> the same"""
        self.training("flip", "checkpoint-000016.h5", at=2)

    def test_sync(self):
        """fsync of a checkpoint fails -> the same"""
        self.training("sync", "checkpoint-000016.h5", "cannot be", error=errno.EIO)

    def test_rename(self):
        """a checkpoint cannot take its name -> the same"""
        self.training("rename", "checkpoint-000016.h5", "cannot be renamed", error=errno.EACCES)

    def test_trajectory(self):
        """a write of a trajectory fails, is short, lost or changed; its sync or rename fails -> status 3, nothing under
        its name, nothing unfinished left"""
        for fault, at in (("error", 1), ("error", 3), ("short", 2), ("lose", 3), ("flip", 2), ("sync", 1), ("sync", 2),
                          ("rename", 1)):
            with self.subTest(fault=fault, at=at):
                self.assert_error(self.injected(fault, "generate", *GENERATE, path="new.h5", at=at), 3, "new.h5")
                self.assertFalse((self.folder / "new.h5").exists())
                self.assert_nothing_unfinished()

    def test_other_files(self):
        """a write of a prediction, a gradient, a model fails -> status 3, names the file, nothing under its name"""
        for command, name, settings in (("predict", "new.h5", ("predict.file=new.h5",)),
                                        ("gradient", "new.h5", ("gradient.file=new.h5",)),
                                        ("train", "model.h5", ("run.directory=other", "train.epochs=1"))):
            with self.subTest(command=command):
                self.assert_error(self.injected("error", command, *settings, path=name, error=errno.EIO), 3, name)
                self.assertEqual([path for path in self.folder.rglob(name) if path.parent.name in ("work", "other")
                                  and path.name != "model.h5"], [])
                self.assert_nothing_unfinished()

    def test_text_files(self):
        """history.csv, config.yaml or status.json cannot be written -> status 3, names it"""
        for name in ("history.csv", "config.yaml", "status.json"):
            with self.subTest(name=name):
                self.assert_error(self.injected("error", "train", "run.directory=other", ranks=1, path=name,
                                                error=errno.ENOSPC), 3, name)

    def test_check_io(self):
        """sinode check --io on a disk that changes a bit -> status 3, says that it came back changed"""
        process = self.injected("flip", "check", path="io-check", at=2)
        self.assertEqual(process[0], 0)  # without --io nothing is written
        environment = dict(os.environ, LD_PRELOAD=faults.LIBRARY, SINODE_FAULT="flip", SINODE_FAULT_PATH="io-check",
                           SINODE_FAULT_AT="2")
        found = subprocess.run([harness.PROGRAM, "check", "--io", "c.yaml"], cwd=self.folder, env=environment,
                               capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 3, found.stdout + found.stderr)
        self.assertIn("damaged", found.stderr)

    def test_file_size_limit(self):
        """a limit on the size of files (ulimit -f) -> status 3, no core dump, nothing unfinished"""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        found = subprocess.run([harness.PROGRAM, "generate", "c.yaml", "--set", "generate.file=new.h5"], cwd=self.folder,
                               preexec_fn=limit, capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 3, found.stderr)
        self.assertIn("new.h5", found.stderr)
        self.assertFalse((self.folder / "new.h5").exists())
        self.assert_nothing_unfinished()


@unittest.skipUnless(can_mount(), "needs root, to mount a file system of its own")
class Mounted(faults.Case):
    """File systems of a few hundred KiB."""

    def mount(self, options):
        self.small = self.folder / "small"
        self.small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.small], check=True)
        self.addCleanup(subprocess.run, ["umount", self.small], check=True)

    def test_full_while_training(self):
        """a file system that fills up while training (tmpfs) -> status 3, "disk full"; once there is room the run goes
        on from its last checkpoint to the same bits"""
        self.mount("size=200k")
        settings = ["--set", "train.epochs=30", "--set", "train.checkpoint.every=1", "--set", "train.checkpoint.keep=99"]
        _, err = self.sinode("train", *settings, "--set", "run.directory=small/run", ranks=2, status=3)
        self.assertTrue(any("small/run" in line for line in err), err)
        self.assert_nothing_unfinished(self.small)
        self.assertGreater(len(list((self.small / "run/checkpoints").iterdir())), 1)
        subprocess.run(["mount", "-o", "remount,size=9m", self.small], check=True)
        self.sinode("train", *settings, "--set", "run.directory=small/run", ranks=2)
        self.sinode("train", *settings, "--set", "run.directory=whole", ranks=2)
        self.assert_same_run(self.folder / "whole", self.small / "run")

    def test_full_while_generating(self):
        """... while generating, after a checkpoint -> status 3; once there is room it goes on to the same bits"""
        self.mount("size=400k")
        settings = ["--set", "generate.span=400.0", "--set", "run.directory=other", "--set", "run.checkpoint_interval=0.02s"]
        _, err = self.sinode("generate", *settings, "--set", "generate.file=small/new.h5", ranks=2, status=3)
        self.assertTrue(any("small/new.h5" in line for line in err), err)
        self.assertFalse((self.small / "new.h5").exists())
        subprocess.run(["mount", "-o", "remount,size=9m", self.small], check=True)
        self.sinode("generate", *settings, "--set", "generate.file=small/new.h5", ranks=2)
        self.sinode("generate", *settings, "--set", "generate.file=whole.h5", ranks=2)
        self.assert_same_data(self.folder / "whole.h5", self.small / "new.h5")

    def test_read_only(self):
        """a read-only file system -> status 3, says so"""
        self.mount("size=9m")
        subprocess.run(["mount", "-o", "remount,ro", self.small], check=True)
        for command, setting in (("train", "run.directory=small/run"), ("generate", "generate.file=small/new.h5"),
                                 ("predict", "predict.file=small/new.h5"), ("gradient", "gradient.file=small/new.h5")):
            self.refused_here(command, setting)

    def refused_here(self, command, setting):
        with self.subTest(command=command):
            _, err = self.sinode(command, "--set", setting, ranks=2, status=3)
            self.assertIn("Read-only file system", err[0])


if __name__ == "__main__":
    faults.main()
