#!/usr/bin/python3
"""Runs sinode on golden cases in splits of 1 to 4 ranks and compares what it writes with expected.h5.

usage: golden.py gradient|generate [--long] CASE_FOLDER...

Schemes know nothing of ranks: a case that differs from the others by its scheme runs in some of the splits, with --long
in all. Every other case runs in all of them.

expected.h5 comes from an independent implementation with automatic differentiation. Gradients agree to 1e-9 relative
(largest difference over largest value, array by array), trajectories of KS to 1e-8 absolute.
"""
import os
import pathlib
import re
import shutil
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import harness  # noqa: E402

# (ranks, space ranks of a replica)
GRADIENT_SPLITS = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (4, 1), (4, 2), (4, 4)]
GENERATE_SPLITS = [(1, 1), (2, 2), (3, 3), (4, 4)]
OF_A_SCHEME = [(1, 1), (3, 3), (4, 2)]  # and one of the rest


def splits_of(command, case, long):
    """The splits in which a case runs."""
    if command == "generate":
        return GENERATE_SPLITS
    if long or not re.match("imex|explicit|implicit", case.name):
        return GRADIENT_SPLITS
    rest = [split for split in GRADIENT_SPLITS if split not in OF_A_SCHEME]
    number = sorted(path.name for path in case.parent.iterdir()).index(case.name)
    return [*OF_A_SCHEME, rest[number % len(rest)]]


def datasets(path, root):
    """All datasets below a group, by path."""
    found = {}
    with h5py.File(path) as file:
        file[root].visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def compare(name, value, expected, tolerance, relative):
    if value.shape != expected.shape:
        return f"{name}: shape {value.shape}, expected {expected.shape}"
    scale = np.abs(expected).max() if relative else 1.0
    error = np.abs(value - expected).max() / (scale if scale > 0 else 1.0)
    return None if error <= tolerance else f"{name}: error {error:.2e}, allowed {tolerance:.0e}"


def compare_gradient(written, expected):
    with h5py.File(expected) as file:
        wanted = {"loss": file["loss"][()], "trajectory": file["trajectory"][()]}
    wanted.update({"gradient/" + k: v for k, v in datasets(expected, "gradient").items()})
    with h5py.File(written) as file:
        got = {"loss": file["loss"][()], "trajectory": file["trajectory"][()]}
    got.update({"gradient/" + k: v for k, v in datasets(written, "gradient").items()})
    problems = [f"{k}: missing" for k in wanted if k not in got] + [f"{k}: unexpected" for k in got if k not in wanted]
    return problems + [p for k in wanted if k in got and (p := compare(k, got[k], wanted[k], 1e-9, True))]


def compare_trajectory(written, expected):
    problems = []
    with h5py.File(written) as got, h5py.File(expected) as wanted:
        for name, tolerance in (("u", 1e-8), ("x", 1e-12), ("time", 1e-9), ("member", 0)):
            problems.append(compare(name, got[name][()], wanted[name][()], tolerance, False))
    return [p for p in problems if p]


OUTPUTS = {"gradient": ("gradient.h5", compare_gradient), "generate": ("data.h5", compare_trajectory)}


def problems_of(command, case, ranks, space):
    """What is wrong with the results of a case in one split."""
    output, check = OUTPUTS[command]
    with tempfile.TemporaryDirectory() as folder:
        for path in case.iterdir():
            if path.name != "expected.h5":
                shutil.copy(path, folder)
        status, out, err = harness.run(folder, command, "case.yaml", "--quiet", ranks=ranks, space=space)
        if status:
            return [f"exit status {status}", (out + err).strip()]
        return check(os.path.join(folder, output), case / "expected.h5")


def main():
    command, long = sys.argv[1], "--long" in sys.argv
    failures = 0
    for case in map(pathlib.Path, (word for word in sys.argv[2:] if word != "--long")):
        for ranks, space in splits_of(command, case, long):
            problems = problems_of(command, case, ranks, space)
            print(f"{case.name}: {ranks} ranks, {space} in space: {'; '.join(problems) or 'agrees'}")
            failures += bool(problems)
    sys.exit(failures > 0)


main()
