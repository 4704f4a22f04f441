"""Models read as equations: known kernels give known coefficients, error bars are the scatter of repeated fits, what is
left is measured; and what training by the program leaves is read."""
import json
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np
import xarray

import tools  # finds the package
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import harness  # noqa: E402
from sinode import equation, kernels  # noqa: E402

SPACING, POINTS = 0.25, 64
DIFFERENCE = np.array([-1.0, 0, 1]) / (2 * SPACING)
SECOND = np.array([1.0, -2, 1]) / SPACING**2
ONE = np.array([0, 1.0, 0])
STENCIL = -np.convolve(SECOND, SECOND) - np.pad(SECOND, 1)  # of -u_xx - u_xxxx


def product(p, q, r, linear=np.zeros(3)):
    """The blocks of one product of convolutions."""
    return {"nonlinear/layer_0/weight": np.stack([p, q])[:, None], "nonlinear/layer_1/weight": r[None, None],
            "nonlinear/linear/weight": linear[None, None]}


class Equation(tools.Case):
    def write(self, blocks, network="product", linear="stencil", activation="tanh", fit=None, spacing=SPACING):
        """A model file; fit: (names of the trained blocks, J^T J / residuals, residuals, loss)."""
        path = self.folder / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update(sinode_kind="model", sinode_format=1)
            group = file.create_group("model")
            group.attrs.update(grid_points=POINTS, domain_length=spacing * POINTS, nonlinear_kind=network,
                               linear_kind=linear, activation=activation, linear_trainable=1)
            for name, values in blocks.items():
                group[name] = values
            if fit:
                file["training/normal_matrix"] = fit[1]
                file["training/normal_matrix"].attrs.update(rows=" ".join(fit[0]), residuals=fit[2], loss=fit[3])
        return path

    def write_data(self, u, spacing=SPACING):
        path = self.folder / "data.h5"
        data = xarray.Dataset({"u": (("member", "time", "x"), u[:, None])},
                              {"member": np.arange(len(u)), "time": [0.0], "x": spacing * np.arange(u.shape[1])},
                              {"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": spacing * u.shape[1]})
        data.to_netcdf(path, engine="h5netcdf")
        return path

    def read(self, *arguments):
        """(what is printed as JSON, {operator: coefficient})"""
        status, out, err = self.run_main("equation", *arguments, "--json")
        self.assertEqual((status, err), (0, ""))
        found = json.loads(out)
        return found, {name: told["coefficient"] for name, told in found["operators"].items()}

    def assert_coefficients(self, found, **expected):
        """expected: names with "0" for the blank; all others are 0."""
        for name, value in found.items():
            with self.subTest(operator=name):
                wanted = expected.get(name.replace(" ", "0").replace("²", "2"), 0.0)
                self.assertAlmostEqual(value, wanted, delta=1e-11 * max(1, abs(wanted)))

    def test_known_kernels(self):
        """Central differences are derivatives and what they are off by in the next orders."""
        h = SPACING**2
        linear = {"u_xx": -1, "u_xxxx": -1 - h / 12}
        path = self.write({"linear/stencil": STENCIL, **product(ONE, DIFFERENCE, ONE)})
        found, values = self.read(path)
        self.assert_coefficients(values, **linear, u0u_x=-1, u0u_xxx=-h / 6)
        self.assertEqual(found["equation"], "u_t = -1.0000 u_xx - 1.0052 u_xxxx - 1.0000 u u_x - 0.0104 u u_xxx")
        path = self.write({"linear/stencil": STENCIL, **product(ONE, ONE, DIFFERENCE / 2)})  # (u^2 / 2)_x
        self.assert_coefficients(self.read(path)[1], **linear, u0u_x=-1, u0u_xxx=-h / 6, u_x0u_xx=-h / 2)
        path = self.write({"linear/stencil": STENCIL, **product(DIFFERENCE, DIFFERENCE, ONE, linear=-DIFFERENCE)})
        self.assert_coefficients(self.read(path)[1], **linear, u_x=1, u_xxx=h / 6, u_x2=-1, u_x0u_xxx=-h / 3)
        self.assert_coefficients(self.read(self.write({}, "ks", "spectral"))[1], u_xx=-1, u_xxxx=-1, u0u_x=-1)
        matrix = sum(tap * np.roll(np.eye(POINTS), m - 2, axis=1) for m, tap in enumerate(STENCIL))
        self.assert_coefficients(self.read(self.write({"linear/matrix": matrix}, "none", "dense"))[1], **linear)

    def test_remainder(self):
        """Long waves leave the next order of a difference quotient; shorter ones more of it."""
        x = 2 * np.pi / POINTS * np.arange(POINTS)
        model = self.write({"linear/stencil": np.pad(SECOND, 1)}, "none")
        left = []
        for m in (1, 2):
            found, _ = self.read(model, "--order", 2, "--data", self.write_data(np.sin(m * x + 0.3)[None]))
            step = 2 * np.pi * m / POINTS  # k dx
            quotient = 2 * (1 - np.cos(step)) / step**2
            left.append(found["remainder"])
            self.assertAlmostEqual(found["remainder"], (1 - quotient) / quotient, delta=1e-9)
            self.assertAlmostEqual(found["operators"]["u_xx"]["share"], 1 / quotient, delta=1e-9)
        self.assertAlmostEqual(left[1] / left[0], 4, delta=0.1)

    def test_convolutions_with_an_activation(self):
        """To second order around u = 0: small long waves leave what is of third order."""
        rng = np.random.default_rng(3)
        layers = {"nonlinear/layer_0/weight": rng.normal(size=(4, 1, 3)), "nonlinear/layer_0/bias": rng.normal(size=4),
                  "nonlinear/layer_1/weight": rng.normal(size=(1, 4, 3)), "nonlinear/layer_1/bias": rng.normal(size=1)}
        x, spacing = 2 * np.pi / POINTS * np.arange(POINTS), 1e-3
        for activation in ("tanh", "sigmoid", "gelu"):
            model = self.write(layers, "conv", "spectral", activation, spacing=spacing)
            read = kernels.read_learnt(model)
            left = []
            for size in (1e-2, 1e-3):
                fields = kernels.Fields(size * np.sin(x)[None], spacing * POINTS)
                whole = kernels.right_hand_side(read, fields)
                terms = kernels.coefficients(kernels.kernels_of(read), 6, spacing)
                left.append(np.abs(whole - sum(value * fields.of(operator)
                                               for value, operator in zip(terms, kernels.operators(6)))).max())
            self.assertLess(left[1], 3e-3 * left[0], activation)
            self.assertLess(left[0], 1e-3)

    def scatter(self, blocks, names, columns, sigma=1e-3, repeats=200):
        """Coefficients of fits to data with noise, and their errors by the file of the first; columns: J."""
        rng = np.random.default_rng(7)
        weights = np.concatenate([blocks[name].ravel() for name in names])
        cuts = np.cumsum([blocks[name].size for name in names])[:-1]
        solve, model, fits = np.linalg.pinv(columns, rcond=1e-10), kernels.read_learnt(self.write(blocks)), []
        for _ in range(repeats):
            noise = sigma * rng.normal(size=len(columns))
            step = solve @ noise
            parts = np.split(weights + step, cuts)
            fitted = {**blocks, **{name: part.reshape(blocks[name].shape) for name, part in zip(names, parts)}}
            if not fits:
                loss = np.mean((noise - columns @ step)**2)
                told, _ = self.read(self.write(fitted, fit=(names, columns.T @ columns / len(columns),
                                                            float(len(columns)), loss)))
            fits.append(kernels.coefficients(kernels.kernels_of(model, fitted), 4, SPACING))
        return np.std(fits, axis=0), told["operators"]

    def assert_errors(self, scatter, told, names):
        for name, found in zip(told, scatter):
            if name in names:
                self.assertAlmostEqual(told[name]["error"] / found, 1, delta=0.2, msg=name)

    def test_error_bars_of_a_stencil(self):
        rng = np.random.default_rng(1)
        columns = rng.normal(size=(500, 5)) * (1, 2, 3, 2, 1)
        blocks = {"linear/stencil": STENCIL, **product(ONE, DIFFERENCE, ONE)}
        scatter, told = self.scatter(blocks, ["linear/stencil"], columns)
        self.assert_errors(scatter, told, ("u", "u_x", "u_xx", "u_xxx", "u_xxxx"))
        self.assertEqual(told["u u_x"]["error"], 0)  # it was not trained

    def test_error_bars_of_a_product(self):
        """Scales that the factors share leave J^T J singular, and the coefficients determined."""
        rng = np.random.default_rng(2)
        blocks = {"linear/stencil": STENCIL, **product(ONE + 0.1 * DIFFERENCE, DIFFERENCE, ONE)}
        names = [name for name in blocks if name.startswith("nonlinear")]
        fields = kernels.Fields(rng.normal(size=(8, POINTS)), SPACING * POINTS)
        model = kernels.read_learnt(self.write(blocks))

        def residuals(values):
            parts = np.split(values, np.cumsum([blocks[name].size for name in names])[:-1])
            model.blocks = {**blocks, **{name: part.reshape(blocks[name].shape) for name, part in zip(names, parts)}}
            return kernels.right_hand_side(model, fields).ravel()

        weights = np.concatenate([blocks[name].ravel() for name in names])
        columns = np.stack([(residuals(weights + step) - residuals(weights - step)) / 2e-2
                            for step in 1e-2 * np.eye(weights.size)], axis=1)
        self.assertLess(np.linalg.matrix_rank(columns, tol=1e-6), weights.size)
        scatter, told = self.scatter(blocks, names, columns, sigma=1e-4)
        self.assert_errors(scatter, told, ("u_x", "u_xx", "u²", "u u_x", "u u_xx", "u_x²", "u u_xxx"))

    def test_what_the_data_do_not_determine(self):
        """Data of one wave number tell two of the moments of three taps at most."""
        x = 2 * np.pi / POINTS * np.arange(POINTS)
        taps = np.stack([np.roll(np.sin(2 * x), -m) for m in (-1, 0, 1)], axis=1)
        path = self.write({"linear/stencil": SECOND}, "none",
                          fit=(["linear/stencil"], taps.T @ taps / POINTS, float(POINTS), 1e-6))
        found, _ = self.read(path)
        self.assertFalse(found["operators"]["u"]["determined"])
        self.assertIsNone(found["operators"]["u"]["error"])
        self.assertTrue(found["operators"]["u_x"]["determined"])

    def test_table_and_figure(self):
        path = self.write({"linear/stencil": STENCIL, **product(ONE, DIFFERENCE, ONE)})
        status, out, err = self.run_main("equation", path)
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"(?m)^u u_x +-1\.0+ +unknown")
        self.assertIn("\nu_t = -1.0000 u_xx", out)
        self.assertIn("remainder: not measured", out)
        self.assertIn("no error bars", out)
        self.assertTrue((self.folder / "model_equation.png").read_bytes().startswith(b"\x89PNG"))

    def test_refused(self):
        for blocks, kind, words in (({"nonlinear/layer_0/weight": np.ones((3, 3))}, "mlp", "kind mlp"),
                                    ({f"nonlinear/layer_{k}/weight": np.ones((1, 1, 3)) for k in range(3)}, "conv",
                                     "conv with 2 hidden layer(s), tanh")):
            status, _, err = self.run_main("equation", self.write(blocks, kind, "spectral"))
            self.assertEqual(status, 3)
            self.assertIn(words, err)
            self.assertIn("expected a network of kind product", err)
        model = self.write({"linear/stencil": STENCIL}, "none")
        data = self.write_data(np.zeros((1, 32)), spacing=0.3)
        status, _, err = self.run_main("equation", model, "--data", data)
        self.assertEqual(status, 2)
        self.assertIn("has points 0.3 apart", err)


class Trained(harness.Case):
    def test_least_squares_of_training(self):
        """lm leaves the matrix of its least squares at the model that it leaves, on any number of ranks."""
        settings = [word for setting in (
            "generate.members=8", "generate.span=0.2", "generate.dt=0.05", "grid.points=32", "model.linear.kind=stencil",
            "model.linear.trainable=true", "model.nonlinear.kind=product", "model.nonlinear.products=1",
            "model.nonlinear.kernel=5", "model.nonlinear.init.kind=normal", "model.nonlinear.init.std=0.1",
            "train.validation=0", "train.optimizer.kind=lm", "train.epochs=4",
            "gradient.model=run/model.h5") for word in ("--set", setting)]
        self.sinode("generate", "--quiet", *settings)
        found = {}
        for ranks, space in ((1, 1), (4, 2)):
            self.sinode("train", "--quiet", "--overwrite", *settings, ranks=ranks, space=space)
            with h5py.File(self.folder / "run/model.h5") as file:
                fit = file["training/normal_matrix"]
                found[ranks], told = fit[()], dict(fit.attrs)
        self.assertEqual(told["rows"].decode().split(), ["linear/stencil", "nonlinear/layer_0/weight",
                                                         "nonlinear/layer_1/weight", "nonlinear/linear/weight"])
        self.assertEqual(found[1].shape, (25, 25))
        np.testing.assert_array_equal(found[4], found[4].T)
        np.testing.assert_allclose(found[4], found[1], rtol=0, atol=1e-6 * np.abs(found[1]).max())
        self.assertEqual(told["residuals"], 8 * 32)
        self.sinode("gradient", "--quiet", "--overwrite", *settings)
        self.assertAlmostEqual(told["loss"] / harness.datasets(self.folder / "gradient.h5")["loss"].item(), 1, places=9)
        reading = equation.read_equation(self.folder / "run/model.h5", data=str(self.folder / "data.h5"))
        listed = kernels.operators(4)
        self.assertTrue(0 < reading.error[listed.index((2,))] < np.inf)
        self.assertLess(reading.remainder, 1)


if __name__ == "__main__":
    unittest.main()
