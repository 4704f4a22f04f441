#!/bin/bash
# The paper's experiments (Zhang, Liu, Maulik 2023) from nothing, on one core: figures 1 to 3 and their numbers.
#   jobs/paper/run.sh [figure1|figure2|figure3]      all three by default
# Installs what is missing, builds, generates, trains, measures and draws; stopped, it goes on where it was. Ten minutes
# for figure 1, six for figure 2, sixteen for figure 3. Results: runs/paper.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

what=${1:-all}
run=runs/paper
sinode=build/release/sinode
config=jobs/paper/paper.yaml
fine=(grid.points=512 'model.nonlinear.hidden=[1600, 1600, 1600, 1600]' "train.data=$run/512/data.h5")

# program COMMAND settings...: what train began it goes on with, what others wrote they replace
program() {
  local command=$1 settings=()
  shift
  [ "$command" = train ] || settings+=(--overwrite)
  for setting in "$@"; do settings+=(--set "$setting"); done
  mpirun -n 1 "$sinode" "$command" "$config" "${settings[@]}"
}

# generate NAME settings...: the data $run/NAME.h5, unless they are there
generate() {
  local name=$1
  shift
  [ ! -f "$run/$name.h5" ] || return 0
  say "$(date +%T)  Data: $name"
  program generate run.directory="$run/generate/$name" generate.file="$run/$name.h5" "$@"
}

# train NAME settings...: the run $run/NAME. Its log ends with the seconds of CPU, from which follows what share of a
# core it had beside other work.
train() {
  local name=$1 log=$run/$1.log TIMEFORMAT='cpu %U %S'
  shift
  ! grep -qs '^cpu' "$log" || return 0
  say "$(date +%T)  Training: $name"
  {
    time program train run.directory="$run/$name" "$@" || die 1 "stopped; the same command goes on"
  } 2>&1 | tee -i "$log.part"
  mv "$log.part" "$log"
}

stability() {
  generate 64/data
  generate 512/data grid.points=512
  [ ! -f "$run/stability.csv" ] || return 0
  say "$(date +%T)  The largest stable steps of explicit schemes"
  "$PYTHON" jobs/paper/stability.py "$sinode" "$config" "$run"
}

# stable_step POINTS SCHEME
stable_step() {
  awk -F, -v points="$1" -v scheme="$2" '$1 == points && $2 == scheme { print $4 }' "$run/stability.csv"
}

# Five times the paper's snapshots, as many iterations of training; the prediction starts behind what was trained on.
figure1() {
  generate 512/long grid.points=512 generate.span=999.8
  train 512/long "${fine[@]}" train.data=$run/512/long.h5 train.epochs=40 train.schedule.kind=cosine \
    train.checkpoint.every=10
  say "$(date +%T)  Figure 1"
  program predict "${fine[@]}" predict.model=$run/512/long/model.h5 predict.data=$run/512/long.h5 \
    predict.file=$run/512/prediction.h5 predict.start=4000 predict.span=60
  program predict "${fine[@]}" predict.model=$run/512/long/model.h5 predict.data=$run/512/long.h5 predict.file=none \
    predict.start=4000 predict.starts=50 predict.span=60
  "$PYTHON" io/python/sinode-tools map $run/512/prediction.h5 --output $run/figures/figure1
}

# network_loss SCHEME STEP: of the network of IMEX-RK5, as predictions over an interval from every training window
network_loss() {
  program predict predict.model=$run/64/5/model.h5 predict.file="$run/64/loss_$1.h5" predict.start=0 \
    predict.starts=800 predict.span=0.2 predict.baselines=false integrator.scheme="$1" integrator.dt="$2"
}

figure2() {
  stability
  for scheme in l2 3 4 5; do train 64/$scheme integrator.scheme=$scheme; done
  # As loose as the losses do not show; the same without the preconditioner (plain), and as exact as can be.
  train 64/cn integrator.scheme=cn integrator.newton.tolerance=1e-4
  train 64/cn_plain integrator.scheme=cn integrator.newton.tolerance=1e-4 integrator.newton.precondition=false \
    train.epochs=5
  train 64/cn_plain_exact integrator.scheme=cn integrator.newton.precondition=false train.epochs=5
  for scheme in dopri5 rk4; do
    train 64/${scheme}_largest integrator.scheme=$scheme integrator.dt="$(stable_step 64 $scheme)" train.epochs=5
    train 64/$scheme integrator.scheme=$scheme integrator.dt=0.001 train.epochs=2
  done
  say "$(date +%T)  Figure 2"
  network_loss l2 0.2
  network_loss 5 0.2
  network_loss dopri5 "$(stable_step 64 dopri5)"
  "$PYTHON" jobs/paper/plot.py figure2 $run
}

# An iteration at N = 512 over windows of 4 of the largest stable steps, of which some 300,000 make an interval of 0.2.
train_steps() {
  local scheme=$1 step interval span
  step=$(stable_step 512 "$scheme")
  read -r interval span < <(awk -v step="$step" 'BEGIN { printf "%.17g %.17g\n", 4 * step, 256 * 4 * step }')
  local few=("${fine[@]}" "generate.interval=$interval" "train.data=$run/512/${scheme}_steps.h5")
  generate "512/${scheme}_steps" "${few[@]}" generate.initial=file generate.initial_file="$run/512/data.h5" \
    generate.transient=0 "generate.dt=$interval" "generate.span=$span"
  train "512/${scheme}_steps" "${few[@]}" integrator.scheme="$scheme" integrator.dt="$step" train.validation=0 \
    train.epochs=1
}

# Newton–Krylov with and without its preconditioner over an interval at N = 512, by the step and by a tenth of it.
implicit() {
  local step precondition
  for step in 0.2 0.02; do
    for precondition in true false; do
      echo "-- Crank–Nicolson, N = 512, step $step, precondition $precondition"
      program predict "${fine[@]}" model.nonlinear.kind=ks predict.model=none predict.data=$run/512/data.h5 \
        predict.file=none predict.span=0.2 integrator.scheme=cn integrator.dt=$step \
        integrator.newton.precondition=$precondition 2>&1 | grep -E 'iterations:|did not converge' || true
    done
  done
}

# From snapshots of the training part, and from the first behind it.
predict_fine() {
  local from=("${fine[@]}" "predict.model=$run/512/l2/model.h5" "predict.data=$run/512/data.h5" predict.file=none)
  program predict "${from[@]}" predict.start=0 predict.starts=30 predict.span=30 | grep '^valid time'
  program predict "${from[@]}" | grep '^valid time'
}

figure3() {
  stability
  train 512/l2 "${fine[@]}"
  train 512/3 "${fine[@]}" integrator.scheme=3 train.epochs=35
  for scheme in 4 5; do train 512/$scheme "${fine[@]}" integrator.scheme=$scheme train.epochs=5; done
  train 512/cn "${fine[@]}" integrator.scheme=cn integrator.newton.tolerance=1e-4 train.epochs=5
  for scheme in dopri5 rk4; do train_steps $scheme; done
  say "$(date +%T)  Figure 3"
  implicit | tee $run/512/implicit.txt
  predict_fine | tee $run/512/predictions.txt
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
mkdir -p "$run"/{64,512}
case $what in
  all) figure2; figure3; figure1 ;;
  *) $what ;;
esac
printf '\n== Done: %s/figures; what they show: docs/results.md\n' "$run"
