"""Trajectories of the Kuramoto-Sivashinsky equation and others in memory."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .dynamics import Grid, to_yaml
from .library import Handle, address, check, load


class Generator:
    """ETDRK4 in time, Fourier in space, as sinode generate; members are shared out over the replicas of comm.

    points, length: of the periodic domain. dt: the step. initial: random, noise, cosine or paper, with perturbations of
    other members relative to the state. equation: a dict with the keys of generate.equation in parameter files,
    {"linear": {2: 0.1}, "u_ux": -1}; None: Kuramoto-Sivashinsky.

    members: how many this rank's replica has. parameters: of each of them, where the equation has one; else 1.
    """

    def __init__(self, points: int, length: float, dt: float = 0.05, members: int = 1, initial: str = "random",
                 seed: int = 0, perturbation: float = 0.0, dealias: bool = False, comm=None, space: int | None = None,
                 equation: Mapping | None = None):
        ffi, library = load()
        self.grid, self.dt = Grid(points, comm, space), dt
        name = ffi.new("char[]", initial.encode())
        config = {"generate": {"equation": equation}}
        text = ffi.NULL if equation is None else ffi.new("char[]", to_yaml(config).encode())
        options = ffi.new("sinode_generator_options *", {
            "length": length, "dt": dt, "dealias": dealias, "initial": name, "seed": seed,
            "perturbation": perturbation, "equation": text})
        self.handle = Handle("generator", library.sinode_generator_create, self.grid.pointer, members, options,
                             parents=(self.grid,))
        self.members = library.sinode_generator_members(self.handle.pointer)
        self.parameters = np.empty(self.members)
        library.sinode_generator_parameters(self.handle.pointer, address(self.parameters))

    def step(self, steps: int = 1) -> np.ndarray:
        """The state (members, local points) after so many more steps."""
        _, library = load()
        state = np.empty((self.members, self.grid.count))
        check(library.sinode_generator_step(self.handle.pointer, steps, address(state)))
        return state

    def trajectory(self, snapshots: int, every: int = 1) -> np.ndarray:
        """(snapshots, members, local points): the present state and those after every so many steps."""
        return np.stack([self.step(every if number else 0) for number in range(snapshots)])
