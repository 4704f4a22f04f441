"""The command line: figures, tables, reports and weights from sinode's files.

Every figure is written as PNG and PDF; the same files give the same bytes. Exit status: 0 done, 2 bad usage, 3 a file
is missing or not what it should be.
"""
import argparse
import contextlib
import pathlib
import shlex
import sys

import numpy as np

from . import attractor, equation, runs as comparison, scaling
from .animation import FRAMES, animate
from .figures import DATA_SPAN, draw_error, draw_history, draw_map
from .files import InputError
from .intake import add_data_options, import_data, is_data
from .records import read_benchmark, read_history, read_run
from .report import write_report
from .style import save
from .trajectory import KS_EXPONENT, open as open_trajectory
from .weights import add_export_options, add_import_options, export_weights, import_weights


@contextlib.contextmanager
def _naming(path):
    """Errors of functions that know only the contents get the name of the file."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}", error.status) from None


def _stem(options, path, suffix):
    """Where a figure goes: -o, or beside the file."""
    path = pathlib.Path(path)
    return options.output or path.with_name(f"{path.stem}_{suffix}")


def _figure_of(draw, suffix):
    """A command that draws one trajectory."""
    def run(options):
        with open_trajectory(options.path) as data, _naming(options.path):
            return save(draw(data, options), _stem(options, options.path, suffix))
    return run


def _series_figure(draw, suffix):
    """A command that draws statistics of several trajectories."""
    def run(options):
        with contextlib.ExitStack() as stack, _naming(options.paths[0]):
            opened = [stack.enter_context(open_trajectory(path)) for path in options.paths]
            labels = [pathlib.Path(path).stem for path in options.paths]
            if len(set(labels)) < len(labels):
                labels = [str(path) for path in options.paths]
            return save(draw(attractor.series_of(list(zip(labels, opened)))), _stem(options, options.paths[0], suffix))
    return run


def _history(options):
    path = pathlib.Path(options.path)
    stem = options.output or (path / "history" if path.is_dir() else path.with_suffix(""))
    return save(draw_history(read_history(path)), stem)


def _animate(options):
    path = pathlib.Path(options.output or pathlib.Path(options.path).with_suffix(".gif"))
    if path.suffix != ".gif":
        raise InputError(f"{path}: must end in .gif", status=2)
    with open_trajectory(options.path) as data, _naming(options.path):
        return [animate(data, path, options.member, options.exponent, options.frames, options.overwrite)]


def _scaling(options):
    table = read_benchmark(*options.paths)
    names = options.only or [name for name in dict.fromkeys(table["name"])
                             if np.ptp(table["ranks"][table["name"] == name]) > 0]
    if not names:
        raise InputError("all measurements are on the same number of ranks; give the files of several")
    figure = scaling.draw_scaling(table, names)
    print(comparison.to_text(scaling.rows_of(table, names)))
    return save(figure, _stem(options, options.paths[0], "scaling"))


def _compare(options):
    found = [read_run(path) for path in options.paths]
    print(comparison.to_text(comparison.rows_of(found)))
    return save(comparison.draw_comparison(found), options.output or "comparison")


def draw_all(path, directory=None, exponent=None):
    """Every figure that a run directory has files for, into DIRECTORY (default RUN_DIRECTORY/figures)."""
    run = read_run(path)
    directory = pathlib.Path(directory or run.path / "figures")
    written = save(draw_history(run.history), directory / "history") if run.history else []
    for file in (run.data, run.prediction):
        if file is None:
            continue
        with open_trajectory(file) as data, _naming(file):
            written += save(draw_map(data, exponent=exponent), directory / f"{file.stem}_map")
            series = attractor.series_of([(file.stem, data)])
            for draw, name in ((attractor.draw_spectrum, "spectrum"), (attractor.draw_density, "density"),
                               (attractor.draw_joint, "joint"), (attractor.draw_autocorrelation, "autocorrelation")):
                written += save(draw(series), directory / f"{file.stem}_{name}")
            if file == run.prediction:
                written += save(draw_error(data, exponent), directory / f"{file.stem}_error")
    if not written:
        raise InputError(f"{path}: nothing to draw (no history.csv, no trajectory file)")
    return written


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"sinode-tools: error: {message} (--help tells more)", file=sys.stderr)
        sys.exit(2)


def _positive(kind):
    def convert(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value
    convert.__name__ = "positive number"
    return convert


def _parser():
    parser = _Parser(prog="sinode-tools", description="Figures, tables, reports and weights from sinode's files.",
                     epilog="Every figure is written as PNG and PDF, beside the file unless -o says where.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, summary, run, **operand):
        sub = commands.add_parser(name, help=summary, description=summary)
        if operand:
            sub.add_argument("paths" if operand.get("nargs") else "path", **operand)
        sub.set_defaults(run=run)
        return sub

    def output(sub, metavar="STEM", told="writes STEM.png and STEM.pdf"):
        sub.add_argument("-o", "--output", metavar=metavar, help=told)

    def physics(sub, member=True):
        if member:
            sub.add_argument("--member", type=int, default=0, metavar="M", help="trajectory to draw (default 0)")
        sub.add_argument("--exponent", type=_positive(float), metavar="LAMBDA", help="leading Lyapunov exponent (default: "
                         f"the file's attribute lyapunov_exponent, else {KS_EXPONENT}, of KS at L = 22)")

    sub = command("map", "space-time map: truth, prediction and error", _figure_of(
        lambda data, o: draw_map(data, o.member, o.exponent, o.span), "map"), metavar="FILE.h5")
    output(sub)
    physics(sub)
    sub.add_argument("--span", type=_positive(float), metavar="TIME", help="draw that much from the first snapshot on "
                     f"(default: all of a prediction, {DATA_SPAN} Lyapunov times of plain data)")
    sub = command("error", "growth of a prediction's error, beside its baselines", _figure_of(
        lambda data, o: draw_error(data, o.exponent), "error"), metavar="PREDICTION.h5")
    output(sub)
    physics(sub, member=False)
    for name, summary, draw in (("spectrum", "energy spectrum", attractor.draw_spectrum),
                                ("density", "probability densities of u and u_x", attractor.draw_density),
                                ("joint", "joint probability density of (u_x, u_xx)", attractor.draw_joint),
                                ("autocorrelation", "autocorrelation of u over time and over x",
                                 attractor.draw_autocorrelation)):
        output(command(name, summary + "; of predictions beside the truth", _series_figure(draw, name), nargs="+",
                       metavar="FILE.h5"))
    output(command("history", "losses and learning rate by epoch and by second", _history,
                   metavar="RUN_DIRECTORY|history.csv"))
    sub = command("scaling", "time, speed-up and efficiency against ranks: table and figure", _scaling, nargs="+",
                  metavar="benchmark.csv")
    sub.add_argument("--only", nargs="+", metavar="NAME", help="measurements to draw (default: all on several ranks)")
    output(sub)
    output(command("compare", "several runs beside each other: table and figure", _compare, nargs="+",
                   metavar="RUN_DIRECTORY"))
    sub = command("animate", "animated view of a trajectory, a GIF", _animate, metavar="FILE.h5")
    output(sub, "FILE.gif", "default: beside the trajectory")
    physics(sub)
    sub.add_argument("--frames", type=_positive(int), default=FRAMES, metavar="N", help=f"default {FRAMES}")
    sub.add_argument("--overwrite", action="store_true", help="replace the output if it is there")
    sub = command("all", "every figure that a run directory has files for",
                  lambda o: draw_all(o.path, o.output, o.exponent), metavar="RUN_DIRECTORY")
    output(sub, "DIRECTORY", "where figures go (default: RUN_DIRECTORY/figures)")
    physics(sub, member=False)
    sub = command("report", "one HTML page with everything about a run",
                  lambda o: [write_report(o.path, o.output, o.exponent)], metavar="RUN_DIRECTORY")
    output(sub, "PAGE.html", "default: RUN_DIRECTORY/report.html")
    physics(sub, member=False)
    sub = command("equation", "what a model has learnt as a differential operator: table and figure",
                  lambda o: equation.run(o, _stem(o, o.path, "equation")), metavar="MODEL.h5")
    sub.add_argument("--order", type=int, choices=range(7), default=4, help="most derivatives of a term (default 4)")
    sub.add_argument("--data", metavar="TRAJECTORY.h5", help="for shares and the remainder (default: what the model "
                     "was trained on, if that is there)")
    sub.add_argument("--json", action="store_true", help="print JSON, and draw nothing")
    output(sub)
    sub = command("import", "data (.npy, .npz, MATLAB, netCDF, HDF5) to trajectory file; PyTorch state_dict to model file",
                  lambda o: (import_data if is_data(o.input) else import_weights)(o, o.line))
    add_import_options(sub, _positive)
    add_data_options(sub, _positive)
    sub = command("export", "model or checkpoint file to PyTorch state_dict", export_weights)
    add_export_options(sub)
    return parser


def main(arguments=None):
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--stencil" in arguments[:-1]:  # its value mostly begins with a minus, which argparse takes for an option
        at = arguments.index("--stencil")
        arguments[at:at + 2] = ["=".join(arguments[at:at + 2])]
    options = _parser().parse_args(arguments)
    options.line = shlex.join(["sinode-tools", *arguments])
    try:
        for path in options.run(options) or ():
            print(path)
    except InputError as error:
        print(f"sinode-tools: error: {error}", file=sys.stderr)
        return error.status
    return 0
