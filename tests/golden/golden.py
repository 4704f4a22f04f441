#!/usr/bin/python3
"""Runs sinode on a golden case in every split of 1 to 4 ranks and compares what it writes with expected.h5.

usage: golden.py gradient|generate CASE_FOLDER SINODE MPIEXEC

expected.h5 comes from an independent implementation with automatic differentiation. Gradients agree to 1e-9 relative
(largest difference over largest value, array by array), trajectories of KS to 1e-8 absolute.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

# (ranks, space ranks of a replica)
GRADIENT_SPLITS = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (4, 1), (4, 2), (4, 4)]
GENERATE_SPLITS = [(1, 1), (2, 2), (3, 3), (4, 4)]


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


def main():
    command, case, program, mpiexec = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3]), sys.argv[4]
    splits, output, check = {
        "gradient": (GRADIENT_SPLITS, "gradient.h5", compare_gradient),
        "generate": (GENERATE_SPLITS, "data.h5", compare_trajectory),
    }[command]
    failures = 0
    for ranks, space in splits:
        with tempfile.TemporaryDirectory() as folder:
            for name in os.listdir(case):
                if name != "expected.h5":
                    shutil.copy(os.path.join(case, name), folder)
            run = subprocess.run(
                [mpiexec, "-n", str(ranks), program, command, "case.yaml", "--quiet", "--set", f"parallel.space={space}"],
                cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
            if run.returncode:
                problems = [f"exit status {run.returncode}", run.stdout.strip()]
            else:
                problems = check(os.path.join(folder, output), os.path.join(case, "expected.h5"))
        print(f"{ranks} ranks, {space} in space: {'; '.join(problems) or 'agrees'}")
        failures += bool(problems)
    sys.exit(failures > 0)


main()
