#!/bin/bash
# Training on noisy and gappy data, with estimated initial states and with those of the data; forecasts from clean and
# from noisy starts.
#   jobs/noise/run.sh [--quick] [RANKS]
# Forty minutes of one core; stopped, it goes on where it was. Results: runs/noise/table.md, noise.png. --quick takes a
# minute and shows that everything works: its forecasts are worth nothing. SEED=2 takes another trajectory, other noise
# and other initial weights, and runs/noise_2, whose valid times the table of seed 1 then has, too.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"
at_end say_where

quick=()
seed=${SEED:-1}
run=runs/noise
[ "$seed" = 1 ] || run+=_$seed
if [ "${1:-}" = --quick ]; then
  quick=(generate.span=20 train.epochs=4 predict.starts=2 predict.span=2)
  run+=_quick
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
  for setting in run.seed="$seed" "$@" "${quick[@]}"; do settings+=(--set "$setting"); done
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

# learn NAME PERCENT STRIDE settings...: and forecasts from clean starts, and from noisy ones whose states are estimated
learn() {
  local folder=$run/$1 percent=$2 stride=$3
  shift 3
  program train run.directory="$folder" train.data="$run/data_$percent.h5" train.observations.stride="$stride" "$@"
  local forecast=(predict.model="$folder/model.h5" predict.data="$run/unseen_0.h5" "$@")
  [ -f "$folder/clean.log" ] || program predict "${forecast[@]}" > "$folder/clean.log"
  [ -f "$folder/noisy.log" ] || program predict "${forecast[@]}" predict.initial=estimated \
    predict.observations.data="$run/unseen_$percent.h5" predict.observations.stride="$stride" > "$folder/noisy.log"
}

for percent in 0 1 10 50; do
  begin "Data with $percent % of noise"
  generate "data_$percent" "$percent"
  generate "unseen_$percent" "$percent" run.seed="$((998 + seed))" generate.span=6000
done
# The noisier the data, the sooner a model of them as they are is fitted to noise, and the less windows join at first.
# That the mean of u is kept must be known where little is observed, or that model blows up.
for row in "1 1 40 100 false" "10 1 12 10 false" "50 1 12 1 true" "1 4 20 10 true"; do
  read -r percent stride epochs jump_weight conservative <<< "$row"
  rest=${percent}_$stride
  of_row=(model.nonlinear.conservative="$conservative")
  begin "$percent % of noise, every point of $stride, initial states of the data"
  learn "data_$rest" "$percent" "$stride" train.initial=data train.window=1 train.curriculum.jump_weight=0 \
    train.epochs="$epochs" train.optimizer.damping=0.01 "${of_row[@]}"
  begin "$percent % of noise, every point of $stride, initial states estimated, from that model"
  learn "estimated_$rest" "$percent" "$stride" train.model="$run/data_$rest/model.h5" \
    train.curriculum.jump_weight="$jump_weight" "${of_row[@]}"
done
for row in "1 1" "10 1" "50 1" "1 4"; do
  read -r percent stride <<< "$row"
  begin "$percent % of noise, every point of $stride, u u_x given, coefficients and initial states estimated"
  learn "known_${percent}_$stride" "$percent" "$stride" model.nonlinear.kind=ks model.linear.kind=derivatives \
    "model.linear.coefficients={1: 0.0, 2: -0.9, 3: 0.0, 4: -0.9}" model.linear.trainable=true \
    train.curriculum.epochs=2 train.jump_weight=1e5 train.epochs=14
done
begin "What data with 1 % of noise tell"
generate clean 0 run.seed="$((76 + seed))" generate.members=60 generate.span=20
program train run.directory="$run/bound" train.data="$run/clean.h5" train.model="$run/estimated_1_1/model.h5" \
  train.initial=data train.window=100 train.curriculum.jump_weight=0 train.epochs=1 train.optimizer.damping=1e12 \
  train.optimizer.acceleration=false
"$PYTHON" jobs/noise/bound.py "$(noise 1)" "$run/estimated_1_1/model.h5" "$run/bound/model.h5"

begin "Table and figure"
"$PYTHON" jobs/noise/plot.py "$run"
