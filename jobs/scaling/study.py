#!/usr/bin/env python3
"""A strong- or weak-scaling study: one command runs or submits it, gathers the benchmark files, writes table and plot.

  jobs/scaling/study.py run  my.yaml runs/scaling --ranks 1,2,4 --kind strong          here, by mpirun
  jobs/scaling/study.py run  my.yaml runs/scaling --ranks 1,64,512 --slurm --account=ACCOUNT --time=10
  jobs/scaling/study.py report runs/scaling                                            again, or of what is there
  jobs/scaling/study.py draw runs/scaling --points 2^20,2^30 --ranks 4096              the model further on
  jobs/scaling/study.py pair jobs/scaling/long.yaml runs/scaling_pair                  two ranks beside two programs

--space takes splits: ranks that share a replica's grid; "all" is one replica (default: 1,all). --of names what is
measured: generate, train, solve, io. What study.py does not know goes to sbatch. Weak scaling multiplies the points (and
the length) by the space ranks and train.batch by the replicas. SINODE names the program, SINODE_MPIRUN the launcher.
"""
import argparse
import itertools
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import model

HERE = pathlib.Path(__file__).resolve().parent
STEPS = {"generate": ["generate_step"], "train": ["train_iteration", "reduction", "halo"], "solve": ["solve_fft", "solve_local", "solve_banded"],
         "io": ["write_trajectory", "write_checkpoint"]}
REGIONS = {"halo": ("halo exchange",), "fft": ("FFT", "redistribution"), "solve": ("implicit solve",),
           "reduction": ("reduction",), "io": ("writing",)}
SESSIONS = ("OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base")
COLUMNS = ("name", "ranks", "space", "points", "batch", "seconds", "speedup", "efficiency", *REGIONS, "messages", "bytes",
           "model_messages", "model_bytes", "model_seconds", "model_error")


def die(text):
    print(f"study: error: {text}", file=sys.stderr)
    sys.exit(2)


def whole(text):
    """1024, 2^20."""
    base, _, power = text.partition("^")
    try:
        return int(base) ** int(power) if power else int(base)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number or 2^20") from None


def wholes(text):
    return [whole(word) for word in text.split(",")]


def splits(text, ranks):
    """The splits that these ranks allow."""
    found = [ranks if word == "all" else whole(word) for word in text.split(",")]
    return sorted({space for space in found if ranks % space == 0})


# Running

def program():
    built = HERE.parents[1] / "build/release/sinode"
    return os.environ.get("SINODE") or (str(built) if built.exists() else shutil.which("sinode")) or \
        die("there is no sinode; set SINODE")


def parameters_of(config, words):
    """The parameters in force that the model wants, from the file that a benchmark leaves (benchmark.yaml, all spelt out)."""
    found = {}
    section = []
    for line in config.read_text(encoding="utf8").splitlines():
        match = re.match(r"^( *)(\w+): ?(.*)$", line)
        if match:
            indent, key, value = match.groups()
            section[len(indent) // 2:] = [key]
            if value:
                found[".".join(section)] = value.strip("'\"")
    return {word: found[word] for word in words}


def commands(options, ranks, space):
    """The runs of one point: arguments of sinode. Each times its steps and the machine in turn."""
    point = model.directory_of(options.directory, ranks, space)
    common = [f"parallel.space={space}"]
    if options.kind == "weak":
        common += [f"grid.points={options.points * space}", f"grid.length={options.length * space!r}",
                   f"train.batch={options.batch * (ranks // space)}"]
    common += options.set
    for number in range(1, options.rounds + 1):
        for of in options.of.split(","):
            words = (f"run.directory={point / str(number) / of}", *common, f"benchmark.only=[{', '.join(STEPS[of])}]")
            yield ["benchmark", options.config, "--overwrite", "--machine",
                   *(word for text in words for word in ("--set", text))]


def base_sizes(options):
    """Points, length and batch of the file, for weak scaling; read by the program itself."""
    probe = pathlib.Path(options.directory) / "parameters"
    run([program(), "benchmark", options.config, "--overwrite", "--quiet", "--set", f"run.directory={probe}", "--set",
         "benchmark.only=reduction", "--set", "benchmark.repeats=1", "--set", "benchmark.seconds=0.001", "--set",
         "parallel.space=1", *(word for text in options.set for word in ("--set", text))])
    found = parameters_of(probe / "benchmark.yaml", ("grid.points", "grid.length", "train.batch"))
    options.points, options.length = int(found["grid.points"]), float(found["grid.length"])
    options.batch = int(found["train.batch"])


def run(words):
    print("+", shlex.join(map(str, words)), flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        die(f"status {done.returncode} of {shlex.join(map(str, words))}")


def submit(options, sbatch):
    """A job a point, and one behind them that reports."""
    jobs = []
    for ranks in options.ranks:
        lines = ["set -e"]
        for space in splits(options.space, ranks):
            for words in commands(options, ranks, space):
                lines.append(f"{os.environ.get('SINODE_LAUNCH', 'srun --mpi=pmix')} {shlex.join([program(), *words])}")
        jobs.append(queue([f"--ntasks={ranks}", f"--job-name=scaling-{ranks}", *sbatch], lines))
    report = [shlex.join([sys.executable, str(HERE / "study.py"), "report", options.directory])]
    last = queue(["--ntasks=1", "--job-name=scaling-report", f"--dependency=afterany:{':'.join(jobs)}", *sbatch], report)
    print(f"submitted: jobs {' '.join(jobs)}, and {last} for the report in {options.directory}")


def queue(options, lines):
    script = "\n".join(["#!/bin/bash", "export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1", *lines, ""])
    output = subprocess.run(["sbatch", "--parsable", *options], input=script, capture_output=True, text=True, check=False)
    if output.returncode:
        die(f"sbatch: {output.stderr.strip()}")
    return output.stdout.strip().split(";")[0]


def study(options, sbatch):
    pathlib.Path(options.directory).mkdir(parents=True, exist_ok=True)
    if options.kind == "weak":
        base_sizes(options)
    (pathlib.Path(options.directory) / "study.json").write_text(json.dumps({"kind": options.kind}), encoding="utf8")
    if options.slurm:
        submit(options, sbatch)
        return
    launcher = shlex.split(os.environ.get("SINODE_MPIRUN", "mpirun"))
    for ranks in options.ranks:
        for space in splits(options.space, ranks):
            for words in commands(options, ranks, space):
                run([*launcher, "-n", str(ranks), program(), *words])
    report(options)


# Reporting

def shares(directory, name, seconds):
    """Parts of the time of a step, by region."""
    found = dict.fromkeys(REGIONS, 0.0)
    for row in model.read_rows(directory / "benchmark_regions.csv"):
        for share, regions in REGIONS.items():
            if row["name"] == name and row["region"] in regions:
                found[share] += float(row["seconds"]) / seconds
    return found


def costs_of(config, splits, settings=()):
    try:
        return model.costs(program(), config, splits, settings)
    except ValueError as error:
        die(error)


def row_of(rounds, number, costs, machine):
    """Of the table: the medians of the rounds of the step that has this number in their files."""
    rows = [model.read_rows(where / "benchmark.csv")[number] for where in rounds]
    name, found = rows[0]["name"], {key: int(rows[0][key]) for key in ("ranks", "space", "points", "batch")}
    measured = statistics.median(float(row["seconds_median"]) for row in rows)
    cost = costs.get((name, found["ranks"], found["space"]), dict.fromkeys(("messages", "bytes", *model.WORK), math.nan))
    predicted = model.seconds(cost, machine)
    return {"name": name, **found, "seconds": measured,
            **shares(rounds[0], name, float(rows[0]["seconds_median"])), "messages": count_of(rows[0]["messages"]),
            "bytes": float(rows[0]["bytes"]), "model_messages": count_of(cost["messages"]),
            "model_bytes": cost["bytes"], "model_seconds": predicted, "model_error": predicted / measured - 1}


def count_of(number):
    """Messages: a whole number, but of steps that share an exchange, or NaN."""
    return int(number) if float(number).is_integer() else float(number)


def gather(root):
    """The table: a row a measurement."""
    table = []
    for point in sorted(pathlib.Path(root).glob("[0-9]*_[0-9]*")):
        every = sorted(path.parent for path in point.glob("*/*/benchmark.csv"))
        if not every:
            print(f"study: {point} is not complete: a run failed or is still to come", file=sys.stderr)
            continue
        costs = costs_of(every[0] / "benchmark.yaml", [tuple(map(int, point.name.split("_")))])
        for of in sorted({where.name for where in every}, key=list(STEPS).index):
            rounds, machine = [where for where in every if where.name == of], model.machine_of(point, of)
            names = [row["name"] for row in model.read_rows(rounds[0] / "benchmark.csv")]
            table += [row_of(rounds, number, costs, machine) for number, name in enumerate(names)
                      if name in STEPS[of]]
    if not table:
        die(f"there are no measurements in {root}; run the study first")
    return table


def base_of(table, row):
    """What a row is compared with: the fewest ranks."""
    return min((other for other in table if other["name"] == row["name"]), key=lambda other: other["ranks"])


def compare(table, kind):
    for row in table:
        base = base_of(table, row)
        gain, more = base["seconds"] / row["seconds"], row["ranks"] / base["ranks"]
        row["speedup"] = gain * more if kind == "weak" else gain
        row["efficiency"] = row["speedup"] / more


def write_table(root, table):
    with open(pathlib.Path(root) / "scaling.csv", "w", encoding="utf8") as file:
        file.write(",".join(COLUMNS) + "\n")
        for row in table:
            file.write(",".join(f"{row[c]:.6g}" if isinstance(row[c], float) else str(row[c]) for c in COLUMNS) + "\n")
    print(f"{'name':16} {'ranks':>5} {'space':>5} {'points':>10} {'seconds':>10} {'speed-up':>8} {'effic.':>6} "
          + " ".join(f"{share:>9}" for share in REGIONS) + f" {'model, s':>10} {'error':>6}")
    for row in table:
        print(f"{row['name']:16} {row['ranks']:5} {row['space']:5} {row['points']:10} {row['seconds']:10.3e} "
              f"{row['speedup']:8.2f} {row['efficiency']:6.2f} "
              + " ".join(f"{row[share]:9.1%}" for share in REGIONS)
              + f" {row['model_seconds']:10.3e} {row['model_error']:+6.0%}")


def figure():
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
    return plt


def plot(root, table, kind):
    """A row of panels a step: seconds with ideal and model, efficiency, shares."""
    plt = figure()
    names = [name for name in dict.fromkeys(row["name"] for row in table) if name not in ("halo", "reduction")]
    picture, axes = plt.subplots(len(names), 3, figsize=(11, 3 * len(names)), squeeze=False, layout="constrained")
    for (time, efficient, parts), name in zip(axes, names):
        rows = sorted((row for row in table if row["name"] == name), key=lambda row: (row["ranks"], row["space"]))
        labels = {"space": [row for row in rows if row["space"] == row["ranks"]],
                  "replicas": [row for row in rows if row["space"] == 1]}
        for (label, line), marker in zip(labels.items(), "os"):
            ranks = [row["ranks"] for row in line]
            time.loglog(ranks, [row["seconds"] for row in line], marker, label=f"measured, {label}")
            time.loglog(ranks, [row["model_seconds"] for row in line], "k:", label="model" if marker == "o" else None)
            efficient.semilogx(ranks, [row["efficiency"] for row in line], f"-{marker}", label=label)
        every = sorted({row["ranks"] for row in rows})
        first = rows[0]["seconds"]
        ideal = [first if kind == "weak" else first * every[0] / ranks for ranks in every]
        time.loglog(every, ideal, "--", color="0.6", label="ideal")
        efficient.axhline(1, ls="--", color="0.6")
        efficient.set(ylim=(0, 1.25), ylabel="efficiency", xlabel="ranks")
        time.set(title=name, ylabel="seconds", xlabel="ranks")
        for panel in (time, efficient):
            panel.set_xticks(every, every)
            panel.xaxis.set_minor_locator(plt.NullLocator())
        time.legend()
        efficient.legend()
        bottom = [0.0] * len(rows)
        for share in REGIONS:
            if name.startswith("solve") and share == "solve":
                continue  # all of it
            height = [row[share] for row in rows]
            parts.bar(range(len(rows)), height, bottom=bottom, label=share)
            bottom = [low + high for low, high in zip(bottom, height)]
        parts.set_xticks(range(len(rows)), [f"{row['ranks']}\n({row['space']})" for row in rows])
        parts.set(ylim=(0, 1.05), ylabel="share of the time", xlabel="ranks (in space)")
        parts.legend()
    for suffix in ("png", "pdf"):
        picture.savefig(pathlib.Path(root) / f"scaling.{suffix}", dpi=150)


def report(options):
    root = pathlib.Path(options.directory)
    kind = json.loads((root / "study.json").read_text(encoding="utf8"))["kind"]
    table = gather(root)
    compare(table, kind)
    write_table(root, table)
    plot(root, table, kind)
    print(f"written: {root}/scaling.csv, scaling.png, scaling.pdf")


# Two ranks beside two programs

def pair(options):
    """What two cores gain in ranks of one run, beside what they gain in two runs that know nothing of each other."""
    root = pathlib.Path(options.directory)
    launcher = shlex.split(os.environ.get("SINODE_MPIRUN", "mpirun"))
    names = options.names.split(",")

    def start(where, ranks, sessions):
        words = [program(), "benchmark", options.config, "--overwrite", "--quiet", "--set", f"run.directory={root / where}",
                 "--set", f"parallel.space={ranks}", "--set", f"benchmark.only=[{options.names}]"]
        # Two starts of Open MPI at one moment may take the folder of sessions from each other, as jobs/common.sh says.
        folder = tempfile.mkdtemp(dir=sessions)
        return subprocess.Popen([*launcher, "-n", str(ranks), *words], stdin=subprocess.DEVNULL,
                                env={**os.environ, **dict.fromkeys(SESSIONS, folder)})

    found = {}
    for number in range(options.rounds):
        for way, ranks in (("alone", (1,)), ("apart", (1, 1)), ("together", (2,))):
            places = [f"{number}/{way}{k}" for k in range(len(ranks))]
            with tempfile.TemporaryDirectory(prefix="sinode-", dir="/tmp") as sessions:
                running = [start(place, count, sessions) for place, count in zip(places, ranks)]
                failed = any([process.wait() for process in running])
            if failed:
                die(f"a run in {root} failed")
            for row in (row for place in places for row in model.read_rows(root / place / "benchmark.csv")):
                if row["name"] in names:
                    found.setdefault((row["name"], way), []).append(float(row["seconds_median"]))
    lines = ["name,seconds_1,seconds_2,speedup,speedup_apart"]
    print(f"{'name':16} {'1 rank, s':>10} {'2 ranks, s':>10} {'speed-up':>8} {'apart':>6}")
    for name in names:
        alone, apart, together = (statistics.median(found[name, way]) for way in ("alone", "apart", "together"))
        lines.append(f"{name},{alone:.6g},{together:.6g},{alone / together:.4g},{2 * alone / apart:.4g}")
        print(f"{name:16} {alone:10.3e} {together:10.3e} {alone / together:8.2f} {2 * alone / apart:6.2f}")
    (root / "pair.csv").write_text("\n".join(lines) + "\n", encoding="utf8")


# The model further on

def measured(directory, name):
    """Median seconds of a step in a study; NaN where it was not measured."""
    found = [float(row["seconds_median"]) for path in directory.glob("*/*/benchmark.csv") for row in model.read_rows(path)
             if row["name"] == name]
    return statistics.median(found) if found else math.nan


def curves(config, points, every, machines, alone):
    """(label, seconds on so many ranks, messages, bytes) of the generator and of a solve, each by its ways."""
    size = (f"grid.points={points}", f"grid.length={points * 22 / 64!r}", "train.batch=1")
    splits = [(count, count) for count in every]
    ways = {name: costs_of(config, splits, (*size, f"generate.transform={transform}"))
            for name, transform in (("global", "global"), ("local", "auto"))}
    for label, step, way in (("global generator step", "generate_step", "global"),
                             ("local generator step", "generate_step", "local"),
                             ("time step on subdomains", "predict_step", "local"), ("fft solve", "solve_fft", "local"),
                             ("local solve", "solve_local", "local")):
        costs = [ways[way][step, count, count] for count in every]
        yield label, [model.seconds(cost, machines[count > 1]) for count, cost in zip(every, costs)], costs
    # The band solver: its time on one rank, and messages that wait for one another (docs/performance.md).
    first = measured(alone, "solve_banded") * points / base_points(config)
    waits = [6 * math.log2(count) for count in every]
    yield ("banded solve", [first / count + wait * machines[True]["latencies"] for count, wait in zip(every, waits)],
           [{"messages": wait, "bytes": math.nan} for wait in waits])


def base_points(config):
    return int(parameters_of(config, ("grid.points",))["grid.points"])


def draw(options):
    """Seconds and efficiency to many ranks, from the figures of the machine at two."""
    root = pathlib.Path(options.directory)
    alone, pair = model.directory_of(root, 1, 1), model.directory_of(root, 2, 2)
    if not alone.exists() or not pair.exists():
        die(f"draw wants the machine on one rank and on two in space ({alone}, {pair}): run --ranks 1,2 --space all")
    machines = {False: model.machine_of(alone), True: model.machine_of(pair)}
    plt = figure()
    picture, axes = plt.subplots(2, len(options.points), figsize=(4.6 * len(options.points), 6.4), layout="constrained",
                                 squeeze=False, sharex=True)
    lines = ["name,points,ranks,seconds,efficiency,messages,bytes"]
    config = next(alone.glob("*/*/benchmark.yaml"))
    every = [2**k for k in range(int(math.log2(options.ranks)) + 1)]
    for (time, efficient), points in zip(axes.T, options.points):
        for name, times, costs in curves(config, points, every, machines, alone):
            # With more ranks than rows or columns, or blocks shorter than an overlap, the line ends.
            times = list(itertools.takewhile(lambda one: not math.isnan(one), times))
            ranks = every[:len(times)]
            efficiency = [times[0] / one / count for count, one in zip(ranks, times)]
            lines += [f"{name},{points},{count},{one:.6g},{share:.4g},{sent['messages']:.6g},{sent['bytes']:.6g}"
                      for count, one, share, sent in zip(ranks, times, efficiency, costs)]
            style = "-" if "generator" in name else "--"
            time.loglog(ranks, times, style, label=name)
            efficient.semilogx(ranks, efficiency, style)
        time.set(title=f"N = $2^{{{math.log2(points):g}}}$", ylabel="seconds")
        efficient.set(xlabel="ranks in space", ylabel="efficiency", ylim=(0, 3.2))
        efficient.axhline(1, color="0.7", lw=0.8)
    axes[0][0].legend()
    for suffix in ("png", "pdf"):
        picture.savefig(root / f"model.{suffix}", dpi=150)
    (root / "model.csv").write_text("\n".join(lines) + "\n", encoding="utf8")
    print(f"written: {root}/model.csv, model.png, model.pdf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run_ = verbs.add_parser("run", help="measure, then report")
    run_.add_argument("config")
    run_.add_argument("directory")
    run_.add_argument("--ranks", type=wholes, required=True)
    run_.add_argument("--space", default="1,all")
    run_.add_argument("--kind", choices=("strong", "weak"), default="strong")
    run_.add_argument("--rounds", type=whole, default=3, help="of the whole, each in processes of its own")
    run_.add_argument("--of", default="generate,train,solve")
    run_.add_argument("--set", action="append", default=[], metavar="section.key=value")
    run_.add_argument("--slurm", action="store_true", help="submit it; options unknown here go to sbatch")
    verbs.add_parser("report", help="table and plot of what is there").add_argument("directory")
    two = verbs.add_parser("pair", help="two ranks beside two programs of one rank each at the same time, in turn")
    two.add_argument("config")
    two.add_argument("directory")
    two.add_argument("--names", default="generate_step,predict_step,solve_local,train_iteration", help="of steps")
    two.add_argument("--rounds", type=whole, default=5)
    further = verbs.add_parser("draw", help="the model to many ranks")
    further.add_argument("directory")
    further.add_argument("--points", type=wholes, default=[2**20, 2**30])
    further.add_argument("--ranks", type=whole, default=4096)
    options, rest = parser.parse_known_args()
    if rest and not getattr(options, "slurm", False):
        parser.error(f"unknown: {' '.join(rest)}")
    if options.verb == "run":
        unknown = set(options.of.split(",")) - set(STEPS)
        if unknown:
            parser.error(f"--of knows {', '.join(STEPS)}, not {', '.join(sorted(unknown))}")
        study(options, rest)
    else:
        {"report": report, "pair": pair, "draw": draw}[options.verb](options)


if __name__ == "__main__":
    main()
