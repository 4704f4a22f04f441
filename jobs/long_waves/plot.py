#!/usr/bin/python3
"""Energy per length and spectra of the two domains of run.sh, and what a step costs.

    plot.py FOLDER FIGURE     prints the figures, writes FIGURE.png and .pdf
"""
import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
import sinode  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import INK, VERMILION, save, styled  # noqa: E402

TRANSIENT = 1000
# Bounds of wave numbers: as many in each factor of two.
BINS = np.geomspace(2**-13, 4, 61)
PLATEAU = (0.04, 0.16)


def spectrum(u, length):
    """Mean of |u_k|^2 L, at k the density of u^2 over wave numbers times pi, over bins, and its standard error."""
    power = np.abs(np.fft.rfft(u, axis=-1)) ** 2 / u.shape[-1] ** 2 * length
    number = np.digitize(2 * np.pi * np.arange(power.shape[-1]) / length, BINS)
    found = [power[..., number == b].ravel() for b in range(1, BINS.size)]
    # Modes are independent of one another; snapshots of long waves are not, so they count as one.
    modes = [max(p.size / u.shape[-2], 1) for p in found]
    return np.array([(p.mean(), p.std() / np.sqrt(n)) if p.size else (np.nan, np.nan) for p, n in zip(found, modes)])


def read(path):
    """(member, snapshot, point) values, the length and times."""
    with sinode.open(path) as data:
        u = data["u"].transpose("member", "time", ...).values
        return u, float(data.attrs["domain_length"]), data.time.values


def mean_of_squares(u):
    """Of all snapshots, and its standard error from pieces of 2^16 points, which are long enough to be independent."""
    pieces = (u**2).reshape(u.shape[0], u.shape[1], -1, 2**16).mean(axis=(1, 3)).ravel()
    return u.var() + u.mean() ** 2, pieces.std(ddof=1) / np.sqrt(pieces.size)


@styled
def draw(curves):
    figure = Figure(figsize=(9, 4), constrained_layout=True)
    axes = figure.subplots()
    centre = np.sqrt(BINS[1:] * BINS[:-1])
    for label, color, style, values in curves:
        axes.loglog(centre, values, style, color=color, label=label, markersize=3)
    axes.set(xlabel="wave number", ylabel=r"$\langle|u_k|^2\rangle L$", ylim=(1e-3, 1e2))
    axes.axvspan(*PLATEAU, color=INK, alpha=0.1, linewidth=0)
    axes.legend()
    return figure


def report_cost(folder, steps, points):
    """Processor seconds of a step of a million points: of the run with all that it writes, and of the scripts."""
    seconds = sum(map(float, (folder / "14.seconds").read_text().split()[-2:]))
    ours = seconds / steps / points * 1e6
    print(f"sinode: {ours:.4f} core-seconds a million point-steps ({seconds:.0f} s, {steps} steps of {points} points)")
    for way in ("numpy", "pyfftw"):
        path = folder / f"{way}.seconds"
        if path.is_file():
            other = float(path.read_text()) / points * 1e6
            print(f"{way}: {other:.4f} core-seconds a million point-steps, {other / ours:.1f} times as many")


def study(source, stem):
    folder, curves, spectra = pathlib.Path(source), [], {}
    for name, label, color in ((14, r"$L = 22\cdot2^{14}$", VERMILION), (10, r"$L = 22\cdot2^{10}$", INK)):
        u, length, times = read(folder / f"{name}.h5")
        late = u[:, len(times) // 2:]
        energy, error = mean_of_squares(late)
        spectra[name] = spectrum(late, length)
        inside = (BINS[:-1] >= PLATEAU[0]) & (BINS[1:] <= PLATEAU[1])
        level = np.average(spectra[name][inside, 0])
        print(f"L = 22 * 2^{name}: mean of u^2 {energy:.5f} +- {error:.5f}; plateau {level:.3f} for "
              f"{PLATEAU[0]} < k < {PLATEAU[1]}")
        curves.append((f"{label}, $t$ = {TRANSIENT + times[len(times) // 2]:.0f} to {TRANSIENT + times[-1]:.0f}", color,
                       "-" if name == 14 else "o", spectra[name][:, 0]))
        if name == 14:
            curves.append((f"{label}, $t$ = {TRANSIENT}", color, ":", spectrum(u[:, :1], length)[:, 0]))
            report_cost(folder, round((TRANSIENT + times[-1]) / 0.1), u.shape[-1])
    shared = np.isfinite(spectra[10][:, 0]) & (spectra[14][:, 0] > 1e-8) & (BINS[:-1] > 0.01)
    apart = np.abs(spectra[10] - spectra[14])[shared, 0] / np.hypot(*(spectra[n][shared, 1] for n in (10, 14)))
    print(f"above k = 0.01 the spectra differ by {apart.max():.1f} standard errors at most, {apart.mean():.2f} on average")
    save(draw(curves), stem)


if __name__ == "__main__":
    run(__doc__, {"FOLDER FIGURE": study})
