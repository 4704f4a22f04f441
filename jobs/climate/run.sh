#!/bin/bash
# Whether rollouts of 10000 time units of a trained model stay on the attractor: energy, spectrum, densities and
# autocorrelations of each of eight, beside the scatter of eight trajectories of the equation.
#   jobs/climate/run.sh [RANKS]
# Needs runs/best/model.h5 (jobs/configs/best.yaml says how to make it). Minutes. Results: runs/climate.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

ranks=${1:-2}
run=runs/climate
sinode=build/release/sinode

[ -f runs/best/model.h5 ] || die 3 "runs/best/model.h5 is missing: see jobs/configs/best.yaml"
mkdir -p "$run"
use_ranks "$ranks"
mpirun -n "$ranks" "$sinode" generate jobs/configs/best.yaml --overwrite --set run.directory="$run" \
  --set run.seed=77 --set generate.file="$run/truth.h5" --set generate.members=8 --set generate.dt=0.05 \
  --set generate.span=10000 --set generate.interval=1
mpirun -n "$ranks" "$sinode" predict jobs/configs/best.yaml --overwrite --set predict.data="$run/truth.h5" \
  --set predict.file="$run/prediction.h5" --set predict.starts=1 --set predict.span=10000 \
  --set predict.baselines=false --set integrator.dt=0.1 # statistics need no smaller steps
"$PYTHON" jobs/climate/compare.py "$run/prediction.h5" "$run/climate"
