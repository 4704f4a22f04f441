#!/usr/bin/python3
"""How well data tell the weights of a model, by linearization (as of Cramer and Rao), and how well it learnt them.

    bound.py NOISE FITTED CLEAN

FITTED is the model of a training with Levenberg-Marquardt on data with noise of standard deviation NOISE, CLEAN that of an
iteration from it, without a step, on windows of other data without noise. Prints the mse of the forecasts over CLEAN's
windows, and the one that is expected at the best fit: tr(C S^-1) NOISE^2 / n, S and C being the mean J^T J of the two and
n the observations. Directions of the weights that S knows to round-off only count in neither.
Exit status: 0 done, 2 bad usage, 3 a file is missing or has no J^T J.
"""
import pathlib
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
from sinode.files import InputError  # noqa: E402
from sinode.script import run  # noqa: E402

ROUND_OFF = 1e-14  # of the largest eigenvalue


def normal_matrix(path):
    """J^T J over the number of residuals, that number, and the loss."""
    try:
        with h5py.File(path) as file:
            data = file["training/normal_matrix"]
            lower = np.tril(data[:])
            return lower + np.tril(lower, -1).T, float(data.attrs["residuals"]), float(data.attrs["loss"])
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: no model of Levenberg-Marquardt: {error}") from None


def main(noise, fitted, clean):
    try:
        variance = float(noise) ** 2
    except ValueError:
        raise InputError(f"NOISE is '{noise}', but must be a number") from None
    known, observations, _ = normal_matrix(fitted)
    wanted, _, mse = normal_matrix(clean)
    values, vectors = np.linalg.eigh(known)
    kept = values > ROUND_OFF * values[-1]
    along = vectors[:, kept]
    expected = np.sum((along.T @ wanted @ along).diagonal() / values[kept]) * variance / observations
    print(f"{fitted}: mse of forecasts {mse:.3g}, expected at the best fit {expected:.3g} ({kept.sum()} of {len(kept)} "
          f"directions of the weights)")


if __name__ == "__main__":
    run(__doc__, {"NOISE FITTED CLEAN": main})
