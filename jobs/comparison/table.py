#!/usr/bin/python3
"""Forecasts of jobs/comparison/run.sh beside published ones.

    table.py score PREDICTION.h5 SCORES.json    the scores of a prediction, all that the table wants of it
    table.py table DIRECTORY                    prints the table; writes DIRECTORY/table.md and table.csv
"""
import csv
import io
import json
import pathlib
import sys

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "io" / "python"))
import sinode  # noqa: E402
from sinode.files import InputError  # noqa: E402
from sinode.runs import to_text  # noqa: E402
from sinode.script import run  # noqa: E402
from sinode.trajectory import times_of  # noqa: E402

# Leading exponents of the literature by L: R. A. Edson, J. E. Bunder, T. W. Mattner, A. J. Roberts, Lyapunov exponents of
# the Kuramoto-Sivashinsky PDE, ANZIAM J. 61, 270-285 (2019).
EXPONENTS = {22: 0.043, 60: 0.089, 100: 0.088}
ROWS = (("forecast", "trained on it"), ("from_22", "trained on L = 22"), ("equation", "the equation, same steps"))
HEAD = ("", "L", "points", "interval", "λ₁ (literature's)", "Lyapunov times valid (quartiles)", "by literature's λ₁",
        "locally, windows of 22", "t to correlation 0.9", "0.8", "nrmse, 100 steps", "pairs x points", "training, s")


def quartiles(data, name):
    """[median, first and third quartile] of a score that is a time."""
    return np.quantile(times_of(data, name), (0.5, 0.25, 0.75)).tolist()


def score(source, target):
    with sinode.open(source) as data:
        if "correlation" not in data:
            raise InputError(f"{source}: has no correlation; sinode predict writes it")
        time = np.asarray(data.time, dtype=float) - float(data.time[0])
        mean = np.asarray(data.correlation, dtype=float).mean(axis=0)

        def falls(level):
            """The time at which the mean of all predictions' correlations does, or None."""
            below = np.flatnonzero(mean < level)
            return float(time[below[0]]) if below.size else None
        found = {"length": sinode.length_of(data), "points": data.sizes["x"], "interval": float(time[1]),
                 "span": float(time[-1]), "starts": data.sizes["member"],
                 "valid_time": quartiles(data, "valid_time"), "local_valid_time": quartiles(data, "local_valid_time"),
                 "correlation_time_90": falls(0.9), "correlation_time_80": falls(0.8),
                 "geometric_mean": float(np.median(data.nrmse_geometric_mean)),
                 "steps": int(data.attrs["score_steps"])}
    pathlib.Path(target).write_text(json.dumps(found, indent=1) + "\n")


def read_exponent(path):
    """(λ₁, its standard error)"""
    try:
        with h5py.File(path) as file:
            return float(file["exponent"][0]), float(file["standard_error"][0])
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: cannot be read as Lyapunov exponents: {error}") from None


def told_training(folder):
    """(pairs x points, seconds) of the model in a folder."""
    with sinode.open(folder / "data.h5") as data:
        return f"{data.sizes['member']} x {data.sizes['x']}", f"{sinode.read_history(folder).seconds[-1]:.0f}"


def row_of(directory, folder, kind, label):
    found = json.loads((folder / f"{kind}.json").read_text())
    size = int(folder.name[1:])
    exponent, error = read_exponent(folder / "lyapunov.h5")
    known = EXPONENTS.get(size)

    def lyapunov(times, by):
        median, low, high = (f"{'> ' if time >= found['span'] else ''}{time * by:.2f}" for time in times)
        return f"{median} ({low}, {high})"
    data, seconds = {"forecast": lambda: told_training(folder), "from_22": lambda: told_training(directory / "L22"),
                     "equation": lambda: ("", "")}[kind]()
    return (label, f"{found['length']:g}", str(found["points"]), f"{found['interval']:g}",
            f"{exponent:.4f} ± {error:.4f} ({known or '-'})", lyapunov(found["valid_time"], exponent),
            f"{found['valid_time'][0] * known:.2f}" if known else "", lyapunov(found["local_valid_time"], exponent),
            *(f"> {found['span']:g}" if found[name] is None else f"{found[name]:.4g}"
              for name in ("correlation_time_90", "correlation_time_80")),
            f"{found['geometric_mean']:.1e}", data, seconds)


def published():
    with (HERE / "published.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def to_markdown(rows):
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def table(directory):
    directory = pathlib.Path(directory)
    folders = sorted(directory.glob("L*"), key=lambda folder: int(folder.name[1:]))
    ours = [row_of(directory, folder, kind, label) for folder in folders for kind, label in ROWS
            if (folder / f"{kind}.json").is_file()]
    if not ours:
        raise InputError(f"{directory}: holds no scores; jobs/comparison/run.sh makes them")
    theirs = [(f"{work['method']} [{number}]", work["length"], work["points"], work["interval"], "",
               work["lyapunov_times"], "", "", "", work["correlation_time_80"], "", "", "")
              for number, work in enumerate(published(), 1)]
    rows = [HEAD, *ours, *theirs]
    notes = [f"[{number}] {work['source']}" for number, work in enumerate(published(), 1)]
    print(to_text(rows), *notes, sep="\n")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    (directory / "table.csv").write_text(text.getvalue(), encoding="utf-8")
    (directory / "table.md").write_text(to_markdown(rows) + "\n\n" + "\n\n".join(notes) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(__doc__, {"score PREDICTION.h5 SCORES.json": score, "table DIRECTORY": table})
