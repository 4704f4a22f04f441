"""The time of a step against the latency of the network, of hosts of our own, beside the model's.

  cmake --build --preset release --target latency        writes tests/hosts/latency.csv and latency.png into the build

One rank a host, which share one replica's grid. What lies between hosts besides the latency is the same for all
latencies, so the slope of seconds against latency is the number of messages that wait for each other; the model's is
the factor that it gives to the latency of a message (jobs/scaling/model.py).
"""
import csv
import pathlib
import sys
import tempfile

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cli"), str(TESTS.parent / "jobs/scaling")]
import harness
import hosts
import model
import study

LATENCIES = 0, 50, 200, 1000  # microseconds, one way
RANKS = 2, 4
ROUNDS = 6
STEPS = ("generate_step", "halo", "reduction", "solve_fft", "solve_banded", "solve_dense", "solve_gmres",
         "predict_step", "train_iteration")
CONFIG = """\
run: {directory: run}
grid: {points: 256, length: 88.0}
model: {nonlinear: {hidden: [64], activation: tanh}}
train: {data: none.h5, batch: 4}
benchmark: {repeats: 9, seconds: 0.02}
"""
COLUMNS = ("name", "ranks", "latency_us", "seconds", "messages", "model_seconds")
# Besides latency nothing costs anything.
ONLY_LATENCY = model.Machine(products=np.inf, bandwidth=np.inf, strips=np.inf, transform=0, transform_points=2, line=0,
                             latency=1)


def measure(folder, slurm, ranks):
    """Rows of benchmark.csv of every latency and round. The least of the repeats counts: other work only adds to it."""
    found = {}
    for number in range(ROUNDS):
        for latency in LATENCIES:
            slurm.network.tell("latency", None, latency)
            # More than its share of cores that other work is on: a rank that does not run does not receive.
            answer = slurm.ask("srun", "--mpi=pmix", "--kill-on-bad-exit=1", f"--nodes={ranks}",
                               "--ntasks-per-node=1", "nice", "-n", "-20", harness.PROGRAM, "benchmark", "c.yaml",
                               "--overwrite", "--quiet", "--set", f"parallel.space={ranks}", "--set",
                               f"benchmark.only=[{', '.join(STEPS)}]", folder=folder, seconds=300)
            print(f"{ranks} ranks, {latency} us, round {number + 1} {answer}", flush=True)
            for row in model.read_rows(folder / "run/benchmark.csv"):
                seconds = float(row["seconds_min"])
                before = found.get((row["name"], latency))
                if not before or seconds < before[0]:
                    found[row["name"], latency] = seconds, int(row["messages"]), row
    slurm.network.tell("latency", None, 0)
    return found


def factor_of(name, case):
    """What the model multiplies the latency of a message by; NaN where it has no seconds."""
    if name == "halo":
        return model.TRAFFIC[name](case).messages
    return model.seconds(name, case, ONLY_LATENCY)


def rows_of(folder, found, ranks):
    settings = study.settings_of(folder / "run")
    for name in STEPS:
        case = model.case_of(found[name, 0][2], settings)
        factor = factor_of(name, case)
        for latency in LATENCIES:
            seconds, messages, _ = found[name, latency]
            yield dict(zip(COLUMNS, (name, ranks, latency, seconds, messages,
                                     found[name, 0][0] + factor * latency * 1e-6)))


def slope(rows):
    """Seconds by latency, of a straight line through them."""
    return np.polyfit([row["latency_us"] * 1e-6 for row in rows], [row["seconds"] for row in rows], 1)[0]


def select(rows, name, ranks):
    return [row for row in rows if row["name"] == name and row["ranks"] == ranks]


def say(rows):
    print("| step | ranks | messages sent | times the latency, measured | model |\n|---|---|---|---|---|")
    for name in STEPS:
        for ranks in RANKS:
            some = select(rows, name, ranks)
            factor = (some[-1]["model_seconds"] - some[0]["seconds"]) / (some[-1]["latency_us"] * 1e-6)
            print(f"| `{name}` | {ranks} | {some[0]['messages']} | {slope(some):.1f} | "
                  f"{'' if np.isnan(factor) else f'{factor:.0f}'} |")


def draw(rows, path):
    plt = study.figure()
    picture, axes = plt.subplots(3, 3, figsize=(9, 7.5), layout="constrained", sharex=True)
    for panel, name in zip(axes.flat, STEPS):
        for ranks, colour, marker in zip(RANKS, ("C0", "C1"), "os"):
            some = select(rows, name, ranks)
            latencies = [row["latency_us"] for row in some]
            panel.plot(latencies, [1e3 * row["seconds"] for row in some], marker, color=colour, label=f"{ranks} ranks")
            panel.plot(latencies, [1e3 * row["model_seconds"] for row in some], ":", color=colour)
        panel.plot([], [], "k:", label="model")
        panel.set(title=name, ylim=(0, None))
    for panel in axes[:, 0]:
        panel.set_ylabel("milliseconds a step")
    for panel in axes[-1]:
        panel.set_xlabel("latency, microseconds")
    axes[0, 0].legend()
    picture.savefig(path, dpi=110)


def main(directory):
    rows = []
    with tempfile.TemporaryDirectory() as folder, hosts.Cluster(max(RANKS), timeout=60) as slurm:
        folder = pathlib.Path(folder)
        (folder / "c.yaml").write_text(CONFIG)
        # As jobs/slurm/stage.sh has it, which says why.
        slurm.environment.update(TMPDIR=str(slurm.folder / "local"), SLURM_PMIX_FENCE="ring")
        for ranks in RANKS:
            rows += rows_of(folder, measure(folder, slurm, ranks), ranks)
    with open(directory / "latency.csv", "w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    say(rows)
    draw(rows, directory / "latency.png")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
