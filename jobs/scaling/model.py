"""What a step costs, asked of `sinode benchmark --model`, and how long that takes a machine that has been measured.

The program counts by formula (docs/scaling.md) the messages and bytes that the largest rank sends in a call of a step,
and what the step works on; `sinode benchmark --machine` measures the seconds of each unit of that work.
"""
import csv
import io
import math
import pathlib
import statistics
import subprocess

SHORT = 1024  # numbers of the short transforms that `sinode benchmark --machine` times
WORK = ("products", "memory", "strips", "transforms", "lines", "latencies", "carried", "reduced")  # columns of --model


def read_rows(path):
    with open(path, encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


def costs(program, config, splits, settings=()):
    """{(name, ranks, space): {"messages": ..., "bytes": ..., what is worked on: ...}}; splits: (ranks, space) pairs."""
    words = [word for text in ("benchmark.only=[]", *settings) for word in ("--set", text)]
    listed = ",".join(f"{ranks}x{space}" for ranks, space in splits)
    found = subprocess.run([program, "benchmark", str(config), "--model", listed, *words], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, check=False)
    if found.returncode:
        raise ValueError(found.stderr.strip())
    return {(row["name"], int(row["ranks"]), int(row["space"])):
            {name: float(row[name]) for name in ("messages", "bytes", *WORK)}
            for row in csv.DictReader(io.StringIO(found.stdout))}


def machine(paths):
    """Seconds of a unit of each kind of work, from the files of several rounds of `sinode benchmark --machine`: medians.
    All ranks were at work. On one rank there are no messages to measure, nor any to predict."""
    rows = {}
    for line in (line for path in paths for line in read_rows(path)):
        rows.setdefault(line["name"], []).append({key: float(line[key]) for key in ("batch", "seconds_median", "bytes")})
    row = {name: {key: statistics.median(found[key] for found in every) for key in every[0]}
           for name, every in rows.items()}
    unit = lambda name, amount="batch": row[name]["seconds_median"] / row[name][amount]
    points = row["machine_transform"]["batch"]
    found = dict.fromkeys(WORK, 0.0)
    found.update(products=unit("machine_product"), memory=unit("machine_triad"), strips=unit("machine_strips"),
                 transforms=unit("machine_transform") / 2 / math.log2(max(points, 2)),
                 lines=unit("machine_lines") / math.log2(SHORT))
    if "machine_message" in row:
        found.update(latencies=row["machine_message"]["seconds_median"], carried=unit("machine_bulk", "bytes"),
                     reduced=unit("machine_reduction", "bytes"))
    return found


def seconds(cost, unit):
    """Predicted; NaN where there is no formula, or nothing to do."""
    return sum(cost[name] * unit[name] for name in WORK) or math.nan


def directory_of(root, ranks, space):
    """Holds a folder a round, with one of the benchmark's for each of --of."""
    return pathlib.Path(root) / f"{ranks:05d}_{space:05d}"


def machine_of(directory, of="*"):
    """In turn with these steps, or with any."""
    return machine(sorted(directory.glob(f"*/{of}/benchmark.csv")))
