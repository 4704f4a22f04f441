"""libsinode.so by cffi, with the declarations of its header sinode.h; loaded when it is first used.

The library is, in this order: the file that SINODE_LIBRARY names; that of the build or installation this package is of;
what the system's loader finds.
"""
import atexit
import functools
import itertools
import os
import pathlib
import re
import sys
import weakref

import numpy as np

from .errors import BY_CODE, RunError

HERE = pathlib.Path(__file__).parent
INTERFACE = "0.1"  # versions of the library with this interface


def _declarations():
    """What cffi reads of the header: without the preprocessor's lines, a communicator only as an address."""
    for path in (HERE / "sinode.h", HERE.parents[2] / "include/sinode.h"):
        if path.is_file():
            text = re.sub(r"(?m)^#.*(\\\n.*)*$", "", path.read_text(encoding="utf8"))
            text = re.sub(r'(?m)^extern "C" \{$|^\}$', "", text).replace("SINODE_MUST_CHECK", "")
            return f"typedef struct sinode_mpi_comm MPI_Comm;\n{text}"
    raise ImportError(f"there is no sinode.h in {HERE}; install the package with cmake --install, or by pip from the "
                      "folder io/python of a checkout")


def _candidates():
    given = os.environ.get("SINODE_LIBRARY")
    if given:
        return [given]
    try:
        from .location import LIBRARY
    except ImportError:
        return [f"libsinode.so.{INTERFACE}"]
    return [os.path.normpath(HERE / LIBRARY), f"libsinode.so.{INTERFACE}"]


@functools.lru_cache(maxsize=None)
def load():
    """(ffi, library). Error: ImportError says what is missing."""
    try:
        import cffi
    except ImportError:
        raise ImportError(f"sinode's solver needs cffi, which is not installed for {sys.executable} (Debian: "
                          "python3-cffi)") from None
    ffi, reasons = cffi.FFI(), []
    ffi.cdef(_declarations())
    for path in _candidates():
        try:
            library = ffi.dlopen(str(path))
        except OSError as error:
            reasons.append(str(error))
            continue
        version = ffi.string(library.sinode_version()).decode()
        if version.rpartition(".")[0] != INTERFACE:
            raise ImportError(f"{path} is of sinode {version}, but this package needs {INTERFACE}; install both from "
                              "the same sources")
        return ffi, library
    raise ImportError(f"libsinode.so cannot be loaded ({'; '.join(reasons)}): use the package of an installation or of "
                      "a build (PYTHONPATH=build/release/python), or set SINODE_LIBRARY to the library's path")


@functools.lru_cache(maxsize=None)
def _start_mpi():
    """MPI as it is, or started and at the end finalized where nobody else does."""
    ffi, library = load()
    started = ffi.new("bool *")
    check(library.sinode_mpi_start(started))
    if started[0]:
        atexit.register(_end_mpi)


def _end_mpi():
    for close in reversed(list(_open.values())):
        close()
    load()[1].sinode_mpi_end()


def communicator(comm):
    """Address of an mpi4py communicator, which must outlive the call; NULL, this process alone, for None."""
    ffi, _ = load()
    if comm is None:
        _start_mpi()
        return ffi.NULL
    try:
        from mpi4py import MPI
    except ImportError:
        MPI = None
    if MPI is None or not isinstance(comm, MPI.Comm):
        raise TypeError(f"comm is {comm!r}, but must be a communicator of mpi4py, or None for this process alone")
    return ffi.cast("MPI_Comm *", MPI._addressof(comm))


def size_of(comm):
    return 1 if comm is None else comm.size


def check(error, raised=()):
    """Raises what the library returned; rather the exception of a callback that it came from."""
    ffi, library = load()
    if error == ffi.NULL:
        return
    code, text = library.sinode_error_code(error), ffi.string(library.sinode_error_message(error)).decode()
    library.sinode_error_destroy(ffi.new("sinode_error **", error))
    if raised:
        raise raised.pop()
    raise BY_CODE.get(code, RunError)(text)


class Handle:
    """An object of the library: created by a function whose last argument is where it goes, destroyed by another when
    nothing needs it any more, at the latest before MPI is finalized. `parents` are what it is made from."""

    def __init__(self, kind, create, *arguments, parents=(), raised=()):
        ffi, library = load()
        place = ffi.new(f"sinode_{kind} **")
        check(create(*arguments, place), raised)
        self.pointer = place[0]
        number = next(_numbers)
        self.close = _open[number] = weakref.finalize(
            self, _destroy, number, getattr(library, f"sinode_{kind}_destroy"), place, parents)


_open, _numbers = {}, itertools.count()  # what would destroy those that are alive, oldest first


def _destroy(number, function, place, parents):
    function(place)
    del _open[number], parents  # which are needed until here


def address(array):
    """Of a contiguous float64 array, for the library to read or write; NULL for None."""
    ffi, _ = load()
    return ffi.NULL if array is None else ffi.cast("double *", array.ctypes.data)


def view(pointer, shape):
    """A numpy array on the library's memory."""
    ffi, _ = load()
    count = int(np.prod(shape))
    return np.frombuffer(ffi.buffer(pointer, 8 * count), dtype=np.float64).reshape(shape) if count else np.empty(shape)


def as_double(name, values, shape=None):
    """A contiguous float64 array, the same one where it is that already."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} holds {array.dtype}, expected real numbers")
    array = np.ascontiguousarray(array, dtype=np.float64)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return array

