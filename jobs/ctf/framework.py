"""The Kuramoto-Sivashinsky problem of the Common Task Framework: its files, what is asked of each pair, its scores.

Its names and numbers are those of github.com/CTF-for-Science/ctf4science: KS_Official.yaml and eval_module.py; the scores
in published.csv those of its notebooks/VisualizeSelfReportedScores.ipynb.
"""
import csv
import dataclasses
import pathlib

import numpy as np
from sinode.files import InputError
from sinode.foreign import open_arrays

POINTS = 1024
FRAMES = 20   # k: of short and of long times
MODES = 100   # from 0 on, in spectra


@dataclasses.dataclass(frozen=True)
class Pair:
    train: tuple      # names of matrices (frames, points)
    test: str
    metrics: dict     # {"E1": "short_time"}
    start: str        # the matrix whose last frame the test follows; "": the test is that matrix without its noise


PAIRS = {1: Pair(("X1train",), "X1test", {"E1": "short_time", "E2": "long_time"}, "X1train"),
         2: Pair(("X2train",), "X2test", {"E3": "reconstruction"}, ""),
         3: Pair(("X2train",), "X3test", {"E4": "long_time"}, "X2train"),
         4: Pair(("X3train",), "X4test", {"E5": "reconstruction"}, ""),
         5: Pair(("X3train",), "X5test", {"E6": "long_time"}, "X3train"),
         6: Pair(("X4train",), "X6test", {"E7": "short_time", "E8": "long_time"}, "X4train"),
         7: Pair(("X5train",), "X7test", {"E9": "short_time", "E10": "long_time"}, "X5train"),
         8: Pair(("X6train", "X7train", "X8train"), "X8test", {"E11": "short_time"}, "X9train"),
         9: Pair(("X6train", "X7train", "X8train"), "X9test", {"E12": "short_time"}, "X10train")}
SCORES = [name for pair in PAIRS.values() for name in pair.metrics]


def path_of(folder, name):
    """The file of a matrix: train/X1train.mat, test/X1test.mat."""
    return pathlib.Path(folder) / name.lstrip("X0123456789") / f"{name}.mat"


def read_matrix(path):
    """The one matrix (frames, points) of a file."""
    with open_arrays(path) as found:
        if len(found) != 1:
            raise InputError(f"{path}: has the arrays {', '.join(found)}, expected one matrix (frames, points)")
        array, = found.values()
        values = np.asarray(array.take((slice(None),) * len(array.shape)), dtype=float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(f"{path}: {array.name} {values.shape}, expected a matrix (frames, points) of finite numbers")
    return values


def write_matrix(path, values):
    from scipy.io import savemat
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {path.stem: values})


def resample(u, points):
    """Fields (..., points of any number) on other points of the same period, by their Fourier modes."""
    old = u.shape[-1]
    modes = min(old, points) // 2  # that of the coarser grid's last wave number is left out
    spectrum = np.zeros((*u.shape[:-1], points // 2 + 1), dtype=complex)
    spectrum[..., :modes] = np.fft.rfft(u)[..., :modes] * (points / old)
    return np.fft.irfft(spectrum, points)


def power(u):
    """Mean |FFT|² over frames (..., frames, points), modes 0 to 99."""
    return (np.abs(np.fft.fft(u)[..., :MODES])**2).mean(axis=-2)


def _norm(matrix):
    """The largest singular value, for 10000 frames in a second where an SVD takes a minute."""
    small = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    return np.linalg.eigvalsh(small @ small.T)[-1].clip(0)**0.5


def reconstruction(truth, prediction):
    """Of matrices (frames, points), all frames."""
    return 100 * (1 - _norm(truth - prediction) / _norm(truth))


def short_time(truth, prediction):
    return reconstruction(truth[:FRAMES], prediction[:FRAMES])


def long_time(truth, prediction):
    return reconstruction(power(truth[-FRAMES:])[None], power(prediction[-FRAMES:])[None])


METRICS = {"short_time": short_time, "long_time": long_time, "reconstruction": reconstruction}


def scores_of(pair, truth, prediction):
    """{"E1": score} of a pair's prediction, a matrix like its test; not below -100."""
    if truth.shape != prediction.shape:
        raise InputError(f"{pair.test}: the prediction is {prediction.shape}, expected {truth.shape}")
    return {name: max(-100.0, float(METRICS[metric](truth, prediction))) for name, metric in pair.metrics.items()}


def published():
    """{method: {"E1": score}}, as the authors of the framework plotted them."""
    with pathlib.Path(__file__).with_name("published.csv").open(newline="", encoding="utf-8") as file:
        return {row.pop("method"): {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)}
