"""Bad input: one line that says what is wrong, the right exit status, no hang, and no file changed or left behind."""
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

import harness

# (ranks, space ranks): two replicas of two ranks; alone.
ALONE, SPLIT = [(1, 1)], [(4, 2)]
SPLITS = [*SPLIT, *harness.more(*ALONE)]


class BadInput(unittest.TestCase):
    splits = SPLITS

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.pristine = pathlib.Path(folder.name)
        (cls.pristine / "c.yaml").write_text(harness.CONFIG)
        for command in ("generate", "train"):
            found, out, err = harness.run(cls.pristine, command, "c.yaml", "--quiet")
            assert found == 0, out + err
        shutil.move(cls.pristine / "run" / "model.h5", cls.pristine / "model.h5")
        shutil.rmtree(cls.pristine / "run")

    def attempt(self, split, arguments, prepare):
        """Runs the program on a fresh copy of the files; (status, stdout, stderr, folder before, folder after)."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "work"
            shutil.copytree(self.pristine, folder)
            if prepare:
                prepare(folder)
            before = harness.tree(folder)
            result = harness.run(folder, *arguments, ranks=split[0], space=split[1])
            return (*result, before, harness.tree(folder))

    def refused(self, status, words, *arguments, prepare=None, made=(), splits=None, warnings=0):
        """On every split: that status, one line with those words on stderr, and nothing but `made` is new."""
        splits = splits or self.splits
        with concurrent.futures.ThreadPoolExecutor(len(splits)) as pool:
            attempts = list(pool.map(lambda split: self.attempt(split, arguments, prepare), splits))
        for split, (found, out, err, before, after) in zip(splits, attempts):
            with self.subTest(ranks=split[0], space=split[1], arguments=arguments):
                self.assertEqual(found, status, out + err)
                lines = harness.without_launcher(err)
                self.assertEqual(len(lines), 1 + warnings, err)
                self.assertTrue(lines[-1].startswith("sinode: error: "), err)
                self.assertNotRegex(lines[-1], r"error: rank \d", "an error of one rank that the others do not share")
                for word in [words] if isinstance(words, str) else words:
                    self.assertIn(word, lines[-1])
                self.assertEqual({k for k in after if k not in before}, set(made))
                self.assertEqual({k: v for k, v in after.items() if k in before}, before)
                for name in made:
                    self.assertFalse(name.endswith(".tmp"))

    def with_text(self, old, new):
        """Replaces a piece of the parameter file."""
        def prepare(folder):
            text = harness.CONFIG.replace(old, new)
            self.assertNotEqual(text, harness.CONFIG)
            (folder / "c.yaml").write_text(text)
        return prepare


class ParameterFile(BadInput):
    splits = SPLITS if harness.LONG else ALONE  # every rank reads the text; of one case all ranks see what comes of it

    def test_misspelt_key(self):
        self.refused(2, ["c.yaml:6: ", "unknown key 'train.bacth'", "did you mean train.batch?"], "train", "c.yaml",
                     prepare=self.with_text("batch: 8", "bacth: 8"), splits=SPLITS)
        self.refused(2, ["c.yaml:4: ", "'modle'", "did you mean model?"], "train", "c.yaml",
                     prepare=self.with_text("model: {non", "modle: {non"))

    def test_negative_step(self):
        self.refused(2, ["c.yaml:5: ", "integrator.dt is '-0.2'", "> 0"], "train", "c.yaml",
                     prepare=self.with_text("l2, dt: 0.2", "l2, dt: -0.2"))

    def test_wrong_type(self):
        self.refused(2, ["c.yaml:6: ", "train.batch is 'many'", "an integer"], "train", "c.yaml",
                     prepare=self.with_text("batch: 8", "batch: many"))

    def test_out_of_range(self):
        self.refused(2, ["c.yaml:6: ", "train.validation is '1.5'", "<= 0.9"], "train", "c.yaml",
                     prepare=self.with_text("batch: 8", "validation: 1.5"))

    def test_unknown_scheme(self):
        self.refused(2, ["c.yaml:5: ", "'ars322'", "did you mean ars"], "train", "c.yaml",
                     prepare=self.with_text("scheme: l2", "scheme: ars322"))

    def test_duplicate_key(self):
        self.refused(2, ["c.yaml:6: ", "train.batch is given a second time", "line 6"], "train", "c.yaml",
                     prepare=self.with_text("batch: 8", "batch: 8, batch: 16"))

    def test_broken_yaml(self):
        self.refused(2, ["c.yaml:3: ", "not valid YAML"], "train", "c.yaml",
                     prepare=self.with_text("length: 22.0}", "length: 22.0"))

    def test_parameter_file_that_is_none(self):
        self.refused(3, ["nothing.yaml: cannot be read", "No such file"], "train", "nothing.yaml")
        self.refused(3, [".: is not a parameter file"], "train", ".")
        self.refused(2, ["data.h5", "not valid YAML"], "train", "data.h5")

    def test_steps_that_do_not_fit(self):
        self.refused(2, ["integrator.dt is 0.15", "snapshot every 0.2", "0.2 would do"], "train", "c.yaml", "--set",
                     "integrator.dt=0.15")
        self.refused(2, ["integrator.dt", "snapshot every 0.2"], "predict", "c.yaml", "--set", "integrator.dt=0.3",
                     "--set", "predict.model=model.h5")
        self.refused(2, ["generate.interval", "not a multiple of generate.dt"], "generate", "c.yaml", "--set",
                     "generate.interval=0.22")
        for span, would in (("0.35", "0.4"), ("0.01", "0.2")):
            self.refused(2, [f"predict.span is {span}", "not a multiple of the 0.2", f"{would} would be"], "predict",
                         "c.yaml", "--set", f"predict.span={span}", "--set", "predict.model=model.h5")


class CommandLine(BadInput):
    splits = ParameterFile.splits

    def test_settings(self):
        self.refused(2, ["--set train.bacth=8", "did you mean train.batch?"], "train", "c.yaml", "--set",
                     "train.bacth=8", splits=SPLITS)
        self.refused(2, ["--set train.batch=0", "an integer >= 1"], "train", "c.yaml", "--set", "train.batch=0")
        self.refused(2, ["--set train.batch", "should be section.key=value"], "train", "c.yaml", "--set", "train.batch")
        self.refused(2, "--set needs section.key=value", "train", "c.yaml", "--set")

    def test_commands_and_options(self):
        self.refused(2, ["unknown command 'trian'", "did you mean train?"], "trian", "c.yaml")
        self.refused(2, ["unknown option '--frobnicate'", "--help"], "train", "c.yaml", "--frobnicate")
        self.refused(2, ["train needs CONFIG.yaml", "sinode train --help"], "train")
        self.refused(2, "unexpected argument 'd.yaml'", "train", "c.yaml", "d.yaml")
        self.refused(2, "--check belongs to the command gradient", "train", "c.yaml", "--check")
        self.refused(2, ["no template for 'everything'", "generate, train, predict, gradient"], "template", "everything")
        self.refused(2, ["unknown key 'train.bacth'", "train.batch"], "explain", "train.bacth")

    def test_ranks_that_do_not_fit(self):
        self.refused(2, ["parallel.space is 3", "divide"], "train", "c.yaml", "--set", "parallel.space=3")
        self.refused(2, ["parallel.space", "grid.points"], "generate", "c.yaml", "--set", "grid.points=6", "--set",
                     "parallel.space=4", splits=[(4, 4)])


class Data(BadInput):
    def test_other_grid(self):
        def shrink(folder):
            with h5py.File(folder / "data.h5", "a") as file:
                u, x = file["u"][:, :, :14], file["x"][:14]
                del file["u"], file["x"]
                file["u"], file["x"] = u, x * 16 / 14
        self.refused(2, ["data.h5", "14 grid points", "grid.points is 16"], "train", "c.yaml", prepare=shrink)
        self.refused(2, ["data.h5", "length 22", "grid.length is 21"], "train", "c.yaml", "--set", "grid.length=21.0")

    def test_missing(self):
        for command, key in (("train", "train.data"), ("predict", "predict.data"), ("gradient", "gradient.data")):
            self.refused(3, ["nothing.h5: cannot be read", "No such file"], command, "c.yaml", "--set",
                         f"{key}=nothing.h5")

    def test_not_hdf5(self):
        self.refused(3, "c.yaml: is not an HDF5 file", "train", "c.yaml", "--set", "train.data=c.yaml")
        self.refused(3, "empty.h5: is not an HDF5 file", "train", "c.yaml", "--set", "train.data=empty.h5",
                     prepare=lambda folder: (folder / "empty.h5").touch())
        self.refused(3, ".: is a directory", "train", "c.yaml", "--set", "train.data=.")
        self.refused(3, "c.yaml: is not an HDF5 file", "info", "c.yaml")

    def test_truncated(self):
        whole = (self.pristine / "data.h5").read_bytes()
        for length in (700, len(whole) - 1, *harness.more(20, 96, len(whole) // 2)):
            def cut(folder, length=length):
                (folder / "data.h5").write_bytes(whole[:length])
            self.refused(3, ["data.h5", "truncated or damaged"], "train", "c.yaml", prepare=cut)
        self.refused(3, ["data.h5", "truncated or damaged"], "info", "data.h5",
                     prepare=lambda folder: (folder / "data.h5").write_bytes(whole[:-100]))

    def test_values_that_are_not_finite(self):
        def spoil(folder):
            with h5py.File(folder / "data.h5", "a") as file:
                file["u"][1, 3, 13] = np.nan  # on the last rank alone
        for command in ("train", "predict"):
            self.refused(3, ["data.h5", "not finite", "member 1", "snapshot 3", "point 13"], command, "c.yaml", "--set",
                         "predict.model=model.h5", prepare=spoil)

    def test_times_uneven_or_too_few(self):
        def jump(folder):
            with h5py.File(folder / "data.h5", "a") as file:
                file["time"][5:] += 0.1
        self.refused(3, ["data.h5", "not evenly spaced"], "train", "c.yaml", prepare=jump)
        self.refused(2, ["no training window is left", "train.window is 40"], "train", "c.yaml", "--set",
                     "train.window=40")
        self.refused(2, ["train.window is 40"], "gradient", "c.yaml", "--set", "train.window=40", "--set",
                     "gradient.model=model.h5")

    def test_predictions_beyond_the_data(self):
        """check looks at the data too, where they are, and warns."""
        for setting, words in (("start=21", ["predict.start is snapshot 21", "0 to 20"]),
                               ("span=0.35", ["predict.span is 0.35", "not a multiple of the 0.2"]),
                               ("starts=12", ["predict.starts is 12", "only 11 snapshots with a reference"])):
            self.refused(2, words, "predict", "c.yaml", "--set", f"predict.{setting}", "--set", "predict.model=model.h5")
            for split in SPLITS:
                found, out, err, *_ = self.attempt(split, ("check", "c.yaml", "--set", f"predict.{setting}"), None)
                warning, = harness.without_launcher(err)
                self.assertEqual(found, 0, out + err)
                for word in ("warning: with the data that are there now, predict would be refused", *words):
                    self.assertIn(word, warning)

    def test_formats_that_are_none(self):
        for number, words in ((0, "sinode_format is 0, but formats count from 1"), (2, "has format 2")):
            def label(folder, number=number):
                with h5py.File(folder / "data.h5", "a") as file:
                    file.attrs["sinode_format"] = number
            self.refused(3, ["data.h5", words], "train", "c.yaml", prepare=label)


class Model(BadInput):
    ARGUMENTS = ("predict", "c.yaml", "--set", "predict.model=model.h5")

    def edited(self, edit):
        def prepare(folder):
            with h5py.File(folder / "model.h5", "a") as file:
                edit(file)
        return prepare

    def test_wrong_kind(self):
        for command in ("predict", "gradient"):
            self.refused(3, ["data.h5: is a trajectory file", "a model file is wanted"], command, "c.yaml", "--set",
                         f"{command}.model=data.h5")
        self.refused(3, ["model.h5: is a model file", "a trajectory file is wanted"], "train", "c.yaml", "--set",
                     "train.data=model.h5")

    def test_not_ours(self):
        def foreign(folder):
            with h5py.File(folder / "model.h5", "w") as file:
                file["u"] = np.zeros(3)
        self.refused(3, ["model.h5: has no attribute sinode_kind"], *self.ARGUMENTS, prepare=foreign)

    def test_missing_parts(self):
        for name in ("linear/stencil", "nonlinear/layer_0/weight", "nonlinear/layer_1/bias"):
            self.refused(3, ["model.h5: has no dataset", name], *self.ARGUMENTS,
                         prepare=self.edited(lambda file, name=name: file["model"].pop(name)))
        self.refused(3, ["model.h5", "weight has shape (8, 16), expected (16, 16)"], *self.ARGUMENTS,
                     prepare=self.edited(lambda file: file["model/nonlinear"].pop("layer_1")))
        self.refused(3, "model.h5: has no attribute nonlinear_kind", *self.ARGUMENTS,
                     prepare=self.edited(lambda file: file["model"].attrs.pop("nonlinear_kind")))

    def test_wrong_words(self):
        for name, words in (("nonlinear_kind", "mlp, conv, product, ks or none"), ("activation", "relu, tanh, sigmoid or gelu"),
                            ("linear_kind", "stencil, dense, spectral or derivatives")):
            def misname(file, name=name):
                file["model"].attrs[name] = "cubist"
            self.refused(3, ["model.h5", f"{name} is 'cubist'", words], *self.ARGUMENTS, prepare=self.edited(misname))

    def test_other_grid(self):
        def widen(file):
            file["model"].attrs["grid_points"] = 32
        self.refused(2, ["model.h5", "32 grid points", "grid.points is 16"], *self.ARGUMENTS, prepare=self.edited(widen))

    def test_values_that_are_not_finite(self):
        def spoil(file):
            file["model/nonlinear/layer_1/weight"][15, 7] = np.inf
        self.refused(3, ["model.h5", "layer_1/weight", "not finite"], *self.ARGUMENTS, prepare=self.edited(spoil))


class Check(BadInput):
    """What a command refuses, check refuses, and leaves nothing behind."""

    def test_keys_that_do_not_go_together(self):
        for words in ("train.loss=mae train.optimizer.kind=lm", "parallel.reproducible=true train.optimizer.kind=lbfgs",
                      "benchmark.only=[foo]", "lyapunov.exponents=17", "lyapunov.interval=0.3",
                      "model.nonlinear.kernel=17 model.nonlinear.kind=conv",
                      "integrator.solver.kind=banded model.linear.kind=dense"):
            settings = [word for setting in words.split() for word in ("--set", setting)]
            self.refused(2, [f"--set {settings[1]}: "], "check", "c.yaml", *settings, splits=ParameterFile.splits)

    def test_observations(self):
        def train(*settings):
            return ("train", "c.yaml", *(word for setting in settings for word in ("--set", f"train.{setting}")))

        def hide(folder):
            with h5py.File(folder / "data.h5", "a") as file:
                file["mask"] = np.zeros(16, dtype="i4")
        self.refused(2, "observations.offset is 2, but must be below train.observations.stride (2)",
                     *train("observations.stride=2", "observations.offset=2"), splits=ALONE)
        self.refused(2, "train.validation is 0.2, but with train.initial estimated", *train("initial=estimated"),
                     splits=ALONE)
        self.refused(2, "parallel.space is 2, but train.optimizer.kind lm with train.initial estimated",
                     *train("initial=estimated", "validation=0", "optimizer.kind=lm"), splits=SPLIT)
        self.refused(3, "data.h5: has no variable seen, the mask of what is observed", *train("observations.mask=seen"),
                     splits=SPLIT)
        self.refused(2, "data.h5: nothing is observed: its mask, or what is missing, hides all of u",
                     *train("observations.mask=mask"), prepare=hide)
        self.refused(3, "data.h5: the time 0.2 of snapshot 1 is no multiple behind the first one (0)",
                     *train("observations.interval=0.3"), splits=ALONE)
        self.refused(2, "generate.noise is '-1', but must be a number >= 0", "generate", "c.yaml", "--set",
                     "generate.noise=-1", splits=ALONE)
        self.refused(2, "predict.start is 3, but predict.initial estimated wants the 20 intervals of predict.window",
                     "predict", "c.yaml", "--set", "predict.start=3", "--set", "predict.initial=estimated", "--set",
                     "predict.model=model.h5", splits=ALONE)

    def test_too_many_parameters_for_a_matrix(self):
        for more in ((), ("--ranks", "64")):
            self.refused(2, ["train.optimizer.kind is lm", "127216 parameters", "use lbfgs, or a smaller network"], "check",
                         "c.yaml", *more, "--set", "train.optimizer.kind=lm", "--set",
                         "model.nonlinear.hidden=[200, 200, 200, 200]", splits=[(1, 1), (2, 2)])

    def test_leaves_no_wisdom(self):
        words = ("check", "c.yaml", "--set", "fft.plan=measure", "--set", "fft.wisdom=wisdom")
        found, out, err, before, after = self.attempt((2, 2), words, None)
        self.assertEqual((found, harness.without_launcher(err)), (0, []), out + err)
        self.assertEqual(before, after)

    def test_more_is_held_out_than_asked_for(self):
        for command in ("check", "train"):
            for settings, words in ((("train.window=9",), "is 4 of 21 snapshots, but 10 are held out"),
                                    (("train.split=member",), "is 0 of 2 members, but 1 are held out"),
                                    (("train.window=3",), None)):
                with self.subTest(command=command, settings=settings):
                    more = [word for setting in settings for word in ("--set", setting)]
                    found, out, err, _, _ = self.attempt((1, 1), (command, "c.yaml", *more), None)
                    self.assertEqual(found, 0, out + err)
                    self.assertEqual("held out" in err, words is not None, err)
                    self.assertIn(words or "", err)


class Output(BadInput):
    WRITERS = (("generate", "generate.file"), ("predict", "predict.file"), ("gradient", "gradient.file"))
    MODEL = ("--set", "predict.model=model.h5", "--set", "gradient.model=model.h5")

    def test_place_that_cannot_be_written(self):
        for command, key in (*self.WRITERS, ("train", "run.directory")):
            places = (("c.yaml/new", "ot a directory"), ("/proc/nope/new", "No such file or directory"))
            for place, words in places if harness.LONG or command == "train" else places[:1]:
                self.refused(3, [place.partition("/new")[0], words], command, "c.yaml", *self.MODEL, "--set",
                             f"{key}={place}")

    def test_what_exists_is_kept(self):
        for command, key in self.WRITERS:
            self.refused(3, ["keep.h5", key, "--overwrite"], command, "c.yaml", *self.MODEL, "--set", f"{key}=keep.h5",
                         prepare=lambda folder: (folder / "keep.h5").write_bytes(b"precious"))

        def another_run(folder):
            (folder / "run").mkdir()
            (folder / "run" / "model.h5").write_bytes(b"precious")
        self.refused(3, ["run/model.h5", "run.directory", "--overwrite"], "train", "c.yaml", prepare=another_run)

    def test_what_a_command_reads_is_kept(self):
        """--overwrite does not reach the command's own inputs, by whatever name."""
        for command, key, place in (("predict", "predict.file", "data.h5"), ("predict", "predict.file", "./model.h5"),
                                    ("gradient", "gradient.file", "link.h5"), ("generate", "generate.file", "c.yaml")):
            self.refused(2, [f"{key} is {place}", "which this command reads"], command, "c.yaml", "--overwrite",
                         *self.MODEL, "--set", "generate.initial=file", "--set", "generate.initial_file=data.h5",
                         "--set", f"{key}={place}",
                         prepare=lambda folder: (folder / "link.h5").symlink_to(folder / "data.h5"))

    def test_directory_in_the_place_of_a_file(self):
        for command, key in self.WRITERS:
            self.refused(3, ["taken: is a directory", f"{key} must name a file"], command, "c.yaml", *self.MODEL,
                         "--overwrite", "--set", f"{key}=taken", prepare=lambda folder: (folder / "taken").mkdir())
        self.refused(3, "new/: is a directory", "generate", "c.yaml", "--set", "generate.file=new/")

    def test_pipe_in_the_place_of_a_file(self):
        """As a device would, it would be gone for everybody."""
        for command, key in self.WRITERS:
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name) / "work"
                shutil.copytree(self.pristine, folder)
                os.mkfifo(folder / "pipe")
                for words in ((), ("--overwrite",)):
                    found, out, err = harness.run(folder, command, "c.yaml", *self.MODEL, *words, "--set",
                                                  f"{key}=pipe")
                    self.assertEqual(found, 3, out + err)
                    self.assertIn(f"pipe: is a device, pipe or socket, but {key} must name a file", err)
                    self.assertTrue((folder / "pipe").is_fifo())

    def test_what_is_printed_is_lost(self):
        """/dev/full is a disk without room."""
        for arguments in (("--version",), ("template", "train"), ("info", "data.h5"), ("check", "c.yaml")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([harness.PROGRAM, *arguments], cwd=self.pristine, stdin=subprocess.DEVNULL,
                                      stdout=full, stderr=subprocess.PIPE, text=True, timeout=harness.TIMEOUT)
            self.assertEqual((done.returncode, done.stderr),
                             (3, "sinode: error: stdout cannot be written: No space left on device\n"))
        words = [harness.PROGRAM, "template", "train"]
        closed = subprocess.run(["bash", "-c", '"$@" >&-', "bash", *words], stderr=subprocess.PIPE, text=True,
                                timeout=harness.TIMEOUT)
        self.assertEqual((closed.returncode, closed.stderr), (0, ""))

    def test_failure_to_write_is_in_the_status(self):
        """A job script must not take a run that has died for one that goes on."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "work"
            shutil.copytree(self.pristine, folder)
            (folder / "run" / "best.h5").mkdir(parents=True)
            found, out, err = harness.run(folder, "train", "c.yaml", ranks=4, space=2)
            self.assertEqual(found, 3, out + err)
            self.assertIn("run/best.h5", harness.without_launcher(err)[-1])
            status = json.loads((folder / "run" / "status.json").read_text())
            self.assertEqual(status["state"], "failed")
            self.assertIn("run/best.h5", status["reason"])

    def test_semaphore_of_ranks_that_were_killed(self):
        """OpenMPI's own, held when they died: it must not stop those who come after."""
        name = f"{os.getpid()}.h5"
        library = ctypes.CDLL(None)
        for file in (name, f"{name}.tmp"):
            library.sem_open(f"/OMPIO_{file}".encode(), os.O_CREAT, 0o600, 0)
            self.addCleanup(library.sem_unlink, f"/OMPIO_{file}".encode())
        for ranks in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(self.pristine / "c.yaml", folder)
                for command in ("generate", "info"):
                    what = ["c.yaml", "--set", f"generate.file={name}"] if command == "generate" else [name]
                    found, out, err = harness.run(folder, command, *what, ranks=ranks)
                    self.assertEqual(found, 0, out + err)

    def test_overwrite_replaces(self):
        for command, key in self.WRITERS:
            for split in SPLITS:
                with self.subTest(command=command, split=split), tempfile.TemporaryDirectory() as name:
                    folder = pathlib.Path(name) / "work"
                    shutil.copytree(self.pristine, folder)
                    (folder / "keep.h5").write_bytes(b"not precious")
                    found, out, err = harness.run(folder, command, "c.yaml", *self.MODEL, "--set", f"{key}=keep.h5",
                                                  "--overwrite", ranks=split[0], space=split[1])
                    self.assertEqual(found, 0, out + err)
                    with h5py.File(folder / "keep.h5") as file:
                        self.assertIn("sinode_kind", file.attrs)


class BlowUp(BadInput):
    def test_generate(self):
        self.refused(1, ["t = ", "generate.dt", "norm"], "generate", "c.yaml", "--set", "generate.dt=2.0", "--set",
                     "generate.interval=2.0", "--set", "generate.transient=100.0", "--set", "grid.points=32", "--set",
                     "generate.file=new.h5", "--set", "generate.span=400.0", made=["run", "run/status.json"])

    def test_predict(self):
        def stiffen(folder):
            with h5py.File(folder / "model.h5", "a") as file:
                file["model/linear/stencil"][:] *= 50
        # A warning says beforehand that the step is beyond the limit of stability.
        self.refused(1, ["blew up", "step", "t = ", "norm", "largest stable step", "integrator.dt"], "predict",
                     "c.yaml", "--set", "predict.model=model.h5", "--set", "integrator.scheme=euler", "--set",
                     "predict.span=4.0", prepare=stiffen, warnings=1)

    def test_lyapunov(self):
        """The step and the time are those since the beginning of the transient."""
        for split in ((1, 1), (4, 2)):
            words = ["model=none", "members=3", "interval=0.1", "exponents=1"]  # few messages: 1684 steps
            found, out, err, before, after = self.attempt(
                split, ["lyapunov", "c.yaml", "--set", "model.nonlinear.kind=ks", "--set", "integrator.scheme=euler",
                        "--set", "integrator.dt=0.02", *(part for word in words for part in ("--set", f"lyapunov.{word}"))],
                None)
            self.assertEqual(found, 1, out + err)
            lines = harness.without_launcher(err)
            self.assertEqual(len(lines), 1, err)
            told = re.search(r"euler blew up in step (\d+), at t = ([0-9.]+): the norm .* of the state is [0-9.e+]+;", lines[0])
            self.assertIsNotNone(told, lines[0])
            self.assertAlmostEqual(float(told[2]), 0.02 * int(told[1]), delta=1e-3)
            self.assertGreater(int(told[1]), 500)
            self.assertEqual(before, after)

    def test_train(self):
        self.refused(1, ["blew up", "step", "norm", "largest stable step", "integrator.dt"], "train", "c.yaml", "--set",
                     "integrator.scheme=euler", "--set", "model.linear.coefficients=[-50, 200, -300, 200, -50]",
                     "--set", "train.window=14", "--set", "train.validation=0", warnings=1,
                     made=["run", "run/config.yaml", "run/history.csv", "run/status.json"])


if __name__ == "__main__":
    harness.main()
