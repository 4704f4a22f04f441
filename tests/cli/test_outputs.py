"""What is beside the numbers: baselines of a prediction, several starts, XDMF pages, compression, watching a run, the JSON Schema."""
import json
import subprocess
import time
import xml.etree.ElementTree

import h5py
import numpy as np
import xarray

import harness

SPLITS = ((1, 1), (4, 2), *harness.more((2, 2), (3, 1)))
LENGTH, POINTS, DT = 22.0, 16, 0.2


def ks_matrix(points=POINTS):
    """-(d2/dx2 + d4/dx4) by central differences."""
    identity, dx = np.eye(points), LENGTH / points
    second = (np.roll(identity, 1, 1) - 2 * identity + np.roll(identity, -1, 1)) / dx**2
    return -second - second @ second


def linear_l2(matrix, u, steps, dt=DT):
    """The implicit part of Pareschi and Russo's SSP2(2,2,2), scheme l2, on du/dt = A u."""
    gamma = 1 - np.sqrt(0.5)
    inverse = np.linalg.inv(np.eye(len(matrix)) - dt * gamma * matrix).T
    states = [u]
    for _ in range(steps):
        a1 = (states[-1] @ inverse) @ matrix.T
        second = (states[-1] + dt * (1 - 2 * gamma) * a1) @ inverse
        states.append(states[-1] + dt / 2 * (a1 + second @ matrix.T))
    return np.stack(states, axis=1)


class Baselines(harness.Case):
    def expected(self, reference):
        """nrmse of the baselines (member, time), by their definitions."""
        spread = reference.std(axis=(1, 2))[:, None]
        linear = linear_l2(ks_matrix(), reference[:, 0], reference.shape[1] - 1)
        guesses = {"persistence": reference[:, :1], "climatology": reference.mean(axis=(1, 2), keepdims=True),
                   "linear": linear}
        return {name: np.sqrt(((guess - reference)**2).mean(axis=2)) / spread for name, guess in guesses.items()}

    def test_definitions_at_every_split(self):
        self.sinode("generate", "--quiet", "--set", "generate.members=3", "--set", "generate.span=20")
        self.sinode("train", "--quiet")
        for ranks, space in SPLITS:
            with self.subTest(ranks=ranks, space=space):
                out, _ = self.sinode("predict", "--overwrite", "--set", "predict.span=16", ranks=ranks, space=space)
                with xarray.open_dataset(self.folder / "prediction.h5", engine="h5netcdf") as data:
                    self.assertEqual(data.sizes["time"], 81)  # more than the program takes at once
                    start = float(data.time[0])
                    for name, nrmse in self.expected(data.reference.values).items():
                        np.testing.assert_allclose(data[f"nrmse_{name}"], nrmse, rtol=1e-8, atol=1e-14, err_msg=name)
                        beyond = [np.flatnonzero(row > 0.5) for row in nrmse]
                        valid = [data.time.values[steps[0]] - start if steps.size else np.nan for steps in beyond]
                        np.testing.assert_allclose(data[f"valid_time_{name}"], valid, rtol=1e-12, err_msg=name)
                        row = next(line.split() for line in out.splitlines() if line.startswith(name))
                        self.assertAlmostEqual(float(row[1]) / np.nanmean(valid), 1, places=2)
                        self.assertAlmostEqual(float(row[3]) / nrmse[:, 1].mean(), 1, places=2)
                self.assertIn("baselines", out)  # their time is told apart

    def test_without(self):
        self.sinode("generate", "--quiet")
        self.sinode("train", "--quiet")
        out, _ = self.sinode("predict", "--set", "predict.baselines=false")
        self.assertNotIn("persistence", out)
        with xarray.open_dataset(self.folder / "prediction.h5", engine="h5netcdf") as data:
            self.assertIn("nrmse", data)
            self.assertNotIn("nrmse_linear", data)

    def test_growth_beyond_all_bounds(self):
        """The linear part alone grows as e^(t/4) by the scheme's own factor, to infinity; the run goes on."""
        settings = ("--quiet", "--set", "integrator.dt=0.05", "--set", "grid.points=32", "--set", "generate.span=3600",
                    "--set", "generate.interval=2", "--set", "generate.members=1")
        self.sinode("generate", *settings)
        self.sinode("predict", *settings, "--set", "predict.model=none", "--set", "model.nonlinear.kind=ks", "--set",
                    "predict.span=3600")
        with xarray.open_dataset(self.folder / "prediction.h5", engine="h5netcdf") as data:
            self.assertTrue(np.isfinite(data.u.values).all())
            nrmse = data.nrmse_linear.values[0]
        step = linear_l2(ks_matrix(32), np.eye(32), 1, dt=0.05)[:, 1]
        factor = np.abs(np.linalg.eigvals(step)).max()**40  # steps of an interval
        grown = np.flatnonzero((nrmse > 1e20) & (nrmse < 1e150))
        self.assertGreater(grown.size, 200)
        np.testing.assert_allclose(nrmse[grown[1:]] / nrmse[grown[:-1]], factor, rtol=1e-4)  # the second mode is close
        self.assertTrue(np.isposinf(nrmse[-1]))


class Starts(harness.Case):
    def test_are_single_predictions(self):
        """Three from each of two trajectories, 5 snapshots apart: there is room for ten of 20 intervals behind the last."""
        self.sinode("generate", "--quiet")
        self.sinode("train", "--quiet")
        single = []
        for k in range(3):
            self.sinode("predict", "--set", f"predict.start={5 * k}", "--set", "predict.file=one.h5", "--overwrite")
            single.append(harness.datasets(self.folder / "one.h5"))
        for ranks, space in SPLITS:
            with self.subTest(ranks=ranks, space=space):
                self.sinode("predict", "--overwrite", "--set", "predict.starts=3", ranks=ranks, space=space)
                several = harness.datasets(self.folder / "prediction.h5")
                self.assertEqual(several["u"].shape, (6, 11, 16))
                np.testing.assert_allclose(several["start_time"], [0, 1, 2] * 2, atol=1e-12)
                np.testing.assert_allclose(several["time"], 0.2 * np.arange(11), atol=1e-12)
                for k, one in enumerate(single):
                    for name in ("u", "reference", "rmse", "start_time", "valid_time"):
                        np.testing.assert_allclose(several[name][k::3], one[name], rtol=1e-9, atol=1e-9, err_msg=name)

    def test_too_many(self):
        self.sinode("generate", "--quiet")
        _, err = self.sinode("predict", "--set", "predict.model=none", "--set", "predict.starts=12", status=2)
        self.assertIn("predict.starts is 12, but behind predict.start data.h5 has only 11 snapshots", err[0])


class Pages(harness.Case):
    def items(self, path):
        """(dataset, shape on the page) of every DataItem, seen to be that of the file."""
        page = xml.etree.ElementTree.parse(path)
        found = {}
        for item in page.iter("DataItem"):
            file, _, name = item.text.rpartition(":")
            shape = tuple(map(int, item.get("Dimensions").split()))
            with h5py.File(path.parent / file) as data:
                self.assertEqual(data[name].shape, shape)
                self.assertEqual(data[name].dtype, "f8" if item.get("NumberType") == "Float" else "i4")
                self.assertEqual(data[name].dtype.itemsize, int(item.get("Precision")))
            found[name] = shape
        self.assertEqual(page.find(".//Geometry").get("GeometryType"), "VXVYVZ")  # in capitals, for ParaView's new reader
        self.assertEqual(page.find(".//Topology").get("Dimensions"), " ".join(map(str, found["/u"])))
        return found

    def test_pages_say_what_the_files_hold(self):
        self.sinode("generate", "--quiet", "--set", "generate.file=out/a<b&c.h5", ranks=2)
        self.assertEqual(self.items(self.folder / "out/a<b&c.xdmf"),
                         {"/x": (16,), "/time": (21,), "/member": (2,), "/u": (2, 21, 16)})
        self.sinode("generate", "--quiet")
        self.sinode("predict", "--quiet", "--set", "predict.model=none", "--set", "model.nonlinear.kind=none",
                    "--set", "predict.file=p.nc")
        self.assertEqual(self.items(self.folder / "p.nc.xdmf").keys(), {"/x", "/time", "/member", "/u", "/reference"})
        self.assertEqual([path for path in self.folder.rglob("*.tmp")], [])


class Compression(harness.Case):
    def test_lossless_and_smaller(self):
        big = ("--quiet", "--overwrite", "--set", "grid.points=96", "--set", "generate.span=100", "--set",
               "generate.members=3", "--set", "run.seed=5")
        self.sinode("generate", *big, "--set", "generate.file=plain.h5")
        for ranks, space in SPLITS:
            for level in (1, 9) if ranks == 4 else (1,):
                with self.subTest(ranks=ranks, space=space, level=level):
                    self.sinode("generate", *big, "--set", "io.compression=gzip", "--set", f"io.level={level}",
                                ranks=ranks, space=space)
                    self.assert_same_data(self.folder / "plain.h5", self.folder / "data.h5", 0 if ranks == 1 else 1e-6)
                    with h5py.File(self.folder / "data.h5") as data:
                        u = data["u"]
                        self.assertEqual((u.compression, u.compression_opts, u.shuffle), ("gzip", level, True))
                        self.assertEqual(u.chunks[::2], (1, -(-96 // space)))
                        self.assertLess(u.id.get_storage_size(), 0.95 * 8 * u.size)
                    for engine in ("h5netcdf", "netcdf4"):
                        with xarray.open_dataset(self.folder / "data.h5", engine=engine) as data:
                            self.assertEqual(data.u.dims, ("member", "time", "x"))

    def test_the_program_reads_it(self):
        for name, settings in (("plain", ()), ("packed", ("--set", "io.compression=gzip"))):
            own = ("--quiet", *settings, "--set", f"generate.file={name}.h5", "--set", f"train.data={name}.h5", "--set",
                   f"run.directory={name}")
            self.sinode("generate", *own, ranks=2, space=2)
            self.sinode("train", *own, ranks=2)
        self.assert_same_data(self.folder / "plain/model.h5", self.folder / "packed/model.h5")


class Watching(harness.Case):
    def test_info_while_it_runs(self):
        self.sinode("generate", "--quiet", "--set", "generate.span=100")
        process = harness.start(self.folder, ["train", "c.yaml", "--set", "train.epochs=100000", "--set",
                                              "train.checkpoint.every=1000"])
        seen = []
        try:
            deadline = time.monotonic() + harness.TIMEOUT
            while time.monotonic() < deadline and len(set(seen)) < 2:
                if (self.folder / "run/history.csv").exists():
                    status, out, err = harness.run(self.folder, "info", "run")
                    self.assertEqual((status, err), (0, ""))
                    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()[1:]}
                    self.assertTrue(told["state"].startswith("running (training), as of "), out)
                    if "ETA" in told:
                        for name in ("loss", "rate", "memory", "iteration"):
                            self.assertIn(name, told)
                        self.assertRegex(told["ETA"], r"^\d+(:\d\d)+$")
                        self.assertRegex(told["epoch"], r"^\d+ of 100000$|^\d+ +training loss")
                        seen.append(json.loads((self.folder / "run/status.json").read_text())["step"])
                time.sleep(0.2)
        finally:
            process.terminate()
            harness.finish(process)
        self.assertEqual(len(set(seen)), 2, "the status goes on")
        out = harness.run(self.folder, "info", "run")[1]
        self.assertIn("checkpointed (stopped by a signal)", out)
        self.assertIn("checkpoint   run/checkpoints/", out)

    def test_lines_in_a_log_have_everything(self):
        self.sinode("generate", "--quiet")
        out, _ = self.sinode("train")
        self.assertRegex(out, r"training 100%  \d+/\d+  epoch 3  loss \S+  rate 5.00e-03  \d+ MiB  took \d:\d\d\n")
        self.assertNotIn("[#", out)

    def test_bar_on_a_terminal(self):
        """script gives the program a terminal."""
        self.sinode("generate", "--quiet", "--set", "generate.span=100")
        line = f"{harness.PROGRAM} train c.yaml --set train.epochs=1000"
        process = subprocess.Popen(["script", "-qfc", line, "log"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + harness.TIMEOUT
            while time.monotonic() < deadline and process.poll() is None:
                if (self.folder / "log").exists() and b"ETA" in (self.folder / "log").read_bytes():
                    break
                time.sleep(0.1)
        finally:
            for pid in harness.ranks_of(process):
                harness.send(pid, 15)
            process.wait(timeout=harness.TIMEOUT)
        self.assertRegex((self.folder / "log").read_bytes().decode(), r"\r\x1b\[Ktraining \[#*-*\] +\d+%  .*MiB  ETA \d+:\d\d")


class Info(harness.Case):
    def info(self, path, ranks=1, status=0):
        found, out, err = harness.run(self.folder, "info", path, ranks=ranks)
        self.assertEqual(found, status, out + err)
        return out, err

    def test_says_how_far_a_file_goes(self):
        self.sinode("generate", "--quiet", "--set", "run.time_limit=0.001s", status=75)
        checkpoint, = self.folder.glob("data.h5.checkpoint-*.h5")
        self.assertRegex(self.info(checkpoint)[0], r"\nstep +4\nsnapshots +0\n$")
        self.sinode("generate", "--quiet")
        self.sinode("train", "--quiet")
        for ranks in (1, 3):
            self.assertRegex(self.info("data.h5", ranks)[0], r"\nlast time +4\n$")
            newest = max(self.folder.glob("run/checkpoints/*.h5"))
            self.assertRegex(self.info(newest, ranks)[0], r"\nepoch +3\niteration +12\n$")

    def test_benchmark(self):
        self.sinode("benchmark", "--quiet", "--set", "benchmark.only=[halo, solve_fft]", "--set", "benchmark.seconds=0.01")
        path = self.folder / "run" / "benchmark.csv"
        for ranks in (1, 2):
            out, _ = self.info(path, ranks)
            self.assertIn("benchmark.csv: measurements of a benchmark\n", out)
            self.assertRegex(out, r"\n  halo +1 +1 +16 +8 +\S+ +nan +nan +0 +0\n")
            self.assertRegex(out, r"\n  solve_fft +1 +1 +16 +8 ")
        text = path.read_text()
        path.write_text(text[:-20])
        self.assertIn("benchmark.csv:3: 'solve_fft,1,", self.info(path, status=3)[1])
        path.write_text("name,ranks\n")
        self.assertIn("is not an HDF5 file", self.info(path, status=3)[1])


class Schema(harness.Case):
    """The JSON Schema takes what the program takes, and refuses what it refuses."""

    def setUp(self):
        super().setUp()
        try:
            import jsonschema
            import yaml
        except ImportError:
            self.skipTest("python3-jsonschema or python3-yaml is not installed")
        self.jsonschema = jsonschema
        self.loader = type("Loader", (yaml.SafeLoader,), {})  # YAML 1.2, as editors read it: 1e-10 is a number
        self.loader.yaml_implicit_resolvers = dict(yaml.SafeLoader.yaml_implicit_resolvers)
        import re
        self.loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9.]+[eE][-+]?[0-9]+$"),
                                          list("-+0123456789."))
        self.yaml = yaml

    def load(self, text):
        return self.yaml.load(text, Loader=self.loader)

    def schema(self, command):
        status, out, err = harness.run(self.folder, "schema", command)
        self.assertEqual((status, err), (0, ""))
        schema = json.loads(out)
        self.jsonschema.Draft7Validator.check_schema(schema)
        return self.jsonschema.Draft7Validator(schema)

    def test_templates_are_valid(self):
        for command in ("generate", "train", "predict", "gradient", "benchmark"):
            text = harness.run(self.folder, "template", command)[1]
            self.assertEqual([error.message for error in self.schema(command).iter_errors(self.load(text))], [])

    def test_every_key_is_there_with_its_default(self):
        text = "".join(harness.run(self.folder, "template", "train")[1])
        schema = self.schema("train").schema

        def walk(values, properties, path):
            for name, value in values.items():
                self.assertIn(name, properties, path)
                if isinstance(value, dict):
                    walk(value, properties[name]["properties"], f"{path}.{name}")
                else:
                    self.assertGreater(len(properties[name]["description"]), 2)
                    if "default" in properties[name]:
                        self.assertEqual(properties[name]["default"], value, f"{path}.{name}")
        walk(self.load(text), schema["properties"], "")

    def test_agrees_with_the_program(self):
        validator = self.schema("train")
        for text, good in (
                ("train: {data: d.h5}", True), ("train: {}", False), ("run: {seed: 1}", False),
                ("train: {data: d.h5, batch: 0}", False), ("train: {data: d.h5, batch: 2.5}", False),
                ("train: {data: d.h5}\ngrid: {length: 0}", False), ("train: {data: d.h5}\ngrid: {length: 0.1}", True),
                ("train: {data: d.h5}\ngrid: {point: 8}", False), ("train: {data: d.h5, loss: mae}", True),
                ("train: {data: d.h5, loss: rms}", False), ("train: {data: d.h5}\nintegrator: {scheme: 3}", True),
                ("train: {data: d.h5}\nintegrator: {scheme: l7}", False),
                ("train: {data: d.h5}\nmodel: {linear: {coefficients: [1.0, -2.0, 1.0]}}", True),
                ("train: {data: d.h5}\nmodel: {linear: {coefficients: [1.0, -2.0]}}", False),
                ("train: {data: d.h5}\nmodel: {nonlinear: {hidden: [8, 0]}}", False),
                ("train: {data: d.h5}\nrun: {time_limit: 90m}", True),
                ("train: {data: d.h5}\nrun: {time_limit: '1-12:00:00'}", True),
                ("train: {data: d.h5}\nrun: {time_limit: 90 minutes}", False),
                ("train: {data: d.h5}\nio: {compression: gzip, level: 10}", False),
                ("train: {data: d.h5}\nio: {compression: gzip, level: 9}", True),
                ("train: {data: d.h5}\nbenchmark: {only: [halo, solve_fft]}", True),
                ("train: {data: d.h5}\nbenchmark: {only: halo}", True),
                ("train: {data: d.h5}\nrun: {seed: 9223372036854775807}", True),
                ("train: {data: d.h5}\nrun: {seed: 18446744073709551615}", False),
                ("train: {data: d.h5}\nbenchmark: {only: [halo, foo]}", False)):
            with self.subTest(text=text):
                (self.folder / "c.yaml").write_text(text + "\n")
                # A sound file gets as far as the data, which are not there.
                self.assertEqual(harness.run(self.folder, "train", "c.yaml")[0], 3 if good else 2)
                self.assertEqual(validator.is_valid(self.load(text)), good)

    def test_all_requires_nothing(self):
        self.assertTrue(self.schema("all").is_valid({"run": {"seed": 1}}))
        self.assertFalse(self.schema("all").is_valid({"runs": {"seed": 1}}))
        self.assertEqual(harness.run(self.folder, "schema", "info")[0], 2)


if __name__ == "__main__":
    harness.main()
