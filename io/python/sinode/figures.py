"""Maps, growth of errors and training: draw_* take what sinode.open or read_history give, and return a Figure."""
import numpy as np
from matplotlib.figure import Figure

from .files import InputError
from .style import (BLUE, FIELD, GREEN, INK, ORANGE, PURPLE, SIGNED, SKY, VERMILION, largest, line_of, styled,
                    thinned)
from .trajectory import exponent_of, length_of, take_member, threshold_of

BASELINES = (("nrmse_persistence", "persistence", ORANGE, "--"), ("nrmse_climatology", "climatology", GREEN, "-."),
             ("nrmse_linear", "linear part alone", PURPLE, ":"))
DATA_SPAN = 10  # Lyapunov times of plain data in a map; more would be stripes too thin to follow
LAMBDA = r"Lyapunov times $t\,\lambda_1$"


def elapsed(data):
    """Times since the first snapshot."""
    time = np.asarray(data.time, dtype=float)
    if time.size < 2:
        raise InputError(f"it holds {time.size} snapshot(s); at least 2 are needed for a figure")
    return time - time[0]


def _panel(axes, x, time, field, title, scale, colours):
    mesh = axes.pcolormesh(x, time, np.ma.masked_invalid(field), shading="nearest", cmap=colours, vmin=-scale,
                           vmax=scale, rasterized=True)
    axes.set(title=title, xlabel="$x$", xlim=x[[0, -1]], ylim=time[[0, -1]])
    axes.set_facecolor("0.8")  # where values are not finite
    return mesh


def _add_lyapunov_axis(axes, exponent):
    scale = (lambda t: np.asarray(t) * exponent, lambda t: np.asarray(t) / exponent)
    axes.secondary_yaxis("right", functions=scale).set_ylabel(LAMBDA)


def _valid_time_of(data, member):
    """The time at which a member's prediction stops being valid, or None if it does not."""
    valid = float(data.valid_time[member]) if "valid_time" in data else np.nan
    return None if np.isnan(valid) else valid


def _told(valid, exponent):
    if valid is None:
        return "valid throughout"
    return rf"valid to $t$ = {valid:.3g} = {valid * exponent:.2g}$\,/\,\lambda_1$"


def read_map(data, member, exponent=None, span=None):
    """(x, time, u, reference or None) of a member, thinned out to what can be seen.

    span: time from the first snapshot; None: all of a prediction, of plain data DATA_SPAN Lyapunov times.
    """
    time = elapsed(data)
    if span is None:
        span = np.inf if "reference" in data else DATA_SPAN / exponent_of(data, exponent)
    drawn = max(2, int(np.count_nonzero(time <= span * (1 + 1e-9))))
    part = take_member(data, member).isel(time=thinned(drawn), x=thinned(data.sizes["x"]))
    fields = [np.asarray(part[name], dtype=float) if name in part else None for name in ("u", "reference")]
    return np.asarray(part.x, dtype=float), elapsed(part), *fields


@styled
def draw_map(data, member=0, exponent=None, span=None):
    """Truth, prediction and error over x and t, or the one field there is."""
    x, time, u, reference = read_map(data, member, exponent, span)
    exponent = exponent_of(data, exponent)
    if reference is None:
        figure = Figure(figsize=(5.0, 5.6), constrained_layout=True)
        axes = figure.subplots()
        title, duration = f"$L = {length_of(data):g}$, $N = {data.sizes['x']}$", elapsed(data)[-1]
        if time[-1] < 0.98 * duration:
            title += f", the first {time[-1]:.3g} of {duration:.4g}"
        mesh = _panel(axes, x, time, u, title, largest(u), FIELD)
        axes.set_ylabel("time $t$")
        _add_lyapunov_axis(axes, exponent)
        figure.colorbar(mesh, ax=axes, label="$u$", location="bottom", aspect=30, shrink=0.9)
        return figure

    figure = Figure(figsize=(9.5, 5.4), constrained_layout=True)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    error, scale = u - reference, largest(reference)
    truth = _panel(panels[0], x, time, reference, "truth", scale, FIELD)
    _panel(panels[1], x, time, u, "prediction", scale, FIELD)
    wrong = _panel(panels[2], x, time, error, "prediction − truth", min(largest(error), 2 * scale), SIGNED)
    panels[0].set_ylabel("time $t$")
    valid = _valid_time_of(data, member)
    if valid is not None:
        for axes in panels[1:]:
            axes.axhline(valid, color="black", linewidth=2.6)
            axes.axhline(valid, color="white", linewidth=1.2, linestyle="--")
        low = valid < 0.85 * time[-1]
        panels[1].annotate(_told(valid, exponent), (0.5, valid), xycoords=("axes fraction", "data"),
                           xytext=(0, 5 if low else -5), textcoords="offset points", ha="center",
                           va="bottom" if low else "top", fontsize=9, color="black",
                           bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5})
    _add_lyapunov_axis(panels[2], exponent)
    figure.colorbar(truth, ax=panels[:2], label="$u$", location="bottom", aspect=50, shrink=0.7)
    figure.colorbar(wrong, ax=panels[2], label="error of $u$", location="bottom", aspect=25, shrink=0.9)
    return figure


def _draw_members(axes, data, time, nrmse, exponent):
    """A line a member, or their median among many."""
    few = len(nrmse) <= 5
    for member, values in enumerate(nrmse):
        valid = _valid_time_of(data, member)
        name = f"member {member}" if len(nrmse) > 1 else "model"
        style = {**line_of(member), "zorder": 3} if few else {"color": SKY, "linewidth": 0.7}
        axes.plot(time * exponent, values, label=f"{name}, {_told(valid, exponent)}" if few else None, **style)
        if valid is not None:
            axes.plot(valid * exponent, threshold_of(data), "o", color=style["color"], markersize=6 if few else 3,
                      zorder=4)
    if not few:
        axes.plot(time * exponent, np.median(nrmse, axis=0), color=BLUE, linewidth=2.2, zorder=3,
                  label=f"model, median of {len(nrmse)} members")


@styled
def draw_error(data, exponent=None):
    """Growth of the error: nrmse over time beside the baselines, on a linear and on a logarithmic scale."""
    if "nrmse" not in data:
        raise InputError("it is no prediction with a reference (no nrmse)")
    time, exponent, threshold = elapsed(data), exponent_of(data, exponent), threshold_of(data)
    nrmse = np.asarray(data.nrmse, dtype=float)
    figure = Figure(figsize=(9.5, 5.2), constrained_layout=True)
    grid = figure.add_gridspec(2, 2, height_ratios=(6, 1))
    panels = [figure.add_subplot(grid[0, column]) for column in range(2)]
    for axes in panels:
        _draw_members(axes, data, time, nrmse, exponent)
        for name, label, colour, dashes in BASELINES:
            if name in data:
                axes.plot(time * exponent, np.median(np.asarray(data[name], dtype=float), axis=0), color=colour,
                          linestyle=dashes, linewidth=1.2, label=label)
        axes.axhline(threshold, color=INK, linestyle=(0, (1, 1)), linewidth=1, label=f"threshold {threshold:g}")
        axes.set(xlim=(0, time[-1] * exponent), xlabel=LAMBDA)
        scale = (lambda s: np.asarray(s) / exponent, lambda t: np.asarray(t) * exponent)
        axes.secondary_xaxis("top", functions=scale).set_xlabel("time $t$")
        axes.grid(True)
    finite = nrmse[np.isfinite(nrmse)]
    panels[0].set(ylim=(0, min(1.15 * max(finite.max(initial=0), 1.5 * threshold), 2.5)),
                  ylabel="normalized rms error")
    low = finite[finite > 0].min(initial=1)
    first = np.median(nrmse[:, 1]) if nrmse.shape[1] > 1 else np.nan
    if np.isfinite(first) and 0 < first < threshold:
        panels[1].plot(time * exponent, first * np.exp(exponent * time), color=INK, linewidth=1, alpha=0.6,
                       label=r"growth as $\mathrm{e}^{\lambda_1 t}$")
    panels[1].set(yscale="log", ylim=(low / 2, max(5, 2 * finite.max(initial=1))))
    below = figure.add_subplot(grid[1, :])
    below.axis("off")
    below.legend(*panels[1].get_legend_handles_labels(), loc="center", ncol=3)
    return figure


@styled
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
            axes.grid(True)
    panels[0, 0].set_ylabel("loss")
    panels[0, 0].legend(loc="upper right")
    panels[1, 0].set_ylabel("learning rate")
    return figure
