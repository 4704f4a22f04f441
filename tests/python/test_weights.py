"""Weights from and to PyTorch: they come through unchanged, and the program does with them what PyTorch (or numpy) does.

SINODE_PROGRAM and SINODE_MPIEXEC in the environment name the program; without them, and without PyTorch, what needs them is
skipped.
"""
import collections
import os
import pathlib
import subprocess
import sys
import unittest

import h5py
import numpy as np

try:
    import torch
except ImportError:
    torch = None

import tools  # finds the package
from tools import SCRIPT
from sinode.weights import NESTED, read_state  # noqa: E402

PROGRAM = os.environ.get("SINODE_PROGRAM")
if PROGRAM:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
    import harness  # noqa: E402
LENGTH, POINTS, STEP = 22.0, 32, 0.01
KS = ("--length", LENGTH)
needs_torch = unittest.skipUnless(torch, "PyTorch is not installed")
needs_program = unittest.skipUnless(PROGRAM, "SINODE_PROGRAM is not set")


def mlp_state(seed=1, widths=(POINTS, 12, 10, POINTS)):
    random, state = np.random.default_rng(seed), {}
    for k, (inputs, out) in enumerate(zip(widths, widths[1:])):
        state[f"{2 * k}.weight"] = random.normal(size=(out, inputs)) / np.sqrt(inputs)
        state[f"{2 * k}.bias"] = random.normal(size=out)
    return state


def conv_state(seed=1, channels=(1, 8, 8, 1), kernel=5):
    random, state = np.random.default_rng(seed), {}
    for k, (inputs, out) in enumerate(zip(channels, channels[1:])):
        state[f"{2 * k}.weight"] = random.normal(size=(out, inputs, kernel)) / np.sqrt(inputs * kernel)
        state[f"{2 * k}.bias"] = random.normal(size=out)
    return state


def numpy_network(state, activation=np.tanh):
    """F of a state_dict, written out with sums over neighbours for convolutions."""
    def evaluate(u):
        a = u
        for k in range(len(state) // 2):
            weight, bias = state[f"{2 * k}.weight"], state[f"{2 * k}.bias"]
            if weight.ndim == 2:
                z = a @ weight.T + bias
            else:
                a = a[:, None] if k == 0 else a
                reach = weight.shape[2] // 2  # tap t meets the neighbour t - reach to the right
                z = sum(np.einsum("oi,sij->soj", weight[:, :, t], np.roll(a, reach - t, axis=2))
                        for t in range(weight.shape[2])) + bias[:, None]
            a = activation(z) if k < len(state) // 2 - 1 else z
        return a[:, 0] if a.ndim == 3 else a
    return evaluate


def torch_network(kind, activation, seed=3):
    """A network of doubles with PyTorch's random weights, and F as a function of (samples, points)."""
    torch.manual_seed(seed)
    act = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "gelu": torch.nn.GELU}[activation]

    def conv(inputs, out):
        return torch.nn.Conv1d(inputs, out, 5, padding=2, padding_mode="circular")

    layers = ((torch.nn.Linear(POINTS, 12), torch.nn.Linear(12, 10), torch.nn.Linear(10, POINTS)) if kind == "mlp" else
              (conv(1, 8), conv(8, 8), conv(8, 1)))
    net = torch.nn.Sequential(layers[0], act(), layers[1], act(), layers[2]).double()
    return net, net if kind == "mlp" else lambda u: net(u[:, None])[:, 0]


def taps_matrix(taps, points=POINTS):
    matrix = np.zeros((points, points))
    for k, tap in enumerate(taps):
        matrix[np.arange(points), (np.arange(points) + k - len(taps) // 2) % points] += tap
    return matrix


def ks_matrix():
    dx = LENGTH / POINTS
    return -taps_matrix([1, -2, 1]) / dx**2 - taps_matrix([1, -4, 6, -4, 1]) / dx**4


def rk4(network, matrix, u, steps):
    def slope(v):
        return v @ matrix.T - network(v)

    for _ in range(steps):
        k1 = slope(u)
        k2 = slope(u + STEP / 2 * k1)
        k3 = slope(u + STEP / 2 * k2)
        k4 = slope(u + STEP * k3)
        u = u + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return u


def imex_l2(network, matrix, u, steps):
    """Pareschi and Russo's SSP2(2,2,2); numpy only."""
    gamma = 1 - np.sqrt(0.5)
    inverse = np.linalg.inv(np.eye(POINTS) - STEP * gamma * matrix).T
    for _ in range(steps):
        first = u @ inverse
        f1, a1 = -network(first), first @ matrix.T
        second = (u + STEP * (f1 + (1 - 2 * gamma) * a1)) @ inverse
        u = u + STEP / 2 * (f1 - network(second) + a1 + second @ matrix.T)
    return u


class TorchTest(tools.Case):
    def done(self, *arguments):
        status, out, err = self.run_main(*arguments)
        self.assertEqual((status, err), (0, ""))
        return out

    def assert_error(self, status, words, *arguments):
        found, out, err = self.run_main(*arguments)
        self.assertEqual((found, out), (status, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("sinode-tools: error: "), err)
        for word in (words,) if isinstance(words, str) else words:
            self.assertIn(word, err)

    def npz(self, state, name="w.npz"):
        np.savez(self.folder / name, **state)
        return self.folder / name

    def model(self, state=None, *options, name="model.h5"):
        """A model file made from a state_dict, an MLP with tanh on the KS stencil unless told otherwise."""
        path = self.folder / name
        self.done("import", self.npz(state or mlp_state()), "-o", path, *(options or (*KS, "--activation", "tanh")))
        return path

    def datasets(self, path):
        found = {}
        with h5py.File(path) as file:
            file["model"].visititems(lambda name, item: found.update({name: item[()]})
                                     if isinstance(item, h5py.Dataset) else None)
            found.update(file["model"].attrs)
        return found

    def assert_same_model(self, one, other):
        one, other = self.datasets(one), self.datasets(other)
        self.assertEqual(set(one), set(other))
        for name, value in one.items():
            self.assertEqual(np.asarray(value).tobytes(), np.asarray(other[name]).tobytes(), name)

    def sinode(self, command, **sections):
        """Runs the program in the folder; sections of the parameter file are flow mappings."""
        (self.folder / "case.yaml").write_text("".join(f"{name}: {text}\n" for name, text in sections.items()))
        status, out, err = harness.run(self.folder, command, "case.yaml", "--quiet", "--overwrite")
        self.assertEqual(status, 0, out + err)

    def data(self, interval=5 * STEP):
        """Writes data.h5, 2 members with 2 snapshots, and returns it."""
        x = LENGTH / POINTS * np.arange(POINTS)
        phase = 2 * np.pi * x / LENGTH
        u = np.array([[np.cos(phase) + 0.3 * np.sin(3 * phase + m), np.sin(2 * phase + m)] for m in range(2)])
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH})
            file["member"], file["time"], file["x"], file["u"] = np.arange(2, dtype="i4"), [0, interval], x, u
        return u

    def predict(self, scheme="rk4"):
        """(initial states, states 10 steps later) by the program, from model.h5."""
        u = self.data()[:, 0]
        self.sinode("predict", grid=f"{{points: {POINTS}, length: {LENGTH}}}",
                    integrator=f"{{scheme: {scheme}, dt: {STEP}}}",
                    predict=f"{{model: model.h5, data: data.h5, file: p.h5, span: {10 * STEP}}}")
        with h5py.File(self.folder / "p.h5") as file:
            return u, file["u"][:, -1]

    def assert_close(self, found, expected):
        self.assertLess(np.abs(found - expected).max() / np.abs(expected).max(), 1e-12)


class RoundTrip(TorchTest):
    endings = (".npz", ".safetensors", ".pt") if torch else (".npz", ".safetensors")

    def test_bits(self):
        for state, more in ((mlp_state(), ()), (conv_state(), ("--points", POINTS)), (mlp_state(widths=(8, 8)), ())):
            model = self.model(state, *KS, "--activation", "gelu", *more, "--overwrite")
            for ending in self.endings:
                with self.subTest(ending=ending, layers=len(state) // 2):
                    weights, back = self.folder / f"out{ending}", self.folder / "back.h5"
                    out = self.done("export", model, "-o", weights, "--overwrite")
                    self.assertIn("A: stencil [", out)
                    found, types = read_state(weights)
                    self.assertEqual((list(found), types), (list(state), {"float64"}))
                    for name, value in state.items():
                        self.assertEqual(found[name].tobytes(), value.tobytes())
                    for options in (("--like", model), (*KS, "--activation", "gelu", *more)):
                        self.done("import", weights, "-o", back, "--overwrite", *options)
                        self.assert_same_model(back, model)

    def test_file_as_the_program_writes_it(self):
        golden = SCRIPT.parents[2] / "tests" / "golden" / "gradient"
        for name in ("conv", "dense_fixed", "spectral", "trainable_stencil"):
            with self.subTest(name):
                weights, back = self.folder / f"{name}.npz", self.folder / f"{name}.h5"
                self.done("export", golden / name / "model.h5", "-o", weights)
                self.done("import", weights, "--like", golden / name / "model.h5", "-o", back)
                one, other = self.datasets(golden / name / "model.h5"), self.datasets(back)
                self.assertEqual(set(one), set(other))
                for key, value in one.items():
                    text = isinstance(value, (str, bytes))
                    self.assertTrue(value == np.bytes_(other[key]).decode() if text
                                    else np.array_equal(value, other[key]), key)

    def test_types(self):
        state = {name: value.astype("f4") for name, value in mlp_state().items()}
        path = self.folder / "model.h5"
        out = self.done("import", self.npz(state), *KS, "--activation", "relu", "-o", path)
        self.assertIn("float32 converted to float64, which is exact\n", out)
        stored = self.datasets(path)
        self.assertEqual(stored["nonlinear/layer_1/weight"].dtype, np.dtype("<f8"))
        np.testing.assert_array_equal(stored["nonlinear/layer_1/weight"], state["2.weight"])

    def test_prefix_order_and_missing_bias(self):
        state = mlp_state()
        one = self.model(state)
        renamed = {f"module.net.layer{name}": state[name] for name in  # bias before weight: pairs go by their name
                   ("0.bias", "0.weight", "2.weight", "2.bias", "4.weight", "4.bias")}
        self.assert_same_model(self.model(renamed, name="renamed.h5"), one)
        for prefix in ("net.inner", "net.inner."):
            self.done("export", one, "-o", self.folder / "p.npz", "--prefix", prefix, "--overwrite")
            self.assertEqual(list(read_state(self.folder / "p.npz")[0])[2], "net.inner.2.weight")
        without = {name: value for name, value in state.items() if name != "2.bias"}
        self.model(without, name="without.h5")
        np.testing.assert_array_equal(self.datasets(self.folder / "without.h5")["nonlinear/layer_1/bias"], np.zeros(10))
        alone = {"weight": state["0.weight"][:, :12], "bias": state["0.bias"]}
        self.model(alone, *KS, name="alone.h5")

    def test_negate(self):
        plain, turned = self.model(), self.model(None, *KS, "--activation", "tanh", "--negate", name="turned.h5")
        one, other = self.datasets(plain), self.datasets(turned)
        for name, value in one.items():
            last = name.startswith("nonlinear/layer_2")
            self.assertTrue(np.all(other[name] == (-value if last else value)), name)
        for model, options in ((plain, ("--negate",)), (turned, ())):
            self.done("export", model, *options, "-o", self.folder / "w.npz", "--overwrite")
            np.testing.assert_array_equal(np.load(self.folder / "w.npz")["4.weight"], -mlp_state()["4.weight"])

    def test_linear_part(self):
        state = mlp_state()
        path = self.model(state, *KS, "--activation", "tanh", "--stencil", "-1,2.5,0.125")
        np.testing.assert_array_equal(self.datasets(path)["linear/stencil"], [-1, 2.5, 0.125])
        matrix = np.random.default_rng(1).normal(size=(POINTS, POINTS))
        np.save(self.folder / "a.npy", np.asfortranarray(matrix))
        path = self.model(state, *KS, "--activation", "tanh", "--matrix", self.folder / "a.npy", "--overwrite")
        np.testing.assert_array_equal(self.datasets(path)["linear/matrix"], matrix)


@needs_torch
class PyTorch(TorchTest):
    def test_load_state_dict(self):
        net, _ = torch_network("mlp", "relu", seed=1)
        twin, _ = torch_network("mlp", "relu", seed=2)
        torch.save(net.state_dict(), self.folder / "w.pt")
        self.done("import", self.folder / "w.pt", *KS, "--activation", "relu", "-o", self.folder / "m.h5")
        out = self.done("export", self.folder / "m.h5", "-o", self.folder / "back.pt")
        twin.load_state_dict(torch.load(self.folder / "back.pt"))
        for one, other in zip(net.parameters(), twin.parameters()):
            self.assertTrue(torch.equal(one, other))
        code = out.split("F: ")[1].split("\n")[0]
        self.assertEqual(repr(eval(code, vars(torch.nn))), repr(net))

    def test_nested_and_narrow(self):
        net = torch_network("mlp", "relu")[0]
        wrapped = torch.nn.Sequential(collections.OrderedDict(module=net)).float()
        for key in NESTED:
            more = {} if torch.__version__.startswith("1.") else {"loss": 0.5}
            torch.save({"epoch": 3, key: wrapped.state_dict(), **more}, self.folder / "w.pt")
            state, types = read_state(self.folder / "w.pt")
            self.assertEqual((list(state)[0], types), ("module.0.weight", {"float32"}))
        torch.save(wrapped.bfloat16().state_dict(), self.folder / "w.pt")
        state, types = read_state(self.folder / "w.pt")
        self.assertEqual(types, {"bfloat16"})
        np.testing.assert_array_equal(state["module.2.bias"], wrapped.module[2].bias.detach().double())

    def test_no_code_is_run(self):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(trace),)

        trace = self.folder / "was_here"
        for save in ({}, {"_use_new_zipfile_serialization": False}):
            torch.save({"0.weight": torch.zeros(2, 2), "x": Evil()}, self.folder / "w.pt", **save)
            self.assert_error(3, "cannot be read as weights", "import", self.folder / "w.pt", *KS, "-o", "m.h5")
        self.assertFalse(trace.exists())

    def test_errors(self):
        path, more = self.folder / "w.pt", ("-o", self.folder / "m.h5", *KS, "--activation", "relu")
        for content, words in ((torch.zeros(3), "save net.state_dict()"), ({"a": 1}, "a is of type int"),
                               (torch.nn.Linear(4, 4), "torch.nn.modules.linear.Linear"),
                               (torch.nn.BatchNorm1d(4).state_dict(), "num_batches_tracked"),
                               (torch.nn.LSTM(4, 4).state_dict(), "weight_ih_l0")):
            torch.save(content, path)
            self.assert_error(3, words, "import", path, *more)
        path.write_text("not a pickle")
        self.assert_error(3, "cannot be read as weights", "import", path, *more)

    @needs_program
    def test_prediction(self):
        for kind, activation in (("mlp", "relu"), ("mlp", "tanh"), ("mlp", "sigmoid"), ("mlp", "gelu"),
                                 ("conv", "tanh"), ("conv", "gelu")):
            net, function = torch_network(kind, activation)
            torch.save(net.state_dict(), self.folder / "w.pt")
            self.done("import", self.folder / "w.pt", *KS, "--activation", activation, "-o", self.folder / "model.h5",
                      "--overwrite", *(("--points", POINTS) if kind == "conv" else ()))
            for scheme, stepper in (("rk4", rk4), ("l2", imex_l2)):
                with self.subTest(kind=kind, activation=activation, scheme=scheme):
                    u, found = self.predict(scheme)
                    expected = stepper(lambda v: function(torch.from_numpy(v)).detach().numpy(), ks_matrix(), u, 10)
                    self.assert_close(found, expected)
            without = rk4(lambda v: 0 * v, ks_matrix(), u, 10)  # the network matters
            self.assertGreater(np.abs(found - without).max(), 1e-3)

    @needs_program
    def test_gradient(self):
        matrix = torch.from_numpy(ks_matrix())
        for kind in ("mlp", "conv"):
            with self.subTest(kind):
                net, function = torch_network(kind, "tanh")
                torch.save(net.state_dict(), self.folder / "w.pt")
                self.done("import", self.folder / "w.pt", *KS, "--activation", "tanh", "-o", self.folder / "model.h5",
                          "--overwrite", *(("--points", POINTS) if kind == "conv" else ()))
                u = torch.from_numpy(self.data())
                loss = torch.mean((rk4(function, matrix, u[:, 0], 5) - u[:, 1])**2)
                loss.backward()
                self.sinode("gradient", grid=f"{{points: {POINTS}, length: {LENGTH}}}",
                            integrator=f"{{scheme: rk4, dt: {STEP}}}", train="{window: 1, batch: 2, loss: mse}",
                            gradient="{model: model.h5, data: data.h5, file: g.h5}")
                with h5py.File(self.folder / "g.h5") as file:
                    self.assertAlmostEqual(file["loss"][()].item(), loss.item(), delta=1e-12)
                    for k in range(3):
                        for name in ("weight", "bias"):
                            found = file[f"gradient/nonlinear/layer_{k}/{name}"][()]
                            expected = getattr(net[2 * k], name).grad.numpy()
                            self.assertLess(np.abs(found - expected).max() / np.abs(expected).max(), 1e-10)


@needs_program
class Program(TorchTest):
    """Without PyTorch: the networks written out in numpy."""

    def test_prediction(self):
        taps = (-0.25, 1.5, -2.5, 1.0, 0.125)
        np.save(self.folder / "a.npy", taps_matrix(taps).T)
        for state, linear, matrix in ((mlp_state(), (), ks_matrix()), (conv_state(), (), ks_matrix()),
                                      (mlp_state(), ("--stencil", ",".join(map(str, taps))), taps_matrix(taps)),
                                      (mlp_state(), ("--matrix", self.folder / "a.npy"), taps_matrix(taps).T)):
            with self.subTest(linear=linear, dimensions=state["0.weight"].ndim):
                more = ("--points", POINTS) if state["0.weight"].ndim == 3 else ()
                self.model(state, *KS, "--activation", "tanh", "--overwrite", *linear, *more)
                u, found = self.predict()
                self.assert_close(found, rk4(numpy_network(state), matrix, u, 10))

    def test_negated(self):
        self.model(None, *KS, "--activation", "tanh", "--negate")
        u, found = self.predict("l2")
        network = numpy_network(mlp_state())
        self.assert_close(found, imex_l2(lambda v: -network(v), ks_matrix(), u, 10))

    def test_kernel_the_other_way_round_is_seen(self):
        state = conv_state()
        turned = {name: value[..., ::-1] if value.ndim == 3 else value for name, value in state.items()}
        self.model(turned, *KS, "--activation", "tanh", "--points", POINTS)
        u, found = self.predict()
        self.assertGreater(np.abs(found - rk4(numpy_network(state), ks_matrix(), u, 10)).max(), 1e-3)

    def test_what_training_writes(self):
        """The KS stencil and the attributes are those of a model the program wrote; its checkpoint is exported."""
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH})
            file["member"], file["time"] = np.arange(1, dtype="i4"), 0.2 * np.arange(9)
            file["x"] = LENGTH / POINTS * np.arange(POINTS)
            file["u"] = np.random.default_rng(1).normal(size=(1, 9, POINTS))
        self.sinode("train", grid=f"{{points: {POINTS}, length: {LENGTH}}}", run="{directory: run}",
                    model="{nonlinear: {kind: mlp, hidden: [12, 10], activation: tanh}}",
                    train="{data: data.h5, epochs: 1, batch: 4, checkpoint: {every: 1}}")
        written, mine = self.folder / "run" / "model.h5", self.folder / "mine.h5"
        checkpoint, = (self.folder / "run" / "checkpoints").iterdir()
        for source in (written, checkpoint):
            self.done("export", source, "-o", self.folder / "w.npz", "--overwrite")
            self.done("import", self.folder / "w.npz", *KS, "--activation", "tanh", "-o", mine, "--overwrite")
            self.assert_same_model(mine, written)
        with h5py.File(written) as one, h5py.File(mine) as other:
            self.assertEqual(set(one.attrs) - {"validation_data"}, set(other.attrs))  # that one is a training's
        status, out, err = harness.run(self.folder, "info", mine)
        self.assertEqual(status, 0, err)
        self.assertIn("sinode model file", out)


class Errors(TorchTest):
    def test_weights(self):
        state, more = mlp_state(), ("-o", self.folder / "m.h5", *KS, "--activation", "relu")
        conv = conv_state()
        cases = (
            (state | {"2.weight": np.zeros((10, 11))}, ("w.npz: 2.weight has shape (10, 11)", "expected (10, 12)")),
            (state | {"4.weight": np.zeros((31, 10))}, ("4.weight has shape (31, 10)", "expected (32, 10)")),
            (state | {"2.bias": np.zeros(9)}, ("2.bias has shape (9,)", "expected (10,)")),
            (state | {"2.weight": np.zeros((10, 12, 1))}, "2.weight has shape (10, 12, 1)"),
            (state | {"5.weight": np.zeros(12)}, "5.weight has shape (12,)"),
            (state | {"1.running_mean": np.zeros(12)}, "1.running_mean belongs to no Linear"),
            (state | {"6.bias": np.zeros(12)}, "there is 6.bias, but no 6.weight"),
            (state | {"2.bias": np.zeros(10, dtype=int)}, "2.bias holds int64"),
            (state | {"2.bias": np.full(10, np.nan)}, "2.bias holds values that are not finite"),
            (dict(sorted(mlp_state(widths=[8] * 7).items())), ("10 comes before 2", "order of the network")),
            (mlp_state(widths=[8] * 19), "has 18 layers, expected 1 to 17"),
            (mlp_state(widths=[3, 3]), "has 3 points"),
            ({}, "has 0 layers"),
            (conv_state(kernel=4), "a kernel must be odd"),
            (conv_state(channels=(2, 8, 1)), "expected (8, 1, 5)"),
            (conv_state(channels=(1, 8, 2)), "expected (1, 8, 5)"),
            ({"a.weight": np.zeros((8, 8)), "b.weight": np.zeros((8, 8))}, ("a, b (8 -> 8 -> 8)", "--order a,b")),
            ({"dec.weight": np.zeros((48, 32)), "enc.weight": np.zeros((32, 48))},
             ("dec, enc (32 -> 48 -> 32)", "enc, dec (48 -> 32 -> 48)", "give --points or --order")),
        )
        for weights, words in cases:
            with self.subTest(words):
                points = ("--points", POINTS) if weights.get("0.weight", np.zeros(1)).ndim == 3 else ()
                self.assert_error(3, words, "import", self.npz(weights), *more, *points)
        self.assertEqual(os.listdir(self.folder), ["w.npz"])  # nothing half written

    def test_like(self):
        model = self.model()
        for weights, words in ((mlp_state(widths=(POINTS, 12, 11, POINTS)), ("2.weight has shape (11,", "(10, 12)")),
                               (mlp_state(widths=(POINTS, POINTS)), "has 1 layers, expected 3"),
                               (conv_state(), "0.weight has shape (8, 1, 5)")):
            self.assert_error(3, words, "import", self.npz(weights), "--like", model, "-o", self.folder / "n.h5")

    def test_usage(self):
        weights, conv = self.npz(mlp_state()), self.npz(conv_state(), "c.npz")
        out = ("-o", self.folder / "m.h5")
        for words, *arguments in (("COMMAND",), ("--output", "import", weights), ("--length", "import", weights, *out),
                                  ("--activation", "import", weights, *KS, *out),
                                  ("--points", "import", conv, *KS, "--activation", "relu", *out),
                                  ("positive number", "import", weights, "--length", -1, *out),
                                  ("'swish'", "import", weights, *KS, "--activation", "swish", *out),
                                  ("list of numbers", "import", weights, *KS, "--stencil", "1,x", *out),
                                  ("4 coefficients", "import", weights, *KS, "--activation", "relu", "--stencil",
                                   "-1,2,3,4", *out),
                                  ("--points says 8", "import", weights, *KS, "--points", 8, *out),
                                  ("drop --length", "import", weights, "--like", "x.h5", *KS, *out),
                                  ("not allowed with", "import", weights, "--like", "x.h5", "--stencil", "1", *out),
                                  ("must end in", "import", self.folder / "w.txt", *KS, *out),
                                  ("must end in", "export", self.folder / "m.h5", "-o", "w.bin")):
            with self.subTest(arguments):
                self.assert_error(2, words, *arguments)

    def test_files(self):
        model, weights = self.model(), self.folder / "w.npz"
        more = (*KS, "--activation", "tanh")
        missing, text, other, damaged = (self.folder / name for name in ("no.npz", "text.npz", "o.h5", "d.h5"))
        text.write_text("no zip")
        with h5py.File(other, "w") as file:
            file.attrs["sinode_kind"] = "trajectory"
        self.model(name="d.h5")
        with h5py.File(damaged, "a") as file:
            del file["model/nonlinear/layer_1/bias"]
        self.assert_error(3, "no such file", "import", missing, *more, "-o", self.folder / "m.h5")
        self.assert_error(3, "cannot be read as .npz", "import", text, *more, "-o", self.folder / "m.h5")
        self.assert_error(3, "no such file", "export", missing, "-o", self.folder / "x.npz")
        self.assert_error(3, "cannot be read as a model", "export", text, "-o", self.folder / "x.npz")
        self.assert_error(3, "it is: trajectory", "export", other, "-o", self.folder / "x.npz")
        self.assert_error(3, "cannot be read as a model", "export", damaged, "-o", self.folder / "x.npz")
        self.assert_error(3, "no such file", "import", weights, "--like", missing, "-o", self.folder / "m.h5")
        np.save(self.folder / "a.npy", np.zeros((3, 4)))
        self.assert_error(3, ("a.npy: has shape (3, 4)", "expected (32, 32)"), "import", weights, *more, "--matrix",
                          self.folder / "a.npy", "-o", self.folder / "m.h5")
        before = model.read_bytes()
        self.assert_error(3, "--overwrite", "import", weights, *more, "-o", model)
        self.assert_error(3, "--overwrite", "export", model, "-o", weights)
        self.assertEqual(model.read_bytes(), before)
        self.assert_error(3, "is a directory", "import", weights, *more, "-o", self.folder, "--overwrite")
        self.assert_error(3, "cannot be written", "import", weights, *more, "-o", weights / "m.h5")
        self.assertEqual([path.name for path in self.folder.iterdir() if path.suffix == ".tmp"], [])

    def test_without_pytorch(self):
        """Only .pt files need it; hidden from the program by an entry of sys.modules."""
        model = self.model()
        code = ("import sys; sys.modules['torch'] = None; sys.path.insert(0, sys.argv.pop(1)); from sinode import cli; "
                "sys.exit(cli.main(sys.argv[1:]))")
        for name, status, words in (("x.npz", 0, ""), ("x.pt", 3, "python3-torch")):
            run = subprocess.run([sys.executable, "-c", code, SCRIPT.parent, "export", model, "-o", self.folder / name],
                                 capture_output=True, text=True)
            self.assertEqual(run.returncode, status, run.stderr)
            self.assertIn(words, run.stderr)

    def test_as_a_program(self):
        run = subprocess.run([SCRIPT, "export", self.folder / "no.h5", "-o", "w.npz"], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout), (3, ""))
        self.assertEqual(run.stderr, f"sinode-tools: error: {self.folder / 'no.h5'}: no such file\n")


if __name__ == "__main__":
    if not torch:
        print("PyTorch is not installed: the tests with .pt files are skipped")
    unittest.main()
