#!/usr/bin/python3
"""How the cost of a training iteration grows: seconds and memory against grid points, batch, window and stages.

    growth.py measure PROGRAM DIRECTORY     times an iteration of each case and trains a few; DIRECTORY/growth.csv
    growth.py draw DIRECTORY                draws DIRECTORY/figures/growth.png and .pdf, prints the slopes

Cases of a study change one thing of jobs/configs/ks64.yaml on one rank. Columns of growth.csv: study, x (what changes),
seconds an iteration by the processor's clock (median of three), MiB resident at the peak, MiB that the program foresaw.
Exit status: 0 done, 2 bad usage, 3 a file.
"""
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

import matplotlib
import numpy as np
from matplotlib.figure import Figure

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.script import run as run_script  # noqa: E402
from sinode.style import LINES, STYLE, save  # noqa: E402

ITERATIONS = 4  # an epoch
STAGES = {"ars111": 1, "l2": 2, "3": 4, "4": 6, "5": 8}
CONVOLUTIONS = {"model.nonlinear.kind": "conv", "model.nonlinear.channels": "[16, 16]", "train.batch": 2}


def hidden(width):
    return {"model.nonlinear.hidden": f"[{', '.join([str(width)] * 4)}]"}


def on_grid(points):
    return {"grid.points": points, "grid.length": 22 * points / 64}


def cases():
    """(study, x, settings)"""
    for points in (64, 128, 256, 512, 1024, 2048, 4096):
        yield "N, hidden 512", points, {**on_grid(points), **hidden(512)}
    for points in (64, 128, 256, 512, 1024):
        yield "N, hidden 25/8 N", points, {**on_grid(points), **hidden(25 * points // 8)}
    for points in (4 ** k for k in range(3, 11)):
        yield "N, convolutions", points, {**on_grid(points), **CONVOLUTIONS}
    for batch in (32, 64, 128, 256, 512, 1024):
        yield "batch", batch, {"train.batch": batch}
    for window in (1, 2, 4, 8, 16, 32):
        yield "window", window, {"train.window": window}
    for scheme, stages in STAGES.items():
        yield "stages", stages, {"integrator.scheme": scheme}


def run(program, command, settings, folder):
    words = [f"--set={key}={value}" for key, value in settings.items()]
    done = subprocess.run([program, command, ROOT / "jobs/configs/ks64.yaml", *words], cwd=folder, text=True,
                          capture_output=True)
    if done.returncode:
        raise InputError(f"{command} {settings}: {done.stderr.strip()}")
    return done.stdout


def measure_case(program, settings):
    """(seconds an iteration, MiB at the peak, MiB estimated)"""
    batch, window = settings.get("train.batch", 256), settings.get("train.window", 1)
    with tempfile.TemporaryDirectory() as folder:
        common = {"run.directory": "run", **settings}
        run(program, "generate", {**common, "generate.file": "data.h5", "generate.initial": "random",
                                  "generate.transient": 1, "generate.span": (ITERATIONS * batch + window - 1) * 0.2},
            folder)
        out = run(program, "train", {**common, "train.data": "data.h5", "train.validation": 0, "train.epochs": 4}, folder)
        timed = run(program, "benchmark", {"run.directory": "timed", **settings, "benchmark.only": "[train_iteration]",
                                           "benchmark.clock": "processor", "benchmark.repeats": 3}, folder)
    seconds = float(re.search(r"^train_iteration +(\S+)", timed, re.M)[1])
    peak, estimated = re.search(r"memory: (\d+) MiB a rank at its peak, (\d+) estimated", out).groups()
    return seconds, int(peak), int(estimated)


def measure(program, directory):
    program, directory = pathlib.Path(program).resolve(), pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    part = directory / "growth.csv.part"
    with open(part, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "x", "seconds", "mebibytes", "estimated"])
        for study, x, settings in cases():
            row = measure_case(program, settings)
            print(f"{study:18} {x:6}  {row[0]:10.3e} s  {row[1]:6} MiB, {row[2]} estimated", flush=True)
            writer.writerow([study, x, *row])
    part.rename(directory / "growth.csv")


def read(path):
    """{study: array of rows (x, seconds, MiB, MiB estimated)}"""
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    studies = dict.fromkeys(row["study"] for row in rows)
    return {study: np.array([[float(row[key]) for key in ("x", "seconds", "mebibytes", "estimated")]
                             for row in rows if row["study"] == study]) for study in studies}


def slope(x, y):
    """Of the upper half of a line on a log plot, where constant costs no longer show."""
    half = len(x) // 2
    return np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0]


@matplotlib.rc_context(STYLE)
def _figure(studies):
    figure = Figure(figsize=(10, 4.2), constrained_layout=True)
    seconds, memory = figure.subplots(1, 2)
    for number, (study, rows) in enumerate(studies.items()):
        color = LINES[number % len(LINES)]
        seconds.loglog(rows[:, 0], rows[:, 1], "o-", color=color, markersize=4,
                       label=f"{study}: slope {slope(rows[:, 0], rows[:, 1]):.2f}")
        memory.loglog(rows[:, 0], rows[:, 2], "o-", color=color, markersize=4, label=study)
        memory.loglog(rows[:, 0], rows[:, 3], ":", color=color)
    memory.plot([], [], ":", color="0.4", label="as estimated")
    seconds.set(ylabel="seconds an iteration", xlabel="N, batch, window or stages")
    memory.set(ylabel="MiB resident at the peak", xlabel="N, batch, window or stages")
    for axes in (seconds, memory):
        axes.grid(color="0.9")
        axes.legend(fontsize=8.5)
    return figure


def draw(directory):
    directory = pathlib.Path(directory)
    studies = read(directory / "growth.csv")
    save(_figure(studies), directory / "figures" / "growth")
    for study, rows in studies.items():
        worst = np.abs(rows[:, 3] / rows[:, 2] - 1).max()
        print(f"{study:18} slope {slope(rows[:, 0], rows[:, 1]):.2f}; memory estimated to {100 * worst:.0f} %")


if __name__ == "__main__":
    run_script(__doc__, {"measure PROGRAM DIRECTORY": measure, "draw DIRECTORY": draw})
