"""Files of safetensors: the length of a header, the header as JSON, and the numbers, little-endian and row-major.

Debian has no package of it, and what weights need of it is this page.
"""
import json
import math

import numpy as np

from .files import InputError

KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
         "U8": "u1", "BOOL": "?"}
LONGEST_HEADER = 100_000_000  # the format's own limit


def _header(path, content):
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(LONGEST_HEADER, len(content) - 8):
        raise InputError(f"{path}: cannot be read as .safetensors: its header has {length} bytes, the file "
                         f"{len(content)}; it is cut off or no such file")
    try:
        header = json.loads(content[8:8 + length].decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as .safetensors: its header is no JSON ({str(error)[:80]})") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: cannot be read as .safetensors: its header is no table of tensors")
    header.pop("__metadata__", None)
    return header, memoryview(content)[8 + length:]


def _tensor(path, name, entry, data):
    """One tensor, bfloat16 as the float32 that it is the upper half of."""
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        whole = False
    if not whole:
        raise InputError(f"{path}: the header of {name} has no dtype, shape and data_offsets")
    if kind not in KINDS:
        raise InputError(f"{path}: {name} holds {kind}, expected F64, F32, F16 or BF16")
    if end > len(data) or end - begin != math.prod(shape) * np.dtype(KINDS[kind]).itemsize:
        raise InputError(f"{path}: {name} of shape {shape} in {kind} is said to be in bytes {begin} to {end} of "
                         f"{len(data)}: the file is damaged")
    values = np.frombuffer(data[begin:end], KINDS[kind]).reshape(shape)
    return (values.astype("<u4") << 16).view("<f4") if kind == "BF16" else values


def read(path):
    """({name: array}, {names of types}) of a file, in the order of its header."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    header, data = _header(path, content)
    state = {name: _tensor(path, name, entry, data) for name, entry in header.items()}
    return state, {"bfloat16" if entry["dtype"] == "BF16" else state[name].dtype.name for name, entry in header.items()}


def write(file, state):
    """A state_dict of float64 arrays into an open file."""
    header, begin = {}, 0
    for name, values in state.items():
        header[name] = {"dtype": "F64", "shape": list(values.shape), "data_offsets": [begin, begin + values.nbytes]}
        begin += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    file.write(len(text).to_bytes(8, "little") + text)
    for values in state.values():
        file.write(np.ascontiguousarray(values, dtype="<f8").tobytes())
