"""odeint_imex, sinode's steppers under PyTorch: gradcheck over schemes, solvers and storages, the golden cases, and how
it behaves as a function of PyTorch's. SINODE_LIBRARY names the library; skipped without PyTorch.

usage: test_torch.py [--all]     every solver and storage with every scheme, instead of one after the other
"""
import gc
import itertools
import pathlib
import sys
import unittest

import h5py
import numpy as np

try:
    import torch
except ImportError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "io" / "python"))
import sinode  # noqa: E402

if torch:
    from sinode.torch import odeint_imex
    ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "gelu": torch.nn.GELU}
GOLDEN = ROOT / "tests" / "golden" / "gradient"
POINTS, DT = 10, 0.05
STORAGES = ({"storage": "all"}, {"storage": "solutions"}, {"storage": "revolve", "snapshots": 1},
            {"storage": "revolve", "snapshots": 3})
SOLVERS = (("stencil", "fft"), ("stencil", "banded"), ("stencil", "dense"), ("stencil", "gmres"), ("symbol", "fft"),
           ("symbol", "gmres"), ("matrix", "dense"), ("matrix", "gmres"))
GMRES = {"tolerance": 1e-14}


def network(points=POINTS, width=4):
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(points, width), torch.nn.Tanh(),
                               torch.nn.Linear(width, points)).double()


def linear(form, points=POINTS):
    torch.manual_seed(8)
    values = {"stencil": lambda: torch.tensor([0.2, 0.7, -1.3, 0.4, -0.1], dtype=torch.float64),
              "symbol": lambda: torch.randn(points // 2 + 1, dtype=torch.complex128),
              "matrix": lambda: torch.randn(points, points, dtype=torch.float64)}[form]()
    return values.requires_grad_()


def initial(*shape):
    torch.manual_seed(9)
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def combinations():
    """(scheme, form of A, solver, storage): everything occurs, with --all with everything else."""
    if "--all" in arguments:
        return itertools.product(sinode.schemes(), SOLVERS, STORAGES)
    return ((scheme, SOLVERS[k % len(SOLVERS)], STORAGES[(k + k // len(SOLVERS)) % len(STORAGES)])
            for k, scheme in enumerate(sinode.schemes()))


@unittest.skipUnless(torch, "needs PyTorch")
class Derivatives(unittest.TestCase):
    def test_gradcheck(self):
        """By the initial state, A and every parameter, with gaps of one and of three steps."""
        net, u0 = network(), initial(2, POINTS)
        parameters = list(net.parameters())
        for scheme, (form, solver), storage in combinations():
            with self.subTest(scheme=scheme, form=form, solver=solver, **storage):
                def states(u, matrix, *_):
                    return odeint_imex(net, matrix, u, [0, DT, 4 * DT], scheme, DT, solver, length=5.0, **storage,
                                       **(GMRES if solver == "gmres" else {}))

                # Adaptive steps are not smooth in what they depend on beyond their tolerance.
                loose = dict(atol=1e-4, rtol=1e-2) if "adaptive" in scheme else dict(atol=1e-6, rtol=1e-4)
                self.assertTrue(torch.autograd.gradcheck(states, (u0, linear(form), *parameters), fast_mode=True,
                                                         nondet_tol=1e-12, **loose))

    def test_golden(self):
        """The gradients of the golden files, their networks as modules."""
        import yaml
        for name in ("paper_shape", "conv_trainable_stencil", "conv_wide", "dense_trainable", "imex_ars343", "imex_5",
                     "explicit_bosh3", "implicit_cn", "spectral", "window_10"):
            with self.subTest(case=name):
                self.check_golden(GOLDEN / name, yaml.safe_load((GOLDEN / name / "case.yaml").read_text()))

    def check_golden(self, folder, case):
        model = sinode.model.read_model(folder / "model.h5")
        net, parameters = self.module_of(model)
        matrix = "spectral" if model.linear is None else torch.tensor(model.linear, requires_grad=model.trainable)
        with h5py.File(folder / "data.h5") as file:
            u, times = torch.tensor(file["u"][()]), file["time"][()]
        window = case["train"]["window"]
        u0 = u[:, 0].clone().requires_grad_()
        states = odeint_imex(net, matrix, u0, times[:window + 1], case["integrator"]["scheme"],
                             case["integrator"]["dt"], length=model.length)
        loss = torch.nn.functional.mse_loss(states[1:].transpose(0, 1), u[:, 1:window + 1])
        loss.backward()
        with h5py.File(folder / "expected.h5") as file:
            found = {"loss": loss, "trajectory": states.transpose(0, 1), "gradient/initial_state": u0.grad,
                     **{f"gradient/nonlinear/{path}": p.grad for path, p in parameters.items()}}
            if model.trainable:
                found[f"gradient/linear/{'stencil' if matrix.dim() == 1 else 'matrix'}"] = matrix.grad
            for path, value in found.items():
                expected = file[path][()]
                error = abs(value.detach().numpy() - expected).max() / abs(expected).max()
                self.assertLess(error, 1e-9, path)

    @staticmethod
    def module_of(model):
        """(module, {layer_0/weight: parameter, ...})."""
        layers, parameters = [], {}
        for k, (weight, bias) in enumerate(model.layers):
            layer = torch.nn.Linear(1, 1) if model.kind == "mlp" else torch.nn.Conv1d(
                weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2, padding_mode="circular")
            layer.weight, layer.bias = (torch.nn.Parameter(torch.tensor(part)) for part in (weight, bias))
            parameters.update({f"layer_{k}/weight": layer.weight, f"layer_{k}/bias": layer.bias})
            layers += [layer, ACTIVATIONS[model.activation]()]
        if model.kind == "conv":
            layers = [torch.nn.Unflatten(1, (1, -1)), *layers[:-1], torch.nn.Flatten()]
        return torch.nn.Sequential(*layers[:None if model.kind == "conv" else -1]), parameters

    def test_batches_and_types(self):
        """Leading dimensions are one batch, which the network sees; float32 agrees with float64 to its precision."""
        net, u0, times = network(), initial(2, 3, POINTS), [0, 0.1, 0.2]
        seen = []
        net.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
        states = odeint_imex(net, "ks", u0, times, length=5.0)
        self.assertEqual((tuple(states.shape), set(seen)), ((3, 2, 3, POINTS), {(2, 3, POINTS)}))
        one = odeint_imex(net, "ks", u0[1, 2], times, length=5.0)
        torch.testing.assert_close(one, states[:, 1, 2], rtol=1e-13, atol=1e-13)
        single = network().float()
        u = u0.detach().float().requires_grad_()
        odeint_imex(single, "ks", u, times, length=5.0).square().sum().backward()
        states.square().sum().backward()
        self.assertEqual(u.grad.dtype, torch.float32)
        torch.testing.assert_close(u.grad.double(), u0.grad, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(single[0].weight.grad.double(), net[0].weight.grad, rtol=1e-4, atol=1e-4)

    def test_calls_do_not_meet(self):
        """Two calls before their backward passes, one of them twice, one never; frozen parameters; no_grad."""
        net, u0, times = network(), initial(POINTS), [0, 0.1]
        net[2].bias.requires_grad_(False)
        first, second = (odeint_imex(net, "ks", factor * u0, times, length=5.0)[-1].sum() for factor in (1, 2))
        odeint_imex(net, "ks", u0, times, length=5.0)
        gc.collect()
        ahead = torch.autograd.grad(first, u0, retain_graph=True)[0]
        torch.testing.assert_close(torch.autograd.grad(first, u0)[0], ahead, rtol=0, atol=0)
        h = 1e-6 * torch.ones(POINTS, dtype=torch.float64)
        with torch.no_grad():
            sides = [odeint_imex(net, "ks", 2 * (u0 + s * h), times, length=5.0)[-1].sum() for s in (1, -1)]
        second.backward()
        self.assertAlmostEqual((u0.grad * h).sum().item(), ((sides[0] - sides[1]) / 2).item(), delta=1e-13)
        self.assertIsNone(net[2].bias.grad)
        self.assertIsNotNone(net[0].weight.grad)

    def test_networks_of_other_kinds(self):
        """One that takes part in nothing, one without parameters, one that returns its argument."""
        class Zero(torch.nn.Module):
            def forward(self, u):
                return torch.zeros(u.shape, dtype=u.dtype)

        class Same(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.unused = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))

            def forward(self, u):
                return u

        for scheme in ("l2", "cn"):
            for module in (Zero(), Same(), torch.nn.Tanh()):
                with self.subTest(scheme=scheme, module=type(module).__name__):
                    self.assertTrue(torch.autograd.gradcheck(
                        lambda u: odeint_imex(module, "ks", u, [0, 0.1, 0.2], scheme, length=5.0), initial(POINTS)))
        same = Same()
        odeint_imex(same, "ks", initial(POINTS), [0, 0.1]).sum().backward()
        self.assertEqual(same.unused.grad.tolist(), [0, 0])


@unittest.skipUnless(torch, "needs PyTorch")
class Refusals(unittest.TestCase):
    def test_second_derivatives(self):
        u0 = initial(POINTS)
        with self.assertRaisesRegex(RuntimeError, "no second derivatives"):
            torch.autograd.grad(odeint_imex(network(), "ks", u0, [0, 0.1]).sum(), u0, create_graph=True)

    def test_arguments(self):
        net, u0 = network(), initial(POINTS)
        for error, text, call in (
                (TypeError, "u0 must be a tensor", lambda: odeint_imex(net, "ks", u0.detach().numpy(), [0, 1])),
                (ValueError, "A has shape", lambda: odeint_imex(net, torch.ones(2, 2), u0, [0, 1])),
                (ValueError, "is 'laplace'", lambda: odeint_imex(net, "laplace", u0, [0, 1])),
                (ValueError, "no derivatives by the times",
                 lambda: odeint_imex(net, "ks", u0, torch.tensor([0., 1.], requires_grad=True))),
                (ValueError, "there is no scheme 'rk5'", lambda: odeint_imex(net, "ks", u0, [0, 1], "rk5")),
                (ValueError, r"the network gave \(4,\) for states of shape \(10,\)",
                 lambda: odeint_imex(net[0], "ks", u0, [0, 1])),
                (sinode.UsageError, "no values between wave numbers",
                 lambda: odeint_imex(net, linear("symbol"), u0, [0, 1], solver="local")),
                (sinode.UsageError, "is not circulant", lambda: odeint_imex(
                    net, torch.eye(POINTS), u0, [0, 1], solver="fft"))):
            with self.subTest(text=text), self.assertRaisesRegex(error, text):
                call()

    def test_exceptions_of_the_network(self):
        class Failing(torch.nn.Module):
            def forward(self, u):
                raise LookupError("not today")

        with self.assertRaisesRegex(LookupError, "not today"):
            odeint_imex(Failing(), "ks", initial(POINTS), [0, 0.1])

    def test_parameters_changed_in_place_before_the_backward_pass(self):
        net, u0 = network(), initial(POINTS)
        states = odeint_imex(net, "ks", u0, [0, 0.1])
        with torch.no_grad():
            net[0].weight.mul_(2)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            states.sum().backward()


arguments = []
if __name__ == "__main__":
    arguments = [word for word in sys.argv[1:] if word == "--all"]
    if torch:
        torch.set_num_threads(1)
    unittest.main(argv=[word for word in sys.argv if word not in arguments])
