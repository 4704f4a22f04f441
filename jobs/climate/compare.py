#!/usr/bin/python3
"""Statistics of the members of a long prediction beside those of its reference.

    compare.py PREDICTION.h5 FIGURE     prints the distances, writes FIGURE.png and .pdf

Every member's statistics are compared with the mean over the other members of the reference, for the prediction and for
the reference itself: what the latter gives is the sampling error.
"""
import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
import sinode  # noqa: E402
from sinode import statistics  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import INK, VERMILION, save, styled  # noqa: E402

BINS = {"u": 60, "joint": 30}
RESOLVED = 1e-10  # of the largest mode: the spectrum is compared where there is more


def measure(field, length, limits):
    """The statistics of one member, by name."""
    mean, variance, _ = statistics.moments(field)
    return {"mean of u": np.array([mean]),
            "energy": np.array([(variance + mean**2) / 2]),
            "spectrum": np.asarray(statistics.spectrum(field, length)),
            "density of u": np.asarray(statistics.density(field, length, 0, BINS["u"], limits[0])),
            "density of (u_x, u_xx)": np.asarray(
                statistics.joint_density(field, length, (1, 2), BINS["joint"], limits[1:])),
            "autocorrelation in time": np.asarray(statistics.time_correlation(field, 100)),
            "autocorrelation in space": np.asarray(statistics.space_correlation(field, length))}


def distance(name, one, truth, limits):
    """How far a member is from the mean of the reference: of densities half the L1 norm, of the spectrum the largest
    logarithm of a ratio, else the largest difference."""
    if name == "spectrum":
        seen = truth > RESOLVED * truth.max()
        return np.abs(np.log(one[seen] / truth[seen])).max()
    if name.startswith("density"):
        spans = np.ptp(limits[:1] if name == "density of u" else limits[1:], axis=1)
        return 0.5 * np.abs(one - truth).mean() * spans.prod()
    return np.abs(one - truth).max()


def compare(found, limits):
    """Distances (prediction, reference) of all members, by name of the statistic; found: by field, member, name."""
    members, names = range(len(found["u"])), found["u"][0]
    result = {}
    for name in names:
        values = {kind: [one[name] for one in found[kind]] for kind in found}
        others = [np.mean([values["reference"][k] for k in members if k != m], axis=0) for m in members]
        result[name] = [[distance(name, values[kind][m], others[m], limits) for m in members]
                        for kind in ("u", "reference")]
    return result


@styled
def draw(found, limits, length):
    """Means of the prediction over bands of the reference's members."""
    figure = Figure(figsize=(9.5, 7), constrained_layout=True)
    axes = figure.subplots(2, 2)
    points = 2 * (found["u"][0]["spectrum"].size - 1)
    edges = np.linspace(*limits[0], BINS["u"] + 1)
    shown = {"spectrum": (2 * np.pi / length * np.arange(points // 2 + 1), "wave number $k$"),
             "density of u": ((edges[1:] + edges[:-1]) / 2, "$u$"),
             "autocorrelation in time": (np.arange(101), r"lag $\tau$"),
             "autocorrelation in space": (length / points * np.arange(points // 2 + 1), r"distance $\xi$")}
    for panel, (name, (abscissa, label)) in zip(axes.flat, shown.items()):
        first = 1 if name == "spectrum" else 0  # the mean of u is no scale
        abscissa = abscissa[first:]
        truth = np.array([one[name][first:] for one in found["reference"]])
        model = np.array([one[name][first:] for one in found["u"]])
        panel.fill_between(abscissa, truth.min(axis=0), truth.max(axis=0), color="0.75", label="equation: all members")
        panel.plot(abscissa, truth.mean(axis=0), color=INK, linewidth=1.5, label="equation: mean")
        panel.plot(abscissa, model.mean(axis=0), "--", color=VERMILION, linewidth=1.5, label="model: mean")
        panel.set(xlabel=label, title=name)
        if name in ("spectrum", "density of u"):
            panel.set_yscale("log")
            panel.set_ylim(max(panel.get_ylim()[0], 1e-12 * truth.max()), None)
        panel.grid(True)
    axes[0, 0].legend()
    return figure


def study(source, stem):
    with sinode.open(source) as data:
        length = float(data.attrs["domain_length"])
        limits = [statistics.extent(data.reference, length, order) for order in (0, 1, 2)]
        found = {kind: [measure(data[kind].isel(member=[m]), length, limits) for m in range(data.sizes["member"])]
                 for kind in ("u", "reference")}
    for kind, name in (("u", "model"), ("reference", "equation")):
        energy = [float(one["energy"][0]) for one in found[kind]]
        print(f"energy of the {name}: {np.mean(energy):.4f}, standard error "
              f"{np.std(energy, ddof=1) / np.sqrt(len(energy)):.4f}")
    print(f"{'distance from the equation':<28} {'model: median, largest':>26} {'equation: median, largest':>28}")
    for name, (model, truth) in compare(found, limits).items():
        print(f"{name:<28} {np.median(model):>15.2e} {max(model):>10.2e} {np.median(truth):>17.2e} {max(truth):>10.2e}")
    save(draw(found, limits, length), stem)


if __name__ == "__main__":
    run(__doc__, {"PREDICTION.h5 FIGURE": study})
