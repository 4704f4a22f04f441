#!/usr/bin/python3
"""Exponential Runge-Kutta with PyTorch, A as a full matrix, for gradients by automatic differentiation.

usage: exponential.py     writes the cases tests/golden/gradient/exponential_* anew

The schemes are written as their papers write them. Their phi-functions are blocks of the exponential of one matrix,

  exp([[z, I, 0, ...], [0, 0, I, ...], ...]) = [[phi_0(z), phi_1(z), phi_2(z), ...], ...],

whose derivatives are PyTorch's own.
"""
import pathlib
import sys

import torch


def phi_functions(z, highest=4):
    """phi_0(z) ... phi_highest(z) of a matrix."""
    n = len(z)
    rows = [torch.cat([z, torch.eye(n, dtype=z.dtype), torch.zeros(n, (highest - 1) * n, dtype=z.dtype)], dim=1)]
    for k in range(1, highest + 1):
        blocks = [torch.eye(n, dtype=z.dtype) if j == k + 1 else torch.zeros(n, n, dtype=z.dtype)
                  for j in range(highest + 1)]
        rows.append(torch.cat(blocks, dim=1))
    return torch.linalg.matrix_exp(torch.cat(rows))[:n].split(n, dim=1)


def times(matrix, u):
    return u @ matrix.T


def etdrk2(slope, z, h):
    """Cox, Matthews 2002, eqs. (22)."""
    e, phi1, phi2, *_ = phi_functions(z)

    def step(u):
        n = slope(u)
        a = times(e, u) + h * times(phi1, n)
        return a + h * times(phi2, slope(a) - n)

    return step


def etdrk4(slope, z, h, krogstad=False):
    """Cox, Matthews 2002, eqs. (26)-(29); Krogstad 2005, eq. (51), which has other stages."""
    half, phi1_half, phi2_half, *_ = phi_functions(z / 2)
    e, phi1, phi2, phi3, _ = phi_functions(z)
    q = h / 2 * phi1_half

    def step(u):
        n = slope(u)
        a = times(half, u) + times(q, n)
        if krogstad:
            b = times(half, u) + times(q, n) + h * times(phi2_half, slope(a) - n)
            c = times(e, u) + h * times(phi1, n) + 2 * h * times(phi2, slope(b) - n)
        else:
            b = times(half, u) + times(q, slope(a))
            c = times(half, a) + times(q, 2 * slope(b) - n)
        return (times(e, u) + h * times(phi1 - 3 * phi2 + 4 * phi3, n) +
                2 * h * times(phi2 - 2 * phi3, slope(a) + slope(b)) + h * times(4 * phi3 - phi2, slope(c)))

    return step


def lawson(slope, z, h, tableau):
    """Lawson 1967: an explicit scheme for v = e^{-tA} u."""
    a, b = tableau["a"], tableau["b"]
    c = [sum(row) for row in a]
    there, back = ([torch.linalg.matrix_exp(sign * node * z) for node in c] for sign in (1, -1))
    e = torch.linalg.matrix_exp(z)

    def step(u):
        slopes = []
        for i in range(len(b)):
            stage = u + h * sum((a[i][j] * slopes[j] for j in range(i)), torch.zeros_like(u))
            slopes.append(times(back[i], slope(times(there[i], stage))))
        return times(e, u + h * sum(weight * k for weight, k in zip(b, slopes)))

    return step


def exprk5s8(slope, z, h):
    """Luan, Ostermann 2014, eq. (5.9), by the differences D_j = N(U_j) - N(u)."""
    nodes = {2: 1 / 2, 3: 1 / 2, 4: 1 / 4, 5: 1 / 2, 6: 1 / 5, 7: 2 / 3, 8: 1}
    phi = {i: phi_functions(c * z) for i, c in nodes.items()}
    a64 = 8 / 25 * phi[6][2] - 32 / 125 * phi[6][3]
    common = (5 / 32 * a64 - 1 / 28 * phi[6][2] + 36 / 175 * phi[7][2] - 48 / 25 * phi[7][3] + 6 / 175 * phi[6][4] +
              192 / 35 * phi[7][4] + 6 * phi[8][4])
    weights = {
        2: {},
        3: {2: phi[3][2] / 2},
        4: {3: phi[4][2] / 8},
        5: {3: -phi[5][2] / 2 + 2 * phi[5][3], 4: 2 * phi[5][2] - 4 * phi[5][3]},
        6: {4: a64, 5: 2 / 25 * phi[6][2] - a64 / 2},
        7: {4: -125 / 162 * a64, 5: 125 / 1944 * a64 - 16 / 27 * phi[7][2] + 320 / 81 * phi[7][3],
            6: 3125 / 3888 * a64 + 100 / 27 * phi[7][2] - 800 / 81 * phi[7][3]},
        8: {5: 208 / 3 * phi[8][3] - 16 / 3 * phi[8][2] - 40 * common,
            6: -250 / 3 * phi[8][3] + 250 / 21 * phi[8][2] + 250 / 7 * common,
            7: -27 * phi[8][3] + 27 / 14 * phi[8][2] + 135 / 7 * common},
    }
    solution = {6: 125 / 14 * phi[8][2] - 625 / 14 * phi[8][3] + 1125 / 14 * phi[8][4],
                7: -27 / 14 * phi[8][2] + 162 / 7 * phi[8][3] - 405 / 7 * phi[8][4],
                8: phi[8][2] / 2 - 13 / 2 * phi[8][3] + 45 / 2 * phi[8][4]}

    def step(u):
        n = slope(u)
        differences = {}
        for i, c in nodes.items():
            stage = times(phi[i][0], u) + c * h * times(phi[i][1], n)
            stage = stage + h * sum((times(w, differences[j]) for j, w in weights[i].items()), torch.zeros_like(u))
            differences[i] = slope(stage) - n
        return times(phi[8][0], u) + h * times(phi[8][1], n) + h * sum(times(w, differences[j])
                                                                       for j, w in solution.items())

    return step


SCHEMES = ("etdrk2", "etdrk4", "krogstad", "exprk5s8", "lawson4", "lawson5")


def step_of(scheme, slope, matrix, dt, explicit):
    """A function from a state to the next one; explicit: tableaux by name."""
    z = dt * matrix
    if scheme.startswith("lawson"):
        return lawson(slope, z, dt, explicit[{"lawson4": "rk4", "lawson5": "dopri5"}[scheme]])
    if scheme == "krogstad":
        return etdrk4(slope, z, dt, krogstad=True)
    return {"etdrk2": etdrk2, "etdrk4": etdrk4, "exprk5s8": exprk5s8}[scheme](slope, z, dt)


MLP = dict(kind="mlp", hidden=[7], activation="tanh")
CONV = dict(kind="conv", channels=[3], kernel=5, activation="tanh")
CASES = {
    "etdrk2_stencil": ("etdrk2", MLP, dict(kind="stencil"), dict(points=14, window=2)),
    "etdrk4_trained": ("etdrk4", MLP, dict(kind="stencil", trainable=True), dict(points=16, window=3, substeps=2)),
    "etdrk4_prime": ("etdrk4", CONV, dict(kind="stencil", taps=7, trainable=True), dict(points=13, window=2)),
    "krogstad_spectral": ("krogstad", CONV, dict(kind="spectral"), dict(points=15, window=2)),
    "krogstad_dense": ("krogstad", MLP, dict(kind="dense", trainable=True), dict(points=11, window=2)),
    "lawson4_dense": ("lawson4", CONV, dict(kind="dense"), dict(points=14, window=2, substeps=2)),
    "lawson5_trained": ("lawson5", MLP, dict(kind="stencil", taps=5, trainable=True), dict(points=18, window=2)),
    "exprk5s8_trained": ("exprk5s8", CONV, dict(kind="stencil", taps=9, trainable=True), dict(points=15, window=2)),
    "exprk5s8_dense": ("exprk5s8", MLP, dict(kind="dense", trainable=True), dict(points=13, window=2)),
}


def main():
    import h5py

    here = pathlib.Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent / "python"))
    import test_gradient

    for number, (name, case) in enumerate(CASES.items()):
        folder = here / "gradient" / f"exponential_{name}"
        folder.mkdir(exist_ok=True)
        expected = test_gradient.write_case(folder, 100 + number, *case)
        with h5py.File(folder / "expected.h5", "w") as file:
            for path, value in expected.items():
                file[path] = value
        print(folder)


if __name__ == "__main__":
    main()
