"""sinode gradient against PyTorch's automatic differentiation: combinations of scheme, network, linear part and split.

The reference is written from the formulas alone: tableaux from tests/golden/tableaux.json, A as a full matrix, stage
equations by a general solve, the nonlinear equations of beuler and cn by Newton's method with the full Jacobian and
the implicit function theorem, exponential schemes (exponential.py) by PyTorch's exponential of matrices.
SINODE_PROGRAM and SINODE_MPIEXEC in the environment name the program; without them, and without PyTorch, everything is
skipped.

usage: test_gradient.py [--long | --random COUNT SEED]     each combination of the list in one split, or in all of its
own; COUNT combinations drawn at random
"""
import json
import os
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np

try:
    import torch
except ImportError:
    torch = None

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "io" / "python"), str(HERE.parents[1] / "golden")]
from sinode.model import ks_stencil  # noqa: E402

if torch:
    import exponential
PROGRAM = os.environ.get("SINODE_PROGRAM")
if PROGRAM:
    sys.path.insert(0, str(HERE.parents[1] / "cli"))
    import harness  # noqa: E402
TABLEAUX = json.loads((HERE.parents[1] / "golden" / "tableaux.json").read_text())
IMPLICIT = {"beuler": 1.0, "cn": 0.5}  # the weight of the new state
LENGTH, INTERVAL, MEMBERS = 22.0, 0.1, 3
ASYMMETRIC = {1: [-0.7], 3: [-0.5, 0.9, -0.1], 5: [-0.5, 1.5, -2.2, 1.0, -0.1],
              7: [0.05, -0.6, 1.6, -2.3, 1.1, -0.2, 0.1],
              9: [0.02, 0.1, -0.6, 1.6, -2.3, 1.1, -0.2, -0.1, 0.04]}

# scheme, network, linear part, other settings; splits as (ranks, space ranks)
CASES = [
    ("4", dict(kind="conv", channels=[5, 4], kernel=7, activation="tanh"), dict(kind="stencil", trainable=True),
     dict(points=17, window=3, substeps=2), [(4, 4), (3, 3), (4, 2)]),
    ("cn", dict(kind="mlp", hidden=[9, 7], activation="sigmoid"), dict(kind="dense", trainable=True),
     dict(points=13, window=2), [(2, 2), (3, 3), (4, 2)]),
    ("beuler", dict(kind="conv", channels=[3], kernel=5, activation="gelu"), dict(kind="spectral"),
     dict(points=16, window=2, substeps=2), [(1, 1), (2, 2), (4, 4)]),
    ("5", dict(kind="mlp", hidden=[6], activation="tanh"), dict(kind="stencil", taps=7, trainable=True),
     dict(points=19, window=2), [(2, 2), (3, 3), (4, 4)]),
    ("ars232", dict(kind="conv", channels=[2, 3, 2], kernel=13, activation="tanh"), dict(kind="stencil", taps=9),
     dict(points=13, window=2), [(2, 2), (4, 4)]),
    ("cn", dict(kind="conv", channels=[4], kernel=3, activation="tanh"), dict(kind="stencil", taps=5, trainable=True),
     dict(points=11, window=3, storage="{storage: revolve, snapshots: 2}"), [(1, 1), (3, 3)]),
    ("prssp2", dict(kind="mlp", hidden=[], activation="tanh"), dict(kind="dense", trainable=True),
     dict(points=10, window=2, solver="gmres"), [(1, 1), (4, 4)]),
    ("bpr3", dict(kind="mlp", hidden=[8, 3, 5], activation="gelu"), dict(kind="stencil", trainable=True),
     dict(points=16, window=2, substeps=3, solver="banded"), [(1, 1), (2, 2)]),
    ("rk4", dict(kind="conv", channels=[4], kernel=1, activation="tanh"), dict(kind="spectral"),
     dict(points=9, window=2, substeps=20), [(2, 1), (3, 3)]),
    ("2c", dict(kind="none"), dict(kind="dense", trainable=True), dict(points=12, window=3, loss="mae"),
     [(2, 2), (4, 1)]),
    ("beuler", dict(kind="mlp", hidden=[7], activation="tanh"), dict(kind="stencil", taps=1, trainable=True),
     dict(points=8, window=2), [(1, 1), (4, 4)]),
    ("dopri5", dict(kind="mlp", hidden=[5], activation="sigmoid"), dict(kind="dense", trainable=True),
     dict(points=8, window=2, substeps=10), [(2, 2), (4, 2)]),
    ("etdrk4", dict(kind="mlp", hidden=[6], activation="tanh"), dict(kind="stencil", taps=7, trainable=True),
     dict(points=13, window=2, substeps=2, storage="{storage: revolve, snapshots: 2}"), [(4, 4)]),
    ("lawson5", dict(kind="conv", channels=[3], kernel=5, activation="tanh"), dict(kind="dense", trainable=True),
     dict(points=9, window=2), [(4, 4)]),
    ("exprk5s8", dict(kind="none"), dict(kind="stencil", trainable=True), dict(points=10, window=3, loss="mae"),
     [(4, 2)]),
]


def draw_case(random):
    """A combination at random."""
    def pick(*values):
        return values[random.integers(len(values))]

    points = int(random.integers(8, 22))
    scheme = pick(*TABLEAUX["imex"], *TABLEAUX["explicit"], "beuler", "cn", "beuler", "cn",
                  *(exponential.SCHEMES if torch else ()))
    network = pick(dict(kind="mlp", hidden=[int(w) for w in random.integers(1, 9, random.integers(0, 4))]),
                   dict(kind="conv", channels=[int(w) for w in random.integers(1, 5, random.integers(0, 4))],
                        kernel=int(2 * random.integers(0, (points + 1) // 2) + 1)), dict(kind="none"))
    if network["kind"] != "none":
        network["activation"] = pick("tanh", "sigmoid", "gelu")
    linear = pick(dict(kind="stencil"), dict(kind="stencil", taps=pick(1, 3, 5, 7)), dict(kind="dense"),
                  dict(kind="spectral"))
    if linear["kind"] != "spectral":
        linear["trainable"] = network["kind"] == "none" or pick(True, False)
    elif network["kind"] == "none":
        linear = dict(kind="stencil", trainable=True)
    other = dict(points=points, window=int(random.integers(1, 5)), loss=pick("mse", "mse", "mae"),
                 substeps=20 if scheme in TABLEAUX["explicit"] else int(random.integers(1, 4)),
                 storage=pick("{storage: all}", "{storage: solutions}", "{storage: revolve, snapshots: 1}",
                              "{storage: revolve, snapshots: 3}", "{storage: auto}"),
                 solver=pick("auto", "gmres") if linear["kind"] != "dense" else pick("auto", "dense", "gmres"))
    return scheme, network, linear, other, [pick((1, 1), (2, 2), (3, 3), (4, 4), (4, 2), (2, 1), (3, 1))]


def circulant(taps, points):
    """Coefficient k multiplies u[j + k - n//2]."""
    matrix = torch.zeros(points, points, dtype=torch.float64)
    for k in range(len(taps)):
        matrix = matrix + taps[k] * torch.roll(torch.eye(points, dtype=torch.float64), k - len(taps) // 2, dims=1)
    return matrix


def spectral(points):
    k = 2 * np.pi / LENGTH * np.fft.fftfreq(points, 1 / points)
    return torch.from_numpy(np.real(np.fft.ifft((k**2 - k**4)[:, None] * np.fft.fft(np.eye(points), axis=0), axis=0)))


class Model:
    """Parameters as leaves by their names in files, A as a matrix and F as a function."""

    def __init__(self, network, linear, points, random):
        self.network, self.points = network, points
        self.leaves = {}
        kind = linear["kind"]
        if kind == "stencil":
            taps = ASYMMETRIC[linear["taps"]] if "taps" in linear else ks_stencil(points, LENGTH)
            self.add("linear/stencil", np.array(taps))
        elif kind == "dense":
            self.add("linear/matrix", circulant(ASYMMETRIC[5], points).numpy() +
                     0.2 * random.normal(size=(points, points)))
        self.trained = [] if not linear.get("trainable") else list(self.leaves)
        self.kind = kind
        sizes = ([points, *network["hidden"], points] if network["kind"] == "mlp" else
                 [1, *network["channels"], 1] if network["kind"] == "conv" else [])
        kernel = [network["kernel"]] if network["kind"] == "conv" else []
        for layer, (inputs, out) in enumerate(zip(sizes, sizes[1:])):
            weight = random.normal(size=[out, inputs, *kernel])
            self.add(f"nonlinear/layer_{layer}/weight", weight / np.sqrt(weight[0].size))
            self.add(f"nonlinear/layer_{layer}/bias", 0.3 * random.normal(size=out))
            self.trained += [f"nonlinear/layer_{layer}/weight", f"nonlinear/layer_{layer}/bias"]
        self.layers = max(len(sizes) - 1, 0)

    def add(self, name, value):
        self.leaves[name] = torch.tensor(value, dtype=torch.float64, requires_grad=True)

    def matrix(self):
        if self.kind == "spectral":
            return spectral(self.points)
        return self.leaves["linear/matrix"] if self.kind == "dense" else circulant(self.leaves["linear/stencil"],
                                                                                   self.points)

    def function(self, u):
        if not self.layers:
            return torch.zeros_like(u)
        activation = {"tanh": torch.tanh, "sigmoid": torch.sigmoid,
                      "gelu": torch.nn.functional.gelu}[self.network["activation"]]
        a = u
        for layer in range(self.layers):
            weight, bias = (self.leaves[f"nonlinear/layer_{layer}/{part}"] for part in ("weight", "bias"))
            if weight.dim() == 2:
                a = a @ weight.T + bias
            else:
                reach, wide = weight.shape[2] // 2, a if layer else a[:, None]
                a = bias[:, None] + sum(torch.einsum("oi,sij->soj", weight[:, :, t],
                                                     torch.roll(wide, reach - t, dims=2))
                                        for t in range(weight.shape[2]))
            a = activation(a) if layer < self.layers - 1 else a
        return a if a.dim() == 2 else a[:, 0]

    def write(self, path, linear, length=LENGTH):
        with h5py.File(path, "w") as file:
            file.attrs.update({"sinode_kind": "model", "sinode_format": 1})
            group = file.create_group("model")
            group.attrs.update({"grid_points": self.points, "domain_length": length,
                                "activation": self.network.get("activation", "tanh"),
                                "nonlinear_kind": self.network["kind"], "linear_kind": linear["kind"],
                                "linear_trainable": int(linear.get("trainable", False))})
            for name, value in self.leaves.items():
                group[name] = value.detach().numpy()


def imex_step(model, tableau, matrix, u, dt):
    """One step of an IMEX pair, or of an explicit scheme (no at, bt)."""
    a, b = tableau["a"], tableau["b"]
    at, bt = tableau.get("at", a), tableau.get("bt", b)
    slopes, linear = [], []
    for i in range(len(b)):
        right = u + dt * sum((a[i][j] * slopes[j] + at[i][j] * linear[j] for j in range(i)), torch.zeros_like(u))
        diagonal = at[i][i] if i < len(at[i]) else 0
        system = torch.eye(len(matrix), dtype=torch.float64) - dt * diagonal * matrix
        stage = torch.linalg.solve(system, right.T).T if diagonal else right
        slopes.append(-model.function(stage))
        linear.append(stage @ matrix.T)
    return u + dt * sum(b[j] * slopes[j] + bt[j] * linear[j] for j in range(len(b)))


def implicit_step(model, theta, matrix, u, dt):
    def slope(v):
        return v @ matrix.T - model.function(v)

    right = u + (1 - theta) * dt * slope(u)
    new = u.detach()
    for _ in range(12):
        new = new.detach()
        jacobians = [torch.autograd.functional.jacobian(lambda v: slope(v[None])[0], row) for row in new]
        systems = torch.stack([torch.eye(len(matrix), dtype=torch.float64) - theta * dt * j for j in jacobians])
        residual = new - right - theta * dt * slope(new)
        new = new - torch.linalg.solve(systems, residual[:, :, None])[:, :, 0]
    return new  # by implicit differentiation: the last correction, of size 0, carries the derivative


def evaluate(model, scheme, u0, targets, dt, substeps, loss):
    matrix = model.matrix()
    u = u0
    if scheme in exponential.SCHEMES:
        step = exponential.step_of(scheme, lambda v: -model.function(v), matrix, dt, TABLEAUX["explicit"])
    states = [u]
    for _ in range(targets.shape[1]):
        for _ in range(substeps):
            if scheme in IMPLICIT:
                u = implicit_step(model, IMPLICIT[scheme], matrix, u, dt)
            elif scheme in exponential.SCHEMES:
                u = step(u)
            else:
                u = imex_step(model, {**TABLEAUX["imex"], **TABLEAUX["explicit"]}[scheme], matrix, u, dt)
        states.append(u)
    states = torch.stack(states, dim=1)
    difference = states[:, 1:] - targets
    value = (difference**2 if loss == "mse" else difference.abs()).mean()
    return value, states


def write_case(folder, number, scheme, network, linear, other):
    """Writes what the program reads of a case, and returns what it is to find."""
    random = np.random.default_rng(number)
    points, window, substeps = other["points"], other["window"], other.get("substeps", 1)
    model = Model(network, linear, points, random)
    x = LENGTH / points * np.arange(points)
    data = np.array([[np.cos(2 * np.pi * x / LENGTH + m) + 0.3 * random.normal(size=points)
                      for _ in range(window + 1)] for m in range(MEMBERS)])
    u0 = torch.tensor(data[:, 0], requires_grad=True)
    loss, states = evaluate(model, scheme, u0, torch.from_numpy(data[:, 1:]), INTERVAL / substeps, substeps,
                            other.get("loss", "mse"))
    loss.backward()
    model.write(folder / "model.h5", linear)
    with h5py.File(folder / "data.h5", "w") as file:
        file.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH})
        file["member"], file["time"] = np.arange(MEMBERS, dtype="i4"), INTERVAL * np.arange(window + 1)
        file["x"], file["u"] = x, data
    (folder / "case.yaml").write_text(
        f"grid: {{points: {points}, length: {LENGTH}}}\n"
        f"integrator: {{scheme: '{scheme}', dt: {INTERVAL / substeps!r}, solver: {{kind: "
        f"{other.get('solver', 'auto')}, tolerance: 1e-14}}}}\n"
        f"adjoint: {other.get('storage', '{storage: auto}')}\n"
        f"train: {{window: {window}, loss: {other.get('loss', 'mse')}}}\n"
        "gradient: {model: model.h5, data: data.h5, file: gradient.h5}\n")
    expected = {"loss": loss, "trajectory": states, "gradient/initial_state": u0.grad}
    expected.update({"gradient/" + name: model.leaves[name].grad for name in model.trained})
    return {name: value.detach().numpy() for name, value in expected.items()}


@unittest.skipUnless(torch and PROGRAM, "needs PyTorch and SINODE_PROGRAM")
class GradientTest(unittest.TestCase):
    def check_case(self, number, scheme, network, linear, other, splits):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            expected = write_case(folder, number, scheme, network, linear, other)
            for ranks, space in splits if harness.LONG else [splits[number % len(splits)]]:
                status, out, err = harness.run(folder, "gradient", "case.yaml", "--quiet", "--overwrite", ranks=ranks,
                                               space=space)
                self.assertEqual(status, 0, out + err)
                self.compare(folder / "gradient.h5", expected, 1e-8 if scheme in IMPLICIT else 1e-9, f"{ranks}/{space}")

    def compare(self, path, expected, tolerance, split):
        with h5py.File(path) as file:
            names = set()
            file["gradient"].visititems(lambda name, item: names.add("gradient/" + name)
                                        if isinstance(item, h5py.Dataset) else None)
            self.assertEqual(names, {name for name in expected if name.startswith("gradient/")}, split)
            for name, value in expected.items():
                error = np.abs(file[name][()] - value).max() / np.abs(value).max()
                self.assertLess(error, tolerance, f"{name} on {split} ranks")

    def test_combinations(self):
        for number, case in enumerate(cases):
            with self.subTest(number=number, case=case):
                self.check_case(number, *case)


cases = CASES
if __name__ == "__main__":
    if sys.argv[1:2] == ["--random"]:
        source = np.random.default_rng(int(sys.argv[3]))
        cases = [draw_case(source) for _ in range(int(sys.argv[2]))]
        del sys.argv[1:4]
    harness.main() if PROGRAM else unittest.main()
