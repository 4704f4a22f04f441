#!/usr/bin/env python3
"""Spectra of a prediction and its reference, and a window of both: plot.py PREDICTION.h5 FIGURE.png"""
import sys

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def spectrum(u, length, bins):
    """Energy density over wave numbers, averaged over snapshots and over bins of wave numbers."""
    points = u.shape[-1]
    power = (np.abs(np.fft.rfft(u, axis=-1)) ** 2).mean(axis=0) / points**2 * length / np.pi
    k = 2 * np.pi * np.arange(power.size) / length
    number = np.digitize(k, bins)
    return np.array([power[number == b].mean() if (number == b).any() else np.nan for b in range(1, bins.size)])


def main(source, figure):
    with h5py.File(source) as file:
        length = float(file.attrs["domain_length"])
        time, half = file["time"][()], file["time"].shape[0] // 2
        predicted, reference = file["u"][-1], file["reference"][-1]  # the last member is the perturbed one
    bins = np.linspace(0.05, 4, 60)
    model, truth = (spectrum(u[half:], length, bins) for u in (predicted, reference))
    resolved = truth > 1e-8 * np.nanmax(truth)
    off = np.nanmax(np.abs(np.log(model[resolved] / truth[resolved])))
    energy = [float(np.mean(u[half:] ** 2)) for u in (predicted, reference)]
    print(f"mean of u^2: model {energy[0]:.4f}, equation {energy[1]:.4f}")
    print(f"spectra differ by at most {100 * np.expm1(off):.1f} % where they are above 1e-8 of the maximum")
    fig, axes = plt.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    centre = (bins[1:] + bins[:-1]) / 2
    axes[0].semilogy(centre, truth, "k", label="equation")
    axes[0].semilogy(centre, model, "--", color="tab:red", label="model trained on 64 points")
    axes[0].set(xlabel="wave number", ylabel="energy density")
    axes[0].legend()
    shown = 512
    extent = [0, length * shown / predicted.shape[1], time[0], time[-1]]
    for axis, u, title in ((axes[1], reference, "equation"), (axes[2], predicted, "model")):
        axis.imshow(u[:, :shown], aspect="auto", origin="lower", extent=extent, cmap="RdBu_r", vmin=-3, vmax=3)
        axis.set(xlabel=f"$x$, of {length:g}", ylabel="$t$", title=title)
    fig.savefig(figure, dpi=90)


if __name__ == "__main__":
    main(*sys.argv[1:3])
