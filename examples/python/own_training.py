#!/usr/bin/python3
"""A training loop of one's own: windows of data, the gradient by the integrator's adjoint, Adam in numpy, the loss curve
as a figure. No PyTorch: the network is sinode's.

    own_training.py [--iterations 400] [--window 4] [--out own_training.png] [--model own_training.h5]
"""
import argparse

import matplotlib
import numpy as np

import sinode

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("--iterations", type=int, default=400)
parser.add_argument("--window", type=int, default=4, help="steps of data that a loss spans")
parser.add_argument("--out", default="own_training.png")
parser.add_argument("--model", default="own_training.h5", help="for sinode predict")
options = parser.parse_args()

points, length, dt, batch = 64, 22.0, 0.2, 32
generator = sinode.Generator(points, length, dt=0.05, members=8, seed=1)
generator.step(2000)
data = generator.trajectory(101, every=4)  # (101, 8, 64), a snapshot every 0.2

model = sinode.Model.from_config(
    {"grid": {"points": points, "length": length}, "run": {"seed": 1},
     "model": {"nonlinear": {"kind": "mlp", "hidden": [128, 128], "activation": "tanh"}}}, samples=batch)
integrator = sinode.Integrator(model, "l2", dt)
times = dt * np.arange(options.window + 1)
random = np.random.default_rng(0)
means = {name: [0.0, 0.0] for name in model.parameters if name.startswith("nonlinear/")}
losses = []
for iteration in range(1, options.iterations + 1):
    starts = random.integers(0, len(data) - options.window, batch)
    windows = np.stack([data[start:start + options.window + 1, random.integers(data.shape[1])] for start in starts], axis=1)
    states = integrator.forward(windows[0], times, adjoint=True)
    difference = states - windows
    losses.append((difference**2).mean())
    _, gradient = integrator.vjp(2 * difference / difference.size)
    rate = 3e-3 * (1 - (iteration - 1) / options.iterations)
    for name, moment in means.items():
        moment[0] = 0.9 * moment[0] + 0.1 * gradient[name]
        moment[1] = 0.999 * moment[1] + 0.001 * gradient[name]**2
        corrected = np.sqrt(moment[1] / (1 - 0.999**iteration)) + 1e-8
        model.parameters[name] -= rate * moment[0] / (1 - 0.9**iteration) / corrected
    model.update()
    if iteration % 100 == 0 or iteration == options.iterations:
        print(f"iteration {iteration}: loss {losses[-1]:.3e}", flush=True)

model.write(options.model, overwrite=True)
figure, axes = pyplot.subplots(layout="constrained")
axes.semilogy(range(1, len(losses) + 1), losses)
axes.set(xlabel="iteration", ylabel="mean square error")
figure.savefig(options.out)
print(f"first {losses[0]:.3e}, last {losses[-1]:.3e}; drawn: {options.out}")
