"""Statistics of a field u (member, time, x) as xarray objects, read a block at a time: files may exceed memory.

Take u from a Dataset of sinode.open: statistics.spectrum(data.u, length). Snapshots that are not finite (of a reference
that has ended) are left out. Derivatives are spectral.
"""
import numpy as np
import xarray

from .files import InputError
from .trajectory import blocks

COLUMNS = 8  # transformed in time at once


def _finite(values):
    return values[np.isfinite(values).all(axis=1)]


def derivative(values, length, order):
    """d^order/dx^order of periodic snapshots (..., x)."""
    if order == 0:
        return values
    points = values.shape[-1]
    k = 2j * np.pi / length * np.arange(points // 2 + 1)
    if order % 2 and points % 2 == 0:
        k[-1] = 0  # the unpaired mode has no odd derivative
    return np.fft.irfft(np.fft.rfft(values) * k**order, points)


def moments(field):
    """(mean, variance, snapshots) over everything."""
    total, squares, count = 0.0, 0.0, 0
    for new, values in blocks(field):
        values = _finite(values[:new])
        total, squares, count = total + values.sum(), squares + (values**2).sum(), count + len(values)
    if count == 0:
        raise InputError("no snapshot of the field is finite")
    mean = total / (count * field.sizes["x"])
    return mean, squares / (count * field.sizes["x"]) - mean**2, count


def _power(field):
    """Mean of |u_m|^2 over snapshots, m = 0 .. N/2, with u_m = (1/N) sum_j u_j exp(-2 pi i j m / N)."""
    power, count, points = 0.0, 0, field.sizes["x"]
    for new, values in blocks(field):
        values = _finite(values[:new])
        power, count = power + (np.abs(np.fft.rfft(values) / points)**2).sum(axis=0), count + len(values)
    if count == 0:
        raise InputError("no snapshot of the field is finite")
    return power / count


def _weights(points):
    """How many modes of the whole spectrum each of rfft's stands for."""
    weights = np.full(points // 2 + 1, 2.0)
    weights[0] = 1
    if points % 2 == 0:
        weights[-1] = 1
    return weights


def spectrum(field, length):
    """The energy spectrum E(k), mean over members and times: the sum of E(k) 2 pi / L over k >= 0 is <u^2> / 2."""
    points = field.sizes["x"]
    step = 2 * np.pi / length
    energy = _weights(points) * _power(field) / 2 / step
    return xarray.DataArray(energy, dims="k", coords={"k": step * np.arange(energy.size)}, name="energy",
                            attrs={"long_name": "energy spectrum E(k)", "units": "1"})


def extent(field, length, order=0):
    """The least and the largest value of a derivative."""
    low, high = np.inf, -np.inf
    for new, values in blocks(field):
        values = derivative(_finite(values[:new]), length, order)
        if values.size:
            low, high = min(low, values.min()), max(high, values.max())
    if low > high:
        raise InputError("no snapshot of the field is finite")
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def density(field, length, order=0, bins=80, limits=None):
    """The probability density of d^order u / dx^order over members, times and points; limits: (least, largest)."""
    edges = np.linspace(*(limits or extent(field, length, order)), bins + 1)
    counts, total = np.zeros(bins), 0
    for new, values in blocks(field):
        values = derivative(_finite(values[:new]), length, order)
        counts, total = counts + np.histogram(values, edges)[0], total + values.size
    name = ("u", "u_x", "u_xx")[order]
    return xarray.DataArray(counts / total / np.diff(edges), dims=name,
                            coords={name: (edges[1:] + edges[:-1]) / 2}, name="density",
                            attrs={"long_name": f"probability density of {name}", "units": "1"})


def joint_density(field, length, orders=(1, 2), bins=80, limits=None):
    """The joint probability density of two derivatives, by default of (u_x, u_xx); limits: a pair of pairs."""
    limits = limits or [extent(field, length, order) for order in orders]
    edges = [np.linspace(*limit, bins + 1) for limit in limits]
    counts, total = np.zeros((bins, bins)), 0
    for new, values in blocks(field):
        values = _finite(values[:new])
        pair = [derivative(values, length, order).ravel() for order in orders]
        counts, total = counts + np.histogram2d(*pair, bins=edges)[0], total + values.size
    names = [("u", "u_x", "u_xx")[order] for order in orders]
    area = np.outer(*(np.diff(edge) for edge in edges))
    return xarray.DataArray(counts / total / area, dims=names,
                            coords={name: (edge[1:] + edge[:-1]) / 2 for name, edge in zip(names, edges)},
                            name="density", attrs={"long_name": "joint probability density", "units": "1"})


def space_correlation(field, length):
    """The autocorrelation of u over a distance in x, from 0 to L / 2; 1 at 0."""
    points = field.sizes["x"]
    power = _power(field)
    power[0] = max(0.0, power[0] - moments(field)[0]**2)
    covariance = np.fft.irfft(power, points)[:points // 2 + 1]
    distance = length / points * np.arange(covariance.size)
    return xarray.DataArray(covariance / covariance[0], dims="distance", coords={"distance": distance},
                            name="correlation", attrs={"long_name": "autocorrelation over x", "units": "1"})


def _correlate(new, values, lags):
    """sum_t sum_x values[t, x] values[t + lag, x] over t < new, for lags 0 .. lags, by Fourier transforms in time."""
    size = 1 << (new + lags - 1).bit_length()  # nothing comes round
    cross = 0.0
    for first in range(0, values.shape[1], COLUMNS):
        columns = values[:, first:first + COLUMNS]
        cross = cross + (np.conj(np.fft.rfft(columns[:new], size, axis=0)) * np.fft.rfft(columns, size, axis=0)
                         ).sum(axis=1)
    return np.fft.irfft(cross, size)[:lags + 1]


def time_correlation(field, lags=None):
    """The autocorrelation of u over a lag in time, mean over members and points; 1 at 0.

    lags: the most, in snapshots; by default a quarter of the trajectory, at most 500. Every lag takes all the pairs there
    are. The snapshots must be finite and evenly spaced.
    """
    count = field.sizes["time"]
    lags = min(count - 1, lags if lags is not None else min(max(1, count // 4), 500))
    mean, variance, finite = moments(field)
    if finite < field.sizes["member"] * count:
        raise InputError("the field has snapshots that are not finite; cut them off")
    sums = np.zeros(lags + 1)
    for new, values in blocks(field, overlap=lags):
        sums += _correlate(new, values - mean, lags)
    pairs = field.sizes["member"] * field.sizes["x"] * (count - np.arange(lags + 1))
    interval = float(field.time[1] - field.time[0]) if count > 1 else 0.0
    return xarray.DataArray(sums / pairs / variance, dims="lag", coords={"lag": interval * np.arange(lags + 1)},
                            name="correlation", attrs={"long_name": "autocorrelation over time", "units": "1"})


def error_growth(data, levels=(0.1, 0.5, 0.9)):
    """nrmse of a prediction and of its baselines against the time since its start: quantiles over the members."""
    if "nrmse" not in data:
        raise InputError("it is no prediction with a reference (no nrmse)")
    names = [name for name in data.data_vars if str(name).startswith("nrmse")]
    time = np.asarray(data.time, dtype=float)
    values = {name: (("level", "time"), np.quantile(np.asarray(data[name], dtype=float), levels, axis=0))
              for name in names}
    return xarray.Dataset(values, coords={"level": list(levels), "time": time - time[0]})
