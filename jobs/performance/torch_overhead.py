#!/usr/bin/python3
"""What sinode's steps cost under PyTorch: a training iteration by odeint_imex beside the same in PyTorch alone (rival.py),
and what of it is the network's and the steps' own.

    PYTHONPATH=build/release/python jobs/performance/torch_overhead.py [--points 64] [--hidden 200] [--batch 256]
        [--windows 1 10] [--rounds 20]

CPU seconds of one thread, which other work on the machine disturbs least; each column is the least of all rounds, in
which the columns take turns. In microseconds a time step:

    sinode    an iteration by odeint_imex: forward, loss, backward, without the optimizer
    rival     the same by rival.py
    network   the network and the loss alone: as many evaluations, their derivatives, the sums of these
    steps     the integrator alone, forward and backward, F = 0, from numpy
    door      what is left: sinode - network - steps
"""
import argparse
import time

import numpy as np
import torch

import rival
import sinode
from sinode.torch import odeint_imex

DT, LENGTH, STAGES = 0.02, 22.0, 2  # of l2; a small step, so that random states stay bounded


def make_columns(options, window):
    network = rival.make_network(options.points, options.hidden)
    initial = torch.randn(options.batch, options.points)
    targets = torch.randn(window, options.batch, options.points)
    times = DT * np.arange(window + 1)
    model = sinode.Model(options.points, LENGTH, samples=options.batch)
    integrator = sinode.Integrator(model, "l2", DT)
    bars = np.random.default_rng(0).normal(size=(window + 1, options.batch, options.points))
    step = rival.make_step(network, options.points, DT)
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

    def network_alone():
        network.zero_grad()
        kept = []
        for _ in range(STAGES * window):
            x = initial.clone().requires_grad_()
            kept.append(network(x))
        torch.nn.functional.mse_loss(leaf, targets).backward()
        for y in reversed(kept):
            y.backward(initial)

    def steps_alone():
        integrator.forward(initial.numpy(), times, adjoint=True)
        integrator.vjp(bars, gradient=False)

    return {"sinode": sinode_iteration, "rival": rival_iteration, "network": network_alone, "steps": steps_alone}


def measure(columns, rounds):
    least = dict.fromkeys(columns, np.inf)
    for number in range(rounds + 2):
        for name, work in columns.items():
            started = time.process_time()
            work()
            if number >= 2:
                least[name] = min(least[name], time.process_time() - started)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in dict(points=64, hidden=200, batch=256, rounds=20).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 10], metavar="STEPS")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    print("window    sinode     rival   network     steps      door   rival/sinode")
    for window in options.windows:
        least = {name: 1e6 * value / window for name, value in
                 measure(make_columns(options, window), options.rounds).items()}
        door = least["sinode"] - least["network"] - least["steps"]
        print(f"{window:6}" + "".join(f"{value:10.0f}" for value in (*least.values(), door)) +
              f"{least['rival'] / least['sinode']:15.2f}", flush=True)


if __name__ == "__main__":
    main()
