#!/bin/bash
# Error of every scheme against its step and against seconds, forward and adjoint, on one core: a table and figures.
#   jobs/convergence/run.sh
# Installs what is missing, builds, measures and draws: a minute or two. Results: runs/convergence.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

run=runs/convergence
started=$SECONDS

at_end say_where

begin "Dependencies"
jobs/install.sh

begin "Build"
cmake --preset release
cmake --build --preset release --target study

begin "Measurement of every scheme"
mkdir -p "$run"
# By way of another name, so that study.csv is never half a study.
mpirun -n 1 build/release/tests/convergence/convergence_study >"$run/study.csv.part"
mv "$run/study.csv.part" "$run/study.csv"

begin "Figures"
"$PYTHON" jobs/convergence/plot.py "$run/study.csv" "$run/figures"

stage="Summary"
grep ',reference,' "$run/study.csv" | awk -F, '
  { printf "\nreference of %s: forward %.1e, adjoint %.1e from that of another scheme", $1, $8, $9 }
  END { print "" }'
printf '\n== Done in %d s: %s/study.csv, %s/figures/*.png, *.pdf; what they show: docs/convergence.md\n' \
  $((SECONDS - started)) "$run" "$run"
