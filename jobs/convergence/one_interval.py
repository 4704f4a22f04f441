#!/usr/bin/python3
"""The error that a scheme makes in one interval of Kuramoto-Sivashinsky data, against the steps it takes.

    one_interval.py SINODE      the program; prints a table

Data: L = 22, N = 64, every 0.2, from 4 random initial states, with 64 steps of ETDRK4 an interval and dealiasing, as
the exact term has it. From each of 400 snapshots of each trajectory the exact equation (nonlinear.kind ks, linear.kind
spectral) is taken one interval on. The error is the root mean square over all of them of nrmse, which is that of one
over the standard deviation of the reference. Half a minute. Exit status: 0 done, 1 a run failed, 2 bad usage.
"""
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

CASE = """\
grid: {points: 64, length: 22.0}
generate: {file: data.h5, initial: random, members: 4, dt: 0.003125, transient: 100.0, span: 100.0, interval: 0.2,
           dealias: true}
model: {linear: {kind: spectral}, nonlinear: {kind: ks}}
integrator: {scheme: etdrk4, dt: 0.2}
predict: {model: none, data: data.h5, span: 0.2, starts: 400, file: prediction.h5, baselines: false}
"""
STEPS = (1, 2, 4, 8, 16)
SCHEMES = ("etdrk2", "lawson4", "lawson5", "etdrk4", "krogstad", "exprk5s8", "l2", "4", "5")


def measure(program, cases):
    """{(scheme, steps): error}; None where the scheme blew up."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "case.yaml").write_text(CASE)

        def run(command, *words):
            return subprocess.run([program, command, "case.yaml", "--quiet", "--overwrite", *words], cwd=folder,
                                  text=True, capture_output=True, check=False)

        made = run("generate")
        if made.returncode:
            sys.exit(made.stderr)
        for scheme, steps in cases:
            done = run("predict", "--set", f"integrator.scheme={scheme}", "--set", f"integrator.dt={0.2 / steps!r}")
            if done.returncode and "blew up" not in done.stderr:
                sys.exit(done.stderr)
            with h5py.File(folder / "prediction.h5") as file:
                found[scheme, steps] = None if done.returncode else float(np.sqrt(np.mean(file["nrmse"][:, 1]**2)))
    return found


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    errors = measure(str(pathlib.Path(sys.argv[1]).resolve()), [(s, n) for s in SCHEMES for n in STEPS])
    print("| scheme | " + " | ".join(f"{n}" for n in STEPS) + " |\n" + "|---" * (1 + len(STEPS)) + "|")
    for scheme in SCHEMES:
        row = (f"{errors[scheme, n]:.1e}" if errors[scheme, n] else "—" for n in STEPS)
        print(f"| `{scheme}` | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
