#!/usr/bin/python3
"""What sinode's steps cost under PyTorch: a training iteration by odeint_imex beside the same in PyTorch alone (rival.py),
and what of it is the network's and the steps' own.

    PYTHONPATH=build/release/python jobs/performance/torch_overhead.py [--points 64] [--hidden 200] [--batch 256]
        [--windows 1 10] [--rounds 20]

CPU seconds of one thread, which other work on the machine disturbs least; each column is the least of all rounds, in
which the columns take turns. In microseconds a time step:

    sinode    an iteration by odeint_imex: forward, loss, backward, without the optimizer
    rival     the same by rival.py
    network   what of sinode's is spent in the network: its forward evaluations and PyTorch's derivatives of them
    loss      and in the loss, alone
    steps     the integrator alone, forward and backward, F = 0, from numpy
    overhead  what is left: sinode - network - loss - steps

Last, the interpreter's share of the overhead: at 8 points, batch 1, with a network that returns its argument.
"""
import argparse
import time

import numpy as np
import torch

import rival
import sinode
from sinode.torch import odeint_imex

DT, LENGTH = 0.02, 22.0  # a small step, so that random states stay bounded


def make_columns(options, window):
    network = rival.make_network(options)
    initial = torch.randn(options.batch, options.points)
    targets = torch.randn(window, options.batch, options.points)
    times = DT * np.arange(window + 1)
    model = sinode.Model(options.points, LENGTH, samples=options.batch)
    integrator = sinode.Integrator(model, "l2", DT)
    bars = np.random.default_rng(0).normal(size=(window + 1, options.batch, options.points))
    step = rival.make_step(network, options, DT)
    leaf = torch.randn_like(targets, requires_grad=True)

    def sinode_iteration():
        network.zero_grad()
        states = odeint_imex(network, "ks", initial, times, "l2", DT, length=LENGTH)
        torch.nn.functional.mse_loss(states[1:], targets).backward()

    def rival_iteration():
        network.zero_grad()
        u, loss = initial, 0
        for target in targets:
            u = step(u)
            loss = loss + torch.nn.functional.mse_loss(u, target) / window
        loss.backward()

    def loss_alone():
        torch.nn.functional.mse_loss(leaf, targets).backward()

    def steps_alone():
        integrator.forward(initial.numpy(), times, adjoint=True)
        integrator.vjp(bars, gradient=False)

    inside = Inside(network)
    return {"sinode": inside.around(sinode_iteration), "rival": rival_iteration, "network": inside.take,
            "loss": loss_alone, "steps": steps_alone}


class Inside:
    """Seconds that calls spend in a network and in torch.autograd.grad."""

    def __init__(self, network):
        self.spent, self.network = 0.0, network
        self.grad = torch.autograd.grad

    def timed(self, function):
        def call(*arguments, **options):
            started = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.spent += time.process_time() - started
        return call

    def around(self, work):
        def call():
            self.spent, forward = 0.0, self.network.forward
            self.network.forward, torch.autograd.grad = self.timed(forward), self.timed(self.grad)
            try:
                work()
            finally:
                del self.network.forward
                torch.autograd.grad = self.grad
        return call

    def take(self):
        return self.spent


def measure(columns, rounds):
    """Least seconds of each column; the network's are those of the fastest round of sinode's."""
    least = dict.fromkeys(columns, np.inf)
    for number in range(rounds + 2):
        taken = {}
        for name, work in columns.items():
            started = time.process_time()
            told = work()
            taken[name] = time.process_time() - started if told is None else told
        if number < 2:
            continue
        taken["network"] = taken["network"] if taken["sinode"] < least["sinode"] else least["network"]
        least = {name: min(value, least[name]) if name != "network" else value for name, value in taken.items()}
    return least


def interpreter(rounds, window=100):
    """Seconds a step of a pass and its backward pass in which there is next to nothing to compute or to copy, without
    PyTorch's own for the network."""
    points, network = 8, torch.nn.Identity()
    initial, times = torch.randn(1, points, requires_grad=True), DT * np.arange(window + 1)
    bars = torch.randn(window + 1, 1, points)

    def passes():
        states = odeint_imex(network, "ks", initial, times, "l2", DT, length=LENGTH)
        states.backward(bars)

    inside = Inside(network)
    least = measure({"sinode": inside.around(passes), "network": inside.take}, rounds)
    return (least["sinode"] - least["network"]) / window


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(points=64, hidden=200, batch=256, rounds=20).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 10], metavar="STEPS")
    options = parser.parse_args()
    options.kind = "mlp"  # of the rival
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    print("window    sinode     rival   network      loss     steps  overhead   rival/sinode")
    for window in options.windows:
        least = {name: 1e6 * value / window for name, value in
                 measure(make_columns(options, window), options.rounds).items()}
        overhead = least["sinode"] - least["network"] - least["loss"] - least["steps"]
        print(f"{window:6}" + "".join(f"{value:10.0f}" for value in (*least.values(), overhead)) +
              f"{least['rival'] / least['sinode']:15.2f}", flush=True)
    print(f"interpreter: {1e6 * interpreter(options.rounds):.0f} a step")


if __name__ == "__main__":
    main()
