#!/usr/bin/python3
"""Figures 2 and 3 of the paper from our runs: loss against iterations and against seconds, and a table.

    plot.py figure2|figure3 DIRECTORY     DIRECTORY: of jobs/paper/run.sh; writes DIRECTORY/figures/FIGURE.png and .pdf

Seconds are those of a core: what history.csv says times the share of a core that the process got beside other work. A
method too slow to be trained to the end was trained for some epochs, or for some steps. The rule for the rest, drawn
dashed: it needs as many epochs as the run to the end that follows its flow best: of the same scheme, else of the IMEX
scheme of highest order. Exit status: 0 done, 2 bad usage, 3 a file is missing or not what it should be.
"""
import dataclasses
import functools
import pathlib
import re
import sys

import matplotlib
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.records import read_config, read_history  # noqa: E402
from sinode.script import run as run_script  # noqa: E402
from sinode.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, STYLE, VERMILION, save  # noqa: E402
from sinode.trajectory import open as open_trajectory  # noqa: E402

TARGET = 1e-3  # the loss to reach
INTERVAL, WINDOWS, BATCH = 0.2, 800, 256
LOOKS = {"l2": ("IMEX-RK2", BLUE), "3": ("IMEX-RK3", SKY), "4": ("IMEX-RK4", GREEN), "5": ("IMEX-RK5", PURPLE),
         "cn": ("Crank–Nicolson", ORANGE), "dopri5": ("Dopri5", VERMILION), "rk4": ("RK4", INK)}
RUNS = {"figure2": [f"64/{name}" for name in ("l2", "3", "4", "5", "cn", "cn_plain", "cn_plain_exact", "dopri5_largest",
                                              "dopri5", "rk4_largest", "rk4")],
        "figure3": [f"512/{name}" for name in ("l2", "3", "4", "5", "cn", "dopri5_steps", "rk4_steps")]}


@dataclasses.dataclass
class Method:
    """A training with one scheme and step; losses and iterations by epoch, of those that were made."""

    scheme: str
    dt: float
    remark: str
    loss: np.ndarray
    iteration: np.ndarray
    epoch_seconds: float

    @property
    def label(self):
        return LOOKS[self.scheme][0] + self.remark + ("" if self.dt == INTERVAL else f", step {self.dt:.2g}")

    @property
    def seconds(self):
        return self.epoch_seconds * np.arange(1, self.loss.size + 1)

    def is_whole(self):
        return (self.loss <= TARGET).any()


def read_share(log):
    """Of a core, from the log of a run: seconds of CPU over seconds."""
    try:
        text = pathlib.Path(log).read_text()
        cpu = sum(map(float, re.search(r"^cpu (\S+) (\S+)$", text, re.M).groups()))
        return min(1, cpu / float(re.search(r"whole run +(\S+)", text)[1]))
    except (OSError, TypeError, AttributeError):
        raise InputError(f"{log}: is not the log of a whole run") from None


def read_method(run):
    """A run of train. Of one of few steps (NAME_steps) come the seconds of an epoch of whole intervals."""
    history, config = read_history(run), read_config(run / "config.yaml")
    scheme, dt = config["integrator.scheme"], float(config["integrator.dt"])
    seconds = history.seconds[-1] * read_share(run.with_suffix(".log")) / history.epoch.size
    remark = ""
    if config["integrator.newton.precondition"] == "false":
        remark = f", plain, to {float(config['integrator.newton.tolerance']):g}"
    if run.name.endswith("_steps"):
        steps = round(float(config["generate.interval"]) / dt)
        return Method(scheme, dt, remark, np.zeros(0), np.zeros(0), seconds / steps * INTERVAL / dt * WINDOWS / BATCH)
    return Method(scheme, dt, remark, history.train_loss, history.iteration, seconds)


def model_of(method, methods):
    """The run whose losses a method has: its own if it is whole, else by the rule."""
    wanted = (method.scheme, "5", "4", "3", "l2")
    return next(m for m in [method, *(m for scheme in wanted for m in methods if m.scheme == scheme)] if m.is_whole())


def epochs_to_target(method, methods):
    return int(np.argmax(model_of(method, methods).loss <= TARGET)) + 1


@matplotlib.rc_context(STYLE)
def draw(methods):
    figure = Figure(figsize=(10.5, 4.2), constrained_layout=True)
    by_iteration, by_second = figure.subplots(1, 2, sharey=True)
    partial = []  # schemes of those seen
    for method in methods:
        colour = LOOKS[method.scheme][1]
        style = {"color": colour, "linewidth": 1.4}
        if not method.is_whole():
            again = method.scheme in partial
            partial.append(method.scheme)
            style |= {"marker": "s" if again else "o", "markersize": 4, "markerfacecolor": "white" if again else colour}
            losses = model_of(method, methods).loss
            seconds = method.epoch_seconds * np.arange(1, losses.size + 1)
            by_second.plot(seconds, losses, "--", color=colour, linewidth=0.9)
        if method.loss.size:
            by_iteration.plot(method.iteration, method.loss, **style)
        by_second.plot(method.seconds, method.loss, label=method.label, **style)
    by_second.plot([], [], "--", color="0.4", linewidth=0.9, label="by the rule")
    for axes in (by_iteration, by_second):
        axes.set(xscale="log", yscale="log")
        axes.axhline(TARGET, color="0.4", linewidth=0.8)
        axes.grid(True)
    by_iteration.set(xlabel="iteration", ylabel="training loss")
    by_second.set(xlabel="training time / s of a core")
    by_second.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def print_table(methods):
    best = epochs_to_target(methods[0], methods) * methods[0].epoch_seconds
    print("| method | step | core s an epoch | epochs to 1e-3 | core s to 1e-3 | times IMEX-RK2's |")
    print("|---" * 6 + "|")
    for method in methods:
        epochs = epochs_to_target(method, methods)
        seconds = epochs * method.epoch_seconds
        print(f"| {LOOKS[method.scheme][0]}{method.remark} | {method.dt:.3g} | {method.epoch_seconds:.3g} | "
              f"{epochs}{'' if method.is_whole() else ' (rule)'} | {seconds:.3g} | {seconds / best:.3g} |")
    for method in methods:
        if method.loss.size and not method.is_whole():
            model = model_of(method, methods)
            off = np.abs(method.loss / model.loss[:method.loss.size] - 1).max()
            print(f"{method.label}: losses of {method.loss.size} epochs differ by at most {100 * off:.1f} % from those "
                  f"of {model.label}")


def print_losses(directory):
    """Of one network under several schemes, from predictions over one interval from every training window."""
    for scheme in ("l2", "5", "dopri5"):
        path = directory / f"64/loss_{scheme}.h5"
        with open_trajectory(path) as data:
            loss = float((np.asarray(data.rmse)[:, -1] ** 2).mean())
        print(f"training loss of IMEX-RK5's network under {LOOKS[scheme][0]}: {loss:.4e}")


def draw_figure(name, directory):
    directory = pathlib.Path(directory)
    methods = [read_method(directory / run) for run in RUNS[name]]
    if not methods[0].is_whole():
        raise InputError(f"{directory}: IMEX-RK2 was not trained to a loss of {TARGET:g}")
    for path in save(draw(methods), directory / "figures" / name):
        print(path)
    print_table(methods)
    if name == "figure2":
        print_losses(directory)


if __name__ == "__main__":
    run_script(__doc__, {f"{name} DIRECTORY": functools.partial(draw_figure, name) for name in RUNS})
