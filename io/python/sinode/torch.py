"""sinode's IMEX steppers under PyTorch: odeint_imex integrates du/dt = -F(u) + A u for any torch.nn.Module F, and its
backward pass is the exact adjoint of the discrete steps.

    net = torch.nn.Sequential(torch.nn.Linear(64, 200), torch.nn.Tanh(), torch.nn.Linear(200, 64))
    u = odeint_imex(net, A, u0, times, dt=0.1, length=22.0)       # (times, batch, 64)
    loss(u).backward()                                            # net.parameters(), and A and u0 if they require grad

States are integrated in float64 on the CPU; the network is evaluated in the type of u0, as one batch (..., points) for
each stage, and its derivatives are PyTorch's own.
"""
from __future__ import annotations

import collections
import threading
from collections.abc import Sequence

import numpy as np
import torch

from .dynamics import Grid, Model
from .integrator import Integrator, times_of
from .library import address, check, load
from .network import Functions

IDLE_MOST = 8  # engines kept for calls like those before


class _ModuleFunctions(Functions):
    """A module behind the library's table of functions. What its forward evaluations leave for their derivatives, the
    graph of each, is kept by the address of the tape that the library has for it."""

    def __init__(self, points):
        super().__init__(points)
        self.module, self.graphs = None, {}

    def use(self, module, wanted, shape, dtype):
        """The module to evaluate on states of a shape (None: as they come), and its parameters whose derivatives are
        wanted."""
        self.module, self.wanted, self.shape, self.dtype = module, wanted, shape, dtype
        self.sums, self.terms = [], 0
        self.graphs.clear()

    def wrap(self, array):
        return torch.from_numpy(array)

    def _evaluate(self, x):
        x = x.view(self.shape or x.shape)
        y = self.module(x)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            found = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
            raise ValueError(f"the network gave {found} for states of shape {tuple(x.shape)}, expected that shape")
        return y

    def forward(self, samples, parameters, u, f, tape, where):
        if not tape:
            with torch.no_grad():
                y = self._evaluate(u.to(self.dtype))
            f.view(y.shape).copy_(y)
            return
        # The library keeps a stage's value in front of its tape; elsewhere it is in an array that is used again.
        kept = 0 <= tape - (where + 8 * u.numel()) < 64
        with torch.enable_grad():
            x = (u if kept or self.dtype != u.dtype else u.clone()).to(self.dtype).detach().requires_grad_()
            y = self._evaluate(x)
        self.graphs[tape] = x, y
        f.view(y.shape).copy_(y.detach())

    def backward(self, parameters, u, tape, f_bar, u_bar, gradient):
        x, y = self.graphs[tape][:2]
        if not y.requires_grad:  # it depends on nothing
            if u_bar is not None:
                u_bar.zero_()
            return
        wanted = [] if gradient is None else self.wanted
        # Implicit schemes ask several times.
        bars = torch.autograd.grad(y, [x, *wanted], f_bar.view(y.shape).to(y.dtype), retain_graph=True,
                                   allow_unused=True)
        if u_bar is not None:
            u_bar.zero_() if bars[0] is None else u_bar.copy_(bars[0].view(u_bar.shape))
        if wanted:
            self._add(wanted, bars[1:])

    def _add(self, wanted, bars):
        """To the sums. The first bars may share memory with each other or with a graph: their sum with the second ones is
        a new tensor, which is then added to in place."""
        bars = [torch.zeros_like(p) if bar is None else bar for p, bar in zip(wanted, bars)]
        if self.terms > 1:
            torch._foreach_add_(self.sums, bars)
        else:
            self.sums = torch._foreach_add(self.sums, bars) if self.terms else bars
        self.terms += 1

    def tangent(self, parameters, u, tape, du, direction, df):
        """(dF/du) du as the derivative of v -> (dF/du)^T v, which is linear, by v."""
        x, y, *dual = self.graphs[tape]
        if not dual and y.requires_grad:
            with torch.enable_grad():
                v = torch.zeros_like(y, requires_grad=True)
                dual = v, torch.autograd.grad(y, x, v, create_graph=True, allow_unused=True)[0]
            self.graphs[tape] = x, y, *dual
        if du is None or not y.requires_grad or dual[1] is None or not dual[1].requires_grad:
            df.zero_()
            return
        df.view(x.shape).copy_(
            torch.autograd.grad(dual[1], dual[0], du.view(x.shape).to(x.dtype), retain_graph=True)[0])


class _Engine:
    """An integrator of the library for calls of one kind, with the memory that they need."""

    def __init__(self, points, samples, length, linear, trainable, scheme, dt, solver, storage, controls):
        self.functions = _ModuleFunctions(points)
        self.model = Model.with_functions(Grid(points), length, linear, self.functions, trainable, samples)
        self.integrator = Integrator(self.model, scheme, dt, solver, storage, **controls)
        self.block = next(iter(self.model.parameters.values()), None)  # of the linear part

    def use(self, problem, linear):
        self.functions.use(problem.module, problem.wanted, problem.shape, problem.dtype)
        if linear is not None and not np.array_equal(self.block.reshape(-1), linear):
            self.block.reshape(-1)[:] = linear
            self.model.update()

    def forward(self, u0, times, adjoint):
        """States at the times, (len(times), samples, points) in float64."""
        _, library = load()
        states = torch.empty((times.intervals + 1, *u0.shape), dtype=torch.float64)
        states[0] = u0
        handle = self.integrator.handle(times, adjoint=adjoint)
        check(library.sinode_integrator_forward(handle.pointer, len(u0), times.intervals, _pointer(states), adjoint),
              self.functions.raised)
        return states if times.even else states[torch.from_numpy(times.index)]

    def backward(self, bars, times, wants_linear, wants_network):
        """Derivatives by u0, by the linear part and by the parameters of the network; None where not wanted."""
        _, library = load()
        shape = (times.intervals + 1, *bars.shape[1:])
        every = (torch.empty if times.even else torch.zeros)(shape, dtype=torch.float64)
        every[... if times.even else torch.from_numpy(times.index)] = bars
        vector = np.empty(max(self.model.size, 1)) if wants_linear or wants_network else None
        handle = self.integrator.handle(times, adjoint=True)
        check(library.sinode_integrator_backward(handle.pointer, bars.shape[1], times.intervals, _pointer(every),
                                                 address(vector)), self.functions.raised)
        sums, self.functions.sums, self.functions.terms = self.functions.sums, [], 0
        linear = next(iter(self.model.named(vector).values())) if wants_linear else None
        if wants_network and not sums:  # no stage has evaluated the network
            sums = [torch.zeros_like(p) for p in self.functions.wanted]
        return every[0], linear, sums

    def rest(self):
        """Lets go of what belongs to a call."""
        self.functions.module = None
        self.functions.graphs.clear()


def as_model(network: torch.nn.Module, points: int, length: float = 1.0, linear: str | np.ndarray = "ks",
             samples: int = 1) -> Model:
    """A sinode.Model whose network is a module, for sinode.Integrator: rollouts and tangents (jvp) in numpy, as Lyapunov
    exponents take them. The module is called with (samples, points) in float64. vjp gives no
    derivatives by the module's parameters: odeint_imex does."""
    functions = _ModuleFunctions(points)
    functions.use(network, [], None, torch.float64)
    return Model.with_functions(Grid(points), length, linear, functions, False, samples)


def _pointer(tensor):
    ffi, _ = load()
    return ffi.cast("double *", tensor.data_ptr())


class _Pool:
    """Engines that are not in use, the last used ones, by what they are for."""

    def __init__(self):
        self._idle, self._lock = collections.OrderedDict(), threading.Lock()

    def take(self, key):
        with self._lock:
            found = self._idle.get(key)
            if found:
                self._idle.move_to_end(key)
                return found.pop()
        return None

    def give(self, key, engine):
        engine.rest()
        with self._lock:
            self._idle.setdefault(key, []).append(engine)
            while sum(map(len, self._idle.values())) > IDLE_MOST or not next(iter(self._idle.values())):
                first = next(iter(self._idle))
                if self._idle[first]:
                    self._idle[first].pop(0)
                if not self._idle[first]:
                    del self._idle[first]


    def clear(self):
        with self._lock:
            self._idle.clear()


_pool = _Pool()


def release() -> None:
    """Frees the memory that is kept for calls of odeint_imex like those before."""
    _pool.clear()


class _Problem:
    """What a call of odeint_imex is about, but for the values."""

    def __init__(self, module, linear, u0, times, length, scheme, dt, solver, storage, controls):
        self.module, self.times, self.shape, self.dtype = module, times_of(times, dt), u0.shape, u0.dtype
        self.wanted = [p for p in module.parameters() if p.requires_grad]
        self.linear_kind = linear if isinstance(linear, str) else None
        self.trainable = isinstance(linear, torch.Tensor) and linear.requires_grad
        form = linear if self.linear_kind else (tuple(linear.shape), linear.is_complex())
        points = u0.shape[-1]
        self.samples = u0.numel() // points if points else 0
        self.key = (points, self.samples, length, form, self.trainable, scheme, dt, solver, storage,
                    tuple(sorted(controls.items())), self.times.interval)
        self.make = lambda: _Engine(points, self.samples, length, self.linear_kind or linear.detach().numpy(),
                                    self.trainable, scheme, dt, solver, storage, controls)

    def begin(self, u0, linear, adjoint):
        """(engine, states): a pass with the present values."""
        engine = _pool.take(self.key) or self.make()
        values = None if self.linear_kind else _real(linear.detach()).reshape(-1).numpy()
        engine.use(self, values)
        return engine, engine.forward(u0.detach().reshape(self.samples, -1), self.times, adjoint)


def _real(linear):
    """As the library has it: complex numbers as pairs."""
    return torch.view_as_real(linear.to(torch.complex128)) if linear.is_complex() else linear.to(torch.float64)


class _Odeint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, problem, u0, linear, *parameters):
        ctx.problem = problem
        ctx.save_for_backward(u0, linear, *parameters)
        ctx.engine, states = problem.begin(u0, linear, adjoint=True)
        return states.reshape(-1, *u0.shape).to(u0.dtype)

    @staticmethod
    def backward(ctx, bars):
        if torch.is_grad_enabled():
            raise RuntimeError("odeint_imex has no second derivatives: its adjoint is computed outside of PyTorch; call "
                               "backward without create_graph, or take tangents by sinode.Integrator.jvp")
        problem, (u0, linear, *parameters) = ctx.problem, ctx.saved_tensors  # which sees changes in place
        engine, ctx.engine = ctx.engine, None
        if engine is None:  # a second backward pass, after retain_graph
            engine, _ = problem.begin(u0, linear, adjoint=True)
        bars = bars.reshape(len(bars), problem.samples, -1)
        u_bar, matrix, sums = engine.backward(bars, problem.times, ctx.needs_input_grad[2], bool(parameters))
        if matrix is not None:
            matrix = torch.from_numpy(np.array(matrix))
            matrix = (torch.view_as_complex(matrix) if linear.is_complex() else matrix).to(linear.dtype)
        _pool.give(problem.key, engine)
        return None, u_bar.reshape(u0.shape).to(u0.dtype), matrix, *(sums or ())


def _check(u0, linear, times):
    for name, value in (("u0", u0), ("A", linear), ("times", times)):
        if isinstance(value, torch.Tensor) and value.device.type != "cpu":
            raise ValueError(f"{name} is on {value.device}, but sinode computes on the CPU: move it by .cpu()")
    if not isinstance(u0, torch.Tensor) or not u0.is_floating_point() or u0.dim() < 1 or not u0.numel():
        raise TypeError("u0 must be a tensor (..., points) of floating-point numbers, and not be empty")
    if isinstance(times, torch.Tensor) and times.requires_grad:
        raise ValueError("times requires grad, but there are no derivatives by the times")
    if isinstance(linear, str):
        return linear
    linear = torch.as_tensor(linear)
    points = u0.shape[-1]
    if not (linear.dim() == 1 and (linear.is_complex() or len(linear) % 2) or linear.shape == (points, points)):
        raise ValueError(f"A has shape {tuple(linear.shape)}, expected an odd number of coefficients of a stencil, "
                         f"{points // 2 + 1} complex eigenvalues, or a matrix {(points, points)}")
    return linear


def odeint_imex(network: torch.nn.Module, A: str | torch.Tensor, u0: torch.Tensor,
                times: Sequence[float] | torch.Tensor, scheme: str = "l2", dt: float | None = None, solver: str = "auto",
                storage: str = "auto", length: float = 1.0, **controls: float) -> torch.Tensor:
    """States of du/dt = -network(u) + A u at times, (len(times), *u0.shape), the first of them u0.

    network: a torch.nn.Module, called with states of the shape of u0, (..., points); deterministic, as stages may be
        evaluated again (storage other than all).
    A: "ks" or "spectral" on a domain of `length`, or a tensor: real (m,), m odd, a periodic stencil; complex
        (points // 2 + 1,), the eigenvalue of each wave number; (points, points), a matrix. It may require grad.
    times: increasing; gaps are multiples of dt. dt None: the least gap.
    scheme, solver, storage, controls: as of sinode.Integrator.

    Derivatives are those of the steps as computed, to round-off, by u0, A and the parameters of the network that require
    grad; there are no second ones. Errors: sinode.Error, ValueError, TypeError, and what the network raises. Called in
    place of torchdiffeq's odeint(func, y0, t), func being -network(u) + A u without an explicit time.
    """
    linear = _check(u0, A, times)
    times = np.asarray(times.detach() if isinstance(times, torch.Tensor) else times, dtype=np.float64)
    if dt is None:
        dt = float(np.diff(times).min()) if times.ndim == 1 and len(times) > 1 else 1.0
    problem = _Problem(network, linear, u0, times, float(length), scheme, float(dt), solver, storage, controls)
    given = linear if isinstance(linear, torch.Tensor) else u0.new_empty(0)
    if torch.is_grad_enabled() and (u0.requires_grad or problem.trainable or problem.wanted):
        return _Odeint.apply(problem, u0, given, *problem.wanted)
    engine, states = problem.begin(u0, given, adjoint=False)
    _pool.give(problem.key, engine)
    return states.reshape(-1, *u0.shape).to(u0.dtype)
