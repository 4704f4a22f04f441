#!/usr/bin/python3
"""Steps of jobs/ctf/run.sh, on matrices of the Common Task Framework.

    ctf.py twin LONG.h5 SHORT.h5 FRAMES SEED FOLDER     matrices like the framework's of trajectories of the equation, with
                                                        tests of so many frames; FOLDER/truth has what nobody is told
    ctf.py excerpt MATRICES POINTS FRAMES MU OUT.npz    last frames (0: all) of matrices (a.mat,b.mat), as members, on so many
                                                        points; MU: their viscosities (1.5,1.7), or none
    ctf.py viscosity MODEL.h5                           the one that a model has learnt
    ctf.py states ESTIMATED.h5 STATES.mat               the states that train has estimated behind noisy frames
    ctf.py start MATRIX.mat POINTS MEMBERS MU OUT.npz   what forecasts start from: the last frame, slightly perturbed but for
                                                        the first member
    ctf.py keep FORECAST.h5 PAIR FOLDER                 FOLDER/first/PAIR.mat: the first member of a forecast; of all of them
                                                        FOLDER/nearest/PAIR.mat: the member whose late spectrum is nearest to the mean
    ctf.py table DATA RUN                               prints the scores; writes RUN/table.md and table.csv
"""
import csv
import io
import json
import pathlib
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "io" / "python"))
import sinode  # noqa: E402
from sinode.script import run  # noqa: E402
import framework  # noqa: E402
from framework import PAIRS, SCORES, path_of, read_matrix, resample, write_matrix  # noqa: E402

# Members of the twin's two files: a matrix to train on, the test behind it, and the noise on the former in standard
# deviations. Where there is noise, the frames without it are a test as well.
LONG = (("X1", "X1", 0), ("X2", "X3", 1), ("X3", "X5", 2), ("X6", None, 0), ("X7", None, 0), ("X8", None, 0))
SHORT = (("X4", "X6", 0), ("X5", "X7", 1), ("X9", "X8", 0), ("X10", "X9", 0))
CLEAN = {"X2": "X2", "X3": "X4"}
SLIGHT = 1e-6  # perturbation, in standard deviations


def twin(long, short, frames, seed, folder):
    frames, random = int(frames), np.random.default_rng(int(seed))
    viscosities = {}
    for path, members in ((long, LONG), (short, SHORT)):
        with sinode.open(path) as data:
            for member, (train, test, noise) in enumerate(members):
                u = np.asarray(data.u[member])
                known, later = u[:-frames], u[-frames:]
                noisy = known + noise * known.std() * random.standard_normal(known.shape)
                write_matrix(path_of(folder, f"{train}train"), noisy)
                write_matrix(pathlib.Path(folder, "truth", f"{train}train.mat"), known[-1:])
                viscosities[f"{train}train"] = float(data.parameter[member])
                if test:
                    write_matrix(path_of(folder, f"{test}test"), later)
                if noise and train in CLEAN:
                    write_matrix(path_of(folder, f"{CLEAN[train]}test"), known)
    pathlib.Path(folder, "truth", "viscosities.json").write_text(json.dumps(viscosities, indent=1) + "\n")


def _save(out, u, viscosities):
    """An archive for sinode-tools import: members (members, frames, points), the last frame at time 0."""
    arrays = {} if viscosities == "none" else {"viscosity": np.broadcast_to(_numbers(viscosities), len(u))}
    np.savez(out, u=u, time=np.arange(1.0 - u.shape[1], 1.0), **arrays)


def _numbers(text):
    return np.array([float(word) for word in text.split(",")])


def excerpt(matrices, points, frames, viscosities, out):
    u = [resample(read_matrix(path)[-int(frames):], int(points)) for path in matrices.split(",")]
    _save(out, np.stack(u), viscosities)


def start(matrix, points, members, viscosities, out):
    state = resample(read_matrix(matrix)[-1], int(points))
    u = np.tile(state, (int(members), 2, 1))
    u[1:] += SLIGHT * state.std() * np.random.default_rng(1).standard_normal((len(u) - 1, 1, len(state)))
    _save(out, u, viscosities)


def viscosity(path):
    with h5py.File(path) as file:
        print(f"{-file['model/linear/derivatives'][-1]:.9g}")


def states(estimated, out):
    with sinode.open(estimated) as data:
        write_matrix(pathlib.Path(out), resample(np.asarray(data.u[0]), framework.POINTS))


def keep(forecast, pair, folder):
    with sinode.open(forecast) as data:
        u = np.asarray(data.u[:, 1:])
    spectra = np.array([framework.power(resample(member[-framework.FRAMES:], framework.POINTS)) for member in u])
    nearest = np.argmin(np.linalg.norm(spectra - spectra.mean(axis=0), axis=1))
    for name, member in (("first", 0), ("nearest", nearest)):
        write_matrix(pathlib.Path(folder, name, f"{pair}.mat"), resample(u[member], framework.POINTS))


def _row(label, scores):
    """Without a mean where scores are missing."""
    values = [scores.get(name) for name in SCORES]
    values.append(None if None in values else np.mean(values))
    return [label, *("" if value is None else f"{value:.1f}" for value in values)]


def _scores_in(data, folder):
    """Of the predictions of a folder for which there are tests."""
    scores = {}
    for number, pair in PAIRS.items():
        truth, prediction = path_of(data, pair.test), pathlib.Path(folder, f"{number}.mat")
        if truth.is_file() and prediction.is_file():
            scores |= framework.scores_of(pair, read_matrix(truth), read_matrix(prediction))
    return scores


def table(data, folder):
    from sinode.runs import to_text
    rows = [["", *SCORES, "mean"]]
    for label, part in (("trained by sinode, the member nearest to the mean spectrum", "model/nearest"),
                        ("trained by sinode, one run", "model/first"),
                        ("the equation from the true state, the member nearest to the mean spectrum", "equation/nearest"),
                        ("the equation from the true state, one run", "equation/first")):
        scores = _scores_in(data, pathlib.Path(folder, part))
        if scores:
            rows.append(_row(label, scores))
    if len(rows) == 1:
        print(f"{data} has no tests: there is nothing to score; the forecasts are in {folder}/model")
        return
    methods = framework.published()
    best = max(methods, key=lambda name: np.mean(list(methods[name].values())))
    rows.append(_row(f"published: best method ({best})", methods[best]))
    rows.append(_row("published: best of each column", {name: max(row[name] for row in methods.values()) for name in SCORES}))
    print(to_text(rows))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    pathlib.Path(folder, "table.csv").write_text(text.getvalue(), encoding="utf-8")
    lines = [f"| {' | '.join(row)} |" for row in rows]
    pathlib.Path(folder, "table.md").write_text("\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n",
                                                encoding="utf-8")


if __name__ == "__main__":
    run(__doc__, {"twin LONG.h5 SHORT.h5 FRAMES SEED FOLDER": twin,
                  "excerpt MATRICES POINTS FRAMES MU OUT.npz": excerpt, "viscosity MODEL.h5": viscosity,
                  "states ESTIMATED.h5 STATES.mat": states,
                  "start MATRIX.mat POINTS MEMBERS MU OUT.npz": start, "keep FORECAST.h5 PAIR FOLDER": keep,
                  "table DATA RUN": table})
