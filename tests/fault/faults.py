"""What the tests of faults share. The docstring of a test is a row of the table: "fault -> what must follow"."""
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cli"))  # behind: both have a test_memory
import harness  # noqa: E402

LIBRARY = os.environ["SINODE_FAULT_LIBRARY"]
SPLITS = ((2, 2), *harness.more((1, 1)))  # (ranks, space ranks)
RANDOM = random.Random(int(os.environ.get("SINODE_FAULT_SEED", "1")))


def preload():
    """LD_PRELOAD with the library that makes the system fail, and what is preloaded already."""
    return " ".join(filter(None, (LIBRARY, os.environ.get("LD_PRELOAD"))))


class Case(harness.Case):
    """A folder with data, a model, and a run of three epochs with its checkpoints, made once a class."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.pristine = pathlib.Path(folder.name)
        (cls.pristine / "c.yaml").write_text(harness.CONFIG)
        for command in ("generate", "train"):
            status, out, err = harness.run(cls.pristine, command, "c.yaml", "--quiet")
            assert status == 0, out + err
        shutil.copy(cls.pristine / "run" / "model.h5", cls.pristine / "model.h5")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "work"
        shutil.copytree(self.pristine, self.folder)

    def refused(self, status, words, command, *settings, edit=None, splits=SPLITS):
        """On every split: that status, one line of an error with these words, and not a byte on the disk is changed."""
        for ranks, space in splits:
            with self.subTest(ranks=ranks, space=space, words=words):
                shutil.rmtree(self.folder)
                shutil.copytree(self.pristine, self.folder)
                if edit:
                    edit(self.folder)
                before = harness.tree(self.folder)
                arguments = [word for setting in settings for word in ("--set", setting)]
                found, out, err = harness.run(self.folder, command, "c.yaml", *arguments, ranks=ranks, space=space)
                lines = harness.without_launcher(err)
                self.assertEqual(found, status, out + err)
                self.assertEqual(len([line for line in lines if line.startswith("sinode: error: ")]), 1, err)
                for word in (words,) if isinstance(words, str) else words:
                    self.assertIn(word, lines[-1])
                self.assertEqual(harness.tree(self.folder), before)

    def injected(self, fault, command, *settings, ranks=2, at=1, error=None, path=".h5", rank=None, options=(), **more):
        """Runs a command with a fault, which it must meet (unless met=None, when self.met says so; self.mark is the file
        it leaves); (status, stdout, stderr). What else there is goes into the environment."""
        mark = self.mark = self.folder.parent / "met"
        mark.unlink(missing_ok=True)
        must_meet = more.pop("met", True)
        environment = dict(LD_PRELOAD=preload(), SINODE_FAULT=fault, SINODE_FAULT_AT=str(at), SINODE_FAULT_PATH=path,
                           SINODE_FAULT_MARK=str(mark), **more)
        if error is not None:
            environment["SINODE_FAULT_ERROR"] = str(error)
        if rank is not None:
            environment["SINODE_FAULT_RANK"] = str(rank)
        words = [word for setting in settings for word in ("--set", setting)]
        result = harness.finish(harness.launch([harness.PROGRAM, command, *options, "c.yaml", *words], ranks, self.folder,
                                               environment))
        self.met = mark.exists()
        self.assertTrue(self.met or not must_meet, f"{fault} was not met")
        return result

    def assert_error(self, result, status, *words):
        found, out, err = result
        self.assertEqual(found, status, out + err)
        lines = [line for line in harness.without_launcher(err) if line.startswith("sinode: error: ")]
        self.assertEqual(len(lines), 1, err)
        for word in words:
            self.assertIn(word, lines[0])

    def assert_nothing_unfinished(self, folder=None):
        self.assertEqual(list((folder or self.folder).rglob("*.tmp")), [])

    def assert_same_run(self, one, other):
        for name in ("model.h5", "best.h5"):
            self.assert_same_data(one / name, other / name)
        a, b = harness.history(one), harness.history(other)
        self.assertEqual(a[:, [0, 1, 3, 4, 5]].tobytes(), b[:, [0, 1, 3, 4, 5]].tobytes())


main = harness.main
