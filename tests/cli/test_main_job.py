"""The main job: data, training, prediction, gradient; files that open in xarray as they are; what the program says."""
import csv
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest
import unittest.mock

import h5py
import numpy as np
import xarray

import harness

COMMANDS = ("generate", "train", "predict", "gradient", "benchmark", "check", "info", "template", "schema", "explain")


class MainJob(harness.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)

    def job(self, ranks):
        """A whole job in the folder, a copy of that on so many ranks which all tests share."""
        folder = self.shared / str(ranks)
        if not folder.exists():
            folder.mkdir()
            (folder / "c.yaml").write_text(harness.CONFIG)
            for command in ("generate", "train", "predict", "gradient"):
                self.sinode(command, "--quiet", ranks=ranks, folder=folder)
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)

    def test_files_of_a_whole_job(self):
        self.job(ranks=2)
        run = self.folder / "run"
        self.assertEqual({path.name for path in run.iterdir()},
                         {"model.h5", "best.h5", "history.csv", "config.yaml", "status.json", "checkpoints"})
        self.assertEqual([path for path in self.folder.rglob("*.tmp")], [])
        status = json.loads((run / "status.json").read_text())
        self.assertEqual(status["state"], "complete")
        self.assertEqual((run / "history.csv").read_text().splitlines()[0], harness.HISTORY_HEADER)
        rows = harness.history(run)
        np.testing.assert_array_equal(rows[:, 0], [1, 2, 3])
        self.assertLess(rows[-1, 3], rows[0, 3], "training lowers the loss")
        # What was in force reproduces the run.
        out, _ = self.sinode("check", config=run / "config.yaml")
        self.assertIn("the parameters are valid", out)

    @unittest.skipUnless(harness.mpi_library().startswith("Open MPI"), "there is a choice only in Open MPI")
    def test_components_that_open_mpi_chooses(self):
        """The other tests name the part of Open MPI that ranks talk by."""
        self.job(ranks=1)
        alone = self.folder / "alone"
        alone.mkdir()
        for name in ("data.h5", "run/model.h5", "prediction.h5", "gradient.h5"):
            (self.folder / name).rename(alone / pathlib.Path(name).name)
        with unittest.mock.patch.dict(os.environ):
            for name in ("OMPI_MCA_pml", "OMPI_MCA_btl", "OMPI_MCA_ess_singleton_isolated", "HWLOC_COMPONENTS"):
                os.environ.pop(name, None)
            for command in ("generate", "train", "predict", "gradient"):
                self.sinode(command, "--quiet", "--overwrite", ranks=2)
        for path in alone.iterdir():
            other = self.folder / ("run" if path.name == "model.h5" else "") / path.name
            self.assert_same_data(path, other, tolerance=1e-6)

    def test_xarray_opens_trajectories(self):
        self.job(ranks=2)
        for engine in ("h5netcdf", "netcdf4"):
            with self.subTest(engine=engine):
                with xarray.open_dataset(self.folder / "data.h5", engine=engine) as data:
                    self.assertEqual(data.u.dims, ("member", "time", "x"))
                    self.assertEqual(data.u.shape, (2, 21, 16))
                    np.testing.assert_allclose(data.x, 22 / 16 * np.arange(16), rtol=1e-15)
                    np.testing.assert_allclose(np.diff(data.time), 0.2, rtol=1e-12)
                    self.assertEqual(data.time.dtype, np.float64)  # not decoded to dates
                    self.assertEqual(data.attrs["sinode_kind"], "trajectory")
                    self.assertGreater(float(data.u.sel(member=1).std()), 0.1)
                with xarray.open_dataset(self.folder / "prediction.h5", engine=engine) as prediction:
                    self.assertEqual(prediction.nrmse.dims, ("member", "time"))
                    self.assertEqual(prediction.valid_time.dims, ("member",))
                    self.assert_scores(prediction)

    def assert_scores(self, prediction):
        """rmse, nrmse and the valid time by their definitions."""
        error = (prediction.u - prediction.reference).values
        rmse = np.sqrt((error**2).mean(axis=2))
        np.testing.assert_allclose(prediction.rmse, rmse, rtol=1e-12, atol=1e-15)
        deviation = prediction.reference.values.std(axis=(1, 2))
        nrmse = rmse / deviation[:, None]
        np.testing.assert_allclose(prediction.nrmse, nrmse, rtol=1e-12, atol=1e-15)
        for member, valid in enumerate(prediction.valid_time.values):
            beyond = np.flatnonzero(nrmse[member] > prediction.attrs["nrmse_threshold"])
            expected = prediction.time.values[beyond[0]] - prediction.time.values[0] if beyond.size else np.nan
            np.testing.assert_allclose(valid, expected, rtol=1e-12)
        self.assert_further_scores(prediction, error, nrmse, deviation)

    def assert_further_scores(self, prediction, error, nrmse, deviation):
        """Correlation, local valid time and geometric mean by their definitions."""
        time, points = prediction.time.values - prediction.time.values[0], prediction.sizes["x"]

        def end(over):
            """Of a member: the first time at which something is over."""
            return time[np.flatnonzero(over)[0]] if over.any() else np.nan

        def windows(values):
            width = round(prediction.attrs["score_window"] / prediction.attrs["domain_length"] * points)
            count = max(1, round(points / width))
            return np.stack([np.roll(values, -(k * points // count), axis=-1)[..., :width] for k in range(count)])

        for member in range(prediction.sizes["member"]):
            u, truth = (prediction[name].values[member] for name in ("u", "reference"))
            found = np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(u, truth)])
            np.testing.assert_allclose(prediction.correlation[member], found, rtol=1e-12)
            for percent in (90, 80):
                np.testing.assert_allclose(prediction[f"correlation_time_{percent}"][member], end(found < percent / 100))
            mean = np.exp(np.log(nrmse[member, 1:1 + int(prediction.attrs["score_steps"])]).mean())
            np.testing.assert_allclose(prediction.nrmse_geometric_mean[member], mean, rtol=1e-12)
            local = np.sqrt((windows(error[member])**2).mean(axis=2)) / deviation[member]
            ends = [end(one > prediction.attrs["nrmse_threshold"]) for one in local]
            median = np.median(np.where(np.isnan(ends), time[-1], ends))
            np.testing.assert_allclose(prediction.local_valid_time[member], median if median < time[-1] else np.nan)

    def test_scores_of_windows(self):
        """Windows that divide the domain, that do not, and that go past its end; on ranks that have parts of them."""
        for command in ("generate", "train"):
            self.sinode(command, "--quiet", "--set", "grid.points=48", "--set", "grid.length=66")
        for window, ranks, space in ((22, 1, 1), (7.1, 4, 2), (500, 1, 1), *harness.more((30, 2, 2), (500, 2, 1))):
            out, _ = self.sinode("predict", "--overwrite", "--set", "grid.points=48", "--set", "grid.length=66", "--set",
                                 f"predict.scores.window={window}", "--set", "predict.scores.steps=4", "--set",
                                 "predict.threshold=0.03", "--set", "predict.starts=3", ranks=ranks, space=space)
            with self.subTest(window=window), xarray.open_dataset(self.folder / "prediction.h5") as prediction:
                self.assertAlmostEqual(prediction.attrs["score_window"], min(66, window), delta=66 / 96)
                self.assertEqual(prediction.attrs["score_steps"], 4)
                self.assert_scores(prediction)
                self.assertLess(np.isnan(prediction.local_valid_time.values).sum(), 6)
                shown = re.search(r"^local valid time, windows of \S+ +(\S+)", out, re.MULTILINE)[1]
                self.assertAlmostEqual(float(shown), float(prediction.local_valid_time.fillna(2.0).median()), delta=1e-3)
                self.assert_mean_correlation(prediction, out)

    def assert_mean_correlation(self, prediction, out):
        shown = re.search(r"mean of all predictions: 0.9 to t = (\S+), 0.8 to t = (\S+)", out)
        mean = prediction.correlation.values.mean(axis=0)
        for level, text in zip((0.9, 0.8), shown.groups()):
            below = np.flatnonzero(mean < level)
            self.assertAlmostEqual(float(text), prediction.time.values[below[0] if below.size else -1], delta=1e-3)

    def test_wisdom_keeps_the_plans(self):
        """With fft.plan measure and its wisdom kept, later runs have the bits of the first; 134 has no two factors."""
        for points, ranks in ((64, 1), *harness.more((64, 2), (97, 3)), (134, 2)):
            with self.subTest(points=points, ranks=ranks):
                wisdom = self.folder / f"wisdom_{points}_{ranks}"
                words = [word for setting in ("fft.plan=measure", f"fft.wisdom={wisdom}", f"grid.points={points}")
                         for word in ("--set", setting)]
                for name in ("one.h5", "two.h5"):
                    self.sinode("generate", "--overwrite", *words, "--set", f"generate.file={name}", ranks=ranks, space=ranks)
                    self.assertIn("fftw", wisdom.read_text())
                self.assert_same_data(self.folder / "one.h5", self.folder / "two.h5")
        wisdom.write_text("some other text")
        _, err = self.sinode("generate", "--overwrite", *words, ranks=2, status=3)
        self.assertIn(f"{wisdom}: is not wisdom of this FFTW; remove it", err[0])

    def test_validation_windows_are_not_trained_on(self):
        """Spoiling what is split off for validation leaves the trained model as it was, to the bit."""
        self.sinode("generate", "--quiet")
        self.sinode("train", "--quiet")
        with h5py.File(self.folder / "data.h5", "a") as data:
            split = int(re.search(r"split by time at (\d+)", self.sinode(
                "train", "--set", "run.directory=other")[0]).group(1))
            data["u"][:, split:] = 1.0
            del data["u_checksum"]
        self.sinode("train", "--quiet", "--set", "run.directory=spoilt")
        one, other = harness.datasets(self.folder / "run/model.h5"), harness.datasets(self.folder / "spoilt/model.h5")
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        self.assertFalse(np.array_equal(harness.history(self.folder / "run")[:, 4],
                                        harness.history(self.folder / "spoilt")[:, 4]))

    def test_files_tell_what_was_held_out(self):
        self.sinode("generate", "--quiet")
        for case, words in (("train.split=time", "snapshots 17 to 20 of every member"),
                            ("train.split=member", "members 1 to 1"), ("train.validation=0", "none")):
            self.sinode("train", "--quiet", "--set", case, "--set", f"run.directory={case}")
            files = sorted((self.folder / case).rglob("*.h5"))
            self.assertGreater(len(files), 2)
            for path in files:
                with h5py.File(path) as file:
                    self.assertEqual(file.attrs["validation_data"].decode(), words)

    def test_clipped_gradient(self):
        """A step of plain descent is learning_rate * clip long, in the direction of the gradient; a wide clip does nothing."""
        self.sinode("generate", "--quiet")
        plain = [word for setting in ("train.optimizer.kind=sgd", "train.optimizer.momentum=0", "train.epochs=1",
                                      "train.optimizer.weight_decay=0", "train.optimizer.learning_rate=0.25",
                                      "train.batch=99", "model.linear.trainable=true") for word in ("--set", setting)]

        def step(clip, ranks, space):
            moved = []
            for epochs in (0, 1):
                self.sinode("train", *plain, "--overwrite", "--set", f"train.optimizer.clip={clip}", "--set",
                            f"train.epochs={epochs}", ranks=ranks, space=space)
                values = harness.datasets(self.folder / "run/model.h5")
                moved.append(np.concatenate([values[name].ravel() for name in sorted(values)]))
            return moved[1] - moved[0]

        free = step(0, 1, 1)
        self.assertGreater(np.linalg.norm(free), 0.25 * 0.01)
        for ranks, space in ((4, 2), *harness.more((1, 1), (2, 1), (2, 2))):
            with self.subTest(ranks=ranks, space=space):
                short = step(0.01, ranks, space)
                np.testing.assert_allclose(np.linalg.norm(short), 0.25 * 0.01, rtol=1e-9)
                np.testing.assert_allclose(short / np.linalg.norm(short), free / np.linalg.norm(free), rtol=0, atol=1e-9)
                np.testing.assert_allclose(step(1e9, ranks, space), free, rtol=0, atol=1e-12)

    def test_gradient_check(self):
        self.job(ranks=1)
        for split in ((1, 1), (4, 2)):
            out, _ = self.sinode("gradient", "--check", "--overwrite", ranks=split[0], space=split[1])
            self.assertIn("they agree", out)


BENCHMARK_HEADER = ("name,ranks,space,points,batch,seconds_median,seconds_min,seconds_max,floor_seconds,ratio,bytes,"
                    "messages")


class Benchmark(harness.Case):
    def measure(self, *settings, ranks=1, space=1):
        """(rows of benchmark.csv by name, what was printed)"""
        out, _ = self.sinode("benchmark", "--overwrite", "--set", "benchmark.repeats=3", "--set",
                             "benchmark.seconds=0.002", *settings, ranks=ranks, space=space)
        lines = (self.folder / "run" / "benchmark.csv").read_text().splitlines()
        self.assertEqual(lines[0], BENCHMARK_HEADER)
        return {row["name"]: {key: value if key == "name" else float(value) for key, value in row.items()}
                for row in csv.DictReader(lines)}, out

    def test_measures_what_there_is(self):
        for ranks, space in ((1, 1), (2, 2), *harness.more((2, 1))):
            rows, out = self.measure(ranks=ranks, space=space)
            for name in ("generate_step", "halo", "reduction", "solve_fft", "solve_banded", "solve_dense", "solve_gmres",
                         "factor_fft", "factor_banded", "factor_dense", "predict_step", "train_iteration",
                         "write_trajectory", "write_checkpoint"):
                if name.endswith("banded") and space == 2:
                    continue  # 8 points a rank are too few for it, which is said
                self.assertIn(f"\n{name} ", out)
                row = rows[name]
                self.assertEqual((row["ranks"], row["space"], row["points"]), (ranks, space, 16))
                self.assertLessEqual(0, row["seconds_min"])
                self.assertLessEqual(row["seconds_min"], row["seconds_median"])
                self.assertLessEqual(row["seconds_median"], row["seconds_max"])
                if not np.isnan(row["floor_seconds"]):
                    np.testing.assert_allclose(row["ratio"], row["seconds_median"] / row["floor_seconds"], rtol=1e-4)
            self.assertGreater(rows["train_iteration"]["ratio"], 0)
            self.assertEqual(rows["train_iteration"]["batch"], 8)

    def test_counts_what_is_sent(self):
        # h = 2 points of B = 8 samples to each neighbour; of two ranks both are one
        halo = self.measure("--set", "benchmark.only=halo", ranks=2, space=2)[0]["halo"]
        self.assertEqual((halo["messages"], halo["bytes"]), (1, 2 * 2 * 8 * 8))
        halo = self.measure("--set", "benchmark.only=halo", ranks=3, space=3)[0]["halo"]
        self.assertEqual((halo["messages"], halo["bytes"]), (2, 2 * 2 * 8 * 8))
        halo = self.measure("--set", "benchmark.only=halo", ranks=2)[0]["halo"]
        self.assertEqual((halo["messages"], halo["bytes"]), (0, 0))

    def test_only_some(self):
        rows, _ = self.measure("--set", "benchmark.only=[solve_fft, solve_dense]")
        self.assertEqual(set(rows), {"solve_fft", "solve_dense"})
        _, err = self.sinode("benchmark", "--overwrite", "--set", "benchmark.only=[halo, nothing]", status=2)
        self.assertRegex(err[0], r"\[halo, nothing\], but must be a list of some of generate_step, halo, ")
        _, err = self.sinode("benchmark", "--overwrite", "--set", "benchmark.only='@halo'", status=2)
        self.assertRegex(err[0], "benchmark.only")
        _, err = self.sinode("benchmark", "--set", "benchmark.only=halo", status=3)
        self.assertIn("run/benchmark.csv: is there already", err[0])

    def test_machine(self):
        alone = {"product", "triad", "strips", "row", "transform", "lines"}
        for ranks, more in ((1, set()), (2, {"message", "bulk", "reduction"})):
            names = {f"machine_{name}" for name in alone | more}
            rows, _ = self.measure("--machine", ranks=ranks)
            self.assertEqual(set(rows), names)
            rows, _ = self.measure("--machine", "--set", "benchmark.only=[reduction]", ranks=ranks)
            self.assertEqual(set(rows), names | {"reduction"})
            for row in rows.values():
                self.assertTrue(0 < row["seconds_min"] <= row["seconds_median"] <= row["seconds_max"])

    def test_meeting(self):
        self.assertEqual(set(self.measure("--set", "benchmark.only=[train_meeting]", ranks=2)[0]), {"train_meeting"})
        self.assertEqual(self.measure("--set", "benchmark.only=[train_meeting]")[0], {})  # nobody to meet


class Words(harness.Case):
    def test_help_and_version(self):
        status, out, _ = harness.run(self.folder, "--help")
        self.assertEqual(status, 0)
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", out)
            status, text, _ = harness.run(self.folder, command, "--help")
            self.assertEqual(status, 0)
            self.assertIn(f"sinode {command} ", text)
        status, out, _ = harness.run(self.folder, "--version", ranks=2)
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\Asinode \d+\.\d+\.\d+ \(.*\)\nbuild: .*\ninstructions: .*\nMPI: (.*\d) "
                         r"\(compiled with \1\)\nHDF5: (\d+\.\d+\.\d+) \(compiled with \2\)\nFFTW: fftw-3.*\n"
                         r"ScaLAPACK: \d.*\nBLAS: OpenBLAS \d.*\n\Z")

    def test_templates_are_valid(self):
        sections = {"generate": "generate", "train": "model integrator train", "predict": "model integrator predict",
                    "gradient": "integrator gradient", "benchmark": "model integrator train benchmark",
                    "check": "generate model integrator adjoint train predict gradient"}
        for command, wanted in sections.items():
            out, _ = self.sinode("template", config=command)
            self.assertLessEqual({"grid", "parallel", *wanted.split()}, set(re.findall(r"^([a-z]+):", out, re.MULTILINE)))
            (self.folder / "template.yaml").write_text(out)
            found, _, err = harness.run(self.folder, command, "template.yaml", "--set", "run.directory=/proc/nope/run")
            self.assertNotEqual(found, 2, err)  # files are missing, but no parameter is wrong
            for key in re.findall(r"^( *)([a-z_]+):", out, flags=re.MULTILINE):
                self.assertTrue(key[1])

    def test_recipes_are_valid(self):
        for path in (pathlib.Path(__file__).parents[2] / "jobs" / "configs").glob("*.yaml"):
            with self.subTest(recipe=path.name):
                out, err = self.sinode("check", config=path)
                self.assertIn("the parameters are valid", out)
                self.assertEqual(err, [])

    def test_every_key_is_explained(self):
        out, _ = self.sinode("explain", config="train")
        self.assertIn("train.batch", out)
        out, _ = self.sinode("explain", config="train.batch")
        for word in ("integer", "256"):
            self.assertIn(word, out)
        for key, words in (("train.data", "must be given"), ("model.linear.kind", "train predict benchmark"),
                           ("benchmark.repeats", "read by:  benchmark")):
            out, _ = self.sinode("explain", config=key)
            self.assertIn(words, out)

    def test_set_takes_the_place_of_the_file(self):
        self.sinode("generate", "--set", "generate.members=3", "--set=generate.file=three.h5", "--quiet")
        with h5py.File(self.folder / "three.h5") as file:
            self.assertEqual(file["u"].shape, (3, 21, 16))
            self.assertIn(b"members: 3", file.attrs["config"])

    def test_quiet_says_nothing(self):
        out, err = self.sinode("generate", "--quiet")
        self.assertEqual(out, "")
        self.assertTrue(all("warning" in line for line in err), err)

    def test_closing_table_has_each_region_once(self):
        for ranks in (1, 4):  # some of them without a member
            out, _ = self.sinode("generate", "--overwrite", ranks=ranks)
            table = out.partition("region  ")[2]
            for region in ("ETDRK4 step", "reduction", "writing", "whole run"):
                self.assertEqual(len(re.findall(rf"^{region} ", table, flags=re.MULTILINE)), 1, out)
            self.assertNotRegex(table, r"\n +ETDRK4 step", "a region within itself")

    def test_resolution_is_judged(self):
        _, err = self.sinode("generate", "--quiet")
        self.assertTrue(any("not resolved" in line for line in err), err)
        fine = pathlib.Path("fine.h5")
        out, err = self.sinode("generate", "--set", "grid.points=64", "--set", f"generate.file={fine}")
        self.assertEqual(err, [])
        self.assertIn("resolved", out)


if __name__ == "__main__":
    harness.main()
