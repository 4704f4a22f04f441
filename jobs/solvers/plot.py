#!/usr/bin/python3
"""Figure of the solver study: error, seconds and memory against N.

    plot.py STUDY.csv DIRECTORY     writes DIRECTORY/solvers.png and .pdf

Columns of STUDY.csv: tests/solvers/study.c. Exit status: 0 done, 2 bad usage, 3 the file is missing or no study.
"""
import csv
import pathlib
import sys

import matplotlib
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import LINES, STYLE, save  # noqa: E402

SOLVERS, MARKERS = ("fft", "banded", "dense"), "os^"
LIMIT = 1e-6  # of what a matrix may lose of its identity


def read(path):
    """{solver: {column: array}} with NaN where a solver refused."""
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not rows or "lost" not in rows[0]:
        raise InputError(f"{path}: is not a study of solvers")
    columns = [name for name in rows[0] if name != "solver"]
    number = lambda text: float(text) if text not in ("", "refused") else np.nan  # noqa: E731
    return {solver: {name: np.array([number(row[name]) for row in rows if row["solver"] == solver])
                     for name in columns} for solver in SOLVERS}


def _lines(axes, study, column, chosen, style="-", divide=1, label=True):
    for number, solver in enumerate(SOLVERS):
        data = study[solver]
        here = chosen(data)
        axes.loglog(data["points"][here], data[column][here] / divide, style, marker=MARKERS[number],
                    color=LINES[number], markersize=4, label=solver if label else None)


@matplotlib.rc_context(STYLE)
def _figure(study):
    figure = Figure(figsize=(11.5, 3.9), constrained_layout=True)
    error, seconds, memory = figure.subplots(1, 3)

    def fixed_length(data):
        return data["length"] == 22

    def fixed_spacing(data):
        return np.isclose(data["length"] / data["points"], 22 / 64)

    _lines(error, study, "error", fixed_length)
    lost = study["fft"]
    error.loglog(lost["points"][fixed_length(lost)], lost["lost"][fixed_length(lost)], ":", color="0.4",
                 label=r"$\varepsilon\,\gamma|A|$")
    error.axhline(LIMIT, color="0.4", linewidth=0.8)
    error.annotate("refused above", (1e6, LIMIT), xytext=(0, 4), textcoords="offset points", ha="right", fontsize=9)
    error.set(ylabel="relative error of long waves", title="L = 22", ylim=(1e-16, 1))
    _lines(seconds, study, "solve64", fixed_spacing, divide=64)
    _lines(seconds, study, "factor", fixed_spacing, style=":", label=False)
    seconds.plot([], [], ":", color="0.4", label="factorization")
    seconds.set(ylabel="seconds a right-hand side (of 64)", title="L = 22 N / 64, one rank")
    _lines(memory, study, "bytes", fixed_spacing)
    memory.set(ylabel="bytes of factors", title="L = 22 N / 64, one rank")
    for axes in (error, seconds, memory):
        axes.set_xlabel("grid points N")
        axes.grid(color="0.9")
        axes.legend(fontsize=8.5)
    return figure


def draw(study, directory):
    save(_figure(read(study)), pathlib.Path(directory) / "solvers")


if __name__ == "__main__":
    run(__doc__, {"STUDY.csv DIRECTORY": draw})
