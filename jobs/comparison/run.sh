#!/bin/bash
# Forecasts on the domains that the literature reports, L = 60, 64, 100 and 200, beside the published figures: a model
# trained on each, the equation itself by the same steps, and on L = 200 also the model that was trained on L = 22.
#   jobs/comparison/run.sh [--quick] [RANKS]
# 25 minutes on one core; stopped, it goes on where it was. Results: the table, and in runs/comparison table.md and
# table.csv. --quick takes a minute and shows that everything works: its forecasts are worth nothing. RUN=DIRECTORY puts
# the results elsewhere.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"
at_end say_where

quick=
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
fi
ranks=${1:-1}
run=${RUN:-runs/comparison${quick:+_quick}}
sinode=${SINODE_PROGRAM:-build/release/sinode}
sizes=(22 60 64 100 200)
use_ranks "$ranks"

# setting SIZE: the reports' own spacing and interval; pairs of snapshots of some 6000 points; so long a forecast that
# most end. 22 is 21.875, a number of points of the spacing on L = 200.
setting() {
  case $1 in
    22) domain=(grid.length=21.875 grid.points=56) interval=0.25 pairs=100 span=600 members=20 ;;
    60) domain=(grid.length=60 grid.points=128) interval=0.25 pairs=50 span=250 members=8 ;;
    64) domain=(grid.length=64 grid.points=256) interval=0.2 pairs=25 span=250 members=8 ;;
    100) domain=(grid.length=100 grid.points=256) interval=0.25 pairs=25 span=250 members=8 ;;
    200) domain=(grid.length=200 grid.points=512) interval=0.25 pairs=12 span=250 members=8 ;;
  esac
  starts=50 truth=2200 fine=0.003125 transient=200 epochs=400 average=4000
  [ "$1" != 22 ] || truth=6000
  if [ "$quick" ]; then starts=2 truth=10 fine=0.05 transient=50 epochs=2 average=20 span=5 pairs=4 members=1; fi
  step=$("$PYTHON" -c "print($interval / 4)")
}

# program COMMAND SIZE settings...: train goes on with what it began, the others replace
program() {
  local command=$1 folder=$run/L$2 settings=()
  shift 2
  [ "$command" = train ] || settings+=(--overwrite)
  for setting in "${domain[@]}" run.directory="$folder" integrator.dt="$step" "$@"; do settings+=(--set "$setting"); done
  mpirun -n "$ranks" "$sinode" "$command" jobs/comparison/comparison.yaml "${settings[@]}"
}

# generate SIZE NAME settings...: $run/LSIZE/NAME.h5, unless it is there
generate() {
  local file=$run/L$1/$2.h5 size=$1
  shift 2
  [ -f "$file" ] || program generate "$size" generate.file="$file" generate.interval="$interval" generate.dt="$fine" \
    generate.transient="$transient" "$@"
}

# forecast SIZE NAME settings...: the scores of forecasts, in $run/LSIZE/NAME.json; their fields are large, and go
forecast() {
  local stem=$run/L$1/$2 size=$1
  shift 2
  [ ! -f "$stem.json" ] || return 0
  program predict "$size" predict.data="$run/L$size/unseen.h5" predict.file="$stem.h5" predict.starts="$starts" \
    predict.span="$span" "$@"
  "$PYTHON" jobs/comparison/table.py score "$stem.h5" "$stem.json"
  rm -f "$stem.h5" "$stem.xdmf"
}

equation=(predict.model=none model.nonlinear.kind=ks)

for size in "${sizes[@]}"; do
  setting "$size"
  begin "L = $size: data"
  generate "$size" data generate.members="$pairs" generate.span="$interval"
  generate "$size" unseen run.seed=999 generate.members=1 generate.span="$truth"
  begin "L = $size: Lyapunov exponent"
  [ -f "$run/L$size/lyapunov.h5" ] || program lyapunov "$size" lyapunov.file="$run/L$size/lyapunov.h5" \
    model.nonlinear.kind=ks integrator.dt="$("$PYTHON" -c "print(2 * $step)")" lyapunov.members="$members" \
    lyapunov.span="$average" lyapunov.transient="$((5 * transient / 2))"
  begin "L = $size: training"
  program train "$size" train.data="$run/L$size/data.h5" train.epochs="$epochs"
  begin "L = $size: forecasts"
  forecast "$size" forecast predict.model="$run/L$size/model.h5"
  forecast "$size" equation "${equation[@]}"
done
begin "L = 200: forecasts by the model of L = 22"
forecast 200 from_22 predict.model="$run/L22/model.h5"
begin "Table"
"$PYTHON" jobs/comparison/table.py table "$run"
