"""Stopping and going on: a signal, a kill, an end of the epochs; the resumed run repeats the unbroken one to the bit."""
import json
import pathlib
import re
import shutil
import signal
import time
import unittest
import unittest.mock

import h5py
import numpy as np

import harness

EPOCHS = 40 if harness.LONG else 15
BROKEN = EPOCHS // 3  # epochs of a run that then goes on


class StepByStep(harness.Case):
    def step_by_step(self, command, arguments, ranks, space, most=80):
        """Runs a command that a time limit stops after every step, until it is done; how often it stopped."""
        for stops in range(most):
            status, out, err = harness.run(self.folder, command, "c.yaml", *arguments, "--set", "run.time_limit=0.001s",
                                           ranks=ranks, space=space)
            if status == 0:
                return stops
            self.assertEqual(status, 75, out + err)
            self.assertIn("stopped by run.time_limit", err)
            self.assertEqual(json.loads((self.folder / "run/status.json").read_text())["state"], "checkpointed")
        self.fail("it does not get on")


class Resume(StepByStep):
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
        for ranks, space in ((1, 1), (4, 2), *harness.more((2, 2))):
            with self.subTest(ranks=ranks, space=space):
                whole, broken = f"whole{ranks}", f"broken{ranks}"
                self.train(whole, ranks, space)
                self.train(broken, ranks, space, epochs=BROKEN)
                out, _ = self.train(broken, ranks, space)
                self.assertIn("checkpoint", out)
                self.assert_same_run(whole, broken)

    def test_sgd_and_mae(self):
        more = ("train.optimizer.kind=sgd", "train.optimizer.momentum=0.9", "train.loss=mae", "train.window=3")
        self.train("whole", 2, 1, more=more)
        self.train("broken", 2, 1, epochs=BROKEN, more=more)
        self.train("broken", 2, 1, more=more)
        self.assert_same_run("whole", "broken")

    def test_estimated_states(self):
        """States of windows go on to the same bits, too; the trajectories that come of them are the same."""
        more = ("train.initial=estimated", "train.validation=0", "train.window=3", "train.observations.stride=2",
                "train.jump_weight=100", "train.curriculum.jump_weight=10", "train.curriculum.epochs=1")
        for kind, ranks, space in (("adamw", 2, 2), ("lm", 1, 1)):
            with self.subTest(kind=kind):
                whole, broken, kinds = f"whole_{kind}", f"broken_{kind}", (*more, f"train.optimizer.kind={kind}")
                self.train(whole, ranks, space, epochs=4, more=kinds)
                self.train(broken, ranks, space, epochs=2, more=kinds)
                self.train(broken, ranks, space, epochs=4, more=kinds)
                self.assert_same_run(whole, broken)
                self.assert_same_data(self.folder / whole / "estimated.h5", self.folder / broken / "estimated.h5")

    def interrupt(self, number, ranks, directory):
        """Sends a signal to all ranks once a checkpoint is there; the status the program ends with."""
        process = harness.start(self.folder, ["train", "c.yaml", *self.settings(directory, epochs=100000)], ranks=ranks)
        checkpoints = self.folder / directory / "checkpoints"
        deadline = time.monotonic() + harness.TIMEOUT
        while not (checkpoints.is_dir() and any(checkpoints.glob("*.h5"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in harness.ranks_of(process) if ranks > 1 else [process.pid]:
            harness.send(pid, number)
        return harness.finish(process)[0]

    def test_signals_leave_a_checkpoint(self):
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGXCPU):
            for ranks in (1, 2) if harness.LONG or number == signal.SIGUSR2 else (1,):
                with self.subTest(signal=number.name, ranks=ranks):
                    directory = f"{number.name}-{ranks}"
                    self.assertEqual(self.interrupt(number, ranks, directory), 75)
                    status = json.loads((self.folder / directory / "status.json").read_text())
                    self.assertEqual(status["state"], "checkpointed")
                    self.assertTrue((self.folder / status["checkpoint"]).is_file())

    def last_epoch(self, directory):
        return int(harness.history(self.folder / directory)[-1, 0])

    def test_status_says_where_a_run_stands(self):
        of_run = ("--set", "run.directory=broken")
        self.assertEqual(self.sinode("status", *of_run), ("none 0\n", []))
        self.assertEqual(self.interrupt(signal.SIGUSR1, 2, "broken"), 75)
        step = json.loads((self.folder / "broken/status.json").read_text())["step"]
        self.assertEqual(self.sinode("status", *of_run), (f"checkpointed {step}\n", []))
        (self.folder / "broken/status.json").write_text("{}")
        _, err = self.sinode("status", *of_run, status=3)
        self.assertIn("broken/status.json", err[0])

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
        self.train("broken", 2, 1, epochs=BROKEN)
        newest = max((self.folder / "broken/checkpoints").glob("checkpoint-*.h5"))
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
        _, err = self.train("broken", 2, 1)
        self.assertTrue(any(newest.name in line for line in err), err)
        self.assert_same_run("whole", "broken")

    def test_goes_on_from_another_version(self):
        """A checkpoint keeps the parameters of the version that wrote it, with keys that have gone since."""
        self.train("run", 1, 1, epochs=3)
        (newest, *_) = sorted((self.folder / "run/checkpoints").glob("*.h5"), reverse=True)
        with h5py.File(newest, "a") as file:
            text = file.attrs["config"].decode().replace("  every: ", "  never: 7\n    every: ")
            self.assertIn("never", text)
            file.attrs["config"] = np.bytes_(text + "\nforgotten:\n  key: {value: 1}\n")
        out, err = self.train("run", 1, 1, epochs=5)
        self.assertEqual(err, [])
        self.assertIn(f"resuming from run/checkpoints/{newest.name}", out)

    def test_begins_with_a_model(self):
        self.train("run", 1, 1, epochs=3)
        of_run = ("train.model=run/model.h5",)
        self.train("other", 2, 2, epochs=0, more=(*of_run, "run.seed=9"))
        self.assert_same_data(self.folder / "run/model.h5", self.folder / "other/model.h5")
        for setting, status, words in (("model.nonlinear.activation=gelu", 2, "is gelu, but that of the model in train.mod"),
                                       ("model.nonlinear.hidden=[9]", 3, "run/model.h5")):
            _, err = self.train("third", 1, 1, more=(*of_run, setting), status=status)
            self.assertEqual(len(err), 1)
            self.assertIn(words, err[0])

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

    def test_stopped_after_every_iteration(self):
        for ranks, space in ((1, 1), (2, 1)):
            with self.subTest(ranks=ranks, space=space):
                whole = f"whole{ranks}"
                self.train(whole, ranks, space, epochs=2)
                stops = self.step_by_step("train", self.settings("run", epochs=2), ranks, space)
                self.assertGreaterEqual(stops, 7)
                self.assert_same_run(whole, "run")
                shutil.rmtree(self.folder / "run")

    def test_other_ranks_go_on(self):
        self.train("whole", 1, 1)
        for first, second in (((1, 1), (4, 2)), ((2, 2), (3, 1)), *harness.more(((4, 2), (3, 1)), ((2, 2), (2, 1)))):
            with self.subTest(first=first, second=second):
                self.train("broken", *first, epochs=BROKEN)
                self.train("broken", *second)
                self.assert_same_data(self.folder / "whole/model.h5", self.folder / "broken/model.h5", tolerance=1e-6)
                shutil.rmtree(self.folder / "broken")

    def test_the_best_checkpoint_stays(self):
        self.train("run", 1, 1, epochs=40, more=("train.checkpoint.keep=1",))
        history, batches = harness.history(self.folder / "run"), 4
        saved = history[history[:, 0] % 2 == 0]
        best = int(saved[np.argmin(saved[:, 4]), 1])
        names = {f"checkpoint-{best:06d}.h5", f"checkpoint-{int(history[-1, 1]):06d}.h5"}
        self.assertEqual({path.name for path in (self.folder / "run/checkpoints").iterdir()}, names, batches)

    def test_data_may_move_but_not_change(self):
        self.train("run", 1, 1, epochs=3)
        shutil.copy(self.folder / "data.h5", self.folder / "moved.h5")
        self.train("run", 1, 1, epochs=4, more=("train.data=moved.h5",))
        self.sinode("generate", "--quiet", "--set", "run.seed=4", "--set", "generate.file=other.h5")
        before = harness.tree(self.folder / "run")
        _, err = self.train("run", 1, 1, epochs=5, more=("train.data=other.h5",), status=2)
        self.assertIn("train.data: other.h5", err[0])
        self.assertIn("checksum", err[0])
        self.assertEqual(harness.tree(self.folder / "run"), before)

    def test_checkpoints_by_the_clock(self):
        out, _ = self.train("run", 1, 1, epochs=2, more=("run.checkpoint_interval=0.000001s", "train.checkpoint.keep=99",
                                                         "train.checkpoint.every=99"))
        self.assertEqual(len(list((self.folder / "run/checkpoints").iterdir())), 8)

    def test_end_of_the_batch_job(self):
        environment = {"SLURM_JOB_END_TIME": str(int(time.time()) + 1)}
        with unittest.mock.patch.dict("os.environ", environment):
            _, err = self.train("run", 2, 1, epochs=100000, status=75)
        self.assertIn("stopped by the end of the batch job", err[0])
        with unittest.mock.patch.dict("os.environ", {"SLURM_JOB_END_TIME": str(int(time.time()) + 100000)}):
            self.train("run", 2, 1, epochs=1)

    def test_resume_may_be_required_or_forbidden(self):
        _, err = self.train("run", 1, 1, epochs=3, more=("train.resume=required",), status=3)
        self.assertIn("train.resume", err[0])
        self.assertFalse(pathlib.Path(self.folder / "run" / "model.h5").exists())
        self.train("run", 1, 1, epochs=3)
        _, err = self.train("run", 1, 1, epochs=3, more=("train.resume=never",), status=3)
        self.assertIn("--overwrite", err[0])


class Generate(StepByStep):
    """Generation that is stopped goes on to the same file."""

    ARGUMENTS = ("--set", "generate.transient=1.0", "--set", "generate.span=1.0", "--set", "generate.members=3", "--set",
                 "generate.file=new.h5", "--set", "run.directory=run")

    def test_stopped_after_every_step(self):
        for ranks, space in ((1, 1), (2, 2), *harness.more((3, 1))):
            with self.subTest(ranks=ranks, space=space):
                self.sinode("generate", *self.ARGUMENTS, "--quiet", "--set", "generate.file=whole.h5", "--overwrite",
                            ranks=ranks, space=space)
                shutil.rmtree(self.folder / "run")
                stops = self.step_by_step("generate", self.ARGUMENTS, ranks, space)
                self.assertEqual(stops, 9)
                self.assert_same_data(self.folder / "whole.h5", self.folder / "new.h5")
                self.assertEqual({path.name for path in self.folder.iterdir()}, {"c.yaml", "new.h5", "new.xdmf", "run", "whole.h5", "whole.xdmf"})
                for name in ("new.h5", "new.xdmf"):
                    (self.folder / name).unlink()

    def stopped_once(self, ranks, space, status=75):
        return self.sinode("generate", *self.ARGUMENTS, "--set", "run.time_limit=0.001s", ranks=ranks, space=space,
                           status=status)

    def test_other_ranks_go_on(self):
        self.sinode("generate", *self.ARGUMENTS, "--quiet", "--set", "generate.file=whole.h5")
        splits = ((1, 1), (4, 2), (2, 2), (3, 1), (2, 1))
        for k in range(9):
            self.stopped_once(*splits[k % len(splits)])
        self.sinode("generate", *self.ARGUMENTS, "--quiet")
        self.assert_same_data(self.folder / "whole.h5", self.folder / "new.h5", tolerance=1e-12)

    def test_other_parameters_are_refused(self):
        self.stopped_once(1, 1)
        before = harness.tree(self.folder)
        for setting in ("generate.dt=0.1", "generate.span=2.0", "grid.points=32", "run.seed=7", "generate.members=2"):
            _, err = self.sinode("generate", *self.ARGUMENTS, "--set", setting, status=2)
            self.assertIn(setting.partition("=")[0], err[0])
            self.assertIn("--overwrite", err[0])
        self.assertEqual(harness.tree(self.folder), before)
        self.sinode("generate", *self.ARGUMENTS, "--set", "generate.dt=0.1", "--overwrite")

    def test_damaged_checkpoint_is_passed_over(self):
        self.sinode("generate", *self.ARGUMENTS, "--quiet", "--set", "generate.file=whole.h5")
        for _ in range(7):
            self.stopped_once(1, 1)
        for damaged, words in ((1, "the checkpoint before it is taken"), (2, "beginning anew")):
            saved = harness.tree(self.folder)
            for path in sorted(self.folder.glob("new.h5.checkpoint-*.h5"))[-damaged:]:
                content = bytearray(path.read_bytes())
                content[len(content) // 2:] = bytes(len(content) - len(content) // 2)
                path.write_bytes(content)
            _, err = self.sinode("generate", *self.ARGUMENTS, "--quiet")
            self.assertIn(words, "".join(err))
            self.assert_same_data(self.folder / "whole.h5", self.folder / "new.h5")
            (self.folder / "new.h5").unlink()
            for name, content in saved.items():
                if content is not None:
                    (self.folder / name).write_bytes(content)

    def test_what_is_complete_is_left_alone(self):
        """A job that is started once more, as after a failure of its node, ends well and changes nothing."""
        self.stopped_once(1, 1)
        checkpoint, = self.folder.glob("new.h5.checkpoint-*.h5")
        content = checkpoint.read_bytes()
        status, = self.folder.rglob("status.json")
        unfinished = status.read_bytes()
        self.sinode("generate", *self.ARGUMENTS, "--quiet")
        before = harness.tree(self.folder)
        for ranks, space in ((1, 1), (2, 2), (3, 1)):
            out, err = self.sinode("generate", *self.ARGUMENTS, ranks=ranks, space=space)
            self.assertIn("new.h5 is complete already", out)
            self.assertEqual((err, harness.tree(self.folder)), ([], before))
        checkpoint.write_bytes(content)  # of a run that was killed between the last rename and the end
        status.write_bytes(unfinished)
        self.sinode("generate", *self.ARGUMENTS)
        self.assertFalse(checkpoint.exists())
        said = json.loads(status.read_text())
        self.assertEqual((said["state"], said["step"]), ("complete", said["steps"]))
        for setting in ("generate.dt=0.025", "grid.points=32", "run.seed=7"):
            _, err = self.sinode("generate", *self.ARGUMENTS, "--set", setting, status=3)
            self.assertIn("new.h5: is there already; choose another generate.file", err[0])
        self.sinode("predict", "--set", "predict.model=none", "--set", "predict.data=new.h5", "--set", "predict.span=1.0",
                    *self.ARGUMENTS)
        _, err = self.sinode("generate", *self.ARGUMENTS, "--set", "generate.file=prediction.h5", status=3)
        self.assertIn("prediction.h5: is there already", err[0])

    def test_damaged_snapshots_are_made_again(self):
        self.sinode("generate", *self.ARGUMENTS, "--quiet", "--set", "generate.file=whole.h5")
        for _ in range(8):
            self.stopped_once(1, 1)
        with h5py.File(self.folder / "new.h5.tmp", "r+") as file:
            file["u"][2, 1, 5] += 1e-9
        _, err = self.sinode("generate", *self.ARGUMENTS, "--quiet")
        self.assertIn("new.h5.tmp", err[0])
        self.assertIn("checksums", err[0])
        self.assert_same_data(self.folder / "whole.h5", self.folder / "new.h5")


class Lock(harness.Case):
    """Two runs do not write the same directory or file."""

    def under_way(self, command, *arguments, ranks=2):
        process = harness.start(self.folder, [command, "c.yaml", "--set", "train.epochs=100000", "--set",
                                              "generate.span=1000000", *arguments], ranks=ranks)
        self.addCleanup(self.end, process)
        return process

    def end(self, process, number=signal.SIGKILL):
        for pid in (*harness.ranks_of(process), process.pid):
            harness.send(pid, number)
        process.communicate()

    def wait_for(self, name):
        deadline = time.monotonic() + harness.TIMEOUT
        while not (self.folder / name).exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_directory(self):
        """A second run of two ranks is test_process.py's, of the faults."""
        self.sinode("generate", "--quiet", "--set", "run.directory=other")
        process = self.under_way("train")
        self.wait_for("run/config.yaml")
        for command in ("train", "generate"):
            for ranks in (1, *harness.more(2)):
                _, err = self.sinode(command, "--set", "generate.file=new.h5", ranks=ranks, status=3)
                self.assertRegex(err[-1], r"run: another run is writing it \(process \d+ on .+, since .+\)")
                self.assertIn("use another run.directory", err[-1])
        self.end(process)
        self.assertTrue((self.folder / "run/lock").exists())  # of a run that was killed: nobody holds it
        self.sinode("train", "--set", "train.epochs=0")
        self.assertFalse((self.folder / "run/lock").exists())

    def test_file(self):
        process = self.under_way("generate")
        self.wait_for("run/status.json")
        _, err = self.sinode("generate", "--set", "run.directory=other", status=3)
        self.assertIn("data.h5: another run is writing it", err[0])
        self.assertIn("choose another generate.file", err[0])
        self.end(process)
        self.sinode("generate", "--overwrite")
        self.assertFalse((self.folder / "data.h5.lock").exists())


class NotFinite(harness.Case):
    """A batch whose loss is not finite."""

    def setUp(self):
        super().setUp()
        self.sinode("generate", "--quiet")
        with h5py.File(self.folder / "data.h5", "r+") as file:
            file["u"][1, 7, :] = 1e160  # whose square is no number any more
            del file["u_checksum"]

    def train(self, policy, *more, ranks=2, status=0):
        return self.sinode("train", "--set", f"train.on_nonfinite={policy}", "--set", "train.epochs=2", *more,
                           ranks=ranks, status=status)

    def test_stop(self):
        _, err = self.train("stop", status=1)
        self.assertIn("blew up", err[-1])
        self.assertEqual(json.loads((self.folder / "run/status.json").read_text())["state"], "failed")

    def test_skip_and_halve(self):
        for policy, rates in (("skip", [5e-3, 5e-3]), ("halve", None)):
            with self.subTest(policy=policy):
                _, err = self.train(policy)
                warnings = [line for line in err if "the batch is left out" in line]
                self.assertIn(len(warnings), (2, 3, 4))  # two windows hold the snapshot
                history = harness.history(self.folder / "run")
                self.assertTrue(np.isfinite(history[:, 3]).all())
                expected = 5e-3 * 0.5 ** len(warnings) if policy == "halve" else 5e-3
                self.assertEqual(history[-1, 5], expected)
                shutil.rmtree(self.folder / "run")

    def test_resumed_like_unbroken(self):
        epochs = ("--set", f"train.epochs={2 if harness.LONG else 1}")
        self.train("halve", *epochs, "--set", "run.directory=whole")
        for _ in range(20):
            status, out, err = harness.run(self.folder, "train", "c.yaml", "--set", "train.on_nonfinite=halve", *epochs,
                                           "--set", "run.time_limit=0.001s", ranks=2)
            if status == 0:
                break
            self.assertEqual(status, 75, out + err)
        self.assert_same_data(self.folder / "whole/model.h5", self.folder / "run/model.h5")
        one, other = harness.history(self.folder / "whole"), harness.history(self.folder / "run")
        np.testing.assert_array_equal(one[:, [0, 1, 3, 4, 5]], other[:, [0, 1, 3, 4, 5]])

    def test_too_often_in_a_row(self):
        with h5py.File(self.folder / "data.h5", "r+") as file:
            file["u"][...] = 1e158
        _, err = self.train("skip", "--set", "train.epochs=9", status=1)
        self.assertIn("blew up", err[-1])
        self.assertEqual(sum("the batch is left out" in line for line in err), 10)


if __name__ == "__main__":
    harness.main()
