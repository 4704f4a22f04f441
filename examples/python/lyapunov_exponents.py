#!/usr/bin/python3
"""Leading Lyapunov exponents of a PyTorch network's dynamics, du/dt = -F(u) + A u, by tangents and QR (Benettin).

    lyapunov_exponents.py [--exponents 4] [--time 400] [--network NETWORK.pt]

NETWORK.pt is a module that torch.save wrote whole; without it F is the term of Kuramoto-Sivashinsky, written in PyTorch,
whose leading exponent at L = 22 is about 0.043.
"""
import argparse

import numpy as np
import torch

import sinode
from sinode.torch import as_model

points, length = 64, 22.0


class Advection(torch.nn.Module):
    """F(u) = (u^2 / 2)_x by the Fourier transform."""

    def forward(self, u):
        wave = 2j * np.pi / length * torch.arange(points // 2 + 1)
        wave[points // 3:] = 0  # dealiased
        return torch.fft.irfft(wave * torch.fft.rfft(u * u / 2), n=points)


parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("--exponents", type=int, default=4)
parser.add_argument("--time", type=float, default=400.0)
parser.add_argument("--network")
options = parser.parse_args()

network = torch.load(options.network).double() if options.network else Advection()
model = as_model(network, points, length, linear="spectral")
integrator = sinode.Integrator(model, "ars232", dt=0.1)
generator = sinode.Generator(points, length, seed=2)
u = generator.step(4000)[0]  # on the attractor
directions = np.linalg.qr(np.random.default_rng(0).normal(size=(points, options.exponents)))[0].T
interval, transient = 2.0, 20  # between factorizations; of these, before the directions have turned
sums, count = np.zeros(options.exponents), 0
for number in range(transient + round(options.time / interval)):
    states, tangents = integrator.jvp(u, [0, interval], directions)
    u = states[-1]
    q, r = np.linalg.qr(tangents[-1].T)
    directions = np.ascontiguousarray(q.T)
    if number >= transient:
        sums += np.log(abs(np.diag(r)))
        count += 1
for number, exponent in enumerate(sums / (count * interval), 1):
    print(f"exponent {number}: {exponent:.4f}")
