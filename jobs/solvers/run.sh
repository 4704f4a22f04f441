#!/bin/bash
# Error, seconds and memory of the implicit solvers against N, and the benchmark of the main kernels: a table and figures.
#   jobs/solvers/run.sh
# Installs what is missing, builds, measures and draws: some minutes. Results: runs/solvers.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

run=runs/solvers
started=$SECONDS

stage=
report() {
  local status=$?
  [ $status = 0 ] || printf '\nsolvers: failed in stage "%s" (status %d)\n' "$stage" $status >&2
}
trap report EXIT

begin() {
  stage=$1
  say "$(date +%T)  $stage"
}

begin "Dependencies"
jobs/install.sh

begin "Build"
cmake --preset release
cmake --build --preset release --target solver_study sinode_program

begin "Error, seconds and memory against N, on one and on two ranks"
mkdir -p "$run"
for ranks in 1 2; do
  mpirun -n $ranks build/release/tests/solvers/solver_study >"$run/study.csv.part"
  mv "$run/study.csv.part" "$run/study_$ranks.csv"
  echo "written: $run/study_$ranks.csv"
done

begin "Figures"
"$PYTHON" jobs/solvers/plot.py "$run/study_1.csv" "$run/figures"

begin "Benchmark: each beside its bare floor"
measure() { # name, ranks, settings...
  local name=$1 ranks=$2
  shift 2
  echo "-- $name, $ranks rank(s)"
  mpirun -n "$ranks" build/release/sinode benchmark jobs/configs/ks64.yaml --overwrite \
    --set run.directory="$run/${name}_$ranks" "$@" | grep -E '^(generate_step|solve_|predict_step|train_iteration) '
}
large='model.nonlinear.hidden=[1600, 1600, 1600, 1600]'
for points in 1024 16384 1048576; do
  measure "generator_$points" 1 --set benchmark.only=generate_step --set fft.plan=measure --set grid.points=$points \
    --set grid.length=$((points * 22 / 64))
done
measure solve 1 --set benchmark.only=[solve_fft,solve_banded,solve_dense] --set train.batch=64 --set grid.points=4099
measure rollout 1 --set benchmark.only=predict_step
for ranks in 1 2; do
  measure window1 $ranks --set benchmark.only=train_iteration
  measure window10 $ranks --set benchmark.only=train_iteration --set train.window=10
  measure large $ranks --set benchmark.only=train_iteration --set grid.points=512 --set "$large"
done
measure large_space 2 --set benchmark.only=train_iteration --set grid.points=512 --set "$large" --set parallel.space=2

stage="Summary"
printf '\n== Done in %d s: %s/study_*.csv, %s/*/benchmark.csv, %s/figures/*.png, *.pdf; what they show: docs/performance.md\n' \
  $((SECONDS - started)) "$run" "$run" "$run"
