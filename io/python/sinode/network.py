"""Networks of one's own: what the library calls, and what it calls in Python."""
from __future__ import annotations

import abc
import weakref

import numpy as np

from .library import load, view


class Network(abc.ABC):
    """A network F in numpy, to derive from. Arrays are (samples, local points), views that are valid within a call;
    parameters {name: array} are the model's present values, whole on every rank. On several space ranks functions are
    called on all of them alike and exchange what they need by themselves (mpi4py).

    parameters: {name: array} of first values; {} where there are none.
    """

    parameters: dict[str, np.ndarray] = {}

    @abc.abstractmethod
    def forward(self, u: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """F(u)."""

    def vjp(self, u: np.ndarray, parameters: dict[str, np.ndarray],
            f_bar: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(dF/du)^T f_bar, and {name: this rank's share of (dF/dparameter)^T f_bar}."""
        raise NotImplementedError(f"{type(self).__name__} has no vjp, which backward passes need")

    def jvp(self, u: np.ndarray, parameters: dict[str, np.ndarray], du: np.ndarray,
            dparameters: dict[str, np.ndarray]) -> np.ndarray:
        """(dF/du) du + (dF/dparameters) dparameters, {} for none."""
        raise NotImplementedError(f"{type(self).__name__} has no jvp, which tangents and implicit schemes need")


def _with_addresses(kind):
    """The type of a function with numbers for pointers, which are passed alike and come cheaper."""
    arguments = ["uintptr_t" if argument.kind == "pointer" else argument.cname for argument in kind.args]
    return f"sinode_error *({', '.join(arguments)})"


class Functions:
    """The table of functions of a network, as the library wants it. Derived classes evaluate; here is what is common:
    views of the library's arrays, kept by their addresses, and exceptions, which are kept in `raised` for the caller of
    the library to raise."""

    def __init__(self, points, shapes=None):
        ffi, library = load()
        self.points, self.shapes, self.raised, self._views = points, dict(shapes or {}), [], {}
        self._names = [ffi.new("char[]", name.encode()) for name in self.shapes]
        self._arrays = ffi.new("sinode_array[]", [
            {"name": name, "dimensions": len(shape), "shape": list(shape)}
            for name, shape in zip(self._names, self.shapes.values())])
        me = weakref.ref(self)  # the functions live in this object: no cycle, so that all goes at once

        def guard(function):
            function = getattr(type(self), function)

            def call(context, *arguments):
                try:
                    function(me(), *arguments)
                except BaseException as error:  # also KeyboardInterrupt: it goes on where the library was called
                    me().raised.append(error)
                    text = f"the network raised {type(error).__name__}: {error}"
                    return library.sinode_error_create(1, text.encode())
                return ffi.NULL
            return call

        declared = {name: dict(ffi.typeof("sinode_network").fields)[name].type
                    for name in ("forward", "backward", "tangent")}
        self._functions = {name: ffi.callback(_with_addresses(kind), guard(f"_{name}"))
                           for name, kind in declared.items()}
        self.table = ffi.new("sinode_network *", {
            "arrays": len(self.shapes), "array": self._arrays, "tape": 0,
            **{name: ffi.cast(kind, self._functions[name]) for name, kind in declared.items()}})

    def array(self, samples, address):
        """(samples, points) at an address; None for 0."""
        if not address:
            return None
        found = self._views.get((address, samples))
        if found is None:
            ffi, _ = load()
            found = self.wrap(view(ffi.cast("double *", address), (samples, self.points)))
            self._views[address, samples] = found
        return found

    def wrap(self, array):
        return array

    def named(self, address):
        """{name: array} at an array of pointers; {} for NULL."""
        if not address or not self.shapes:
            return {}
        ffi, _ = load()
        pointers = ffi.cast("double **", address)
        return {name: view(pointers[k], shape) for k, (name, shape) in enumerate(self.shapes.items())}

    def _forward(self, samples, parameter, u, f, tape):
        self.forward(samples, self.named(parameter), self.array(samples, u), self.array(samples, f), tape, u)

    def _backward(self, samples, parameter, u, tape, f_bar, u_bar, gradient):
        self.backward(self.named(parameter), self.array(samples, u), tape, self.array(samples, f_bar),
                      self.array(samples, u_bar), self.named(gradient) if gradient else None)

    def _tangent(self, samples, parameter, u, tape, du, direction, df):
        self.tangent(self.named(parameter), self.array(samples, u), tape, self.array(samples, du),
                     self.named(direction), self.array(samples, df))


class NumpyFunctions(Functions):
    """A Network."""

    def __init__(self, points, network):
        super().__init__(points, {name: np.shape(value) for name, value in network.parameters.items()})
        self.network = network

    def forward(self, samples, parameters, u, f, tape, where):
        f[...] = self.network.forward(u, parameters)

    def backward(self, parameters, u, tape, f_bar, u_bar, gradient):
        bar, found = self.network.vjp(u, parameters, f_bar)
        if u_bar is not None:
            u_bar[...] = bar
        for name, sums in (gradient or {}).items():
            if name in found:
                sums += found[name]

    def tangent(self, parameters, u, tape, du, direction, df):
        df[...] = self.network.jvp(u, parameters, np.zeros_like(u) if du is None else du, direction)
