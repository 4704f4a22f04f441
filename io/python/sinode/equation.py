"""equation MODEL.h5: what a model has learnt, read as a differential operator: table, figure and JSON."""
import dataclasses
import json
import math
import pathlib

import numpy as np
from matplotlib.figure import Figure

from .kernels import (Learnt, coefficients, errors, fields_of, kernels_of, name_of, operators, read_learnt,
                      right_hand_side, symbol)
from .runs import to_text
from .style import BLUE, COUNTS, INK, VERMILION, save, styled


@dataclasses.dataclass
class Reading:
    """The equation: arrays over operators(order); shares and remainder are NaN without data."""

    order: int
    coefficient: np.ndarray
    error: np.ndarray
    share: np.ndarray      # rms of the term over that of the right-hand side
    remainder: float       # the same of what all terms leave
    data: str | None


def read_equation(path, order=4, data=None):
    """The Reading of a model, or of its file. data: a trajectory of its spacing; default: what it was trained on, if that
    is there."""
    model = path if isinstance(path, Learnt) else read_learnt(path)
    data = data or (model.data if model.data and pathlib.Path(model.data).is_file() else None)
    listed = operators(order)
    found = Reading(order, coefficients(kernels_of(model), order, model.spacing), errors(model, order),
                    np.full(len(listed), np.nan), np.nan, data)
    if data:
        fields = fields_of(model, data)
        whole = right_hand_side(model, fields)
        terms = [value * fields.of(operator) for operator, value in zip(listed, found.coefficient)]
        size = np.sqrt((whole**2).mean())
        found.share = np.array([np.sqrt((term**2).mean()) for term in terms]) / size
        found.remainder = float(np.sqrt(((whole - sum(terms))**2).mean()) / size)
    return found


def _leading(reading):
    """The places of the terms that count: a hundredth of the right-hand side, or, without data, of 1."""
    return np.flatnonzero((reading.share if np.isfinite(reading.remainder) else np.abs(reading.coefficient)) >= 1e-2)


def equation_line(reading):
    """"u_t = ..." of the terms that count."""
    listed, line = operators(reading.order), ""
    for k in _leading(reading):
        value = reading.coefficient[k]
        sign = ("-" if value < 0 else "") if not line else " - " if value < 0 else " + "
        line += f"{sign}{abs(value):.4f} {name_of(listed[k])}"
    return f"u_t = {line or '0'}"


def _told_value(value, error):
    digits = min(12, max(4, 1 - math.floor(math.log10(error)))) if 0 < error < np.inf else 8
    return f"{value:+.{digits}f}"


def _told_error(error):
    return "unknown" if np.isnan(error) else "undetermined" if np.isinf(error) else f"{error:.1e}"


def rows_of(reading):
    """A table: operator, coefficient, standard error, share."""
    rows = [("operator", "coefficient", "standard error", "share of u_t")]
    for operator, value, error, share in zip(operators(reading.order), reading.coefficient, reading.error, reading.share):
        if operator or value:
            rows.append((name_of(operator), _told_value(value, error), _told_error(error),
                         "" if np.isnan(share) else f"{share:.2g}"))
    return rows


def to_json(path, reading):
    def number(value):
        return float(value) if np.isfinite(value) else None
    columns = zip(operators(reading.order), reading.coefficient, reading.error, reading.share)
    return json.dumps({"model": str(path), "order": reading.order, "equation": equation_line(reading),
                       "operators": {name_of(operator): {"coefficient": float(value), "error": number(error),
                                                         "determined": not np.isinf(error), "share": number(share)}
                                     for operator, value, error, share in columns},
                       "remainder": number(reading.remainder), "data": reading.data}, indent=1)


def _linear_symbol(model, kernels, waves):
    found = sum(value * (1j * waves)**operator[0] for operator, value in kernels.exact.items() if len(operator) == 1)
    return found + sum(symbol(kernel, waves * model.spacing) for kernel in kernels.linear)


def _product_symbol(model, kernels, one, other):
    """What e^(i one x) and e^(i other x) make together, symmetric: of -u u_x it is -i (one + other) / 2."""
    one, other = np.broadcast_arrays(one, other)

    def at(kernel, waves):
        return symbol(kernel, waves.ravel() * model.spacing).reshape(len(kernel), *waves.shape)
    p, q = kernels.p, kernels.q
    pairs = at(p, one) * at(q, other) + at(p, other) * at(q, one)
    known = sum(value * ((1j * one)**a * (1j * other)**b + (1j * other)**a * (1j * one)**b) / 2
                for (a, b), value in ((key, value) for key, value in kernels.exact.items() if len(key) == 2))
    return (at(kernels.r, one + other) * pairs).sum(axis=0) / 2 + known


@styled
def draw_equation(model):
    """Symbols of the linear part, and of the products for equal and for all pairs of wave numbers, beside the exact ones
    of Kuramoto-Sivashinsky."""
    kernels = kernels_of(model)
    waves = np.linspace(0, np.pi / model.spacing / 2, 121)  # of the factors: their product ends at the Nyquist mode
    figure = Figure(figsize=(11, 3.9), constrained_layout=True)
    linear, equal, pairs = figure.subplots(1, 3)
    exact, found = waves**2 - waves**4, _linear_symbol(model, kernels, waves)
    for axes, true, learnt, title in ((linear, exact, found.real, "linear part"),
                                      (equal, -waves, _product_symbol(model, kernels, waves, waves).imag,
                                       "products, of equal wave numbers")):
        axes.plot(waves, true, color=INK, linewidth=3, alpha=0.35, label="exact")
        axes.plot(waves, learnt, "--", color=BLUE, label="learnt")
        axes.set(xlabel="wave number $k$", title=title)
        axes.grid(True)
        axes.legend()
    linear.plot(waves, np.broadcast_to(found.imag, waves.shape), ":", color=VERMILION, label="learnt, imaginary part")
    linear.set_yscale("symlog", linthresh=1)
    linear.set_ylabel("symbol")
    linear.legend()
    equal.set_ylabel("imaginary part of the symbol")
    coarse = np.linspace(-waves[-1], waves[-1], 81)
    one, other = np.meshgrid(coarse, coarse)
    wrong = np.abs(_product_symbol(model, kernels, one, other) + 0.5j * (one + other))
    mesh = pairs.pcolormesh(coarse, coarse, np.log10(np.maximum(wrong, 1e-16)), shading="nearest", cmap=COUNTS,
                            rasterized=True)
    pairs.set(xlabel="$k_1$", ylabel="$k_2$", title="products, of all pairs", aspect="equal")
    figure.colorbar(mesh, ax=pairs, label=r"$\log_{10}|$learnt $-$ exact$|$")
    return figure


def run(options, stem):
    """The command; stem: where the figure goes."""
    model = read_learnt(options.path)
    reading = read_equation(model, options.order, options.data)
    if options.json:
        print(to_json(options.path, reading))
        return []
    print(to_text(rows_of(reading)))
    print(equation_line(reading))
    if model.matrix is not None:
        print("standard errors: " + ", ".join(_told_error(reading.error[k]) for k in _leading(reading)))
    if np.isnan(reading.remainder):
        print("remainder: not measured, for want of data (--data TRAJECTORY.h5)")
    else:
        print(f"remainder: {reading.remainder:.2e} of u_t (rms on {reading.data})")
    if model.matrix is None:
        print("no error bars: only train.optimizer.kind lm leaves the matrix for them")
    return save(draw_equation(model), stem)
