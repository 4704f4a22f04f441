"""Equations of jobs/configs/equations: generated as they are, on any ranks, and their coefficients learned from data."""
import pathlib
import unittest

import h5py
import numpy as np
import xarray
from harness import Case, datasets, history

CONFIGS = sorted((pathlib.Path(__file__).parents[2] / "jobs/configs/equations").glob("*.yaml"))


class EquationTest(Case):
    def use(self, name):
        """The parameters of a file, read in place of those of all cases."""
        [path] = [path for path in CONFIGS if path.stem == name]
        (self.folder / "c.yaml").write_text(path.read_text())

    def test_every_file_is_resolved(self):
        self.assertEqual(len(CONFIGS), 7)
        for path in CONFIGS:
            self.use(path.stem)
            out, _ = self.sinode("generate", "--overwrite", "--set", "generate.members=3", "--set", "generate.span=2")
            self.assertIn("\nresolved: ", out, path.stem)

    def test_members_have_their_parameters_on_any_ranks(self):
        self.use("ks_viscosity")
        short = ("--set", "generate.transient=1", "--set", "generate.span=2", "--set", "generate.members=7", "--overwrite")
        self.sinode("generate", *short)
        whole = datasets(self.folder / "data.h5")
        with xarray.open_dataset(self.folder / "data.h5") as file:
            np.testing.assert_array_equal(file.parameter, [0.8, 0.9, 1.0, 1.1, 1.2, 0.8, 0.9])
            self.assertEqual((file.parameter.dims, file.u.long_name),
                             (("member",), "solution of u_t = -u_xx - mu u_xxxx - u u_x"))
        for ranks, space in ((2, 1), (3, 3)):
            self.sinode("generate", *short, ranks=ranks, space=space)
            np.testing.assert_allclose(datasets(self.folder / "data.h5")["u"], whole["u"], rtol=0, atol=1e-12)
        _, err = self.sinode("generate", "--set", "generate.equation.parameter.of=u3", status=2)
        self.assertIn("parameter.of is u3, whose coefficient in generate.equation is 0", err[-1])
        # mu = 1 is the equation itself
        self.sinode("generate", *short, "--set", "generate.equation.parameter={of: none, values: []}")
        np.testing.assert_allclose(datasets(self.folder / "data.h5")["u"][2], whole["u"][2], rtol=0, atol=1e-10)

    def test_coefficients_are_learned(self):
        """Of the exact product and derivatives that begin elsewhere, from members of several viscosities: the equation's
        own come out, and forecasts at other viscosities."""
        self.use("ks_viscosity")
        grid = ("--set", "grid={points: 64, length: 32}", "--set", "integrator={scheme: 4, dt: 0.1}")
        data = ("--set", "generate.equation.linear={2: -1, 3: -1, 4: -1}", "--set", "generate.transient=50", "--set",
                "generate.span=6", *grid)
        self.sinode("generate", "--set", "generate.members=3", "--set", "generate.equation.parameter.values=[0.8, 1.0, 1.2]",
                    *data)
        train = ("--set", "train.data=data.h5", "--set", "model={linear: {kind: derivatives, coefficients: {2: -0.7, 3: -0.5, "
                 "4: -0.8}, parameter: u_xxxx, trainable: true}, nonlinear: {kind: ks}}", *grid)
        self.sinode("train", *train, "--set", "train.optimizer.kind=lm", "--set", "train.epochs=6")
        with h5py.File(self.folder / "run/model.h5") as file:
            self.assertEqual((file["model"].attrs["linear_derivatives"], file["model"].attrs["linear_parameter"]),
                             (b"2 3 4", b"u_xxxx"))
            np.testing.assert_allclose(file["model/linear/derivatives"], [-1, -1, -1], rtol=0, atol=1e-3)
        self.sinode("generate", "--set", "generate.members=2", "--set", "generate.equation.parameter.values=[0.9, 1.5]", *data,
                    "--set", "generate.file=others.h5", "--set", "run.directory=others")
        _, err = self.sinode("predict", *grid, "--set", "predict={model: run/model.h5, data: others.h5, span: 5, starts: 2}")
        self.assertEqual(err, ["sinode: warning: others.h5: the parameter of member 1 is 1.5, but the model was trained with "
                               "0.8 to 1.2"])
        found = datasets(self.folder / "prediction.h5")
        # by exponentials instead of solves
        self.sinode("train", *train, "--set", "train.optimizer.kind=lm", "--set", "train.epochs=6", "--set",
                    "integrator.scheme=etdrk4", "--set", "run.directory=etd", ranks=3, space=3)
        with h5py.File(self.folder / "etd/model.h5") as file:
            np.testing.assert_allclose(file["model/linear/derivatives"], [-1, -1, -1], rtol=0, atol=1e-3)
        self.sinode("predict", *grid, "--set", "integrator.scheme=etdrk4", "--set",
                    "predict={model: etd/model.h5, data: others.h5, span: 5, starts: 2, file: etd.h5}", ranks=2)
        np.testing.assert_allclose(datasets(self.folder / "etd.h5")["u"], found["u"], rtol=0, atol=2e-2)
        self.sinode("train", *train, "--set", "train.epochs=10", "--set", "train.optimizer.learning_rate=0.05", "--set",
                    "integrator.scheme=lawson4", "--set", "run.directory=adamw", ranks=2)
        loss = history(self.folder / "adamw")[:, 3]
        self.assertLess(loss[-1], 0.1 * loss[0])
        self.assertLess(found["nrmse"][:, -1].max(), 1e-2)
        self.assertGreater(found["nrmse_linear"][:, -1].min(), 0.1)
        # without its parameter the model is another one's
        with h5py.File(self.folder / "others.h5", "a") as file:
            file["parameter"][...] = 1
        self.sinode("predict", *grid, "--set", "predict={model: run/model.h5, data: others.h5, span: 5, starts: 2}", "--overwrite")
        self.assertGreater(datasets(self.folder / "prediction.h5")["nrmse"][:, -1].min(), 0.05)
        with h5py.File(self.folder / "others.h5", "a") as file:
            del file["parameter"]
        _, err = self.sinode("check", *train, "--set", "train.data=others.h5", status=3)
        self.assertIn("others.h5: has no parameter(member), which multiplies u_xxxx in the model", err[-1])
        _, err = self.sinode("predict", *grid, "--set", "predict={model: run/model.h5, data: others.h5}", status=3)
        self.assertIn("others.h5: has no parameter(member), which multiplies u_xxxx in the model", err[-1])
        many = xarray.Dataset({"u": (("member", "time", "x"), np.ones((256, 3, 64))), "parameter": ("member", np.arange(2.0, 258.0))},
                              {"time": 0.2 * np.arange(3), "x": 0.5 * np.arange(64)},
                              {"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": 32.0})
        many.to_netcdf(self.folder / "many.h5", engine="h5netcdf")
        _, err = self.sinode("train", *train, "--set", "train.data=many.h5", ranks=2, status=2)
        self.assertIn("many.h5: members have 257 different values of the parameter, 1 counted, but a model takes at most 256", err[-1])


if __name__ == "__main__":
    unittest.main()
