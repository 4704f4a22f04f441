#!/usr/bin/python3
"""Spectra of a prediction and its reference, and a window of both.

    plot.py PREDICTION.h5 FIGURE     prints how far the spectra are apart, writes FIGURE.png and .pdf
"""
import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
import sinode  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import INK, SIGNED, VERMILION, save, styled  # noqa: E402

SHOWN = 512  # points of the pictures


def spectrum(u, length, bins):
    """Energy density over wave numbers, averaged over snapshots and over bins of wave numbers."""
    points = u.shape[-1]
    power = (np.abs(np.fft.rfft(u, axis=-1)) ** 2).mean(axis=0) / points**2 * length / np.pi
    k = 2 * np.pi * np.arange(power.size) / length
    number = np.digitize(k, bins)
    return np.array([power[number == b].mean() if (number == b).any() else np.nan for b in range(1, bins.size)])


@styled
def draw(bins, spectra, fields, time, spacing):
    figure = Figure(figsize=(13, 4), constrained_layout=True)
    energy, *maps = figure.subplots(1, 3)
    centre = (bins[1:] + bins[:-1]) / 2
    energy.semilogy(centre, spectra["reference"], color=INK, label="equation")
    energy.semilogy(centre, spectra["u"], "--", color=VERMILION, label="model trained on 64 points")
    energy.set(xlabel="wave number", ylabel="energy density")
    energy.legend()
    extent = [0, spacing * SHOWN, time[0], time[-1]]
    for axes, kind, title in zip(maps, ("reference", "u"), ("equation", "model")):
        axes.imshow(fields[kind][:, :SHOWN], aspect="auto", origin="lower", extent=extent, cmap=SIGNED, vmin=-3, vmax=3)
        axes.set(xlabel=f"$x$, of {spacing * fields[kind].shape[1]:g}", ylabel="$t$", title=title)
    return figure


def study(source, stem):
    with sinode.open(source) as data:
        length, time = float(data.attrs["domain_length"]), data.time.values
        fields = {kind: data[kind].isel(member=-1).values for kind in ("u", "reference")}  # the perturbed member
    bins, half = np.linspace(0.05, 4, 60), len(time) // 2
    spectra = {kind: spectrum(u[half:], length, bins) for kind, u in fields.items()}
    resolved = spectra["reference"] > 1e-8 * np.nanmax(spectra["reference"])
    off = np.nanmax(np.abs(np.log(spectra["u"][resolved] / spectra["reference"][resolved])))
    energy = {kind: float(np.mean(u[half:] ** 2)) for kind, u in fields.items()}
    print(f"mean of u^2: model {energy['u']:.4f}, equation {energy['reference']:.4f}")
    print(f"spectra differ by at most {100 * np.expm1(off):.1f} % where they are above 1e-8 of the maximum")
    save(draw(bins, spectra, fields, time, length / fields["u"].shape[1]), stem)


if __name__ == "__main__":
    run(__doc__, {"PREDICTION.h5 FIGURE": study})
