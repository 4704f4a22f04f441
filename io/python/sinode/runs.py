"""Several runs beside each other: their training, their predictions, a table of what they have in common and what not."""
import numpy as np
from matplotlib.figure import Figure

from .figures import LAMBDA
from .files import InputError
from .style import INK, line_of, styled
from .trajectory import exponent_of, open as open_trajectory, threshold_of, times_of


def name_runs(runs):
    """Names that tell the runs apart: those of the directories, or whole paths where two are alike."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


@styled
def draw_comparison(runs):
    """Validation losses by epoch and by second, and the growth of errors in predictions, a line a run."""
    scored = [run for run in runs if run.prediction]
    trained = [run for run in runs if run.history]
    if not scored and not trained:
        raise InputError("none of the runs has a history or a prediction")
    count = 2 * bool(trained) + bool(scored)
    figure = Figure(figsize=(4.2 * count + 0.6, 4.4), constrained_layout=True)
    grid = figure.add_gridspec(2, count, height_ratios=(9, 1))
    panels = [figure.add_subplot(grid[0, column]) for column in range(count)]
    names = name_runs(runs)
    for index, run in enumerate(runs):
        style = {**line_of(index), "label": names[index]}
        if run.history:
            history = run.history
            kept = np.isfinite(history.validation_loss).any()
            loss = history.validation_loss if kept else history.train_loss
            for axes, abscissa in zip(panels, (history.epoch, history.seconds)):
                axes.semilogy(abscissa, loss, marker="o" if loss.size == 1 else None, **style)
        if run.prediction:
            with open_trajectory(run.prediction) as data:
                time = np.asarray(data.time, dtype=float)
                panels[-1].plot((time - time[0]) * exponent_of(data), np.median(data.nrmse, axis=0), **style)
                threshold = threshold_of(data)
    if trained:
        panels[0].set(xlabel="epoch", ylabel="validation loss")
        panels[1].set(xlabel="training time / s", ylabel="validation loss")
    if scored:
        panels[-1].axhline(threshold, color=INK, linestyle=(0, (1, 1)), linewidth=1)
        panels[-1].set(xlabel=LAMBDA, ylabel="normalized rms error", xlim=(0, None), ylim=(0, 2))
    for axes in panels:
        axes.grid(True)
    below = figure.add_subplot(grid[1, :])
    below.axis("off")
    handles = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    below.legend(handles.values(), handles.keys(), loc="center", ncol=max(1, min(4, len(runs))))
    return figure


def valid_time_of(path):
    """(mean valid time, in Lyapunov times) of a prediction; members valid to its end count with its span."""
    with open_trajectory(path) as data:
        mean = float(times_of(data, "valid_time").mean())
        return mean, mean * exponent_of(data)


def rows_of(runs):
    """The table of a comparison: a list of rows of text, the head first; parameters that all share are left out."""
    def results(run):
        history = run.history
        valid, lyapunov = valid_time_of(run.prediction) if run.prediction else (None, None)
        return {
            "epochs": history and f"{history.epoch[-1]:.0f}",
            "training loss": history and f"{history.train_loss[-1]:.3e}",
            "validation loss": history and f"{history.validation_loss[-1]:.3e}",
            "lowest validation loss": history and f"{np.nanmin(history.validation_loss, initial=np.inf):.3e}",
            "seconds an epoch": history and f"{history.seconds[-1] / history.epoch[-1]:.3f}",
            "valid time": valid and f"{valid:.2f}",
            "in Lyapunov times": lyapunov and f"{lyapunov:.2f}",
        }

    found = [results(run) for run in runs]
    rows = [["", *name_runs(runs)]]
    rows += [[name, *(one[name] or "–" for one in found)] for name in found[0] if any(one[name] for one in found)]
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    for key in keys:
        values = [run.config.get(key, "–") for run in runs]
        if len(set(values)) > 1:
            rows.append([key, *values])
    return rows


def to_text(rows):
    """A table in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
