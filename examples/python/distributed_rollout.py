#!/usr/bin/python3
"""A rollout whose grid points are shared by the ranks of mpi4py, beside the equation's own trajectory.

    mpirun -n 4 python3 -m mpi4py distributed_rollout.py [--points 1024] [--time 2] [--model MODEL.h5]

Without a model file, F is the equation's own term: the difference is then that of the time steps.
"""
import argparse

import numpy as np
from mpi4py import MPI

import sinode

parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("--points", type=int, default=1024)
parser.add_argument("--time", type=float, default=2.0)
parser.add_argument("--model")
options = parser.parse_args()
comm = MPI.COMM_WORLD

if options.model:
    model = sinode.Model.from_file(options.model, comm=comm)
else:
    model = sinode.Model.from_config({"grid": {"points": options.points, "length": options.points * 22 / 64},
                                      "model": {"linear": {"kind": "spectral"}, "nonlinear": {"kind": "ks"}}}, comm=comm)
truth = sinode.Generator(model.grid.points, model.length, dt=0.05, seed=1, comm=comm)
u0 = truth.step(1000)  # (1, this rank's points)
steps = round(options.time / 0.05)
times = 0.05 * np.arange(0, steps + 1, max(steps // 4, 1))
states = sinode.Integrator(model, "ars443", dt=0.05).forward(u0, times)

for before, time, state in zip(times, times[1:], states[1:]):
    expected = truth.step(round((time - before) / 0.05))
    sums = np.array([((state - expected)**2).sum(), (expected**2).sum()])
    comm.Allreduce(MPI.IN_PLACE, sums)
    if comm.rank == 0:
        print(f"t = {time:.2f}: relative error {np.sqrt(sums[0] / sums[1]):.2e} on {comm.size} ranks", flush=True)
