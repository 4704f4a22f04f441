"""Stopping and going on: a signal, a kill, an end of the epochs; the resumed run repeats the unbroken one to the bit."""
import json
import pathlib
import re
import signal
import time
import unittest

import numpy as np

import harness

EPOCHS = 40


class Resume(harness.Case):
    def setUp(self):
        super().setUp()
        self.sinode("generate", "--quiet")

    def settings(self, directory, epochs=EPOCHS, more=()):
        values = (f"run.directory={directory}", f"train.epochs={epochs}", "train.checkpoint.every=2", *more)
        return [word for value in values for word in ("--set", value)]

    def train(self, directory, ranks, space, epochs=EPOCHS, more=(), status=0):
        return self.sinode("train", *self.settings(directory, epochs, more), ranks=ranks, space=space, status=status)

    def assert_same_run(self, one, other):
        for name in ("model.h5", "best.h5"):
            self.assert_same_data(self.folder / one / name, self.folder / other / name)
        a, b = harness.history(self.folder / one), harness.history(self.folder / other)
        same = [0, 1, 3, 4, 5]  # but seconds and memory
        np.testing.assert_array_equal(a[:, same], b[:, same])

    def test_more_epochs(self):
        for ranks, space in ((1, 1), (2, 2), (4, 2)):
            with self.subTest(ranks=ranks, space=space):
                whole, broken = f"whole{ranks}", f"broken{ranks}"
                self.train(whole, ranks, space)
                self.train(broken, ranks, space, epochs=13)
                out, _ = self.train(broken, ranks, space)
                self.assertIn("checkpoint", out)
                self.assert_same_run(whole, broken)

    def test_sgd_and_mae(self):
        more = ("train.optimizer.kind=sgd", "train.optimizer.momentum=0.9", "train.loss=mae", "train.window=3")
        self.train("whole", 2, 1, more=more)
        self.train("broken", 2, 1, epochs=7, more=more)
        self.train("broken", 2, 1, more=more)
        self.assert_same_run("whole", "broken")

    def interrupt(self, number, ranks, directory):
        """Sends a signal to all ranks once a checkpoint is there; the status the program ends with."""
        process = harness.start(self.folder, ["train", "c.yaml", *self.settings(directory, epochs=100000)], ranks=ranks)
        checkpoints = self.folder / directory / "checkpoints"
        deadline = time.monotonic() + harness.TIMEOUT
        while not (checkpoints.is_dir() and any(checkpoints.glob("*.h5"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in harness.children(process.pid) if ranks > 1 else [process.pid]:
            harness.send(pid, number)
        return harness.finish(process)[0]

    def test_signals_leave_a_checkpoint(self):
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGXCPU):
            for ranks in (1, 2):
                with self.subTest(signal=number.name, ranks=ranks):
                    directory = f"{number.name}-{ranks}"
                    self.assertEqual(self.interrupt(number, ranks, directory), 75)
                    status = json.loads((self.folder / directory / "status.json").read_text())
                    self.assertEqual(status["state"], "checkpointed")
                    self.assertTrue((self.folder / status["checkpoint"]).is_file())

    def last_epoch(self, directory):
        return int(harness.history(self.folder / directory)[-1, 0])

    def test_goes_on_after_a_signal(self):
        self.assertEqual(self.interrupt(signal.SIGTERM, 2, "broken"), 75)
        epochs = self.last_epoch("broken") + 3
        self.train("broken", 2, 1, epochs=epochs)
        self.train("whole", 2, 1, epochs=epochs)
        self.assert_same_run("whole", "broken")

    def test_goes_on_after_a_kill(self):
        self.assertNotEqual(self.interrupt(signal.SIGKILL, 2, "broken"), 0)
        newest = max((self.folder / "broken/checkpoints").glob("checkpoint-*.h5"))
        batches = 4 if self.last_epoch("broken") else 0
        epochs = int(re.search(r"(\d+)\.h5", newest.name).group(1)) // batches + 5
        self.train("broken", 2, 1, epochs=epochs)
        self.train("whole", 2, 1, epochs=epochs)
        self.assert_same_run("whole", "broken")

    def test_damaged_checkpoint_is_passed_over(self):
        self.train("whole", 2, 1)
        self.train("broken", 2, 1, epochs=13)
        newest = max((self.folder / "broken/checkpoints").glob("checkpoint-*.h5"))
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
        _, err = self.train("broken", 2, 1)
        self.assertTrue(any(newest.name in line for line in err), err)
        self.assert_same_run("whole", "broken")

    def test_other_parameters_are_refused(self):
        self.train("run", 1, 1, epochs=3)
        before = harness.tree(self.folder / "run")
        _, err = self.train("run", 1, 1, epochs=5, more=("model.nonlinear.hidden=[9]",), status=2)
        self.assertEqual(len(err), 1)
        self.assertIn("model.nonlinear.hidden", err[0])
        self.assertEqual(harness.tree(self.folder / "run"), before)

    def test_what_is_complete_is_left_alone(self):
        self.train("run", 1, 1, epochs=3)
        before = {name: value for name, value in harness.tree(self.folder / "run").items() if name.endswith("model.h5")}
        self.train("run", 1, 1, epochs=3)
        after = harness.tree(self.folder / "run")
        for name, value in before.items():
            self.assertEqual(after[name], value)

    def test_resume_may_be_required_or_forbidden(self):
        _, err = self.train("run", 1, 1, epochs=3, more=("train.resume=required",), status=3)
        self.assertIn("train.resume", err[0])
        self.assertFalse(pathlib.Path(self.folder / "run" / "model.h5").exists())
        self.train("run", 1, 1, epochs=3)
        _, err = self.train("run", 1, 1, epochs=3, more=("train.resume=never",), status=3)
        self.assertIn("--overwrite", err[0])


if __name__ == "__main__":
    unittest.main()
