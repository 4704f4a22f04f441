#!/usr/bin/python3
"""Figures 2 and 3 of the paper from our runs: loss against iterations and against seconds, and a table.

    plot.py figure2|figure3 DIRECTORY     DIRECTORY: of jobs/paper/run.sh; writes DIRECTORY/figures/FIGURE.png and .pdf

A method too slow to be trained to the end was trained for a few epochs. The rule for the rest: it needs as many epochs
as IMEX-RK2, each of the seconds that it took on average; drawn dashed. Exit status: 0 done, 2 bad usage, 3 a file is
missing or not what it should be.
"""
import dataclasses
import pathlib
import sys

import matplotlib
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.records import read_benchmark, read_config, read_history  # noqa: E402
from sinode.style import LINES, STYLE, line_of, save  # noqa: E402

TARGET = 1e-3  # the loss to reach
INTERVAL = 0.2
NAMES = {"l2": "IMEX-RK2", "3": "IMEX-RK3", "4": "IMEX-RK4", "5": "IMEX-RK5", "cn": "Crank–Nicolson", "dopri5": "Dopri5",
         "rk4": "RK4"}


@dataclasses.dataclass
class Method:
    """A training with one scheme and step."""

    scheme: str
    dt: float
    loss: np.ndarray      # by epoch, of those that were made
    seconds: np.ndarray   # after each
    iteration: np.ndarray
    epoch_seconds: float

    @property
    def label(self):
        return NAMES[self.scheme] + ("" if self.dt == INTERVAL else f", step {self.dt:.2g}")

    def is_whole(self):
        return self.loss.size > 0 and (self.loss <= TARGET).any()


def read_method(path):
    """A run directory of train."""
    history, config = read_history(path), read_config(pathlib.Path(path) / "config.yaml")
    steps = np.diff(history.seconds, prepend=0)
    return Method(config["integrator.scheme"], float(config["integrator.dt"]), history.train_loss, history.seconds,
                  history.iteration, float(np.median(steps)))


def read_benchmark_method(path, windows):
    """A run directory of benchmark: an iteration of a few steps, from which comes an epoch of whole intervals."""
    config = read_config(pathlib.Path(path) / "benchmark.yaml")
    row = read_benchmark(pathlib.Path(path) / "benchmark.csv")[0]
    dt = float(config["integrator.dt"])
    of_step = row["seconds_median"] / round(float(config["generate.interval"]) / dt)
    return Method(config["integrator.scheme"], dt, np.zeros(0), np.zeros(0), np.zeros(0),
                  of_step * INTERVAL / dt * windows / row["batch"])


def extend(method, whole):
    """(seconds, losses) of the rest of a training by the rule, from its last epoch on."""
    done = method.loss.size
    seconds = (method.seconds[-1] if done else 0) + method.epoch_seconds * np.arange(1, whole.loss.size - done + 1)
    return (np.concatenate([method.seconds[-1:], seconds]),
            np.concatenate([method.loss[-1:], whole.loss[done:]]))


def epochs_to_target(method, whole):
    """Epochs until the loss is first at the target; by the rule, those of the whole training."""
    loss = method.loss if method.is_whole() else whole.loss
    return int(np.argmax(loss <= TARGET)) + 1


def seconds_to_target(method, whole):
    return epochs_to_target(method, whole) * method.epoch_seconds


@matplotlib.rc_context(STYLE)
def draw(methods):
    figure = Figure(figsize=(10.5, 4.4), constrained_layout=True)
    by_iteration, by_second = figure.subplots(1, 2, sharey=True)
    whole = methods[0]
    for number, method in enumerate(methods):
        style = {"color": LINES[number % len(LINES)], "marker": None if method.is_whole() else "o", "markersize": 3.5}
        if method.loss.size:
            by_iteration.loglog(method.iteration, method.loss, **style)
        by_second.loglog(method.seconds, method.loss, label=method.label, **style)
        if not method.is_whole():
            by_second.loglog(*extend(method, whole), "--", color=style["color"], linewidth=1.1)
    for axes in (by_iteration, by_second):
        axes.axhline(TARGET, color="0.4", linewidth=0.8)
        axes.grid(True)
    by_second.plot([], [], "--", color="0.4", linewidth=1.1, label="by the rule")
    by_iteration.set(xlabel="iteration", ylabel="training loss")
    by_second.set(xlabel="training time / s")
    figure.legend(*by_second.get_legend_handles_labels(), loc="outside right center")
    return figure
