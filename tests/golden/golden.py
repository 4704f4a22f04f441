#!/usr/bin/python3
"""Runs sinode on golden cases in splits of 1 to 4 ranks and compares what it writes with expected.h5.

usage: golden.py gradient|generate|local [--long] CASE_FOLDER...

A gradient case runs in some of the splits, another one with each of them, and one of exponential schemes (written by
exponential.py) in one; with --long all run in all. So do local cases, of which some run in one of two splits.

local: gradients by the solver of that name, which wants long domains: every case that has a stencil and implicit stages,
repeated side by side. States repeat, the loss is the same, and so are derivatives by what the copies have in common.

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
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import harness  # noqa: E402

# (ranks, space ranks of a replica)
GRADIENT_SPLITS = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (4, 1), (4, 2), (4, 4)]
GENERATE_SPLITS = [(1, 1), (2, 2), (3, 3), (4, 4)]
USUAL_SPLITS = [(1, 1), (3, 3), (4, 2)]  # and one of the rest


def splits_of(command, case, long):
    """The splits in which a case runs."""
    if command == "generate":
        return GENERATE_SPLITS
    if long:
        return GRADIENT_SPLITS
    if case.name.startswith("exponential"):
        number = [path.name for path in sorted(case.parent.glob("exponential*"))].index(case.name)
        return [GRADIENT_SPLITS[::-1][number % len(GRADIENT_SPLITS)]]
    rest = [split for split in GRADIENT_SPLITS if split not in USUAL_SPLITS]
    number = sorted(path.name for path in case.parent.iterdir()).index(case.name)
    return [*USUAL_SPLITS, rest[number % len(rest)]]


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


def results(path):
    """Loss, trajectory and gradient of a gradient file."""
    with h5py.File(path) as file:
        found = {name: file[name][()] for name in ("loss", "trajectory")}
    return {**found, **{"gradient/" + name: value for name, value in datasets(path, "gradient").items()}}


def compare_gradient(written, expected):
    got, wanted = results(written), results(expected)
    problems = [f"{k}: missing" for k in wanted if k not in got] + [f"{k}: unexpected" for k in got if k not in wanted]
    return problems + [p for k in wanted if k in got and (p := compare(k, got[k], wanted[k], 1e-9, True))]


def compare_trajectory(written, expected):
    problems = []
    with h5py.File(written) as got, h5py.File(expected) as wanted:
        for name, tolerance in (("u", 1e-8), ("x", 1e-12), ("time", 1e-9), ("member", 0)):
            problems.append(compare(name, got[name][()], wanted[name][()], tolerance, False))
    return [p for p in problems if p]


COPIES = 16
LOCAL_SPLITS = [(1, 1), (3, 3)]


def local_runs(cases, long):
    """(case, split): all, or those of every kind and of every fourth IMEX scheme, in one split after the other."""
    if long:
        return [(case, split) for case in cases for split in LOCAL_SPLITS]
    schemes = [case for case in cases if case.name.startswith("imex")]
    chosen = [case for case in cases if case not in schemes or case in schemes[::4]]
    return [(case, LOCAL_SPLITS[number % len(LOCAL_SPLITS)]) for number, case in enumerate(chosen)]


def suits_local(case):
    """Whether a golden case has a stencil and solves with it."""
    if re.match("explicit|exponential", case.name):
        return False
    with open(case / "case.yaml", encoding="utf8") as file:
        parameters = yaml.safe_load(file)
    return parameters["model"]["linear"]["kind"] == "stencil"


def repeat_data(source, target):
    """A trajectory file with the domain repeated; returns its points and length."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        u, length = np.tile(file["u"][()], COPIES), file.attrs["domain_length"] * COPIES
        old, names = file["u"], {name: file[name][()] for name in ("member", "time")}
        del old, file["u"], file["x"], file["member"], file["time"]
        names["x"] = np.arange(u.shape[-1]) * length / u.shape[-1]
        for name, value in names.items():
            file[name] = value
            file[name].make_scale(name)
        file["u"] = u
        for axis, name in enumerate(("member", "time", "x")):
            file["u"].dims[axis].attach_scale(file[name])
        file.attrs["domain_length"] = length
    return u.shape[-1], length


def repeat_model(source, target):
    """A model that does on each part of the domain what the one in `source` does; a perceptron has blocks of weights."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        model = file["model"]
        perceptron = model.attrs["nonlinear_kind"] == "mlp"
        model.attrs["grid_points"] = model.attrs["grid_points"] * COPIES
        model.attrs["domain_length"] = model.attrs["domain_length"] * COPIES
        for layer in model["nonlinear"].values() if perceptron else ():
            weight, bias = (layer[name][()] for name in ("weight", "bias"))
            del layer["weight"], layer["bias"]
            layer["weight"], layer["bias"] = np.kron(np.eye(COPIES), weight), np.tile(bias, COPIES)
    return perceptron


def one_copy(name, value, perceptron, k):
    """What copy k has of a result, as that of a case alone."""
    if name == "trajectory" or name == "gradient/initial_state":
        part = np.split(value, COPIES, axis=-1)[k]
        return part if name == "trajectory" else COPIES * part
    if perceptron and name.startswith("gradient/nonlinear"):
        block = tuple(slice(k * n // COPIES, (k + 1) * n // COPIES) for n in value.shape)
        return COPIES * value[block]
    return value


def problems_of_copies(case, ranks, space):
    """What is wrong with the gradient of a case side by side with itself, by the local solver."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(case / "case.yaml", folder)
        points, length = repeat_data(case / "data.h5", os.path.join(folder, "data.h5"))
        perceptron = repeat_model(case / "model.h5", os.path.join(folder, "model.h5"))
        settings = {"grid.points": points, "grid.length": repr(float(length)), "integrator.solver.kind": "local",
                    "integrator.subdomains.domain": "whole"}
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        status, out, err = harness.run(folder, "gradient", "case.yaml", "--quiet", *words, ranks=ranks, space=space)
        if status:
            return [f"exit status {status}", (out + err).strip()]
        got, wanted = results(os.path.join(folder, "gradient.h5")), results(case / "expected.h5")
    if set(got) != set(wanted):
        return [f"has {sorted(got)}, expected {sorted(wanted)}"]
    return [p for name in wanted for k in range(COPIES)
            if (p := compare(f"{name}, copy {k}", one_copy(name, got[name], perceptron, k), wanted[name], 1e-9, True))]


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
    cases = [pathlib.Path(word) for word in sys.argv[2:] if word != "--long"]
    if command == "local":
        runs = local_runs([case for case in cases if suits_local(case)], long)
    else:
        runs = [(case, split) for case in cases for split in splits_of(command, case, long)]
    for case, (ranks, space) in runs:
        problems = (problems_of_copies(case, ranks, space) if command == "local" else
                    problems_of(command, case, ranks, space))
        print(f"{case.name}: {ranks} ranks, {space} in space: {'; '.join(problems) or 'agrees'}")
        failures += bool(problems)
    sys.exit(failures > 0)


main()
