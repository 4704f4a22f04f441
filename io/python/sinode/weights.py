"""Moves weights between PyTorch and model files: the commands import and export.

The network is Linear layers, or Conv1d with circular padding and odd kernels, with an activation between them. The
model is du/dt = -F(u) + A u: --negate changes the sign of F. For .pt files PyTorch is needed, for .npz and .safetensors
it is not.
"""
import dataclasses
import inspect
import pathlib
import sys

import numpy as np

from . import safetensors
from .files import InputError, write_whole
from .model import Model, key_of, layers_of, make_linear, pairs_of, read_model, to_double, to_state, write_model
from .order import put_in_order

ACTIVATIONS = {"relu": "ReLU()", "tanh": "Tanh()", "sigmoid": "Sigmoid()", "gelu": "GELU()"}
NESTED = ("state_dict", "model_state_dict", "model")  # where checkpoints of PyTorch keep the state_dict


def _torch(path):
    try:
        import torch
    except ImportError:
        raise InputError(f"{path}: needs PyTorch, which is not installed for {sys.executable}; install it (Debian: "
                         "python3-torch) or use .npz or .safetensors") from None
    return torch


def _ending(path, others=""):
    ending = pathlib.Path(path).suffix.lower()
    if ending not in (".pt", ".pth", ".npz", ".safetensors"):
        raise InputError(f"{path}: must end in .pt, .pth, .npz or .safetensors{others}, which says what it is", status=2)
    return ending


def _load_torch(path):
    torch = _torch(path)
    safely = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    try:
        state = torch.load(path, map_location="cpu", **safely)
    except Exception as error:  # of many kinds, as pickles go
        reason = str(error).split("WeightsUnpickler error: ")[-1][:120]  # before that, advice to load unsafely
        old = "; PyTorch 1 loads no files with floats beside the weights" if torch.__version__.startswith("1.") else ""
        raise InputError(f"{path}: cannot be read as weights: {reason}; save net.state_dict() alone{old}") from None
    for key in NESTED:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds one {type(state).__name__}, expected a state_dict; save net.state_dict()")
    found, kinds = {}, set()
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: {name} is of type {type(value).__name__}, expected a tensor; save "
                             f"net.state_dict(), alone or as one of {', '.join(NESTED)}")
        kinds.add(str(value.dtype).replace("torch.", ""))
        wide = value.detach().double() if value.is_floating_point() else value.detach()  # numpy knows no bfloat16
        found[str(name)] = to_double(path, name, wide.numpy())
    return found, kinds


def _load_numpy(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile's, numpy's or the system's
        raise InputError(f"{path}: cannot be read as .npz of plain arrays ({str(error)[:120]})") from None
    return ({name: to_double(path, name, value) for name, value in state.items()},
            {str(value.dtype) for value in state.values()})


def _load_safetensors(path):
    state, kinds = safetensors.read(path)
    return {name: to_double(path, name, value) for name, value in state.items()}, kinds


def _is_sorted(path):
    """Whether files of this kind have their names sorted, whatever the network."""
    return _ending(path) == ".safetensors"


def read_state(path):
    """A state_dict as float64 arrays by name, in its order, and the set of types it had (".pt", ".npz", ...)."""
    ending = _ending(path, ", or as data in .npy, .npz, .mat, .nc or .h5")
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file")
    return {".npz": _load_numpy, ".safetensors": _load_safetensors}.get(ending, _load_torch)(path)


def write_state(path, state, overwrite=False):
    """A state_dict of arrays, float64, as .pt, .npz or .safetensors."""
    if _ending(path) == ".npz":
        def save(file):
            np.savez(file, **state)
    elif _ending(path) == ".safetensors":
        def save(file):
            safetensors.write(file, state)
    else:
        torch = _torch(path)

        def save(file):
            torch.save({name: torch.from_numpy(value) for name, value in state.items()}, file)

    def write(temporary):
        with open(temporary, "wb") as file:
            save(file)

    write_whole(path, overwrite, write)


def _told(model):
    """The network as PyTorch's code, and A."""
    names = []
    for weight, _ in model.layers:
        out, inputs, *kernel = weight.shape
        names += [f"Conv1d({inputs}, {out}, {kernel[0]}, padding={kernel[0] // 2}, padding_mode='circular')" if kernel
                  else f"Linear({inputs}, {out})", ACTIVATIONS.get(model.activation, model.activation)]
    taps = f" {[float(tap) for tap in model.linear]}" if model.linear_kind == "stencil" else ""
    return (f"F: Sequential({', '.join(names[:-1])}).double()\n"
            f"A: {model.linear_kind}{taps}, {model.points} points on [0, {model.length:g})")


def _like(path, old, weights, pairs, layers):
    """The model in a file with other weights of the same shapes."""
    if len(layers) != len(old.layers):
        raise InputError(f"{weights}: has {len(layers)} layers, expected {len(old.layers)} as in {path}; without "
                         "--like any number will do")
    for (stem, _, _), (new, _), (was, _) in zip(pairs, layers, old.layers):
        if new.shape != was.shape:
            raise InputError(f"{weights}: {key_of(stem, 'weight')} has shape {new.shape}, expected {was.shape} as in "
                             f"{path}; without --like any shape will do")
    return dataclasses.replace(old, layers=layers)


def import_weights(options, command):
    """state_dict to model file; command is the line that did it, for the file's history."""
    given = [name for name in ("length", "points", "activation") if getattr(options, name)]
    if options.like and given:
        raise InputError(f"--like takes all but the weights from {options.like}; drop --{given[0]}", status=2)
    state, kinds = read_state(options.input)
    if not options.like and not options.length:
        raise InputError("--length (of the domain) or --like is missing", status=2)
    old = read_model(options.like) if options.like else None
    pairs = pairs_of(options.input, state, _is_sorted(options.input))
    pairs = put_in_order(options.input, pairs, old.points if old else options.points,
                         options.order.split(",") if options.order else None, _is_sorted(options.input))
    kind, layers = layers_of(options.input, pairs)
    if options.like:
        model = _like(options.like, old, options.input, pairs, layers)
    else:
        points = layers[0][0].shape[1] if kind == "mlp" else options.points
        if not points:
            raise InputError("--points is missing: a convolution does not tell the number of grid points", status=2)
        if options.points not in (None, points):
            raise InputError(f"{options.input}: is for {points} points, but --points says {options.points}", status=2)
        if points < 4 or kind == "conv" and layers[0][0].shape[2] > points:
            raise InputError(f"{options.input}: the grid has {points} points, expected at least 4 and the kernel's")
        if len(layers) > 1 and not options.activation:
            raise InputError(f"--activation is missing: {options.input} does not tell it", status=2)
        model = Model(points, options.length, options.activation or "relu", kind, layers,
                      *make_linear(points, options.length, options.stencil, options.matrix))
    write_model(options.output, model.negated() if options.negate else model, command, options.overwrite)
    if kinds - {"float64"}:
        print(f"{', '.join(sorted(kinds - {'float64'}))} converted to float64, which is exact")
    if len(layers) > 1:
        print(f"layers, in the order in which they are applied: {', '.join(stem for stem, _, _ in pairs)}")
    widened = sum(new.shape != weight.shape for (new, _), (_, weight, _) in zip(layers, pairs))
    if widened:
        print(f"{widened} kernel(s) widened by zeros to {layers[0][0].shape[2]}, which is the same")
    unbiased = len(layers) - sum(name.rpartition(".")[2] == "bias" for name in state)
    if unbiased:
        print(f"{unbiased} layer(s) without bias: 0 written, which is the same")
    print(_told(model))


def export_weights(options):
    """Model or checkpoint to state_dict."""
    _ending(options.output)
    model = read_model(options.model)
    if not model.layers:
        raise InputError(f"{options.model}: has no network to export (nonlinear_kind is {model.kind})")
    model = model.negated() if options.negate else model
    write_state(options.output, to_state(model, options.prefix), options.overwrite)
    print(_told(model) + ": is not in the file")


def _taps(text):
    taps = [float(part) for part in text.split(",")]
    if not np.isfinite(taps).all():
        raise ValueError
    return taps


_taps.__name__ = "list of numbers"


def _add_common(parser, operand, metavar, output):
    parser.add_argument(operand, metavar=metavar)
    parser.add_argument("-o", "--output", metavar=output, required=True)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    parser.add_argument("--negate", action="store_true", help="change the sign of the last layer: for networks that "
                        "learned G of du/dt = G(u) + A u")


def add_import_options(parser, positive):
    """The options of the command import; positive(kind) makes a type of argparse."""
    _add_common(parser, "input", "FILE", "OUT.h5")
    parser.add_argument("--length", type=positive(float), metavar="L", help="of the domain; with weights, A is the "
                        "Kuramoto-Sivashinsky stencil of 5 coefficients unless --stencil or --matrix is given")
    parser.add_argument("--points", type=positive(int), metavar="N", help="grid points; needed for "
                        "convolutions, and where shapes alone do not tell the order of the layers")
    parser.add_argument("--order", metavar="NAME,...", help="the layers' names (without .weight) in the order in which "
                        "they are applied; needed where neither numbers nor shapes tell it")
    parser.add_argument("--activation", choices=ACTIVATIONS, help="between the layers")
    linear = parser.add_mutually_exclusive_group()
    linear.add_argument("--stencil", type=_taps, metavar="C0,C1,...", help="A: coefficient k of an odd number n "
                        "multiplies u[j + k - n//2]")
    linear.add_argument("--matrix", metavar="FILE.npy", help="A: matrix (N, N)")
    linear.add_argument("--like", metavar="MODEL.h5", help="take all but the weights from this model or checkpoint")


def add_export_options(parser):
    """The options of the command export."""
    _add_common(parser, "model", "MODEL.h5", "WEIGHTS.pt|.npz|.safetensors")
    parser.add_argument("--prefix", default="", metavar="NAME", help="of the keys: NAME.0.weight, ...")
