"""Trajectories as xarray Datasets: opening them, and going through them in blocks that fit memory."""
import pathlib

import h5py
import numpy as np
import xarray

from .files import InputError, to_text

KS_EXPONENT = 0.043  # leading Lyapunov exponent of Kuramoto-Sivashinsky at L = 22
KS_THRESHOLD = 0.5   # of nrmse, where a prediction stops being valid
BLOCK_BYTES = 16 << 20


def kind_of(path):
    """sinode_kind of a file; what is wrong with it is an InputError."""
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; an HDF5 file is wanted")
    try:
        with h5py.File(path, "r") as file:
            return to_text(file.attrs.get("sinode_kind", "a file without sinode_kind"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read as HDF5: {str(error).splitlines()[0]}") from None


def open(path, chunks=None):  # the name is for users: sinode.open
    """A trajectory or prediction file as an xarray Dataset with dimensions member, time and x.

    Nothing is read before it is used: slices of a file larger than memory are read as they are computed with, and the
    functions of sinode.statistics go through it in blocks. chunks="auto" makes arrays of dask, so that xarray's own
    arithmetic goes through it in blocks too. Close it, or use it in a with statement.
    """
    kind = kind_of(path)
    if kind != "trajectory":
        raise InputError(f"{path}: is not a trajectory file (it is: {kind})")
    try:
        data = xarray.open_dataset(path, engine="h5netcdf", chunks=chunks)
    except ImportError:
        raise InputError(f"{path}: chunks needs dask (Debian: python3-dask)") from None
    except (OSError, ValueError, KeyError, AttributeError) as error:  # the last of h5netcdf, where a scale is missing
        raise InputError(f"{path}: the trajectory file is damaged: {str(error).splitlines()[0]}") from None
    wrong = None
    if "u" not in data or data.u.dims != ("member", "time", "x"):
        wrong = f"u has the dimensions {data.u.dims if 'u' in data else 'of nothing'}, wanted (member, time, x)"
    elif missing := [name for name in ("time", "x") if name not in data.coords]:
        wrong = f"no dataset {', '.join(missing)}"
    if wrong:
        data.close()
        raise InputError(f"{path}: the trajectory file is damaged: {wrong}")
    return data


def length_of(data):
    """Length of the domain."""
    spacing = float(data.x[1] - data.x[0]) if data.x.size > 1 else 1.0
    return float(data.attrs.get("domain_length", data.x.size * spacing))


def exponent_of(data, exponent=None):
    """The leading Lyapunov exponent: the one given, or the file's, or that of L = 22."""
    return float(exponent if exponent is not None else data.attrs.get("lyapunov_exponent", KS_EXPONENT))


def threshold_of(data):
    """Of nrmse, for the valid time."""
    return float(data.attrs.get("nrmse_threshold", KS_THRESHOLD))


def times_of(data, name):
    """A score of a prediction that is a time, such as valid_time, for each member; NaN, good to the end, as the span."""
    values = np.asarray(data[name], dtype=float)
    return np.where(np.isnan(values), float(data.time[-1]) - float(data.time[0]), values)


def take_member(data, member):
    """One member of a Dataset. Error: there is no such member."""
    if not 0 <= member < data.sizes["member"]:
        raise InputError(f"there is no member {member}; the file has 0 to {data.sizes['member'] - 1}", status=2)
    return data.isel(member=member)


def known_reference(data):
    """The reference of a prediction as far as the data went, or None."""
    if "reference" not in data:
        return None
    known = int(np.isfinite(data.nrmse[0]).sum()) if "nrmse" in data else data.sizes["time"]
    return data.reference.isel(time=slice(0, known))


def blocks(field, overlap=0):
    """The snapshots of a field (member, time, x) a block at a time: pairs (new, array).

    An array (snapshots, x) of float64 begins with `new` snapshots not seen before; behind them come up to `overlap` that
    the next block begins with. A block is about BLOCK_BYTES, and whole chunks of the file where that is possible.
    """
    chunk = (field.encoding.get("chunksizes") or (1, 1, 1))[1]
    snapshots = max(1, BLOCK_BYTES // (8 * field.sizes["x"]))
    snapshots = max(snapshots - snapshots % chunk if snapshots > chunk else snapshots, overlap)
    count = field.sizes["time"]
    for member in range(field.sizes["member"]):
        for first in range(0, count, snapshots):
            end = min(first + snapshots, count)
            part = field.isel(member=member, time=slice(first, min(end + overlap, count)))
            yield end - first, np.asarray(part, dtype=float)
