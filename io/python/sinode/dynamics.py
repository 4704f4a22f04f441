"""Models du/dt = -F(u) + A u, in this process or over the ranks of an mpi4py communicator."""
from __future__ import annotations

import collections.abc
import json
import os

import numpy as np

from .errors import FileError
from .library import Handle, address, as_double, check, communicator, load, size_of, view
from .network import Network, NumpyFunctions


def to_yaml(config):
    """The text of a parameter file of a dict with its keys; JSON is YAML."""
    if not isinstance(config, collections.abc.Mapping):
        raise TypeError(f"the parameters are {config!r}, expected a dict with the keys of the parameter file")

    def plain(value):
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, (np.generic, np.ndarray)):
            return value.tolist()
        raise TypeError(f"{value!r} cannot stand in a parameter file")

    return json.dumps(config, default=plain)


class Grid(Handle):
    """Periodic points over the ranks of comm: `space` of them share the points, the rest are replicas of these."""

    def __init__(self, points: int, comm=None, space: int | None = None):
        _, library = load()
        self.comm = comm
        super().__init__("grid", library.sinode_grid_create, communicator(comm), space or size_of(comm), points)
        self._describe(self.pointer)

    @classmethod
    def of(cls, pointer, comm, owner):
        """The grid of a model that has one of its own."""
        grid = cls.__new__(cls)
        grid.comm, grid.owner = comm, owner
        grid._describe(pointer)
        return grid

    def _describe(self, pointer):
        _, library = load()
        self.pointer = pointer
        self.points = library.sinode_grid_points(pointer)      #: in all
        self.start = library.sinode_grid_start(pointer)        #: first of this rank
        self.count = library.sinode_grid_count(pointer)        #: of this rank
        self.space = library.sinode_grid_space(pointer)        #: ranks of a replica
        self.replicas = library.sinode_grid_replicas(pointer)  #: how many
        self.replica = library.sinode_grid_replica(pointer)    #: that of this rank

    @property
    def own(self):
        """The slice of the points that this rank has."""
        return slice(self.start, self.start + self.count)


class Model:
    """The model of a linear part and a network on a grid.

    points, length: of the periodic domain.
    linear: "ks", the stencil of -(d2/dx2 + d4/dx4) (default); "spectral", k^2 - k^4; {order: coefficient}, derivatives,
        exact in Fourier space; or an array: real (m,), m odd, a stencil; complex (points // 2 + 1,), the eigenvalue of
        each wave number; (points, points), a matrix.
    trainable: whether derivatives by the linear part are wanted.
    network: a sinode.Network; None: F = 0.
    samples: the most states at once.
    comm, space: an mpi4py communicator and how many of its ranks share the points (default all); None: this process.

    parameters: {name: array}, views of this rank's part of the parameters: change them in place, then call update().
    A call is collective over comm. Errors: sinode.Error, TypeError, ValueError, and what a network raises.
    """

    def __init__(self, points: int, length: float, linear: str | dict | np.ndarray = "ks", network: Network | None = None,
                 trainable: bool = False, samples: int = 1, comm=None, space: int | None = None):
        if network is not None and not isinstance(network, Network):
            raise TypeError(f"network is {network!r}, expected a sinode.Network; PyTorch's are for sinode.torch")
        functions = None
        grid = Grid(points, comm, space)
        if network is not None:
            functions = NumpyFunctions(grid.count, network)
        self._create(grid, length, linear, functions, trainable, samples)
        if network is not None:
            for name, value in network.parameters.items():
                self.parameters[f"nonlinear/{name}"][...] = value
            self.update()

    def _create(self, grid, length, linear, functions, trainable, samples):
        ffi, library = load()
        kind, coefficients = _linear_of(linear, grid)
        name = ffi.new("char[]", kind.encode())
        count = 0 if coefficients is None else coefficients.shape[0] if kind == "symbol" else coefficients.size
        description = ffi.new("sinode_linear *", {"kind": name, "length": length, "count": count,
                                                  "coefficients": address(coefficients), "trainable": trainable})
        table = ffi.NULL if functions is None else functions.table
        self._adopt(Handle("model", library.sinode_model_create, grid.pointer, description, table, samples,
                           parents=(grid, functions)), grid, functions)

    @classmethod
    def with_functions(cls, grid, length, linear, functions, trainable, samples):
        """Of a network.Functions; what sinode.torch builds on."""
        model = cls.__new__(cls)
        model._create(grid, length, linear, functions, trainable, samples)
        return model

    @classmethod
    def from_config(cls, config: collections.abc.Mapping, file: str | os.PathLike | None = None, samples: int = 1,
                    comm=None) -> Model:
        """The model of the sections grid, model, parallel and run.seed of a dict with the keys of the parameter file,
        with its first values, or those of a model or checkpoint file."""
        ffi, library = load()
        config = {"parallel": {"space": size_of(comm)}, **config}
        return cls._from(comm, library.sinode_model_from_config, communicator(comm), to_yaml(config).encode(),
                         ffi.NULL if file is None else os.fspath(file).encode(), samples)

    @classmethod
    def from_file(cls, path: str | os.PathLike, samples: int = 1, comm=None, space: int | None = None) -> Model:
        """The model in a model or checkpoint file."""
        _, library = load()
        return cls._from(comm, library.sinode_model_from_file, communicator(comm), os.fspath(path).encode(),
                         space or size_of(comm), samples)

    @classmethod
    def _from(cls, comm, create, *arguments):
        _, library = load()
        model, handle = cls.__new__(cls), Handle("model", create, *arguments)
        model._adopt(handle, Grid.of(library.sinode_model_grid(handle.pointer), comm, handle), None)
        return model

    def _adopt(self, handle, grid, functions):
        ffi, library = load()
        self.handle, self.grid, self.functions = handle, grid, functions
        self.length = library.sinode_model_length(handle.pointer)
        self.samples = library.sinode_model_samples(handle.pointer)
        self.size = library.sinode_model_size(handle.pointer)  # of a vector of parameters
        self._blocks = {}
        block = ffi.new("sinode_parameter *")
        for index in range(library.sinode_model_parameters(handle.pointer)):
            library.sinode_model_parameter(handle.pointer, index, block)
            shape = tuple(block.count[d] for d in range(block.dimensions))
            self._blocks[ffi.string(block.name).decode()] = (block.offset, shape, block.trainable)
        values = ffi.gc(library.sinode_model_values(handle.pointer), lambda _, owner=handle: None)  # lives as long
        self.parameters = self.named(view(values, (self.size,))) if self.size else {}

    @property
    def raised(self):
        return self.functions.raised if self.functions else ()

    def named(self, vector, trainable=False):
        """{name: view} of a vector of parameters, (size,) or (directions, size)."""
        found = {}
        for name, (offset, shape, is_trainable) in self._blocks.items():
            if is_trainable or not trainable:
                part = vector[..., offset:offset + int(np.prod(shape))]
                found[name] = part.reshape(*vector.shape[:-1], *shape)
        return found

    def update(self) -> None:
        """Takes note that parameters were changed."""
        _, library = load()
        check(library.sinode_model_update(self.handle.pointer))

    def scale(self, values: collections.abc.Sequence[float]) -> None:
        """The parameters of this replica's samples, which multiply the term that model.linear.parameter names: of as many
        samples in every call from now on; 1 before."""
        _, library = load()
        values = as_double("values", values).reshape(-1)
        check(library.sinode_model_scale(self.handle.pointer, values.size, address(values)))

    def write(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """A model file, for the program and from_file. Not of a network of one's own, nor of a symbol."""
        _, library = load()
        taken = 0
        if size_of(self.grid.comm) == 1 or self.grid.comm.rank == 0:
            taken = os.path.exists(path) and not overwrite
        if size_of(self.grid.comm) > 1:
            taken = self.grid.comm.bcast(taken)
        if taken:
            raise FileError(f"{os.fspath(path)}: is there already; choose another name, or overwrite=True")
        check(library.sinode_model_write(self.handle.pointer, os.fspath(path).encode()))

    def rhs(self, u: np.ndarray) -> np.ndarray:
        """-F(u) + A u of states (..., local points)."""
        _, library = load()
        states = as_double("u", u)
        flat = states.reshape(-1, self.grid.count)
        f, au = np.empty_like(flat), np.empty_like(flat)
        check(library.sinode_model_evaluate(self.handle.pointer, len(flat), address(flat), address(f), address(au)),
              self.raised)
        return (au - f).reshape(states.shape)


def _linear_of(linear, grid):
    """(kind, coefficients as the library takes them)."""
    if isinstance(linear, str):
        if linear not in ("ks", "spectral"):
            raise ValueError(f"linear is '{linear}', expected ks, spectral, a dict or an array")
        return ("stencil" if linear == "ks" else "spectral"), None
    if isinstance(linear, collections.abc.Mapping):
        orders = sorted(linear)
        if not orders or any(order not in range(9) for order in orders):
            raise ValueError(f"linear is {linear!r}, expected {{order: coefficient}} with orders 0 to 8")
        return "derivatives", as_double("linear", [linear.get(order, 0) for order in range(orders[-1] + 1)])
    array = np.asarray(linear)
    if array.ndim == 1 and array.dtype.kind == "c":
        return "symbol", np.ascontiguousarray(array, dtype=np.complex128).view(np.float64).reshape(-1, 2)
    if array.ndim == 1:
        return "stencil", as_double("linear", array)
    return "dense", np.ascontiguousarray(as_double("linear", array, (grid.points, grid.points))[grid.own])
