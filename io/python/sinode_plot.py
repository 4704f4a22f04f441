#!/usr/bin/python3
"""Figures of sinode's files: space-time heat maps, training history, prediction error.

    sinode_plot.py heatmap FILE.h5          truth, prediction and error side by side (one panel for plain data)
    sinode_plot.py error PREDICTION.h5      normalized error against time, valid time marked
    sinode_plot.py history RUN_DIRECTORY    losses and learning rate against epoch and training time
    sinode_plot.py all RUN_DIRECTORY        every figure that the directory has files for

Each figure is written as PNG and PDF; the same file gives the same bytes. Needs numpy, h5py and matplotlib. To import:
read_trajectory and read_history give arrays, draw_* a matplotlib Figure. Exit status: 0 done, 2 bad usage or option,
3 a file is missing or not what it should be.
"""
import argparse
import csv
import dataclasses
import pathlib
import sys

import h5py
import matplotlib
import numpy as np
from matplotlib.figure import Figure

KS_EXPONENT = 0.043  # leading Lyapunov exponent of Kuramoto-Sivashinsky at L = 22
KS_THRESHOLD = 0.5   # of nrmse, where a prediction stops being valid
MOST_CELLS = 1000    # drawn per axis of a heat map; longer axes are thinned out
DATA_SPAN = 10       # Lyapunov times of plain data in a heat map; more would be stripes too thin to follow

# Okabe and Ito's colours, told apart with every kind of colour vision.
ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
LINES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 11,
    "axes.titlesize": 12,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
}


class PlotError(Exception):
    """What is wrong with the input, in a line; status is the exit status it leads to."""

    def __init__(self, message, status=3):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass
class Trajectory:
    """One or all members of a trajectory file. Times count from the first snapshot of the file."""

    time: np.ndarray                    # (T)
    x: np.ndarray                       # (N)
    length: float                       # of the domain
    points: int                         # of the grid
    members: int                        # in the file
    duration: float                     # of the file, from its first snapshot to its last
    u: np.ndarray | None                # (T, N) of one member; None if the field was not asked for
    reference: np.ndarray | None        # the same, where the file has one
    nrmse: np.ndarray | None            # (members, T), where the file has it
    valid_time: np.ndarray | None       # (members), where the file has it; NaN: valid to the end
    threshold: float                    # of nrmse, for the valid time
    exponent: float                     # leading Lyapunov exponent


@dataclasses.dataclass
class History:
    """history.csv of a training run, a value an epoch; seconds are of training alone."""

    epoch: np.ndarray
    seconds: np.ndarray
    train_loss: np.ndarray
    validation_loss: np.ndarray  # NaN without a validation set
    learning_rate: np.ndarray


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _open(path):
    path = pathlib.Path(path)
    if not path.exists():
        raise PlotError(f"{path}: no such file")
    if path.is_dir():
        raise PlotError(f"{path}: is a directory; an HDF5 file is wanted")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise PlotError(f"{path}: cannot be read as HDF5: {str(error).splitlines()[0]}") from None


def _thinned(size):
    """The indices of the first `size` along an axis that are drawn."""
    return slice(None, size, max(1, -(-size // MOST_CELLS)))


def _check_trajectory(path, file):
    kind = _text(file.attrs.get("sinode_kind", "a file without sinode_kind"))
    if kind != "trajectory":
        raise PlotError(f"{path}: is not a trajectory file (it is: {kind})")
    missing = [name for name in ("u", "time", "x") if name not in file]
    if missing:
        raise PlotError(f"{path}: the trajectory file is damaged: no dataset {', '.join(missing)}")
    shape = file["u"].shape
    if len(shape) != 3 or shape[1:] != (file["time"].size, file["x"].size):
        raise PlotError(f"{path}: the trajectory file is damaged: u has shape {shape}, wanted (member, time, x)")
    if shape[1] < 2:
        raise PlotError(f"{path}: holds {shape[1]} snapshot(s); at least 2 are needed for a figure")


def read_trajectory(path, member=0, exponent=None, field=True, span=None):
    """A member of a trajectory or prediction file (thinned out to MOST_CELLS per axis) and the metrics of all members.

    exponent: the leading Lyapunov exponent; None takes the file's, or KS_EXPONENT. field=False reads the metrics only.
    span: time from the first snapshot that is read of the fields; None: all, of plain data DATA_SPAN Lyapunov times.
    """
    with _open(path) as file:
        _check_trajectory(path, file)
        members = file["u"].shape[0]
        if not 0 <= member < members:
            raise PlotError(f"{path}: there is no member {member}; the file has 0 to {members - 1}", status=2)
        time = np.asarray(file["time"], dtype=float)
        x = np.asarray(file["x"], dtype=float)
        exponent = float(exponent if exponent is not None else file.attrs.get("lyapunov_exponent", KS_EXPONENT))
        if span is None:
            span = np.inf if "reference" in file else DATA_SPAN / exponent
        drawn = max(2, np.count_nonzero(time - time[0] <= span * (1 + 1e-9)))
        rows, columns = (_thinned(drawn), _thinned(x.size)) if field else (slice(None), slice(None))

        def read(name, *part):
            return np.asarray(file[name][part], dtype=float) if name in file else None

        return Trajectory(
            time=(time - time[0])[rows],
            x=x[columns],
            length=float(file.attrs.get("domain_length", x.size * (x[1] - x[0]) if x.size > 1 else 1.0)),
            points=x.size,
            members=members,
            duration=float(time[-1] - time[0]),
            u=read("u", member, rows, columns) if field else None,
            reference=read("reference", member, rows, columns) if field else None,
            nrmse=read("nrmse"),
            valid_time=read("valid_time"),
            threshold=float(file.attrs.get("nrmse_threshold", KS_THRESHOLD)),
            exponent=exponent,
        )


def read_history(path):
    """history.csv, given by its own path or by that of the run directory."""
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "history.csv"
    if not path.exists():
        raise PlotError(f"{path}: no such file")
    names = [field.name for field in dataclasses.fields(History)]
    try:
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader) if set(names) <= set(reader.fieldnames or ()) else [{}]
        columns = {name: np.array([float(row[name]) for row in rows]) for name in names}
    except (KeyError, TypeError, ValueError, csv.Error):  # UnicodeDecodeError is a ValueError
        raise PlotError(f"{path}: is not a training history (numbers in {','.join(names)})") from None
    if not rows:
        raise PlotError(f"{path}: no epoch is complete yet")
    return History(**columns)


def _largest(*fields):
    """The largest finite magnitude, or 1 if there is none but 0."""
    finite = [np.abs(field[np.isfinite(field)]) for field in fields if field is not None]
    return max((values.max() for values in finite if values.size), default=0.0) or 1.0


def _panel(axes, trajectory, field, title, scale, colours):
    mesh = axes.pcolormesh(trajectory.x, trajectory.time, np.ma.masked_invalid(field), shading="nearest",
                           cmap=colours, vmin=-scale, vmax=scale, rasterized=True)
    axes.set(title=title, xlabel="$x$", xlim=trajectory.x[[0, -1]], ylim=trajectory.time[[0, -1]])
    axes.set_facecolor("0.8")  # where values are not finite
    return mesh


def _add_lyapunov_axis(axes, exponent):
    scale = (lambda t: np.asarray(t) * exponent, lambda t: np.asarray(t) / exponent)
    axes.secondary_yaxis("right", functions=scale).set_ylabel(r"Lyapunov times $t\,\lambda_1$")


def _valid_time_of(trajectory, member):
    """The time at which a member's prediction stops being valid, or None if it does not."""
    if trajectory.valid_time is None:
        return None
    valid = float(trajectory.valid_time[member])
    return None if np.isnan(valid) else valid


def _told(valid, exponent):
    if valid is None:
        return "valid throughout"
    return rf"valid to $t$ = {valid:.3g} = {valid * exponent:.2g}$\,/\,\lambda_1$"


@matplotlib.rc_context(STYLE)
def draw_heatmap(trajectory, member=0):
    """Truth, prediction and error over x and t, or the one field there is."""
    if trajectory.reference is None:
        figure = Figure(figsize=(5.0, 5.6), constrained_layout=True)
        axes = figure.subplots()
        title = f"$L = {trajectory.length:g}$, $N = {trajectory.points}$"
        if trajectory.time[-1] < 0.98 * trajectory.duration:
            title += f", the first {trajectory.time[-1]:.3g} of {trajectory.duration:.4g}"
        mesh = _panel(axes, trajectory, trajectory.u, title, _largest(trajectory.u), "cividis")
        axes.set_ylabel("time $t$")
        _add_lyapunov_axis(axes, trajectory.exponent)
        figure.colorbar(mesh, ax=axes, label="$u$", location="bottom", aspect=30, shrink=0.9)
        return figure

    figure = Figure(figsize=(9.5, 5.4), constrained_layout=True)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    error = trajectory.u - trajectory.reference
    scale = _largest(trajectory.reference)
    truth = _panel(panels[0], trajectory, trajectory.reference, "truth", scale, "cividis")
    _panel(panels[1], trajectory, trajectory.u, "prediction", scale, "cividis")
    wrong = _panel(panels[2], trajectory, error, "prediction − truth", min(_largest(error), 2 * scale), "RdBu_r")
    panels[0].set_ylabel("time $t$")
    valid = _valid_time_of(trajectory, member)
    if valid is not None:
        for axes in panels[1:]:
            axes.axhline(valid, color="black", linewidth=2.6)
            axes.axhline(valid, color="white", linewidth=1.2, linestyle="--")
        panels[1].annotate(_told(valid, trajectory.exponent), (0.5, valid), xycoords=("axes fraction", "data"),
                           xytext=(0, 5), textcoords="offset points", ha="center", fontsize=9,
                           bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5})
    _add_lyapunov_axis(panels[2], trajectory.exponent)
    figure.colorbar(truth, ax=panels[:2], label="$u$", location="bottom", aspect=50, shrink=0.7)
    figure.colorbar(wrong, ax=panels[2], label="error of $u$", location="bottom", aspect=25, shrink=0.9)
    return figure


@matplotlib.rc_context(STYLE)
def draw_error(trajectory):
    """nrmse over time, a line a member, with the threshold and each member's valid time."""
    figure = Figure(figsize=(7.5, 4.2), constrained_layout=True)
    axes = figure.subplots()
    lyapunov_times = trajectory.time * trajectory.exponent
    few = trajectory.members <= len(LINES)
    for member, nrmse in enumerate(trajectory.nrmse):
        colour = LINES[member] if few else SKY
        valid = _valid_time_of(trajectory, member)
        label = f"member {member}: {_told(valid, trajectory.exponent)}" if few else None
        axes.plot(lyapunov_times, nrmse, color=colour, linewidth=1.6 if few else 0.7, label=label)
        if valid is not None:
            axes.plot(valid * trajectory.exponent, trajectory.threshold, "o", color=colour, markersize=6 if few else 3)
    if not few:
        median = np.median(trajectory.nrmse, axis=0)
        axes.plot(lyapunov_times, median, color=BLUE, linewidth=2.2, label=f"median of {trajectory.members} members")
    axes.axhline(trajectory.threshold, color="black", linestyle="--", linewidth=1,
                 label=f"threshold {trajectory.threshold:g}")
    finite = trajectory.nrmse[np.isfinite(trajectory.nrmse)]
    top = max(1.05 * min(finite.max(), 4.0), 1.3 * trajectory.threshold) if finite.size else 1.5
    axes.set(xlim=(0, lyapunov_times[-1]), ylim=(0, top))
    axes.set(xlabel=r"Lyapunov times $t\,\lambda_1$", ylabel="normalized rms error")
    scale = (lambda s: np.asarray(s) / trajectory.exponent, lambda t: np.asarray(t) * trajectory.exponent)
    axes.secondary_xaxis("top", functions=scale).set_xlabel("time $t$")
    axes.legend(loc="best", fontsize=9)
    axes.grid(color="0.9")
    return figure


@matplotlib.rc_context(STYLE)
def draw_history(history):
    """Losses above, learning rate beneath; against epochs at the left, against training time at the right."""
    figure = Figure(figsize=(9.5, 5.0), constrained_layout=True)
    panels = figure.subplots(2, 2, sharex="col", sharey="row", gridspec_kw={"height_ratios": (3, 1)})
    marker = "o" if history.epoch.size == 1 else None
    for column, (abscissa, label) in enumerate(((history.epoch, "epoch"), (history.seconds, "training time / s"))):
        losses, rate = panels[:, column]
        losses.semilogy(abscissa, history.train_loss, color=BLUE, marker=marker, label="training")
        if np.isfinite(history.validation_loss).any():
            losses.semilogy(abscissa, history.validation_loss, "--", color=VERMILION, marker=marker, label="validation")
        rate.semilogy(abscissa, history.learning_rate, color=GREEN, marker=marker, drawstyle="steps-pre")
        rate.set_ylim(history.learning_rate.min() / 1.5, history.learning_rate.max() * 1.5)
        rate.set_xlabel(label)
        for axes in (losses, rate):
            axes.grid(color="0.9")
    panels[0, 0].set_ylabel("loss")
    panels[0, 0].legend(loc="upper right")
    panels[1, 0].set_ylabel("learning rate")
    return figure


@matplotlib.rc_context(STYLE)
def save(figure, stem):
    """Writes STEM.png and STEM.pdf with nothing in them that changes from day to day; returns both paths."""
    stem = pathlib.Path(stem)
    written = []
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for ending, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            path = stem.with_name(stem.name + ending)
            figure.savefig(path, metadata=metadata)
            written.append(path)
    except OSError as error:
        raise PlotError(f"{stem}: cannot be written: {error.strerror}") from None
    return written


def _stem(path, name):
    return pathlib.Path(path).with_suffix("").with_name(f"{pathlib.Path(path).stem}_{name}")


def plot_heatmap(path, stem=None, member=0, exponent=None, span=None):
    figure = draw_heatmap(read_trajectory(path, member, exponent, span=span), member)
    return save(figure, stem or _stem(path, "heatmap"))


def plot_error(path, stem=None, exponent=None):
    trajectory = read_trajectory(path, 0, exponent, field=False)
    if trajectory.nrmse is None:
        raise PlotError(f"{path}: has no error to draw: it is no prediction with a reference (no dataset nrmse)")
    return save(draw_error(trajectory), stem or _stem(path, "error"))


def plot_history(path, stem=None):
    history = read_history(path)
    path = pathlib.Path(path)
    return save(draw_history(history), stem or (path if path.is_dir() else path.parent) / "history")


def _kind_and_metrics(path):
    """The kind of an HDF5 file ("" for none of sinode's) and whether it has metrics."""
    try:
        with h5py.File(path, "r") as file:
            return _text(file.attrs.get("sinode_kind", "")), "nrmse" in file
    except OSError:
        return "", False


def plot_all(run_directory, directory=None, exponent=None):
    """Every figure that a run directory has files for, into DIRECTORY (default RUN_DIRECTORY/figures)."""
    run_directory = pathlib.Path(run_directory)
    if not run_directory.is_dir():
        raise PlotError(f"{run_directory}: is not a run directory")
    directory = pathlib.Path(directory or run_directory / "figures")
    written = []
    if (run_directory / "history.csv").exists():
        written += plot_history(run_directory, directory / "history")
    for path in sorted(run_directory.glob("*.h5")):
        kind, metrics = _kind_and_metrics(path)
        if kind == "trajectory":
            written += plot_heatmap(path, directory / f"{path.stem}_heatmap", exponent=exponent)
            if metrics:
                written += plot_error(path, directory / f"{path.stem}_error", exponent=exponent)
    if not written:
        raise PlotError(f"{run_directory}: nothing to draw (no history.csv, no trajectory file)")
    return written


def _positive(text):
    if not 0 < float(text) < np.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return float(text)


def _parser():
    parser = argparse.ArgumentParser(prog="sinode_plot.py", description=__doc__.split("\n\n")[0],
                                     epilog="Every figure is written as PNG and PDF.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, operand, summary, output, run, exponent=True):
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("path", metavar=operand)
        sub.add_argument("-o", "--output", metavar=output.split(":")[0], help=output.split(":")[1])
        if exponent:
            sub.add_argument("--exponent", type=_positive, metavar="LAMBDA", help="leading Lyapunov exponent "
                             f"(default: the file's attribute lyapunov_exponent, else {KS_EXPONENT}, of KS at L = 22)")
        sub.set_defaults(run=run)
        return sub

    stem = "STEM:writes STEM.png and STEM.pdf (default: beside the file)"
    heatmap = command("heatmap", "FILE.h5", "truth, prediction and error over space and time", stem,
                      lambda o: plot_heatmap(o.path, o.output, o.member, o.exponent, o.span))
    heatmap.add_argument("--member", type=int, default=0, metavar="M", help="trajectory to draw (default 0)")
    heatmap.add_argument("--span", type=_positive, metavar="TIME", help="draw that much from the first snapshot on "
                         f"(default: all of a prediction, {DATA_SPAN} Lyapunov times of plain data)")
    command("error", "PREDICTION.h5", "normalized error against time", stem,
            lambda o: plot_error(o.path, o.output, o.exponent))
    command("history", "RUN_DIRECTORY|history.csv", "losses and learning rate of a training run", stem,
            lambda o: plot_history(o.path, o.output), exponent=False)
    command("all", "RUN_DIRECTORY", "every figure that the directory has files for",
            "DIRECTORY:where figures go (default: RUN_DIRECTORY/figures)",
            lambda o: plot_all(o.path, o.output, o.exponent))
    return parser


def main(arguments=None):
    options = _parser().parse_args(arguments)
    try:
        for path in options.run(options):
            print(path)
    except PlotError as error:
        print(f"sinode_plot.py: error: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
