#!/bin/bash
# The paper's experiments (Zhang, Liu, Maulik 2023) from nothing, on one core: figures 1 to 3 and their numbers.
#   jobs/paper/run.sh [figure1|figure2|figure3]      all three by default
# Installs what is missing, builds, generates, trains, measures and draws; stopped, it goes on where it was. Minutes each:
# see docs/results.md. Leave the machine alone meanwhile. Results: runs/paper.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

what=${1:-all}
run=runs/paper
sinode=build/release/sinode
config=jobs/paper/paper.yaml
fine=(grid.points=512 'model.nonlinear.hidden=[1600, 1600, 1600, 1600]' "train.data=$run/512/data.h5")

# program COMMAND settings...
program() {
  local command=$1 settings=()
  shift
  for setting in "$@"; do settings+=(--set "$setting"); done
  mpirun -n 1 "$sinode" "$command" "$config" "${settings[@]}"
}

# generate POINTS
generate() {
  [ ! -f "$run/$1/data.h5" ] || return 0
  say "$(date +%T)  Data, N = $1"
  program generate grid.points="$1" run.directory="$run/$1/generate" generate.file="$run/$1/data.h5"
}

# train NAME settings...: the run $run/NAME, whole or as many epochs as the settings say. Its log ends with the seconds of
# CPU, from which follows what share of a core it had beside other work.
train() {
  local name=$1 log=$run/$1.log TIMEFORMAT='cpu %U %S'
  shift
  ! grep -qs '^cpu' "$log" || return 0
  say "$(date +%T)  Training: $name"
  { time program train run.directory="$run/$name" "$@" || die 1 "stopped; the same command goes on"; } 2>&1 | tee "$log.part"
  mv "$log.part" "$log"
}

stability() {
  generate 64
  generate 512
  [ ! -f "$run/stability.csv" ] || return 0
  say "$(date +%T)  The largest stable steps of explicit schemes"
  "$PYTHON" jobs/paper/stability.py "$sinode" "$config" "$run"
}

# stable_step POINTS SCHEME
stable_step() {
  awk -F, -v points="$1" -v scheme="$2" '$1 == points && $2 == scheme { print $4 }' "$run/stability.csv"
}

# The N = 512 model of figure 1, whose losses are a line of figure 3.
train_fine() {
  generate 512
  train 512/l2 "${fine[@]}" integrator.scheme=l2
}

figure1() {
  train_fine
  say "$(date +%T)  Figure 1: prediction at N = 512"
  program predict "${fine[@]}" predict.model=$run/512/l2/model.h5 predict.data=$run/512/data.h5 \
    predict.file=$run/512/prediction.h5
  "$PYTHON" io/python/sinode-tools map $run/512/prediction.h5 --output $run/figures/figure1
}

figure2() {
  stability
  for scheme in l2 3 4 5 cn; do train 64/$scheme integrator.scheme=$scheme; done
  for scheme in dopri5 rk4; do
    train 64/$scheme integrator.scheme=$scheme integrator.dt=0.001 train.epochs=3
    train 64/${scheme}_largest integrator.scheme=$scheme integrator.dt="$(stable_step 64 $scheme)" train.epochs=10
  done
  say "$(date +%T)  Figure 2"
  "$PYTHON" jobs/paper/plot.py figure2 $run
}

figure3() {
  stability
  train_fine
  for scheme in 3 4 5 cn; do train 512/$scheme "${fine[@]}" integrator.scheme=$scheme train.epochs=5; done
  say "$(date +%T)  Figure 3"
  "$PYTHON" jobs/paper/plot.py figure3 $run
}

case $what in
  figure1 | figure2 | figure3 | all) ;;
  *) die 2 "'$what' is none of figure1, figure2, figure3" ;;
esac
say "Dependencies"
jobs/install.sh
say "Build"
cmake --preset release
cmake --build --preset release --target sinode_program
mkdir -p "$run"
case $what in
  all) figure2; figure3; figure1 ;;
  *) $what ;;
esac
printf '\n== Done: %s/figures; what they show: docs/results.md\n' "$run"
