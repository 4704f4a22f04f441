"""Model files, and weights by PyTorch's names: read_model, write_model, layers_of, to_state."""
import contextlib
import dataclasses
import datetime
import pathlib
import re

import h5py
import numpy as np

from .files import InputError, to_text, write_whole

FORMAT = 1        # sinode_format
MOST_LAYERS = 17  # that the program reads

LINEAR = {"stencil": "linear/stencil", "dense": "linear/matrix", "derivatives": "linear/derivatives"}  # by kind


@dataclasses.dataclass
class Model:
    """A model as its file has it."""

    points: int                 # N of the grid
    length: float               # of the domain
    activation: str
    kind: str                   # mlp, conv or none
    layers: list                # (weight, bias) each: (out, in) or (out, in, kernel), and (out)
    linear_kind: str            # stencil, dense, derivatives or spectral
    linear: np.ndarray | None   # taps, (N, N), coefficients or None
    trainable: bool = False     # whether A is
    derivatives: dict = dataclasses.field(default_factory=dict)  # attributes of that kind

    def negated(self):
        """The same with -F for F; exact, as only signs change."""
        return dataclasses.replace(self, layers=self.layers[:-1] + [tuple(-part for part in self.layers[-1])])


def ks_stencil(points, length):
    """Taps of -(d2/dx2 + d4/dx4); operation by operation what the program does, so that the bits agree."""
    dx = length / points
    second = 1 / (dx * dx)
    fourth = second * second
    pair = 4 * fourth - second
    return np.array([-fourth, pair, 2 * second - 6 * fourth, pair, -fourth])


def to_double(path, name, array):
    """As float64, exactly; refused are integers, complex numbers and what is longer than float64."""
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise InputError(f"{path}: {name} holds {array.dtype}, expected float64, float32 or float16")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {name} holds values that are not finite")
    return np.ascontiguousarray(array, dtype=np.float64)


def make_linear(points, length, stencil=None, matrix=None):
    """(kind, coefficients) of A: a list of taps, the path of an .npy file, or else that of Kuramoto-Sivashinsky."""
    if matrix:
        try:
            values = np.load(matrix, allow_pickle=False)
            shape = values.shape
        except Exception as error:  # of many kinds, and .npz has no shape
            raise InputError(f"{matrix}: cannot be read as .npy of one array ({str(error)[:120]})") from None
        if shape != (points, points):
            raise InputError(f"{matrix}: has shape {shape}, expected {(points, points)}, as the grid")
        return "dense", to_double(matrix, "the matrix", values)
    taps = np.array(stencil) if stencil else ks_stencil(points, length)
    if taps.size % 2 == 0 or taps.size > points:
        raise InputError(f"the stencil has {taps.size} coefficients, expected an odd number, at most the {points} "
                         "points", status=2)
    return "stencil", taps


@contextlib.contextmanager
def open_model(path):
    """(file, attributes of its group model as text) of a model or checkpoint file; what is wrong within is an InputError."""
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: {'is a directory' if pathlib.Path(path).is_dir() else 'no such file'}")
    try:
        with h5py.File(path, "r") as file:
            kind = to_text(file.attrs.get("sinode_kind", "a file without sinode_kind"))
            if kind not in ("model", "checkpoint"):
                raise InputError(f"{path}: is not a model or checkpoint file (it is: {kind})")
            if file.attrs["sinode_format"] > FORMAT:
                raise InputError(f"{path}: has format {file.attrs['sinode_format']}, expected up to {FORMAT}; use a "
                                 "newer sinode")
            yield file, {name: to_text(value) for name, value in file["model"].attrs.items()}
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a model: {error}") from None


def read_model(path):
    """The model in a model or checkpoint file."""
    with open_model(path) as (file, said):
        group = file["model"]
        if said["nonlinear_kind"] not in ("mlp", "conv", "none"):
            raise InputError(f"{path}: a {said['nonlinear_kind']} network is no sequence of layers, expected mlp or "
                             "conv; h5py reads its arrays")

        def read(name):
            return to_double(path, name, group[name][()])

        count = len(group["nonlinear"]) if said["nonlinear_kind"] != "none" else 0
        layers = [tuple(read(f"nonlinear/layer_{k}/{part}") for part in ("weight", "bias"))
                  for k in range(count)]
        linear = LINEAR.get(said["linear_kind"])
        numbers = ("parameter_least", "parameter_most")
        derivatives = {name: float(said[name]) if name in numbers else said[name]
                       for name in ("linear_derivatives", "linear_parameter", *numbers) if name in said}
        return Model(int(said["grid_points"]), float(said["domain_length"]), said["activation"],
                     said["nonlinear_kind"], layers, said["linear_kind"], read(linear) if linear else None,
                     said["linear_trainable"] != "0", derivatives)


def write_model(path, model, history="", overwrite=False):
    """A model file as the program writes it. history: the command line that made it."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def set_all(group, **attributes):
        for name, value in attributes.items():
            if isinstance(value, str):  # of fixed length, ended by a 0
                value = value.encode()
                group.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", len(value) + 1))
            else:
                group.attrs[name] = np.float64(value) if isinstance(value, float) else np.int64(value)

    def write(temporary):
        with h5py.File(temporary, "w") as file:
            set_all(file, Conventions="CF-1.8", title="semi-implicit neural ODE", source="sinode, Python package",
                    history=f"{date} {history}", sinode_kind="model", sinode_format=FORMAT, mpi_ranks=1,
                    config=f"grid: {{points: {model.points}, length: {model.length!r}}}\n")
            group = file.create_group("model")
            set_all(group, grid_points=model.points, domain_length=float(model.length), activation=model.activation,
                    nonlinear_kind=model.kind, linear_kind=model.linear_kind, linear_trainable=model.trainable,
                    **model.derivatives)
            if model.linear is not None:
                group[LINEAR[model.linear_kind]] = model.linear
            for k, (weight, bias) in enumerate(model.layers):
                group[f"nonlinear/layer_{k}/weight"], group[f"nonlinear/layer_{k}/bias"] = weight, bias

    write_whole(path, overwrite, write)


def key_of(stem, part):
    return f"{stem}.{part}" if stem else part


def pairs_of(path, state, is_sorted=False):
    """(stem, weight, bias) of the layers in the order of the state_dict; bias is None where there is none. is_sorted:
    the file has its names in their own order, not in one that means anything."""
    parts = {}
    for name, value in state.items():
        stem, _, part = name.rpartition(".")
        if part not in ("weight", "bias"):
            raise InputError(f"{path}: {name} belongs to no Linear or Conv1d layer; expected only weight and bias")
        parts.setdefault(stem, {})[part] = value
    numbers = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in parts]
    for last, this in zip(numbers, numbers[1:]):  # sorted by name, 10 comes before 2
        if not is_sorted and last and this and last[1] == this[1] and int(last[2]) > int(this[2]):
            raise InputError(f"{path}: {last[0]} comes before {this[0]}, but layers are taken in the order of the "
                             "file; save them in the order of the network")
    for stem, layer in parts.items():
        if "weight" not in layer:
            raise InputError(f"{path}: there is {key_of(stem, 'bias')}, but no {key_of(stem, 'weight')}")
    return [(stem, layer["weight"], layer.get("bias")) for stem, layer in parts.items()]


def _widened(weight, kernel):
    """A convolution's weight with zeros on both sides of its kernel: the same convolution."""
    sides = (kernel - weight.shape[2]) // 2
    return np.pad(weight, ((0, 0), (0, 0), (sides, sides))) if sides else weight


def layers_of(path, pairs):
    """("mlp" or "conv", layers) of pairs_of in their order, seen to fit each other; a missing bias is 0, kernels are
    as wide as the widest. path is for messages."""
    if not 0 < len(pairs) <= MOST_LAYERS:
        raise InputError(f"{path}: has {len(pairs)} layers, expected 1 to {MOST_LAYERS}")
    first = pairs[0][1]
    kind = {2: "mlp", 3: "conv"}.get(first.ndim)
    inputs, layers = first.shape[1] if kind == "mlp" else 1, []
    for k, (stem, weight, bias) in enumerate(pairs):
        name, found = key_of(stem, "weight"), weight.shape
        if weight.ndim not in (2, 3) or weight.ndim != first.ndim:
            raise InputError(f"{path}: {name} has shape {found}, expected (out, in) of Linear or (out, in, kernel) of "
                             "Conv1d, the same in all layers; other layers cannot be moved")
        outputs = found[0] if k < len(pairs) - 1 else first.shape[1] if kind == "mlp" else 1
        expected = (outputs, inputs) + found[2:]
        if found != expected:
            why = ("the last layer must give what the first takes" if found[0] != outputs else
                   "its input must be the output of the layer before, of a first Conv1d one channel")
            raise InputError(f"{path}: {name} has shape {found}, expected {expected}: {why}")
        if 0 in found or kind == "conv" and found[2] % 2 == 0:
            raise InputError(f"{path}: {name} has shape {found}; no dimension may be 0, and a kernel must be odd")
        if bias is not None and bias.shape != (outputs,):
            raise InputError(f"{path}: {key_of(stem, 'bias')} has shape {bias.shape}, expected {(outputs,)}")
        layers.append((weight, np.zeros(outputs) if bias is None else bias))
        inputs = outputs
    if kind == "conv":
        widest = max(weight.shape[2] for weight, _ in layers)
        layers = [(_widened(weight, widest), bias) for weight, bias in layers]
    return kind, layers


def to_state(model, prefix=""):
    """The state_dict, as arrays, of nn.Sequential(layer, activation, layer, ...)."""
    prefix = prefix.rstrip(".") + "." if prefix.rstrip(".") else ""
    return {f"{prefix}{2 * k}.{name}": part
            for k, layer in enumerate(model.layers) for name, part in zip(("weight", "bias"), layer)}
