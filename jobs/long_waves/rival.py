#!/usr/bin/python3
"""The same steps of the same equation in a script: processor seconds of one on 2^20 points.

    rival.py WAY     numpy or pyfftw (its plans measured, one thread); prints the least of some steps
"""
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.script import run  # noqa: E402

POINTS, LENGTH, DT, STEPS = 2**20, 22 * 2**14, 0.1, 8


def transforms(way):
    """Real transforms there and back."""
    if way == "numpy":
        return np.fft.rfft, np.fft.irfft
    import pyfftw

    values, modes = pyfftw.empty_aligned(POINTS), pyfftw.empty_aligned(POINTS // 2 + 1, dtype=complex)
    return pyfftw.FFTW(values, modes), pyfftw.FFTW(modes, values, direction="FFTW_BACKWARD")


def weights():
    """Of Cox and Matthews, by Kassam and Trefethen's contour."""
    k = 2 * np.pi / LENGTH * np.arange(POINTS // 2 + 1)
    z = DT * (k**2 - k**4)
    q, first, middle, last = (np.zeros(z.size) for _ in range(4))
    for point in np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 32):
        r = z + point
        e = np.exp(r)
        q += ((np.exp(r / 2) - 1) / r).real * DT / 32
        first += ((-4 - r + e * (4 - 3 * r + r**2)) / r**3).real * DT / 32
        middle += ((2 + r + e * (r - 2)) / r**3).real * DT / 32
        last += ((-4 - 3 * r - r**2 + e * (4 - r)) / r**3).real * DT / 32
    return np.exp(z), np.exp(z / 2), q, first, 2 * middle, last, -0.5j * k


def study(way):
    there, back = transforms(way)
    full, half, q, first, middle, last, derivative = weights()

    def nonlinear(v):
        u = back(v.copy())
        return derivative * there(u * u)

    v = there(np.random.default_rng(1).standard_normal(POINTS)).copy() * np.exp(-np.arange(POINTS // 2 + 1) / 1e4)
    least = np.inf
    for _ in range(STEPS):
        start = time.process_time()
        nv = nonlinear(v)
        a = half * v + q * nv
        na = nonlinear(a)
        nb = nonlinear(half * v + q * na)
        nc = nonlinear(half * a + q * (2 * nb - nv))
        v = full * v + first * nv + middle * (na + nb) + last * nc
        least = min(least, time.process_time() - start)
    print(least)


if __name__ == "__main__":
    run(__doc__, {"WAY": study})
