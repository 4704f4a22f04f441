#!/usr/bin/python3
"""The same training written in PyTorch, to time against: an MLP, convolutions or a product of convolutions, IMEX-RK2
(l2) with its implicit matrices inverted beforehand or, beside convolutions, FFT solves, autograd, AdamW. It is what one
would write first, and leaves out everything else a program does.

    rival.py [--kind mlp|conv|product] [--points N] [--hidden H] [--channels C] [--products P] [--kernel K] [--batch B]
             [--window W] [--threads T] [--seconds S] [--predict] [--processor]

Prints the median and the least seconds of an iteration, or with --predict of a time step of one trajectory;
--processor: those that its one thread computes, on a machine with other work.
"""
import argparse
import time

import numpy as np
import torch


def stencil_matrix(points, length):
    second, fourth = (points / length) ** 2, (points / length) ** 4
    first_column = np.zeros(points)
    first_column[[0, 1, 2, -1, -2]] = (2 * second - 6 * fourth, 4 * fourth - second, -fourth, 4 * fourth - second, -fourth)
    return np.array([np.roll(first_column, k) for k in range(points)]).T


class Convolutions(torch.nn.Module):
    """Two hidden layers of `channels` each."""

    def __init__(self, channels, kernel):
        super().__init__()
        options = dict(padding=kernel // 2, padding_mode="circular")
        sizes = [1, channels, channels, 1]
        layers = []
        for columns, rows in zip(sizes, sizes[1:]):
            layers += [torch.nn.Conv1d(columns, rows, kernel, **options), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers[:-1])

    def forward(self, u):
        return self.layers(u.unsqueeze(1)).squeeze(1)


class Product(torch.nn.Module):
    """r * ((p * u) (q * u)) + l * u"""

    def __init__(self, products, kernel):
        super().__init__()
        options = dict(padding=kernel // 2, padding_mode="circular", bias=False)
        self.factors = torch.nn.Conv1d(1, 2 * products, kernel, **options)
        self.out = torch.nn.Conv1d(products, 1, kernel, **options)
        self.linear = torch.nn.Conv1d(1, 1, kernel, **options)
        self.products = products

    def forward(self, u):
        u = u.unsqueeze(1)
        factors = self.factors(u)
        return (self.out(factors[:, :self.products] * factors[:, self.products:]) + self.linear(u)).squeeze(1)


def make_network(options):
    points, width = options.points, options.hidden
    if options.kind == "conv":
        return Convolutions(options.channels, options.kernel)
    if options.kind == "product":
        return Product(options.products, options.kernel)
    sizes = [points, *[width] * 4, points]
    layers = []
    for number, (rows, columns) in enumerate(zip(sizes[1:], sizes)):
        layers.append(torch.nn.Linear(columns, rows))
        torch.nn.init.normal_(layers[-1].weight, std=0.01)
        if number < 4:
            layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers)


def make_solve(options, weight):
    """(I - weight A)^-1, by a matrix for perceptrons, else by FFT."""
    points, length = options.points, 22.0 * options.points / 64 if options.kind != "mlp" else 22.0
    if options.kind == "mlp":
        inverse = torch.tensor(np.linalg.inv(np.eye(points) - weight * stencil_matrix(points, length)).T)
        return lambda right: right @ inverse
    second = (2 * np.cos(2 * np.pi * np.arange(points // 2 + 1) / points) - 2) * (points / length) ** 2
    symbol = torch.tensor(1 / (1 + weight * (second + second ** 2)))
    return lambda right: torch.fft.irfft(torch.fft.rfft(right) * symbol, n=points)


def make_step(network, options, dt=0.2):
    """IMEX-SSP2(2,2,2) of Pareschi and Russo: gamma = 1 - 1/sqrt 2."""
    gamma = 1 - 1 / np.sqrt(2)
    solve = make_solve(options, gamma * dt)

    def step(u):
        first = solve(u)
        slope = (first - u) / (gamma * dt)
        force = -network(first)
        right = u + dt * force + (1 - 2 * gamma) * dt * slope
        second = solve(right)
        return u + 0.5 * dt * (force - network(second) + slope + (second - right) / (gamma * dt))

    return step


def make_work(options):
    network = make_network(options)
    step = make_step(network, options)
    if options.predict:
        state = torch.randn(1, options.points)

        def roll():
            with torch.no_grad():
                step(state)

        return roll
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    initial = torch.randn(options.batch, options.points)
    targets = torch.randn(options.window, options.batch, options.points)

    def iterate():
        optimizer.zero_grad()
        u, loss = initial, 0
        for target in targets:
            u = step(u)
            loss = loss + torch.nn.functional.mse_loss(u, target) / options.window
        loss.backward()
        optimizer.step()

    return iterate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["mlp", "conv", "product"], default="mlp")
    sizes = dict(points=64, hidden=200, channels=16, products=1, kernel=5, batch=256, window=1, threads=2)
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=3.0, help="to spend on it")
    parser.add_argument("--predict", action="store_true")
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    clock = time.thread_time if options.processor else time.perf_counter
    torch.set_num_threads(options.threads)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    work, taken = make_work(options), []
    for _ in range(3):
        work()
    begun = time.perf_counter()
    while len(taken) < 5 or time.perf_counter() - begun < options.seconds:
        started = clock()
        work()
        taken.append(clock() - started)
    print(f"rival: median {np.median(taken):.4e} s, least {min(taken):.4e} s of {len(taken)}")


if __name__ == "__main__":
    main()
