#!/usr/bin/python3
"""What the trainings and forecasts of `run.sh precision` say of one network in each precision.

    precision.py DIRECTORY NAME

Prints the lowest validation loss, and how far forecasts by the same weights are from those in double precision,
relative to these: after one step, and in the end.
"""
import pathlib
import sys

import h5py
import numpy as np


def forecast(path):
    with h5py.File(path) as file:
        return file["u"][0]


def main(directory, name):
    directory = pathlib.Path(directory)
    exact = forecast(directory / f"{name}_double.h5")
    for precision in ("double", "mixed", "single"):
        run = f"{name}_{precision}"
        history = np.genfromtxt(directory / run / "history.csv", delimiter=",", names=True)
        error = np.linalg.norm(forecast(directory / f"{run}.h5") - exact, axis=1) / np.linalg.norm(exact, axis=1)
        print(f"{run:15} lowest validation loss {np.nanmin(history['validation_loss']):.3e}, "
              f"forecasts differ by {error[1]:.1e} and {error[-1]:.1e}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
