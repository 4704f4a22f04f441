#!/bin/bash
# A model trained on 64 points (jobs/configs/best.yaml) rolled out on 65536 of the same spacing, a domain 1024 times as
# long, beside the equation itself at that size: spectra of both, and a picture.
#   jobs/huge/run.sh [RANKS]
# Needs runs/best/model.h5 (jobs/configs/best.yaml says how to make it). Some minutes. Results: runs/huge.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

ranks=${1:-2}
run=runs/huge
sinode=build/release/sinode
large=(--set grid.points=65536 --set grid.length=22528 --set "parallel.space=$ranks")

[ -f runs/best/model.h5 ] || die 3 "runs/best/model.h5 is missing: see jobs/configs/best.yaml"
mkdir -p "$run"
use_ranks "$ranks"
# Long waves make every part of the domain another one.
mpirun -n "$ranks" "$sinode" generate jobs/configs/best.yaml "${large[@]}" --overwrite \
  --set run.directory="$run" --set generate.file="$run/truth.h5" --set generate.initial=paper --set generate.members=2 \
  --set generate.perturbation=0.5 --set generate.dt=0.1 --set generate.transient=200 --set generate.span=100 \
  --set generate.interval=2
mpirun -n "$ranks" "$sinode" predict jobs/configs/best.yaml "${large[@]}" --overwrite \
  --set predict.data="$run/truth.h5" --set predict.file="$run/prediction.h5" --set predict.starts=1 \
  --set predict.span=100 --set predict.baselines=false --set integrator.dt=0.1 # statistics need no smaller steps
"$PYTHON" jobs/huge/plot.py "$run/prediction.h5" "$run/huge"
