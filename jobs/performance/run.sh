#!/bin/bash
# The tables of docs/performance.md: whole steps beside their baselines and beside PyTorch, on 1 and 2 ranks, in turn,
# three times; the same trainings in three precisions; and how the cost of an iteration grows.
#   jobs/performance/run.sh [tables|convolutions|precision|growth]      all by default
# Installs what is missing but PyTorch (python3-torch), builds, measures and draws: half an hour. Leave the
# machine alone meanwhile. Results: runs/performance.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

what=${1:-all}
run=runs/performance
sinode=build/release/sinode
config=jobs/configs/ks64.yaml
large='model.nonlinear.hidden=[1600, 1600, 1600, 1600]'

say "Dependencies"
jobs/install.sh
say "Build"
cmake --preset release
cmake --build --preset release --target sinode_program
mkdir -p "$run"

# measure NAME RANKS MEASUREMENT settings...: ours, beside its baseline
measure() {
  local name=$1 ranks=$2 only=$3
  shift 3
  local settings=()
  for setting in "$@"; do settings+=(--set "$setting"); done
  printf -- '-- %s, %d rank(s)\n' "$name" "$ranks"
  mpirun -n "$ranks" "$sinode" benchmark "$config" --overwrite --set run.directory="$run/${name}_$ranks" \
    --set benchmark.only="$only" "${settings[@]}" | grep "^$only "
}

# rival settings...: PyTorch's, with as many threads
rival() { "$PYTHON" jobs/performance/rival.py "$@"; }

needs_torch() {
  "$PYTHON" -c 'import torch' 2>/dev/null && return
  echo "python3-torch is not there (apt-get install python3-torch): the rival is left out"
  rival() { :; }
}

tables() {
  say "Whole steps beside their baselines, and the same in PyTorch"
  needs_torch
  for round in 1 2 3; do
    echo "round $round"
    for ranks in 1 2; do
      measure window1 $ranks train_iteration
      rival --threads $ranks
      measure window10 $ranks train_iteration train.window=10
      rival --threads $ranks --window 10
      measure large $ranks train_iteration grid.points=512 "$large"
      rival --threads $ranks --points 512 --hidden 1600
    done
    measure meeting 2 train_meeting
    measure large_space 2 train_iteration grid.points=512 "$large" parallel.space=2
    measure rollout 1 predict_step
    rival --threads 1 --predict
    rival --threads 2 --predict
  done
  measure cn 1 train_iteration integrator.scheme=cn
  measure dopri5 1 train_iteration integrator.scheme=dopri5 integrator.dt=0.001 benchmark.repeats=3
  for solver in fft banded dense; do measure solve_4099 1 solve_$solver grid.points=4099 train.batch=64; done
  measure solve_64 1 solve_fft
  for points in 1024 16384 1048576; do
    measure generator_$points 1 generate_step fft.plan=measure grid.points=$points grid.length=$((points * 22 / 64))
  done
}

# convolve NAME KIND SIZE KERNEL POINTS BATCH: a network of convolutions (two hidden layers of SIZE channels) or of SIZE
# products, its passes alone, a training iteration and that in mixed precision, on 1 rank by the processor's clock, on 2,
# and the same in PyTorch
convolve() {
  local name=$1 kind=$2 size=$3 kernel=$4 points=$5 batch=$6 sizes only settings
  case $kind in
    conv) sizes=(model.nonlinear.channels="[$size, $size]"); set -- --channels "$size" ;;
    product) sizes=(model.nonlinear.products="$size"); set -- --products "$size" ;;
  esac
  settings=(model.nonlinear.kind="$kind" "${sizes[@]}" model.nonlinear.kernel="$kernel" grid.points="$points"
    grid.length="$((points * 22 / 64))" train.batch="$batch")
  for only in network_forward network_backward network_tangent network_memory predict_step train_iteration; do
    measure "$name" 1 $only "${settings[@]}" benchmark.clock=processor
  done
  measure "${name}_mixed" 1 train_iteration "${settings[@]}" benchmark.clock=processor model.precision=mixed
  measure "${name}_mixed" 1 predict_step "${settings[@]}" benchmark.clock=processor model.precision=mixed
  rival --kind "$kind" "$@" --kernel "$kernel" --points "$points" --batch "$batch" --threads 1 --processor
  measure "$name" 2 train_iteration "${settings[@]}"
  measure "${name}_space" 2 train_iteration "${settings[@]}" parallel.space=2
  rival --kind "$kind" "$@" --kernel "$kernel" --points "$points" --batch "$batch" --threads 2
}

convolutions() {
  say "Convolutions beside their multiply-adds, and the same in PyTorch"
  needs_torch
  for round in 1 2 3; do
    echo "round $round"
    convolve conv8 conv 8 5 64 256
    convolve conv32 conv 32 5 64 256
    convolve conv16 conv 16 5 1024 64
    convolve conv16_long conv 16 5 65536 2
    convolve product1 product 1 31 64 256
    convolve product4_long product 4 9 65536 2
  done
}

# in_precisions NAME settings...: an iteration in each precision by the processor's clock, a training, and forecasts of
# the double one's model
in_precisions() {
  local name=$1
  shift
  local settings=()
  for setting in "$@"; do settings+=(--set "$setting"); done
  for round in 1 2 3; do
    for precision in double mixed; do
      measure "${name}_$precision" 1 train_iteration benchmark.clock=processor model.precision=$precision "$@"
    done
  done
  for precision in double mixed single; do
    "$sinode" train "$config" --quiet --overwrite --set train.data="$run/data.h5" \
      --set run.directory="$run/${name}_$precision" --set model.precision=$precision --set train.epochs=200 \
      "${settings[@]}"
    "$sinode" predict "$config" --quiet --overwrite --set run.directory="$run/${name}_forecast" \
      --set predict.model="$run/${name}_double/model.h5" --set predict.data="$run/data.h5" --set predict.span=20 \
      --set predict.file="$run/${name}_$precision.h5" --set model.precision=$precision
  done
  "$PYTHON" jobs/performance/precision.py "$run" "$name"
}

precision() {
  say "The same trainings in double, mixed and single precision"
  "$sinode" generate "$config" --quiet --overwrite --set generate.file="$run/data.h5" --set run.directory="$run/data"
  in_precisions mlp
  in_precisions conv model.nonlinear.kind=conv "model.nonlinear.channels=[16, 16]" model.nonlinear.kernel=5
  in_precisions product model.nonlinear.kind=product model.nonlinear.products=4 model.nonlinear.kernel=9
  PYTHONPATH=io/python "$PYTHON" -m sinode compare "$run"/mlp_{double,mixed,single} -o "$run/figures/precision"
}

growth() {
  say "How the cost of an iteration grows"
  "$PYTHON" jobs/performance/growth.py measure "$sinode" "$run"
  "$PYTHON" jobs/performance/growth.py draw "$run"
}

case $what in
  tables) tables ;;
  convolutions) convolutions ;;
  precision) precision ;;
  growth) growth ;;
  all) tables; convolutions; precision; growth ;;
  *) die 2 "'$what' is none of tables, convolutions, precision, growth" ;;
esac
printf '\n== Done: %s; what it shows: docs/performance.md\n' "$run"
