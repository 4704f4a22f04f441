"""Time integration of a model with the exact derivatives of what was computed."""
from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from .dynamics import Model
from .library import Handle, address, as_double, check, load


@functools.lru_cache(maxsize=None)
def schemes() -> tuple[str, ...]:
    """The names of the schemes: IMEX, exponential, explicit, adaptive and implicit ones."""
    ffi, library = load()
    names = []
    while library.sinode_scheme(len(names)) != ffi.NULL:
        names.append(ffi.string(library.sinode_scheme(len(names))).decode())
    return tuple(names)


def times_of(times, dt):
    """Times, those that were asked for last among them."""
    times = as_double("times", times)
    return _times_of(times.tobytes(), times.shape, dt)


@functools.lru_cache(maxsize=16)
def _times_of(values, shape, dt):
    return Times(np.frombuffer(values).reshape(shape), dt)


class Times:
    """Times at which states are wanted as intervals of the library: equal ones, of which each gap has a number."""

    def __init__(self, times, dt):
        gaps = np.diff(times)
        if times.ndim != 1 or len(times) < 2 or not (np.isfinite(times).all() and (gaps > 0).all()):
            raise ValueError("times must be one row of at least two numbers that increase")
        if not dt > 0:
            raise ValueError(f"dt is {dt}, but must be positive")
        steps = np.maximum(np.rint(gaps / dt).astype(int), 1)
        even = bool((abs(gaps - gaps.mean()) <= 1e-9 * gaps.mean()).all())
        if even:
            unit, counts = gaps.mean(), np.ones(len(gaps), dtype=int)
        else:
            common = math.gcd(*steps.tolist())
            unit, counts = (times[-1] - times[0]) * common / steps.sum(), steps // common
            wrong = abs(gaps - unit * counts) > 1e-6 * gaps
            if wrong.any():
                first = int(np.argmax(wrong))
                raise ValueError(f"times[{first + 1}] - times[{first}] is {gaps[first]:g}, which is no multiple of dt "
                                 f"{dt:g}")
        self.interval = float(unit)
        self.index = np.concatenate([[0], np.cumsum(counts)])  # of the times among the library's states
        self.intervals = int(self.index[-1])
        self.even = self.intervals == len(times) - 1

    def at(self, states):
        """The states at the times."""
        return states if self.even else states[self.index]

    def spread(self, bars):
        """Derivatives by the states at the times as ones by all states; a copy."""
        if self.even:
            return np.array(bars)
        every = np.zeros((self.intervals + 1, *bars.shape[1:]))
        every[self.index] = bars
        return every


class Integrator:
    """Integrates a model with a fixed step or by an adaptive scheme.

    scheme: one of sinode.schemes().
    dt: the step, which must divide the gaps between times; of adaptive schemes the first one tried.
    solver: of the implicit stages, auto, fft, local, banded, dense or gmres.
    storage: what backward passes keep: all, solutions (a state a step), revolve (a number of states, `snapshots`), auto.
    controls: tolerance, max_iterations, unconditioned (gmres); snapshots, memory (storage); rtol, atol, minimum_step
        (adaptive schemes): as in sinode.h.

    Calls are collective over the model's communicator; states are (..., local points). Errors: sinode.Error, ValueError,
    and what a network raises. Neither is for several threads at once; other threads run meanwhile.
    """

    def __init__(self, model: Model, scheme: str = "l2", dt: float = 0.1, solver: str = "auto",
                 storage: str = "auto", **controls: float):
        self.model, self.scheme, self.dt, self.solver_kind, self.storage_kind = model, scheme, dt, solver, storage
        self.controls = controls
        self._made = {}    # (interval, adjoint, tangent): (most intervals, Handle)
        self._pass = None  # what vjp follows
        if scheme not in schemes():
            raise ValueError(f"there is no scheme '{scheme}'; it must be one of {', '.join(schemes())}")
        unknown = set(controls) - {"tolerance", "max_iterations", "unconditioned", "snapshots", "memory", "rtol", "atol",
                                   "minimum_step"}
        if unknown:
            raise TypeError(f"an integrator has no {', '.join(sorted(unknown))}")

    def handle(self, times, adjoint=False, tangent=False):
        """The library's integrator for these times, kept for others like them."""
        ffi, library = load()
        key = (times.interval, adjoint, tangent)
        most, found = self._made.get(key, (0, None))
        if most >= times.intervals:
            return found
        texts = {name: ffi.new("char[]", value.encode()) for name, value in
                 (("scheme", self.scheme), ("solver", self.solver_kind), ("storage", self.storage_kind))}
        options = ffi.new("sinode_integrator_options *", {
            **texts, **self.controls, "dt": self.dt, "interval": times.interval, "intervals": times.intervals,
            "adjoint": adjoint, "tangent": tangent})
        made = Handle("integrator", library.sinode_integrator_create, self.model.handle.pointer, options,
                      parents=(self.model.handle,), raised=self.model.raised)
        self._made[key] = (times.intervals, made)
        return made

    def _states(self, u0, times):
        """All states of a pass, the first filled in, (intervals + 1, samples, local points)."""
        u0 = as_double("u0", u0)
        points = self.model.grid.count
        if u0.ndim < 1 or u0.shape[-1] != points:
            raise ValueError(f"u0 has shape {u0.shape}, expected (..., {points}), this rank's points")
        flat = u0.reshape(-1, points)
        states = np.empty((times.intervals + 1, *flat.shape))
        states[0] = flat
        return u0.shape, states

    def forward(self, u0: np.ndarray, times: Sequence[float], adjoint: bool = False) -> np.ndarray:
        """States (len(times), *u0.shape) at times, the first of which is u0's. adjoint: vjp will follow."""
        _, library = load()
        times = times_of(times, self.dt)
        shape, states = self._states(u0, times)
        self._pass = None
        handle = self.handle(times, adjoint=adjoint)
        check(library.sinode_integrator_forward(handle.pointer, states.shape[1], times.intervals, address(states),
                                                adjoint), self.model.raised)
        if adjoint:
            self._pass = (times, handle, (len(times.index), *shape))
        return times.at(states).reshape(len(times.index), *shape)

    def vjp(self, state_bars: np.ndarray, gradient: bool = True) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Derivatives of a function by u0 and, {name: array}, by the parameters, of those by the states at the times of
        the last forward pass, which was one with adjoint; once for each. Those by the parameters are sums over the
        samples of all ranks; gradient=False: none are wanted."""
        _, library = load()
        if self._pass is None:
            raise RuntimeError("vjp must follow a forward pass with adjoint=True, once")
        (times, handle, shape), self._pass = self._pass, None
        bars = times.spread(as_double("state_bars", state_bars, shape).reshape(shape[0], -1, shape[-1]))
        vector = np.empty(self.model.size) if gradient and self.model.size else None
        check(library.sinode_integrator_backward(handle.pointer, bars.shape[1], times.intervals, address(bars),
                                                 address(vector)), self.model.raised)
        named = {} if vector is None else self.model.named(vector, trainable=True)
        return bars[0].reshape(shape[1:]), named

    def jvp(self, u0: np.ndarray, times: Sequence[float], du0: np.ndarray | None = None,
            dparameters: Mapping[str, np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """States, and their derivatives along directions: du0 (directions, *u0.shape) of u0, dparameters {name:
        (directions, *shape)} of the parameters, whole arrays alike on all ranks; either may be left out. Without the
        first dimension there is one direction, and none in the result (len(times), [directions,] *u0.shape)."""
        _, library = load()
        times = times_of(times, self.dt)
        shape, states = self._states(u0, times)
        samples, points = states.shape[1:]
        du0 = None if du0 is None else as_double("du0", du0)
        one, count = self._directions(shape, du0, dparameters or {})
        tangents = np.zeros((times.intervals + 1, count, samples, points))
        if du0 is not None:
            tangents[0] = as_double("du0", du0, shape if one else (count, *shape)).reshape(count, samples, points)
        vector = self._vector(dparameters, one, count)
        handle = self.handle(times, tangent=True)
        check(library.sinode_integrator_tangent(handle.pointer, samples, times.intervals, address(states), count,
                                                address(vector), address(tangents)), self.model.raised)
        size = len(times.index)
        return (times.at(states).reshape(size, *shape),
                times.at(tangents).reshape((size, *shape) if one else (size, count, *shape)))

    def _directions(self, shape, du0, dparameters):
        """(whether there is one alone, how many)."""
        if du0 is not None:
            return du0.ndim == len(shape), 1 if du0.ndim == len(shape) else len(du0)
        for name, value in dparameters.items():
            whole = self.model.parameters[name].ndim
            return np.ndim(value) == whole, 1 if np.ndim(value) == whole else len(value)
        raise ValueError("jvp needs a direction: du0, dparameters or both")

    def _vector(self, dparameters, one, count):
        if not dparameters:
            return None
        vector = np.zeros((count, self.model.size))
        blocks = self.model.named(vector)
        for name, value in dparameters.items():
            if name not in blocks:
                raise ValueError(f"there is no parameter '{name}'; there are {', '.join(blocks) or 'none'}")
            blocks[name][...] = np.asarray(value)[None] if one else value
        return vector

    def describe(self, times: Sequence[float], adjoint: bool = False) -> list[str]:
        """One line each on the solver and the storage that passes over these times use."""
        ffi, library = load()
        pointer = self.handle(times_of(times, self.dt), adjoint=adjoint).pointer
        return [ffi.string(text(pointer)).decode()
                for text in (library.sinode_integrator_solver, library.sinode_integrator_storage)]
