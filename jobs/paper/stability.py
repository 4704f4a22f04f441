#!/usr/bin/python3
"""The largest stable steps of explicit schemes, found by bisection of rollouts, beside the program's estimates.

    stability.py PROGRAM CONFIG DIRECTORY     wants DIRECTORY/{64,512}/data.h5; writes DIRECTORY/stability.csv

A rollout begins with a state of the data, has the exact nonlinear term and some 1500 steps, over which a step too large
by half a percent makes round-off grow to order 1. A step is stable if the prediction is valid to the end. Columns:
points, scheme, estimate (of the program), stable (the largest step that was), steps (of that in an interval of the
data). Exit status: 0 done, 2 bad usage, 3 a command failed.
"""
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.script import run as run_script  # noqa: E402

SCHEMES = ("dopri5", "rk4")
INTERVALS = {64: 0.2, 512: 1e-4}  # of the rollouts: some 70 to 300 steps each
ROLLED = 20                       # intervals
DATA_INTERVAL = 0.2


def run(program, command, config, settings, may_fail=False):
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = subprocess.run([program, command, config, "--overwrite", *words], text=True, capture_output=True)
    if done.returncode and not (may_fail and done.returncode == 1):  # 1: it blew up
        raise InputError(f"{command} {settings}: {done.stderr.strip()}")
    return done


def estimate(program, config, grid, scheme):
    """What the program warns of."""
    text = run(program, "check", config, {**grid, "integrator.scheme": scheme, "integrator.dt": 0.2}).stderr
    return float(re.search(r"largest stable step of \S+ on this linear part, about ([0-9.e-]+[0-9])", text)[1])


def is_stable(program, config, grid, scheme, file, step):
    settings = {**grid, "model.nonlinear.kind": "ks", "integrator.scheme": scheme, "integrator.dt": step,
                "predict.model": "none", "predict.data": file, "predict.file": "none", "predict.start": 0,
                "predict.span": ROLLED * INTERVALS[grid["grid.points"]], "predict.baselines": "false"}
    done = run(program, "predict", config, settings, may_fail=True)
    return done.returncode == 0 and "valid to the end" in done.stdout


def bisect(program, config, grid, scheme, file, guess):
    """The least number of steps an interval that is stable."""
    interval = INTERVALS[grid["grid.points"]]
    low, high = int(interval / guess / 2), int(interval / guess * 2)  # unstable, stable
    while high - low > 1:
        middle = (low + high) // 2
        stable = is_stable(program, config, grid, scheme, file, interval / middle)
        print(f"   step {interval / middle:.4g}: {'stable' if stable else 'not stable'}", flush=True)
        low, high = (low, middle) if stable else (middle, high)
    return high


def measure(program, config, directory):
    directory, rows = pathlib.Path(directory), []
    for points, interval in INTERVALS.items():
        grid = {"grid.points": points, "train.data": directory / f"{points}/data.h5"}
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/start.h5"
            run(program, "generate", config,
                {**grid, "run.directory": folder, "generate.file": file, "generate.initial": "file",
                 "generate.initial_file": grid["train.data"], "generate.transient": 0,
                 "generate.dt": interval, "generate.interval": interval, "generate.span": ROLLED * interval})
            for scheme in SCHEMES:
                guess = estimate(program, config, grid, scheme)
                print(f"-- {scheme}, N = {points}: estimate {guess:.4g}", flush=True)
                step = interval / bisect(program, config, grid, scheme, file, guess)
                rows.append((points, scheme, guess, step, round(DATA_INTERVAL / step)))
    with open(directory / "stability.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["points", "scheme", "estimate", "stable", "steps"])
        writer.writerows(rows)


if __name__ == "__main__":
    run_script(__doc__, {"PROGRAM CONFIG DIRECTORY": measure})
