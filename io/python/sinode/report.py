"""report RUN_DIRECTORY: one HTML page with everything about a run, which needs nothing beside it."""
import dataclasses
import datetime
import html
import pathlib

import h5py
import numpy as np

from . import attractor
from .figures import draw_error, draw_history, draw_map
from .files import to_text, write_whole
from .page import PAGE, STATES
from .records import read_run
from .runs import valid_time_of
from .style import to_svg
from .trajectory import exponent_of, open as open_trajectory, threshold_of, times_of


@dataclasses.dataclass
class Piece:
    """A figure on the page."""

    name: str
    title: str
    text: str
    figure: object
    table: str = ""


def _escape(value):
    return html.escape(str(value))


def _table(rows, head=None, numbers=()):
    """Rows of text as a table; columns in `numbers` are set as such."""
    def cells(row, tag):
        return "".join(f"<{tag}{' class=n' if column in numbers else ''}>{_escape(cell)}</{tag}>"
                       for column, cell in enumerate(row))
    top = f"<thead><tr>{cells(head, 'th')}</tr></thead>" if head else ""
    return (f"<div class=scroll><table>{top}<tbody>" + "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows) +
            "</tbody></table></div>")


def _duration(seconds):
    seconds = round(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" if seconds >= 3600 else (
        f"{seconds // 60}:{seconds % 60:02d}")


def _size(count):
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024


def _tiles(run):
    """The few numbers that matter: (name, value, remark)."""
    tiles = []
    if run.history:
        history = run.history
        tiles.append(("training loss", f"{history.train_loss[-1]:.2e}", f"epoch {history.epoch[-1]:.0f}"))
        if np.isfinite(history.validation_loss).any():
            best = int(np.nanargmin(history.validation_loss))
            tiles.append(("validation loss", f"{history.validation_loss[-1]:.2e}",
                          f"lowest {history.validation_loss[best]:.2e}, epoch {history.epoch[best]:.0f}"))
        tiles.append(("training time", _duration(history.seconds[-1]),
                      f"{history.seconds[-1] / history.epoch[-1]:.3g} s an epoch"))
        tiles.append(("memory", f"{history.peak_memory_mib.max():.0f} MiB", "a rank, at its peak"))
    if run.prediction:
        valid, lyapunov = valid_time_of(run.prediction)
        tiles.append(("valid time", f"{valid:.3g}", f"{lyapunov:.2f} Lyapunov times"))
    return "".join(f"<div class=tile><span>{_escape(name)}</span><b>{_escape(value)}</b><small>{_escape(remark)}</small>"
                   "</div>" for name, value, remark in tiles)


def _timings(history):
    """How the time of training went: a table."""
    each = np.diff(history.seconds, prepend=0.0)
    rows = [("epochs", f"{history.epoch[-1]:.0f}"), ("iterations", f"{history.iteration[-1]:.0f}"),
            ("seconds of training", f"{history.seconds[-1]:.4g}"),
            ("seconds an epoch: median, fastest, slowest", f"{np.median(each):.3g}, {each.min():.3g}, {each.max():.3g}"),
            ("iterations a second", f"{history.iteration[-1] / history.seconds[-1]:.4g}"),
            ("memory of a rank at its peak", f"{history.peak_memory_mib.max():.1f} MiB")]
    return _table(rows, numbers=(1,))


def _regions(regions):
    """Where the time of the run went on rank 0, since it was started or resumed last: a table. Inner regions stand in."""
    whole = sum(seconds for path, seconds in regions.items() if "/" not in path)
    rows = [(2 * path.count("/") * "\u2003" + path.rpartition("/")[2], f"{seconds:.4g}", f"{100 * seconds / whole:.1f} %")
            for path, seconds in regions.items() if whole > 0]
    return _table(rows, ("region", "seconds", "share"), numbers=(1, 2)) if rows else ""


def _baselines(data):
    """The model beside what needs no network: a table."""
    time = np.asarray(data.time, dtype=float) - float(data.time[0])
    span = time[-1]
    rows = []
    for name, suffix in (("model", ""), ("persistence", "_persistence"), ("climatology", "_climatology"),
                         ("linear part alone", "_linear")):
        if "nrmse" + suffix not in data:
            continue
        valid = np.asarray(data["valid_time" + suffix], dtype=float)
        nrmse = np.asarray(data["nrmse" + suffix], dtype=float).mean(axis=0)
        rows.append((name, f"{np.where(np.isnan(valid), span, valid).mean():.3g}",
                     *(f"{nrmse[index]:.3g}" for index in (1, len(time) // 10, len(time) // 2))))
    head = ("prediction", f"valid time (nrmse ≤ {threshold_of(data):g})",
            *(f"nrmse at t = {time[index]:.3g}" for index in (1, len(time) // 10, len(time) // 2)))
    return _table(rows, head, numbers=range(1, 5))


def _scores(data, exponent):
    """Median and quartiles of the scores over the members: a table. A time that is not reached counts as the span."""
    window, steps = (float(data.attrs.get(name, np.nan)) for name in ("score_window", "score_steps"))
    rows = []
    for name, words in (("valid_time", "valid time"), ("local_valid_time", f"local valid time, windows of {window:.4g}"),
                        ("correlation_time_90", "time to a correlation of 0.9"),
                        ("correlation_time_80", "time to a correlation of 0.8"),
                        ("nrmse_geometric_mean", f"geometric mean of nrmse, {steps:.0f} steps")):
        if name not in data:
            continue
        is_time = name != "nrmse_geometric_mean"
        median, low, high = np.quantile(times_of(data, name) if is_time else data[name], (0.5, 0.25, 0.75))
        rows.append((words, f"{median:.4g}", f"{low:.4g}", f"{high:.4g}", f"{median * exponent:.2f}" if is_time else ""))
    return _table(rows, ("score", "median", "1st quartile", "3rd quartile", "Lyapunov times"), numbers=range(1, 5))


def _statistics(data, stem):
    series = attractor.series_of([(stem, data)])
    return [
        Piece("spectrum", "Energy spectrum", "Mean over all snapshots and members.", attractor.draw_spectrum(series)),
        Piece("density", "Probability densities", "Of u and its slope, over all points and times.",
              attractor.draw_density(series)),
        Piece("joint", "Joint density of slope and curvature", "The shape of the attractor in (u_x, u_xx).",
              attractor.draw_joint(series)),
        Piece("autocorrelation", "Autocorrelation", "How far u remembers itself, in time and in space.",
              attractor.draw_autocorrelation(series)),
    ]


def _pieces(run, exponent):
    """The figures that the run has files for."""
    pieces = []
    if run.history:
        pieces.append(Piece("history", "Training", "Losses and learning rate, by epoch and by second of training.",
                            draw_history(run.history), _timings(run.history) + _regions(run.status.get("regions", {}))))
    if run.prediction:
        with open_trajectory(run.prediction) as data:
            pieces.append(Piece("map", "Prediction", f"{run.prediction.name} beside the data, member 0.",
                                draw_map(data, exponent=exponent)))
            pieces.append(Piece("error", "Growth of the error", "Beside predictions that need no network; the line shows "
                                "what chaos alone makes of the first error.", draw_error(data, exponent),
                                _scores(data, exponent_of(data, exponent)) + _baselines(data)))
            pieces += _statistics(data, run.prediction.stem)
    elif run.data:
        with open_trajectory(run.data) as data:
            pieces.append(Piece("map", "Data", f"{run.data.name}, member 0.", draw_map(data, exponent=exponent)))
            pieces += _statistics(data, run.data.stem)
    return pieces


def _provenance(run):
    """Where every HDF5 file of the run comes from."""
    rows = []
    for path in sorted(run.path.glob("*.h5")):
        try:
            with h5py.File(path) as file:
                said = {name: to_text(value) for name, value in file.attrs.items()}
        except OSError:
            rows.append((path.name, "torn, or not HDF5", _size(path.stat().st_size), "", "", ""))
            continue
        date, _, line = said.get("history", "").partition(" ")
        rows.append((path.name, said.get("sinode_kind", "–"), _size(path.stat().st_size), said.get("source", "–"),
                     said.get("mpi_ranks", "–"), date, line))
    return _table(rows, ("file", "kind", "size", "written by", "ranks", "date", "command"), numbers=(2, 4))


def _parameters(config):
    """A table a section, the sections side by side."""
    sections = {}
    for key, value in config.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append((name, value))
    return "".join(f"<section class=keys><h3>{_escape(section)}</h3>{_table(rows)}</section>"
                   for section, rows in sections.items())


def write_report(path, output=None, exponent=None):
    """Writes RUN_DIRECTORY/report.html, or another page; returns its path. One that is there is replaced."""
    run = read_run(path)
    output = pathlib.Path(output or run.path / "report.html")
    pieces = _pieces(run, exponent)
    state, reason = run.status.get("state", "unknown"), run.status.get("reason", "")
    figures = "".join(
        f"<figure id={piece.name}><h2>{_escape(piece.title)}</h2>{to_svg(piece.figure, piece.name)}"
        f"<figcaption>{_escape(piece.text)}</figcaption>{piece.table}</figure>"
        for piece in pieces)
    where = "".join(f"<a href=#{piece.name}>{_escape(piece.title)}</a>" for piece in pieces)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    page = PAGE.format(
        title=_escape(run.name), state=_escape(state), state_class=STATES.get(state, "idle"), reason=_escape(reason),
        path=_escape(run.path), now=now, tiles=_tiles(run), where=where, figures=figures,
        parameters=_parameters(run.config) or "<p>There is no config.yaml.</p>", provenance=_provenance(run))
    write_whole(output, True, lambda name: pathlib.Path(name).write_text(page, encoding="utf-8"))
    return output
