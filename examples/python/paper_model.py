#!/usr/bin/python3
"""The paper's model with a PyTorch network: trajectories of Kuramoto-Sivashinsky, du/dt = -F(u) + A u with a perceptron F
and A = -(d2/dx2 + d4/dx4), IMEX-RK2, one step of data as the loss.

    paper_model.py [--epochs 20] [--width 200] [--out paper_model.pt]
"""
import argparse

import torch

import sinode
from sinode.torch import odeint_imex

parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--width", type=int, default=200)
parser.add_argument("--out", default="paper_model.pt")
options = parser.parse_args()
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)

points, length, dt = 64, 22.0, 0.2
generator = sinode.Generator(points, length, dt=0.05, members=8, seed=1)
generator.step(2000)  # onto the attractor
data = torch.tensor(generator.trajectory(101, every=4))  # (101, 8, 64), a snapshot every 0.2
pairs = torch.utils.data.TensorDataset(data[:-1].flatten(0, 1), data[1:].flatten(0, 1))
batches = torch.utils.data.DataLoader(pairs, batch_size=32, shuffle=True)

width = options.width
network = torch.nn.Sequential(torch.nn.Linear(points, width), torch.nn.ReLU(), torch.nn.Linear(width, width),
                              torch.nn.ReLU(), torch.nn.Linear(width, points))
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
for epoch in range(options.epochs):
    total = 0
    for u0, target in batches:
        optimizer.zero_grad()
        u = odeint_imex(network, "ks", u0, [0, dt], scheme="l2", length=length)
        loss = torch.nn.functional.mse_loss(u[-1], target)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(u0) / len(pairs)
    print(f"epoch {epoch + 1}: loss {total:.3e}", flush=True)
torch.save(network.state_dict(), options.out)  # sinode-tools import makes a model file of it
