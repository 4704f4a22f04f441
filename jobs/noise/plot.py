#!/usr/bin/python3
"""What noise leaves to be learnt: the table and the figure of jobs/noise/run.sh.

    plot.py DIRECTORY     prints the table; writes DIRECTORY/table.md, noise.png and noise.pdf

Of the same of other seeds, DIRECTORY_2 and so on, the table has the median valid times from clean starts, too.

Exit status: 0 done, 2 bad usage, 3 a file is missing or is none of the job's.
"""
import pathlib
import re
import sys

import matplotlib
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
import sinode  # noqa: E402
from sinode.files import InputError  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import STYLE, save  # noqa: E402

ROWS = ((1, 1), (10, 1), (50, 1), (1, 4))  # per cent of noise, stride
HEAD = ("noise", "points seen", "learnt", "initial states", "Lyapunov times valid (quartiles)", "from noisy starts",
        "trajectory's error over the noise", "valid from clean starts, other seeds")


def valid_times(path):
    """(median, lower and upper quartile) that sinode predict has printed; none where it reached the span."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    found = re.search(r"that is ([\d.]+) Lyapunov times .*quartiles ([\d.]+) and ([\d.]+)", text)
    return found.groups() if found else ()


def with_quartiles(path):
    found = valid_times(path)
    return "{} ({}, {})".format(*found) if found else "beyond the span"


def medians(directories, name):
    found = (valid_times(directory / name / "clean.log") for directory in directories)
    return ", ".join(times[0] if times else "beyond the span" for times in found)


def trajectory_error(directory, name, percent):
    """Rms difference of the estimated trajectory from the true one, its median over time, over the noise added to it."""
    path = directory / name / "estimated.h5"
    if not path.exists():
        return ""
    with sinode.open(path) as estimated, sinode.open(directory / "data_0.h5") as true, \
            sinode.open(directory / f"data_{percent}.h5") as noisy:
        exact = true.u.isel(time=slice(estimated.sizes["time"]))
        noise = float(np.std(noisy.u - true.u))
        return f"{float(np.median(np.sqrt(np.mean((estimated.u.values - exact.values) ** 2, axis=-1)))) / noise:.3f}"


def table(directory, others):
    head = HEAD if others else HEAD[:-1]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    kinds = (("nonlinear term", "estimated", "estimated"), ("nonlinear term", "data", "data"),
             ("four coefficients of derivatives", "estimated", "known"))
    rows = [(percent, stride, *kind) for percent, stride in ROWS for kind in kinds]
    for percent, stride, learnt, initial, prefix in rows:
        name = f"{prefix}_{percent}_{stride}"
        cells = (f"{percent} %", f"{64 // stride} of 64", learnt, initial, with_quartiles(directory / name / "clean.log"),
                 with_quartiles(directory / name / "noisy.log"), trajectory_error(directory, name, percent),
                 medians(others, name))
        lines.append("| " + " | ".join(cells[:len(head)]) + " |")
    return "\n".join(lines) + "\n"


@matplotlib.rc_context(STYLE)
def figure(directory):
    """Truth, observations and estimate of the first hundred time units, half the deviation being noise."""
    drawing = Figure(figsize=(11.5, 3.6), constrained_layout=True)
    axes = drawing.subplots(1, 3, sharey=True)
    for axis, name, title in zip(axes, ("data_0.h5", "data_50.h5", "estimated_50_1/estimated.h5"),
                                 ("truth", "observed, 50 % noise", "estimated with the weights")):
        with sinode.open(directory / name) as data:
            some = data.u.isel(member=0).sel(time=slice(0, 100))
            image = axis.pcolormesh(some.x, some.time, some, vmin=-3, vmax=3, cmap="RdBu_r", rasterized=True)
        axis.set(title=title, xlabel="x")
    axes[0].set_ylabel("t")
    drawing.colorbar(image, ax=axes, label="u")
    return drawing


def main(directory):
    directory = pathlib.Path(directory)
    others = sorted(path.parent for path in directory.parent.glob(f"{directory.name}_[0-9]*/table.md"))
    text = table(directory, others)
    (directory / "table.md").write_text(text)
    print(text, end="")
    save(figure(directory), directory / "noise")


if __name__ == "__main__":
    run(__doc__, {"DIRECTORY": main})
