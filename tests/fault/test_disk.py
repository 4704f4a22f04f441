"""Disks that are full, read-only, over quota, or lose what they are given."""
import errno
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

import faults
import harness

TRAIN = ("train.epochs=5", "train.checkpoint.every=1", "run.directory=other")


def can_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


class Write(faults.Case):
    """Writes that fail, by a library that stands before the system's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)

    def settings(self, *more):
        return [word for value in (*TRAIN, *more) for word in ("--set", value)]

    def whole(self, *more):
        """The folder of the unbroken run, which all tests share."""
        folder = self.shared / "_".join(("whole", *more))
        if not folder.exists():
            self.sinode("train", *self.settings(*more), "--set", f"run.directory={folder}", ranks=2)
        return folder

    def goes_on(self, *more):
        """The run has failed; its checkpoints are sound, and it goes on from the last to what an unbroken run gives."""
        self.assert_nothing_unfinished()
        self.assertEqual(json.loads((self.folder / "other/status.json").read_text())["state"], "failed")
        _, err = self.sinode("train", *self.settings(*more), ranks=2)
        self.assertEqual(err, [])
        self.assert_same_run(self.whole(*more), self.folder / "other")

    def training(self, fault, *words, settings=(), **more):
        result = self.injected(fault, "train", *TRAIN, *settings, path="checkpoint-000016.h5", **more)
        self.assert_error(result, 3, "checkpoint-000016.h5", *words)
        self.goes_on(*settings)

    def test_error_in_a_checkpoint(self):
        """a write of a checkpoint fails (EIO) -> status 3, names the file; checkpoints before it are sound, the run goes
        on to the same bits"""
        self.training("error", error=errno.EIO)

    def test_error_of_one_rank(self):
        """... on the second of two ranks that write -> the same"""
        hints = self.folder.parent / "hints"
        hints.write_text("cb_config_list *:2\ncb_nodes 2\n")
        self.training("error", error=errno.EIO, rank=1, settings=("model.nonlinear.hidden=[300]",),
                      OMPI_MCA_io_ompio_num_aggregators="2", ROMIO_HINTS=str(hints))

    def test_no_space(self):
        """... for want of space (ENOSPC) -> the same"""
        self.training("error", "disk full", error=errno.ENOSPC)

    def test_quota(self):
        """... over quota (EDQUOT) -> the same"""
        self.training("error", error=errno.EDQUOT)

    def damaged_write(self, fault, completed=False):
        """Of each write: it is seen, or bears no meaning; or the library has completed it."""
        seen = []
        for at in range(1, 99) if harness.LONG else (1, 5):
            with self.subTest(at=at):
                shutil.rmtree(self.folder / "other", ignore_errors=True)
                found, out, err = self.injected(fault, "train", *TRAIN, path="checkpoint-000016.h5", at=at, met=None)
                if not self.met:
                    break
                seen.append(found != 0)
                if found:
                    self.assert_error((found, out, err), 3, "checkpoint-000016.h5")
                self.goes_on() if found else self.sinode("train", *self.settings(), "--set", "train.epochs=6", ranks=2)
        if completed:
            self.assertEqual((any(seen), len(seen) > 1), (False, True))
        else:
            self.assertGreater(sum(seen), len(seen) // 2)

    def test_half_write(self):
        """a write of a checkpoint that writes half and does not say so -> seen when it is read back; the same"""
        self.damaged_write("half")

    def test_short_write(self):
        """... and says so -> the same, since Open MPI does not look; MPICH writes the rest"""
        self.damaged_write("short", completed=not harness.mpi_library().startswith("Open MPI"))

    def test_lost_write(self):
        """a write of a checkpoint that writes nothing and says it has -> the same"""
        self.damaged_write("lose")

    def test_changed_write(self):
        """a write of a checkpoint that changes one bit -> the same, or the bit bears no meaning"""
        self.damaged_write("flip")

    def test_sync(self):
        """fsync of a checkpoint fails -> the same"""
        self.training("sync", "cannot be", error=errno.EIO)

    def test_rename(self):
        """a checkpoint cannot take its name -> the same"""
        self.training("rename", "cannot be renamed", error=errno.EACCES)

    def writing(self, fault, command, key, places, **more):
        """Every place: the fault is seen and nothing is there, or the file has the contents of one without a fault."""
        path, seen, met = self.folder / "new.h5", 0, 0
        self.sinode(command, "--set", f"{key}=good.h5", "--set", "run.directory=other", ranks=2)
        for at in range(1, 99) if harness.LONG and fault != "rename" else places:
            with self.subTest(command=command, fault=fault, at=at):
                path.unlink(missing_ok=True)
                result = self.injected(fault, command, f"{key}=new.h5", "run.directory=other", path="new.h5", at=at,
                                       met=None, **more)
                if not self.met:
                    break
                met += 1
                seen += result[0] != 0
                if result[0]:
                    self.assert_error(result, 3, "new.h5")
                    self.assertFalse(path.exists())
                else:
                    self.assert_same_data(self.folder / "good.h5", path)
                self.assert_nothing_unfinished()
        self.assertGreater(met, 0)
        self.assertGreaterEqual(2 * seen, met)
        (self.folder / "good.h5").unlink()

    def test_trajectory_error(self):
        """writes of a trajectory fail (EIO), from any one on -> status 3, nothing under its name, nothing unfinished"""
        self.writing("error", "generate", "generate.file", (1, 4, 11))

    def test_trajectory_damage(self):
        """a write of a trajectory is short, lost or changed -> seen when it is read back, the same"""
        for fault, places in (("half", (2, 5)), ("lose", (3, 11)), ("flip", (2, 9))):
            self.writing(fault, "generate", "generate.file", places)

    def test_trajectory_end(self):
        """fsync or rename of a trajectory fails -> the same"""
        self.writing("sync", "generate", "generate.file", (1, 2))
        self.writing("rename", "generate", "generate.file", (1,), error=errno.EACCES)

    def test_prediction(self):
        """writes of a prediction fail, or one is lost -> the same"""
        self.writing("error", "predict", "predict.file", (4,))
        self.writing("lose", "predict", "predict.file", (4,))

    def test_gradient(self):
        """writes of a gradient fail, or one is lost -> the same"""
        self.writing("error", "gradient", "gradient.file", (1,))
        self.writing("lose", "gradient", "gradient.file", (5,))

    def test_model(self):
        """a write of the trained model fails -> status 3, nothing under its name; the run's checkpoints stay"""
        self.assert_error(self.injected("error", "train", "run.directory=other", path="other/model.h5", error=errno.EIO), 3,
                          "other/model.h5")
        self.assertFalse((self.folder / "other/model.h5").exists())
        self.assert_nothing_unfinished()
        for directory in ("other", "whole"):
            self.sinode("train", "--set", f"run.directory={directory}", ranks=2)
        self.assert_same_run(self.folder / "whole", self.folder / "other")

    def test_text_files(self):
        """history.csv, config.yaml or status.json cannot be written -> status 3, names it"""
        for name in ("history.csv", "config.yaml", "status.json"):
            with self.subTest(name=name):
                self.assert_error(self.injected("error", "train", f"run.directory={name}.run", ranks=1,
                                                path=f".run/{name}", error=errno.ENOSPC), 3, name, "No space left")

    def test_check_io(self):
        """sinode check --io on a disk that loses a write or changes a bit -> status 3, says that it came back changed,
        leaves nothing"""
        before = harness.tree(self.folder)
        for fault, at in (("lose", 10), ("flip", 9)):
            with self.subTest(fault=fault):
                result = self.injected(fault, "check", options=("--io",), path="io-check", at=at)
                self.assert_error(result, 3, "does not come back from the disk as it was written")
                self.assertEqual(harness.tree(self.folder), before)

    def test_file_size_limit(self):
        """a limit on the size of files (ulimit -f) -> status 3, no core dump, nothing unfinished"""
        def limit():  # above what Open MPI keeps in files for its ranks
            resource.setrlimit(resource.RLIMIT_FSIZE, (12 << 20, 12 << 20))
        words = [word for value in ("generate.file=new.h5", "grid.points=64", "generate.span=800.0", "generate.members=8")
                 for word in ("--set", value)]
        found = subprocess.run([harness.PROGRAM, "generate", "c.yaml", *words], cwd=self.folder, preexec_fn=limit,
                               env=dict(os.environ, PMIX_MCA_gds="hash"), capture_output=True, text=True, check=False)
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
        keys = ("train.epochs=20", "train.checkpoint.every=1", "train.checkpoint.keep=99")
        settings = [word for key in keys for word in ("--set", key)]
        _, err = self.sinode("train", *settings, "--set", "run.directory=small/run", ranks=2, status=3)
        self.assertTrue(any("small/run" in line for line in err), err)
        self.assert_nothing_unfinished(self.small)
        self.assertGreater(len(list((self.small / "run/checkpoints").iterdir())), 1)
        named = json.loads((self.small / "run/status.json").read_text())["checkpoint"]
        self.assertTrue((self.folder / named).exists(), named)
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
