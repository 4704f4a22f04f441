"""Arrays in others' files, under their names: .npy, .npz, MATLAB, netCDF and plain HDF5."""
import contextlib
import dataclasses
import pathlib
import typing

import h5py
import numpy as np
import xarray

from .files import InputError, to_text


@dataclasses.dataclass
class Array:
    """A numeric array of a file. take(index) reads a part; axes are the names of its dimensions, None where it has none."""

    name: str
    shape: tuple
    dtype: np.dtype
    take: typing.Callable
    axes: tuple


def _is_numeric(dtype):
    return dtype.kind in "biufc" and dtype.names is None


def _of_numpy(name, values):
    return Array(name, values.shape, values.dtype, lambda index: values[index], (None,) * values.ndim)


def _names_of(dataset):
    """The names of a dataset's dimensions: of their scales, or their labels."""
    names = []
    for axis in dataset.dims:
        scale = axis[0].name.rsplit("/", 1)[-1] if len(axis) else ""
        names.append(scale or axis.label or None)
    return tuple(names)


def _of_hdf5(file, as_matlab=False):
    """MATLAB keeps its arrays with their axes reversed."""
    found = {}

    def visit(name, item):
        if not isinstance(item, h5py.Dataset) or not _is_numeric(item.dtype) or name.startswith("#") or item.shape is None:
            return
        if as_matlab:
            found[name] = Array(name, item.shape[::-1], item.dtype, lambda index: item[index[::-1]].T, (None,) * item.ndim)
        else:
            found[name] = Array(name, item.shape, item.dtype, lambda index: item[index], _names_of(item))
    file.visititems(visit)
    return found


def _of_netcdf(data):
    """Decoded as CF says; dates and durations in seconds, dates from the first."""
    found = {}
    for name, variable in data.variables.items():
        if variable.dtype.kind in "mM":
            values = np.asarray(variable)
            since = values.reshape(-1)[0] if variable.dtype.kind == "M" and values.size else np.timedelta64(0, "ns")
            array = _of_numpy(name, (values - since) / np.timedelta64(1, "s"))
            found[name] = dataclasses.replace(array, axes=variable.dims)
        elif _is_numeric(variable.dtype):
            found[name] = Array(name, variable.shape, variable.dtype,
                                lambda index, variable=variable: np.asarray(variable[index]), variable.dims)
    return found


def _load_matlab(path):
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError(f"{path}: MATLAB files before -v7.3 need SciPy (Debian: python3-scipy); or save it by "
                         "save(..., '-v7.3')") from None
    return {name: _of_numpy(name, values) for name, values in loadmat(path).items()
            if not name.startswith("__") and isinstance(values, np.ndarray) and _is_numeric(values.dtype)}


@contextlib.contextmanager
def open_arrays(path):
    """All numeric arrays of a file, by name, while the context lasts."""
    path = pathlib.Path(path)
    ending = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}")
    with contextlib.ExitStack() as stack:
        try:
            if ending == ".npy":
                values = np.load(path, mmap_mode="r", allow_pickle=False)
                found = {path.stem: _of_numpy(path.stem, values)} if _is_numeric(values.dtype) else {}
            elif ending == ".npz":
                archive = stack.enter_context(np.load(path, allow_pickle=False))
                found = {name: _of_numpy(name, archive[name]) for name in archive.files
                         if _is_numeric(archive[name].dtype)}
            elif h5py.is_hdf5(path):
                if ending in (".nc", ".nc4", ".cdf"):
                    found = _of_netcdf(stack.enter_context(xarray.open_dataset(path, engine="h5netcdf")))
                else:
                    file = stack.enter_context(h5py.File(path, "r"))
                    if to_text(file.attrs.get("sinode_kind", "")) == "trajectory":
                        raise InputError(f"{path}: is a trajectory file already; the program reads it as it is")
                    found = _of_hdf5(file, ending == ".mat")
            elif ending == ".mat":
                found = _load_matlab(path)
            elif ending in (".nc", ".nc3", ".cdf"):
                found = _of_netcdf(stack.enter_context(xarray.open_dataset(path)))
            else:
                raise InputError(f"{path}: is no HDF5, and its name does not end in .npy, .npz, .mat or .nc", status=2)
        except InputError:
            raise
        except Exception as error:  # of many kinds, as the libraries go
            raise InputError(f"{path}: cannot be read: {str(error).strip().splitlines()[0][:160] or type(error).__name__}") \
                from None
        if not found:
            raise InputError(f"{path}: has no numeric arrays")
        yield found
