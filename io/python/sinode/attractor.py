"""Figures of the statistics of trajectories: several files, or a prediction and its reference, in one figure."""
import dataclasses

import numpy as np
import xarray
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from . import statistics
from .style import COUNTS, INK, line_of, styled
from .trajectory import known_reference, length_of


@dataclasses.dataclass
class Series:
    """A field with a name, as one line of a figure."""

    label: str
    field: xarray.DataArray
    length: float   # of the domain
    style: dict


def series_of(named):
    """The Series of (label, Dataset) pairs: first the reference that predictions share, then u of each."""
    series = []
    for label, data in named:
        reference = known_reference(data)
        if reference is not None and not any(one.label == "truth" for one in series):
            series.insert(0, Series("truth", reference, length_of(data), {"color": INK, "linewidth": 2.2}))
    for index, (label, data) in enumerate(named):
        field = data.u
        if (reference := known_reference(data)) is not None:  # the same times for both
            field = field.isel(time=slice(0, reference.sizes["time"]))
        series.append(Series(label, field, length_of(data), line_of(index)))
    return series


def _limits(series, order):
    """What all of them span."""
    found = [statistics.extent(one.field, one.length, order) for one in series]
    return min(low for low, _ in found), max(high for _, high in found)


@styled
def draw_spectrum(series):
    """The energy spectrum E(k)."""
    figure = Figure(figsize=(6.2, 4.4), constrained_layout=True)
    axes = figure.subplots()
    top = 0.0
    for one in series:
        energy = statistics.spectrum(one.field, one.length)[1:]  # wave number 0 has no place on the axis
        axes.loglog(energy.k, np.maximum(energy, 1e-300), label=one.label, **one.style)
        top = max(top, float(energy.max()))
    axes.set(xlabel="wave number $k$", ylabel=r"energy spectrum $E(k)$", ylim=(max(axes.get_ylim()[0], 1e-18 * top), None))
    axes.grid(True)
    if len(series) > 1:
        axes.legend()
    return figure


@styled
def draw_density(series):
    """Probability densities of u and of u_x."""
    figure = Figure(figsize=(9.5, 4.0), constrained_layout=True)
    panels = figure.subplots(1, 2)
    for axes, order, symbol in zip(panels, (0, 1), ("u", "u_x")):
        limits = _limits(series, order)
        for one in series:
            found = statistics.density(one.field, one.length, order, limits=limits)
            values = np.where(found > 0, found, np.nan)
            axes.semilogy(found[found.dims[0]], values, label=one.label, **one.style)
        axes.set(xlabel=f"${symbol}$", ylabel=f"probability density of ${symbol}$")
        axes.grid(True)
    if len(series) > 1:
        panels[0].legend()
    return figure


@styled
def draw_joint(series):
    """The joint probability density of (u_x, u_xx), a panel each."""
    figure = Figure(figsize=(4.6 * len(series) + 0.9, 4.4), constrained_layout=True)
    panels = figure.subplots(1, len(series), sharex=True, sharey=True, squeeze=False)[0]
    limits = [_limits(series, 1), _limits(series, 2)]
    found = [statistics.joint_density(one.field, one.length, limits=limits) for one in series]
    top = max(float(density.max()) for density in found)
    norm = LogNorm(max(1e-4 * top, min(float(density.where(density > 0).min()) for density in found)), top)
    for axes, one, density in zip(panels, series, found):
        mesh = axes.pcolormesh(density.u_x, density.u_xx, np.ma.masked_less_equal(density.values.T, 0),
                               shading="nearest", cmap=COUNTS, norm=norm, rasterized=True)
        axes.set(xlabel="$u_x$", title=one.label)
        axes.grid(True)
    panels[0].set_ylabel("$u_{xx}$")
    figure.colorbar(mesh, ax=panels, label="joint probability density", aspect=25)
    return figure


@styled
def draw_autocorrelation(series):
    """The autocorrelation of u over time and over x."""
    figure = Figure(figsize=(9.5, 4.0), constrained_layout=True)
    in_time, in_space = figure.subplots(1, 2, sharey=True)
    for one in series:
        over_time = statistics.time_correlation(one.field)
        over_space = statistics.space_correlation(one.field, one.length)
        in_time.plot(over_time.lag, over_time, label=one.label, **one.style)
        in_space.plot(over_space.distance, over_space, **one.style)
        in_space.set_xlim(0, float(over_space.distance[-1]))
    for axes, label in ((in_time, r"lag $\tau$ in time"), (in_space, r"distance $\xi$ in $x$")):
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(xlabel=label)
        axes.grid(True)
    in_time.set(ylabel="autocorrelation of $u$", xlim=(0, None))
    if len(series) > 1:
        in_time.legend()
    return figure
