#!/bin/bash
# Training on noisy and gappy data, with estimated initial states and with those of the data; forecasts from clean and
# from noisy starts.
#   jobs/noise/run.sh [--quick] [RANKS]
# About half an hour of one core; stopped, it goes on where it was. Results: runs/noise/table.md, noise.png. --quick takes a
# minute and shows that everything works: its forecasts are worth nothing.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"
at_end say_where

quick=()
run=runs/noise
if [ "${1:-}" = --quick ]; then
  quick=(generate.span=20 train.epochs=4 predict.starts=2 predict.span=2)
  run=runs/noise_quick
  shift
fi
ranks=${1:-1}
sinode=${SINODE_PROGRAM:-build/release/sinode}
deviation=1.18
use_ranks "$ranks"

# program COMMAND settings...
program() {
  local command=$1 settings=()
  shift
  for setting in "$@" "${quick[@]}"; do settings+=(--set "$setting"); done
  mpirun -n "$ranks" "$sinode" "$command" jobs/noise/noise.yaml "${settings[@]}"
}

# noise PERCENT: its standard deviation
noise() { "$PYTHON" -c "print($deviation * $1 / 100)"; }

# generate NAME PERCENT settings...: $run/NAME.h5, unless it is there; the same trajectory whatever the noise
generate() {
  local file=$run/$1.h5 percent=$2
  shift 2
  [ -f "$file" ] || program generate run.directory="$run/generate" generate.file="$file" \
    generate.noise="$(noise "$percent")" "$@"
}

# forecasts NAME: from clean starts, and from noisy ones whose states are estimated; and from those as they are
forecasts() {
  local folder=$run/$1 percent=$2 stride=$3
  local noisy=$run/unseen_$percent.h5
  [ -f "$folder/clean.log" ] || program predict predict.model="$folder/model.h5" predict.data="$run/unseen_0.h5" \
    > "$folder/clean.log"
  [ -f "$folder/noisy.log" ] || program predict predict.model="$folder/model.h5" predict.data="$run/unseen_0.h5" \
    predict.initial=estimated predict.observations.data="$noisy" predict.observations.stride="$stride" \
    > "$folder/noisy.log"
}

for percent in 0 1 10 50; do
  begin "Data with $percent % of noise"
  generate "data_$percent" "$percent"
  generate "unseen_$percent" "$percent" run.seed=999 generate.span=6000
done
# train NAME PERCENT STRIDE settings...
train() {
  local name=$1 percent=$2 stride=$3
  shift 3
  program train run.directory="$run/$name" train.data="$run/data_$percent.h5" train.observations.stride="$stride" "$@"
  forecasts "$name" "$percent" "$stride"
}

for row in "1 1" "10 1" "50 1" "1 4"; do
  read -r percent stride <<< "$row"
  rest=${percent}_$stride
  begin "$percent % of noise, every point of $stride, initial states of the data"
  train "data_$rest" "$percent" "$stride" train.initial=data train.window=1 train.curriculum.jump_weight=0 train.epochs=30
  begin "$percent % of noise, every point of $stride, initial states estimated, from that model"
  train "estimated_$rest" "$percent" "$stride" train.model="$run/data_$rest/model.h5"
done
begin "Table and figure"
"$PYTHON" jobs/noise/plot.py "$run"
