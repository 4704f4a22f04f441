"""sinode's solver from Python, by libsinode.so: against the golden files, transposes, ranks, errors.

SINODE_LIBRARY names the library; SINODE_MPIEXEC, SINODE_PROGRAM as for harness.py. What needs mpi4py is skipped without.
"""
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "io" / "python"
sys.path[:0] = [str(PACKAGE), str(ROOT / "tests" / "cli")]
import harness  # noqa: E402
import sinode  # noqa: E402

try:
    import mpi4py
except ImportError:
    mpi4py = None
GOLDEN = ROOT / "tests" / "golden" / "gradient"
TIMES = [0.0, 0.1, 0.15, 0.3]


class Quadratic(sinode.Network):
    """F(u)_j = a u_j^2 + b u_j."""

    parameters = {"ab": np.array([0.5, -0.3])}

    def forward(self, u, parameters):
        a, b = parameters["ab"]
        return a * u * u + b * u

    def vjp(self, u, parameters, f_bar):
        a, b = parameters["ab"]
        return f_bar * (2 * a * u + b), {"ab": [(f_bar * u * u).sum(), (f_bar * u).sum()]}

    def jvp(self, u, parameters, du, dparameters):
        a, b = parameters["ab"]
        da, db = dparameters.get("ab", (0, 0))
        return du * (2 * a * u + b) + da * u * u + db * u


def linear_parts(points, random):
    """By name: a stencil that advects, damps and has no symmetry, and the same operator in the other forms."""
    taps = np.array([0.3, 1.0, -1.6, 0.4, -0.2])
    matrix = sum(tap * np.roll(np.eye(points), k - 2, axis=1) for k, tap in enumerate(taps))
    symbol = np.fft.fft(matrix[:, 0])[:points // 2 + 1]
    return {"stencil": taps, "dense": matrix, "symbol": symbol}


class Numbers(unittest.TestCase):
    def test_golden_gradients(self):
        """Models of a dict and a file, forward and vjp, against an independent implementation."""
        for name in ("paper_shape", "conv_trainable_stencil", "dense_trainable", "imex_ars443", "explicit_dopri5",
                     "implicit_cn", "spectral", "odd_grid"):
            with self.subTest(case=name):
                folder = GOLDEN / name
                import yaml
                config = yaml.safe_load((folder / "case.yaml").read_text())
                with h5py.File(folder / "data.h5") as file:
                    u, times = file["u"][()], file["time"][()]
                window = config["train"]["window"]
                kept = {key: config[key] for key in ("grid", "model")}
                model = sinode.Model.from_config(kept, folder / "model.h5", samples=len(u))
                integrator = sinode.Integrator(model, config["integrator"]["scheme"], config["integrator"]["dt"])
                states = integrator.forward(u[:, 0], times[:window + 1], adjoint=True)
                bars = np.zeros_like(states)
                targets = u.transpose(1, 0, 2)[1:window + 1]
                bars[1:] = 2 * (states[1:] - targets) / targets.size
                bar, gradient = integrator.vjp(bars)
                with h5py.File(folder / "expected.h5") as file:
                    self.close(states.transpose(1, 0, 2), file["trajectory"][()])
                    self.close(bar, file["gradient/initial_state"][()])
                    for path, value in gradient.items():
                        self.close(value, file[f"gradient/{path}"][()])
                    self.assertAlmostEqual((bars[1:]**2).sum() * targets.size / 4, file["loss"][()], places=9)

    def close(self, value, expected, tolerance=1e-9):
        self.assertLess(abs(value - expected).max(), tolerance * abs(expected).max())

    def test_transposes_and_differences(self):
        """A network of one's own: vjp is the transpose of jvp, and that the derivative; forms of A agree."""
        random = np.random.default_rng(1)
        points = 12
        for scheme in ("l2", "ars443", "rk4"):
            found = {}
            for form, linear in linear_parts(points, random).items():
                with self.subTest(scheme=scheme, form=form):
                    model = sinode.Model(points, 5.0, linear, Quadratic(), trainable=True, samples=4)
                    integrator = sinode.Integrator(model, scheme, 0.05, storage="revolve", snapshots=2)
                    u0, weights = np.random.default_rng(2).normal(size=(2, 2, 2, points))
                    du0 = random.normal(size=u0.shape)
                    direction = {name: random.normal(size=value.shape) for name, value in model.parameters.items()}
                    if form == "symbol":  # what does not count
                        direction["linear/symbol"][[0, -1], 1] = 0
                    states = integrator.forward(u0, TIMES, adjoint=True)
                    self.assertEqual(states.shape, (4, 2, 2, points))
                    u0_bar, gradient = integrator.vjp(np.stack([weights] * 4))
                    again, tangents = integrator.jvp(u0, TIMES, du0, direction)
                    self.close(again, states, 1e-14)
                    pairing = (u0_bar * du0).sum() + sum((gradient[k] * v).sum() for k, v in direction.items())
                    self.assertAlmostEqual((tangents * weights).sum(), pairing, delta=1e-12 * abs(pairing))
                    self.close(self.difference(model, integrator, u0, du0, direction), tangents, 1e-7)
                    found[form] = states
            self.close(found["dense"], found["stencil"], 1e-13)
            self.close(found["symbol"], found["stencil"], 1e-13)

    @staticmethod
    def difference(model, integrator, u0, du0, direction, step=1e-5):
        sides = []
        for sign in (1, -1):
            for name, value in direction.items():
                model.parameters[name] += sign * step * value
            model.update()
            sides.append(integrator.forward(u0 + sign * step * du0, TIMES))
            for name, value in direction.items():
                model.parameters[name] -= sign * step * value
        return (sides[0] - sides[1]) / (2 * step)

    def test_derivatives_and_parameters_of_samples(self):
        """By a dict in three places; samples with parameters of their own are as in models with these coefficients."""
        random, times = np.random.default_rng(3), [0.0, 0.1, 0.2]
        u0, du0 = random.normal(size=(2, 3, 16))
        scales = [0.8, 1.2, 0.8]

        def of(fourth, **linear):
            return sinode.Model.from_config({"grid": {"points": 16, "length": 11.0}, "model": {
                "linear": {"kind": "derivatives", "coefficients": {2: -1.0, 3: 0.1, 4: fourth}, **linear},
                "nonlinear": {"kind": "ks"}}}, samples=3)
        self.close(sinode.Model(16, 11.0, {2: -1, 3: 0.1, 4: -1.2}, samples=3).rhs(u0),
                   of(-1.2).rhs(u0) - of(0.0).rhs(u0) + sinode.Model(16, 11.0, {2: -1, 3: 0.1}, samples=3).rhs(u0))
        own = of(-1.0, parameter="u_xxxx", trainable=True)
        own.scale(scales)
        for scheme in ("3", "krogstad"):
            integrator = sinode.Integrator(own, scheme, 0.05)
            states, tangents = integrator.jvp(u0, times, du0)
            np.testing.assert_array_equal(integrator.forward(u0, times, adjoint=True), states)
            bar, gradient = integrator.vjp(np.ones_like(states))
            self.assertAlmostEqual((bar * du0).sum(), tangents.sum(), 9)
            fourths = []
            for sample, scale in enumerate(scales):
                one = of(-scale, trainable=True)
                other = sinode.Integrator(one, scheme, 0.05)
                self.close(other.forward(u0[sample], times, adjoint=True), states[:, sample], 1e-12)
                fourths.append(scale * other.vjp(np.ones((3, 16)))[1]["linear/derivatives"][-1])
            self.assertAlmostEqual(gradient["linear/derivatives"][-1], sum(fourths), 9)
        for call, text in ((lambda: own.rhs(u0[:2]), "2 samples, but parameters were given for 3"),
                           (lambda: own.scale([1.0] * 4), "for 3 samples was given parameters of 4"),
                           (lambda: own.scale([np.inf]), "parameter of sample 0 is inf"),
                           (lambda: [own.scale([value]) for value in range(256)], "more than 256 different values"),
                           (lambda: of(-1.0).scale(scales), "no term that they multiply"),
                           (lambda: sinode.Model(16, 11.0, {9: 1.0}), "orders 0 to 8")):
            with self.assertRaisesRegex(ValueError, text):
                call()

    def test_arrays_are_not_copied(self):
        model = sinode.Model(8, 1.0, trainable=True)
        model.parameters["linear/stencil"][:] = [0, 0, -1, 0, 0]
        model.update()
        np.testing.assert_allclose(model.rhs(np.ones(8)), -1)
        kept = model.parameters["linear/stencil"]
        gone = weakref.ref(model)
        del model
        gc.collect()
        self.assertIsNone(gone())
        np.testing.assert_array_equal(kept, [0, 0, -1, 0, 0])  # the memory is there as long as its views


class Commands(unittest.TestCase):
    def test_generate_train_predict(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = {"run": {"directory": folder / "run"}, "grid": {"points": 16, "length": 11.0},
                      "generate": {"file": folder / "data.h5", "span": 20.0, "transient": 10.0},
                      "model": {"nonlinear": {"hidden": [np.int64(8)]}}, "integrator": {"dt": 0.2},
                      "train": {"data": folder / "data.h5", "epochs": 3, "batch": 8},
                      "predict": {"model": folder / "run/model.h5", "data": folder / "data.h5", "span": 2.0,
                                  "file": folder / "prediction.h5"}}
            with sinode.open(sinode.generate(config)) as data:
                self.assertEqual(data.u.shape[-1], 16)
            burgers = {"linear": {2: 0.5}, "u_ux": -1.0, "parameter": {"of": "u_xx", "values": [1.0, 2.0]}}
            with sinode.open(sinode.generate({**config, "generate": {
                    "file": folder / "burgers.h5", "span": 1.0, "transient": 5.0, "members": 2, "equation": burgers}})) as data:
                self.assertEqual(data.parameter.values.tolist(), [1.0, 2.0])
            run = sinode.read_run(sinode.train(config))
            self.assertEqual(len(run.history.train_loss), 3)
            self.assertTrue(sinode.predict(config).is_file())
            with self.assertRaisesRegex(sinode.FileError, "data.h5"):
                sinode.generate({**config, "generate": {**config["generate"], "span": 10.0}})
            with self.assertRaisesRegex(sinode.UsageError, "unknown key 'train.epoch'; did you mean train.epochs"):
                sinode.train({**config, "train": {"epoch": 3}})
            model = sinode.Model.from_file(folder / "run/best.h5")
            model.parameters["nonlinear/layer_1/bias"][:] = 0.25
            model.update()
            model.write(folder / "mine.h5")
            again = sinode.Model.from_file(folder / "mine.h5")
            for name, value in model.parameters.items():
                np.testing.assert_array_equal(again.parameters[name], value)
            with self.assertRaisesRegex(sinode.FileError, "mine.h5: is there already"):
                model.write(folder / "mine.h5")
            sinode.predict({**config, "predict": {**config["predict"], "model": folder / "mine.h5"}}, overwrite=True)
            self.assertEqual(model.parameters["nonlinear/layer_0/weight"].shape, (8, 16))


    def test_a_signal_stops_a_run_and_no_later_one(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = {"grid": {"points": 16, "length": 11.0}, "run": {"directory": folder / "run"},
                      "generate": {"file": folder / "data.h5", "span": 20.0, "transient": 10.0},
                      "model": {"nonlinear": {"hidden": [8]}},
                      "train": {"data": folder / "data.h5", "epochs": 100000, "batch": 8, "checkpoint": {"every": 1}}}
            sinode.generate(config, overwrite=True)

            def stop():
                while not list(folder.glob("train/checkpoints/*.h5")):
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGTERM)

            config["run"]["directory"] = folder / "train"
            before = signal.getsignal(signal.SIGTERM)
            thread = threading.Thread(target=stop)
            thread.start()
            with self.assertRaisesRegex(sinode.Stopped, "stopped by a signal after iteration"):
                sinode.train(config)
            thread.join()
            self.assertEqual(signal.getsignal(signal.SIGTERM), before)
            config["run"]["directory"], config["train"]["epochs"] = folder / "second", 2
            self.assertEqual(len(sinode.read_run(sinode.train(config)).history.train_loss), 2)


class Errors(unittest.TestCase):
    def test_the_librarys_text(self):
        model = sinode.Model(16, 22.0)
        for error, text, call in (
                (ValueError, "there is no scheme 'l3'", lambda: sinode.Integrator(model, "l3")),
                (sinode.UsageError, "there is no solver 'lu'; it must be auto",
                 lambda: sinode.Integrator(model, solver="lu").forward(np.ones(16), [0, 0.1])),
                (ValueError, "no multiple of dt", lambda: sinode.Integrator(model).forward(np.ones(16), [0, 0.1, 0.25])),
                (ValueError, "increase", lambda: sinode.Integrator(model).forward(np.ones(16), [1, 0])),
                (ValueError, r"expected \(\.\.\., 16\)", lambda: sinode.Integrator(model).forward(np.ones(15), [0, 1])),
                (sinode.UsageError, "up to 1 samples was given 2",
                 lambda: sinode.Integrator(model).forward(np.ones((2, 16)), [0, 0.1])),
                (sinode.RunError, "blew up in step",
                 lambda: sinode.Integrator(model, "euler").forward(np.random.default_rng(0).normal(size=16), [0, 100])),
                (sinode.FileError, "nowhere.h5: cannot be read", lambda: sinode.Model.from_file("nowhere.h5")),
                (sinode.UsageError, "a stencil has 4 coefficients", lambda: sinode.Model(16, 22.0, np.ones(4))),
                (sinode.UsageError, "x.h5: files know no network of a program's own",
                 lambda: sinode.Model(16, 22.0, network=Quadratic()).write("x.h5")),
                (TypeError, "communicator of mpi4py", lambda: sinode.Model(16, 22.0, comm=3)),
                (RuntimeError, "must follow a forward pass", lambda: sinode.Integrator(model).vjp(np.ones((2, 16))))):
            with self.subTest(text=text), self.assertRaisesRegex(error, text):
                call()

    def test_exceptions_of_a_network_are_its_own(self):
        class Failing(Quadratic):
            def vjp(self, u, parameters, f_bar):
                raise LookupError("nothing here")

        model = sinode.Model(8, 1.0, network=Failing())
        integrator = sinode.Integrator(model)
        states = integrator.forward(np.ones(8), [0, 0.1], adjoint=True)
        with self.assertRaisesRegex(LookupError, "nothing here"):
            integrator.vjp(states)
        integrator.forward(np.ones(8), [0, 0.1])  # goes on

    def test_what_is_not_used_is_not_imported(self):
        script = ("import sys, sinode; sinode.InputError, sinode.Error, sinode.Integrator; "
                  "print(sorted({'cffi', 'mpi4py', 'torch', 'matplotlib', 'xarray', 'h5py'} & set(sys.modules)))")
        out = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(PACKAGE)},
                             capture_output=True, text=True, check=True).stdout
        self.assertEqual(out, "[]\n")

    def test_the_library_is_missing(self):
        script = "import sinode; sinode.Model(8, 1.0)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE), "SINODE_LIBRARY": "/nowhere.so"})
        self.assertIn("ImportError: libsinode.so cannot be loaded", done.stderr)
        self.assertIn("set SINODE_LIBRARY", done.stderr)


ON_RANKS = """
import json, sys
import numpy as np
from mpi4py import MPI
sys.path.insert(0, sys.argv[1])
import sinode

comm = MPI.COMM_WORLD
fails = int(sys.argv[2])

class Network(sinode.Network):
    parameters = {"w": np.array([0.4])}
    def forward(self, u, parameters):
        if fails and comm.rank == 1:
            raise KeyError("only here")
        return parameters["w"] * u * u
    def vjp(self, u, parameters, f_bar):
        return 2 * parameters["w"] * u * f_bar, {"w": (u * u * f_bar).sum()}

taps = np.array([1.0, -2.0, 1.0])
model = sinode.Model(16, 22.0, taps, Network(), trainable=True, samples=2, comm=comm, space=comm.size // 2 or 1)
u0 = np.random.default_rng(3).normal(size=(4, 16))
mine = slice(2 * model.grid.replica, 2 * model.grid.replica + 2) if model.grid.replicas > 1 else slice(0, 2)
integrator = sinode.Integrator(model, "ars222", 0.1)
raised = None
try:
    states = integrator.forward(u0[mine, model.grid.own], [0, 0.2, 0.4], adjoint=True)
except (KeyError, sinode.RunError) as error:
    raised = [comm.rank, type(error).__name__, str(error)]
told = comm.gather(raised)
if fails:
    print("".join(json.dumps(one) + "\\n" for one in told or []), end="")
    sys.exit()
_, gradient = integrator.vjp(states)
if model.grid.replicas == 1:  # the other half of the samples
    second = integrator.forward(u0[2:, model.grid.own], [0, 0.2, 0.4], adjoint=True)
    for name, value in integrator.vjp(second)[1].items():
        gradient[name] = gradient[name] + value
if comm.rank == 0:
    print(json.dumps({name: value.tolist() for name, value in gradient.items()}))
"""


GENERATES = """
import json, re, sys
from mpi4py import MPI
sys.path.insert(0, sys.argv[1])
import sinode
path = sinode.generate({"grid": {"points": 16, "length": 11.0}, "generate": {"span": 4.0, "transient": 1.0}},
                       MPI.COMM_WORLD)
if MPI.COMM_WORLD.rank == 0:
    with sinode.open(path) as data:
        print(json.dumps([list(data.u.shape), re.findall("mca_fcoll_vulcan", open("/proc/self/maps").read())]))
"""


@unittest.skipUnless(mpi4py, "needs mpi4py")
class Ranks(unittest.TestCase):
    def run_on(self, ranks, fails=0, text=ON_RANKS):
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder) / "ranks.py"
            script.write_text(text)
            process = harness.launch([sys.executable, script, PACKAGE, fails], ranks, folder)
            out, err = process.communicate(timeout=harness.TIMEOUT)
            self.assertEqual(process.returncode, 0, out + err)
            return [json.loads(line) for line in out.splitlines()]

    def test_gradients_do_not_depend_on_the_ranks(self):
        """4 ranks are two replicas of two; one rank has all samples in turn."""
        (one,), (four,) = self.run_on(1), self.run_on(4)
        self.assertEqual(set(one), {"linear/stencil", "nonlinear/w"})
        for name, value in one.items():
            np.testing.assert_allclose(four[name], value, rtol=1e-11)

    def test_files_written_under_mpi4py(self):
        """MPI's way of writing that has corrupted files is not in use, though mpi4py has started MPI; MPI's end finds
        HDF5 where it was."""
        ((shape, vulcan),) = self.run_on(2, text=GENERATES)
        self.assertEqual((shape[-1], vulcan), (16, []))

    def test_a_rank_that_raises_ends_the_others(self):
        found = {rank: (kind, text) for rank, kind, text in self.run_on(4, fails=1)}
        self.assertEqual(set(found), {0, 1, 2, 3})
        self.assertEqual(found[1][0], "KeyError")
        for rank in (0, 2, 3):
            self.assertEqual(found[rank], ("RunError", "the network raised KeyError: 'only here'"))


if __name__ == "__main__":
    unittest.main()
