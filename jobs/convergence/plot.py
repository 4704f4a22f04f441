#!/usr/bin/python3
"""Figures of the convergence study: error against step and against seconds, and a table of the cheapest schemes.

    plot.py STUDY.csv DIRECTORY     writes DIRECTORY/{smooth,stiff}_{step,time}.png and .pdf, prints the table

Columns of STUDY.csv: tests/convergence/study.c. Exit status: 0 done, 2 bad usage, 3 the file is missing or no study.
"""
import csv
import dataclasses
import pathlib
import sys

import matplotlib
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.style import LINES, STYLE, save  # noqa: E402

PANELS = (("IMEX, orders 1 and 2", lambda s: s.kind == "imex" and s.order < 3),
          ("IMEX, orders 3 to 5", lambda s: s.kind == "imex" and s.order >= 3),
          ("exponential", lambda s: s.kind == "exponential"),
          ("explicit", lambda s: s.kind == "explicit"),
          ("adaptive, implicit", lambda s: s.kind in ("adaptive", "implicit")))
ERRORS = (("forward", "forward error"), ("adjoint", "adjoint error"))
MARKERS = "os^DvPX<>*hp"
LOWEST, HIGHEST = 4e-15, 3.0  # of the error axes
TARGETS = (1e-3, 1e-6, 1e-9)  # of the table


@dataclasses.dataclass
class Scheme:
    """A scheme on one problem; arrays run from coarse to fine, with NaN where it was unstable."""

    name: str
    kind: str
    order: int
    stable_step: float
    dt: np.ndarray
    error: dict    # "forward", "adjoint"
    seconds: dict  # of a forward pass; of a forward and a backward pass


def read_study(path):
    """{problem: [Scheme]} in the order of the file."""
    groups = {}
    try:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                if row["kind"] != "reference":
                    groups.setdefault(row["problem"], {}).setdefault(row["scheme"], []).append(row)
        return {problem: [_scheme(rows) for rows in schemes.values()] for problem, schemes in groups.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise InputError(f"{path}: is not a convergence study") from None


def _scheme(rows):
    def column(name):
        return np.array([float(row[name]) for row in rows])

    return Scheme(rows[0]["scheme"], rows[0]["kind"], int(rows[0]["order"]), float(rows[0]["stable_step"]),
                  column("dt"), {"forward": column("forward_error"), "adjoint": column("adjoint_error")},
                  {"forward": column("forward_seconds"), "adjoint": column("sweep_seconds")})


def _fit(scheme, error, low=1e-11, high=1e-2):
    """The points where a scheme shows its order."""
    values = scheme.error[error]
    return np.isfinite(values) & (values > low) & (values < high)


def _triangle(axes, schemes, order, error):
    """A slope triangle beneath the lowest line of that order, where one shows it."""
    lines = [s for s in schemes if s.order == order and s.kind != "adaptive" and _fit(s, error).sum() >= 3]
    if not lines:
        return
    widest = max(lines, key=lambda s: _fit(s, error).sum())
    right = np.sort(widest.dt[_fit(widest, error)])[1 + _fit(widest, error).sum() // 4]
    lowest = min(np.exp(np.interp(np.log(right), np.log(s.dt[_fit(s, error)][::-1]),
                                  np.log(s.error[error][_fit(s, error)][::-1]))) for s in lines)
    left, top = right / 2, lowest / 3
    bottom = top * 2.0 ** -order
    axes.fill([left, right, right], [bottom, bottom, top], facecolor="0.88", edgecolor="0.4", linewidth=0.8, zorder=1)
    axes.annotate(f"{order}", (right, np.sqrt(bottom * top)), xytext=(3, 0), textcoords="offset points", va="center",
                  fontsize=9, color="0.25")


def _mark_limits(axes, scheme, index, error, colour):
    """The estimated limit of stability, and a cross at the smallest step that was unstable."""
    unstable = ~np.isfinite(scheme.error[error])
    if not unstable.any():
        return
    axes.axvline(scheme.stable_step, color=colour, linewidth=0.9, linestyle=":", zorder=1)
    axes.plot(scheme.dt[unstable].min(), 10 ** (-0.1 - 0.75 * index), "x", color=colour, markersize=6,
              markeredgewidth=1.6)


def _best(schemes, error):
    """Least error reached by any scheme in so many seconds, as a staircase."""
    seconds = np.concatenate([s.seconds[error] for s in schemes])
    errors = np.concatenate([s.error[error] for s in schemes])
    order = np.argsort(seconds)
    good = np.isfinite(errors[order])
    return seconds[order][good], np.minimum.accumulate(errors[order][good])


def _panel(axes, everything, schemes, error, against):
    for index, scheme in enumerate(schemes):
        colour = LINES[index % len(LINES)]
        values = np.where(scheme.error[error] < HIGHEST, scheme.error[error], np.nan)
        axes.loglog(scheme.dt if against == "step" else scheme.seconds[error], values, color=colour,
                    marker=MARKERS[index], markersize=4.5, linewidth=1.3, linestyle=("-", "--")[index // len(LINES)],
                    label=f"{scheme.name} ({scheme.order})", markerfacecolor="white" if index >= len(LINES) else colour)
        if against == "step" and scheme.kind == "explicit":
            _mark_limits(axes, scheme, index, error, colour)
    if against == "step":
        for order in sorted({s.order for s in schemes}):
            _triangle(axes, schemes, order, error)
        if any(s.kind == "explicit" and not np.isfinite(s.error[error]).all() for s in schemes):
            axes.plot([], [], "x", color="0.3", markersize=6, markeredgewidth=1.6, label="unstable")
            axes.plot([], [], ":", color="0.3", linewidth=0.9, label="estimated limit")
    else:
        axes.step(*_best(everything, error), where="post", color="0.6", linewidth=3, alpha=0.6, zorder=1,
                  label="best of all")
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.set_ylim(LOWEST, HIGHEST)


@matplotlib.rc_context(STYLE)
def draw(schemes, against):
    """Panels by kind, forward error above, adjoint error beneath; against: "step" or "time"."""
    figure = Figure(figsize=(13.5, 7.8), constrained_layout=True)
    panels = figure.subplots(2, len(PANELS), sharex=True if against == "step" else "row", sharey=True)
    for column, (title, belongs) in enumerate(PANELS):
        chosen = [scheme for scheme in schemes if belongs(scheme)]
        for row, (error, label) in enumerate(ERRORS):
            axes = panels[row, column]
            _panel(axes, schemes, chosen, error, against)
            if column == 0:
                axes.set_ylabel(f"relative {label}")
            if against == "time":
                axes.set_xlabel(("seconds of a forward pass", "seconds forward and back")[row])
        panels[0, column].set_title(title)
        if against == "step":
            panels[1, column].set_xlabel(r"step $\Delta t$")
        panels[1, column].legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=8.5, handlelength=2.6,
                                 ncol=1 if len(chosen) < 6 else 2, columnspacing=1, title="scheme (order)",
                                 title_fontsize=8.5)
    return figure


def seconds_to_reach(scheme, error, target):
    """Seconds at which a scheme's error passes the target, between its coarsest runs that bracket it; NaN if never."""
    values, seconds = scheme.error[error], scheme.seconds[error]
    good = np.isfinite(values)
    values, seconds = values[good], seconds[good]
    if not (values <= target).any():
        return np.nan
    first = int(np.argmax(values <= target))
    if first == 0 or values[first - 1] > HIGHEST or not values[first - 1] > values[first]:
        return seconds[first]
    share = np.log(values[first - 1] / target) / np.log(values[first - 1] / values[first])
    return seconds[first - 1] * (seconds[first] / seconds[first - 1]) ** share


def print_table(problems):
    """The two cheapest schemes of each kind for each target of the adjoint error, with milliseconds."""
    kinds = ("imex", "exponential", "explicit", "adaptive", "implicit")
    print("Cheapest schemes to an adjoint error of so much: milliseconds forward and back\n")
    print("| problem | error | " + " | ".join(kinds) + " |\n" + "|---" * (2 + len(kinds)) + "|")
    for problem, schemes in problems.items():
        for target in TARGETS:
            cells = []
            for kind in kinds:
                costs = [(seconds_to_reach(s, "adjoint", target), s.name) for s in schemes if s.kind == kind]
                costs = sorted(cost for cost in costs if np.isfinite(cost[0]))[:2]
                cells.append(", ".join(f"`{name}` {1e3 * seconds:.2g}" for seconds, name in costs) or "—")
            print(f"| {problem} | {target:g} | " + " | ".join(cells) + " |")


def draw_all(study, directory):
    problems = read_study(study)
    for problem, schemes in problems.items():
        for against in ("step", "time"):
            for path in save(draw(schemes, against), pathlib.Path(directory) / f"{problem}_{against}"):
                print(path)
    print()
    print_table(problems)


if __name__ == "__main__":
    run(__doc__, {"STUDY.csv DIRECTORY": draw_all})
