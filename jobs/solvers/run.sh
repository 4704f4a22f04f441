#!/bin/bash
# Error, seconds and memory of the implicit solvers against N: tables and figures.
#   jobs/solvers/run.sh
# Installs what is missing, builds, measures and draws: some minutes. Results: runs/solvers.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

run=runs/solvers
started=$SECONDS

at_end say_where

begin "Dependencies"
jobs/install.sh

begin "Build"
cmake --preset release
cmake --build --preset release --target solver_study sinode_program

begin "Error, memory and messages against N, on 1, 2, 4 and 8 ranks; seconds on one and two"
mkdir -p "$run"
for ranks in 1 2 4 8; do
  mode=
  [ $ranks -le 2 ] || mode=bytes
  mpirun -n $ranks build/release/tests/solvers/solver_study $mode >"$run/study.csv.part"
  mv "$run/study.csv.part" "$run/study_$ranks.csv"
  echo "written: $run/study_$ranks.csv"
done

begin "Figures"
"$PYTHON" jobs/solvers/plot.py "$run/study_1.csv" "$run/figures"

stage="Summary"
printf '\n== Done in %d s: %s/study_*.csv, %s/figures/*.png, *.pdf; what they show: docs/performance.md\n' \
  $((SECONDS - started)) "$run" "$run"
