"""Models of convolutions and their products as kernels, and kernels as differential operators.

A kernel w is the operator sum over k of M_k d^k/dx^k with its moments M_k = sum over m of w_m (m dx)^k / k!. So a model
du/dt = A u - F(u) of kernels and their products has coefficients of u, u_x, ..., u u_x, u_x^2, ... Their error bars are
those of the weights, from the matrix J^T J that training by lm leaves in the file; what the list of operators does not
explain is measured on data.
"""
import dataclasses
import math
import pathlib

import h5py
import numpy as np

from .files import InputError, to_text
from .model import open_model
from .records import parse_config
from .statistics import derivative
from .trajectory import length_of, open as open_trajectory

SNAPSHOTS = 256     # of the data, on which shares and the remainder are measured
UNSEEN = 1e-4       # of a coefficient's gradient, in directions that no residual depends on: beyond, it is undetermined
LINEAR = ("stencil", "dense", "spectral", "derivatives")
NETWORKS = ("product", "ks", "none", "conv")
READ = "a network of kind product, ks or none, or conv with one hidden layer and tanh, sigmoid or gelu"


@dataclasses.dataclass
class Learnt:
    """A model file: its blocks by name below /model, what is said of them, and the least squares behind them."""

    path: pathlib.Path
    points: int
    length: float
    said: dict
    blocks: dict
    rows: list = ()                   # names of the trained blocks, in the order of the matrix
    matrix: np.ndarray | None = None  # J^T J / residuals
    residuals: float = np.nan
    loss: float = np.nan              # mean of their squares
    data: str | None = None           # the file that it was trained on

    @property
    def spacing(self):
        return self.length / self.points


def read_learnt(path):
    with open_model(path) as (file, said):
        blocks = {}
        file["model"].visititems(lambda name, item: blocks.update({name: item[()]})
                                 if isinstance(item, h5py.Dataset) else None)
        model = Learnt(pathlib.Path(path), int(said["grid_points"]), float(said["domain_length"]), said, blocks,
                       data=parse_config(to_text(file.attrs.get("config", ""))).get("train.data"))
        if "training/normal_matrix" in file:
            fit = file["training/normal_matrix"]
            model.matrix, model.rows = fit[()], to_text(fit.attrs["rows"]).split()
            model.residuals, model.loss = float(fit.attrs["residuals"]), float(fit.attrs["loss"])
            if model.matrix.shape != 2 * (sum(blocks[name].size for name in model.rows),):
                raise ValueError(f"the matrix of its training is {model.matrix.shape}")
    layers = sum(name.endswith("/weight") and "layer_" in name for name in blocks)
    network, linear, activation = (said.get(name) for name in ("nonlinear_kind", "linear_kind", "activation"))
    if network not in NETWORKS or network == "conv" and (layers != 2 or activation not in DERIVATIVES):
        of = f" with {layers - 1} hidden layer(s), {activation}" if network in ("conv", "mlp") else ""
        raise InputError(f"{path}: is a network of kind {network}{of}, which is no sum of kernels and their products; "
                         f"expected {READ}")
    if linear not in LINEAR:
        raise InputError(f"{path}: has a linear part of kind {linear}, expected one of {', '.join(LINEAR)}")
    return model


def _normal(x):
    """Distribution and density of the standard normal distribution."""
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))), np.exp(-x**2 / 2) / math.sqrt(2 * math.pi)


def _tanh(x):
    y = np.tanh(x)
    return y, 1 - y**2, -2 * y * (1 - y**2)


def _sigmoid(x):
    y = 1 / (1 + np.exp(-x))
    return y, y * (1 - y), y * (1 - y) * (1 - 2 * y)


def _gelu(x):
    below, density = _normal(x)
    return x * below, below + x * density, (2 - x**2) * density


DERIVATIVES = {"tanh": _tanh, "sigmoid": _sigmoid, "gelu": _gelu}  # value, first and second derivative


@dataclasses.dataclass
class Kernels:
    """du/dt as a sum of operators that are exact, a constant, kernels, and r * ((p * u) (q * u)); rows are channels."""

    exact: dict
    constant: float
    linear: list
    p: np.ndarray
    q: np.ndarray
    r: np.ndarray


def kernels_of(model, blocks=None):
    """The right-hand side by kernels; of a conv network to second order around u = 0. blocks: in place of the file's."""
    blocks = blocks or model.blocks
    kind, linear = model.said["nonlinear_kind"], model.said["linear_kind"]
    none = np.zeros((0, 1))
    found = Kernels({}, 0.0, [], none, none, none)
    if linear == "spectral":
        found.exact = {(2,): -1.0, (4,): -1.0}
    elif linear == "derivatives":
        orders = model.said["linear_derivatives"].split()
        found.exact = {(int(order),): value for order, value in zip(orders, blocks["linear/derivatives"])}
    elif linear == "stencil":
        found.linear.append(blocks["linear/stencil"])
    else:  # the means along the diagonals: the nearest circulant
        matrix, offsets = blocks["linear/matrix"], np.arange(model.points) - model.points // 2
        rows = np.arange(model.points)
        found.linear.append(np.array([matrix[rows, (rows + m) % model.points].mean() for m in offsets]))
    if kind == "ks":
        found.exact[0, 1] = -1.0
    elif kind == "product":
        weight = blocks["nonlinear/layer_0/weight"][:, 0]
        found.p, found.q = np.split(weight, 2)
        found.r = -blocks["nonlinear/layer_1/weight"][0]
        found.linear.append(-blocks["nonlinear/linear/weight"][0, 0])
    elif kind == "conv":
        value, first, second = DERIVATIVES[model.said["activation"]](blocks["nonlinear/layer_0/bias"])
        weight, out = blocks["nonlinear/layer_0/weight"][:, 0], -blocks["nonlinear/layer_1/weight"][0]
        found.constant = float(value @ out.sum(axis=1) - blocks["nonlinear/layer_1/bias"][0])
        found.linear += [slope * np.convolve(inner, outer) for slope, inner, outer in zip(first, weight, out)]
        found.p, found.q, found.r = weight, weight, second[:, None] / 2 * out
    return found


def operators(order):
    """The list: (), the constant; (k,), the k-th derivative of u; (a, b), the product of the a-th and the b-th."""
    linear = [(k,) for k in range(order + 1)]
    return [(), *linear, *((a, total - a) for total in range(order + 1) for a in range(total // 2 + 1))]


def name_of(operator):
    names = ["u" + ("_" + "x" * k if k else "") for k in operator]
    return "1" if not names else names[0] + "²" if len(names) == 2 and names[0] == names[1] else " ".join(names)


def moments(kernel, order, spacing):
    """M_0 .. M_order of the last axis: (order + 1, ...)."""
    places = spacing * (np.arange(kernel.shape[-1]) - kernel.shape[-1] // 2)
    return np.array([kernel @ (places**k / math.factorial(k)) for k in range(order + 1)])


def coefficients(kernels, order, spacing):
    """Of operators(order), in that order."""
    found = dict.fromkeys(operators(order), 0.0)
    found[()] = kernels.constant
    for operator, value in kernels.exact.items():
        if operator in found:
            found[operator] += value
    for kernel in kernels.linear:
        for k, moment in enumerate(moments(kernel, order, spacing)):
            found[k,] += moment
    p, q, r = (moments(kernel, order, spacing) for kernel in (kernels.p, kernels.q, kernels.r))
    for a in range(order + 1):
        for b in range(order + 1 - a):
            for c in range(order + 1 - a - b):  # the c-th derivative of a product, by Leibniz
                for j in range(c + 1):
                    pair = tuple(sorted((a + j, b + c - j)))
                    found[pair] += math.comb(c, j) * float((r[c] * p[a] * q[b]).sum())
    return np.array(list(found.values()))


def errors(model, order):
    """Standard errors of the coefficients from those of the weights, by linear propagation; infinite where the data do
    not determine a coefficient, NaN where training has left no matrix."""
    count = len(operators(order))
    if model.matrix is None:
        return np.full(count, np.nan)
    weights = np.concatenate([model.blocks[name].ravel() for name in model.rows])
    cuts = np.cumsum([model.blocks[name].size for name in model.rows])[:-1]

    def at(values):
        parts = {name: part.reshape(model.blocks[name].shape) for name, part in zip(model.rows, np.split(values, cuts))}
        return coefficients(kernels_of(model, {**model.blocks, **parts}), order, model.spacing)

    slopes = np.empty((count, weights.size))
    for k in range(weights.size):
        step = np.zeros(weights.size)
        step[k] = 1e-5 * max(1e-2, abs(weights[k]))
        slopes[:, k] = (at(weights + step) - at(weights - step)) / (2 * step[k])
    # Weights of no consequence, and scales that products share among their factors, make the matrix singular.
    size = np.sqrt(np.diag(model.matrix))
    scale = 1 / np.where(size > 0, size, 1)
    curvature, directions = np.linalg.eigh(model.matrix * np.outer(scale, scale))
    seen = curvature > max(100, weights.size) * np.finfo(float).eps * curvature[-1]  # the others are round-off
    along = (slopes * scale) @ directions
    variance = model.loss / max(1, model.residuals - seen.sum())
    found = np.sqrt(variance * (along[:, seen]**2 / curvature[seen]).sum(axis=1))
    unseen = np.linalg.norm(along[:, ~seen], axis=1) > UNSEEN * np.linalg.norm(along, axis=1)
    return np.where(unseen, np.inf, found)


def symbol(kernel, angles):
    """sum over m of w_m e^(i m angle) of a kernel's last axis: (..., angles)."""
    places = np.arange(kernel.shape[-1]) - kernel.shape[-1] // 2
    return kernel @ np.exp(1j * np.outer(places, angles))


class Fields:
    """Snapshots (time, x) and their derivatives, spectral."""

    def __init__(self, u, length):
        self.u, self.points, self.length = u, u.shape[1], length
        self.angles = 2 * np.pi * np.fft.rfftfreq(self.points)

    def filtered(self, factor, u=None):
        return np.fft.irfft(np.fft.rfft(self.u if u is None else u) * factor, self.points)

    def convolved(self, kernel, u=None):
        return self.filtered(symbol(kernel, self.angles), u)

    def of(self, operator):
        """What an operator of the list makes of them."""
        product = np.ones_like(self.u)
        for order in operator:
            product = product * derivative(self.u, self.length, order)
        return product


def right_hand_side(model, fields):
    """A u - F(u) of the model itself."""
    kernels, kind = kernels_of(model), model.said["nonlinear_kind"]
    total = sum((value * fields.of(operator) for operator, value in kernels.exact.items()), np.zeros_like(fields.u))
    if model.said["linear_kind"] == "dense" and fields.points == model.points:
        total += fields.u @ model.blocks["linear/matrix"].T
        kernels.linear.pop(0)
    if kind == "conv":
        linear = kernels.linear[:1] if model.said["linear_kind"] == "stencil" else []
        inner, outer = (model.blocks[f"nonlinear/layer_{k}/weight"] for k in (0, 1))
        total -= model.blocks["nonlinear/layer_1/bias"][0]
        for weight, bias, out in zip(inner[:, 0], model.blocks["nonlinear/layer_0/bias"], outer[0]):
            hidden = DERIVATIVES[model.said["activation"]](fields.convolved(weight) + bias)[0]
            total -= fields.convolved(out, hidden)
        return total + sum(fields.convolved(kernel) for kernel in linear)
    for p, q, r in zip(kernels.p, kernels.q, kernels.r):
        total += fields.convolved(r, fields.convolved(p) * fields.convolved(q))
    return total + sum(fields.convolved(kernel) for kernel in kernels.linear)


def fields_of(model, path):
    with open_trajectory(path) as data:
        spacing = length_of(data) / data.sizes["x"]
        if abs(spacing - model.spacing) > 1e-9 * model.spacing:
            raise InputError(f"{path}: has points {spacing:.12g} apart, but {model.path} is for {model.spacing:.12g}; "
                             "give --data of that spacing", status=2)
        if model.said["linear_kind"] == "dense" and data.sizes["x"] != model.points:
            raise InputError(f"{path}: has {data.sizes['x']} points, but {model.path} has a matrix of {model.points}",
                             status=2)
        members = data.u.isel(member=np.unique(np.linspace(0, data.sizes["member"] - 1, SNAPSHOTS).astype(int)))
        each = max(1, SNAPSHOTS // members.sizes["member"])
        times = np.unique(np.linspace(0, data.sizes["time"] - 1, each).astype(int))
        u = np.asarray(members.isel(time=times), dtype=float).reshape(-1, data.sizes["x"])
        return Fields(u[np.isfinite(u).all(axis=1)], length_of(data))
