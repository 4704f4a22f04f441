#!/bin/bash
# The twelve scores of the Common Task Framework's Kuramoto-Sivashinsky problem, beside the published ones.
#   jobs/ctf/run.sh [--quick] [FOLDER]
# FOLDER has the framework's matrices, train/X1train.mat ... train/X10train.mat and, as far as they are known,
# test/X1test.mat ...: what forecasts there are tests for is scored. Without it a twin of them is made, to which a
# comparison with the equation itself is added. Results: the table, and in runs/ctf table.md, table.csv and the forecasts
# as matrices, model/first and model/nearest. Up to half an hour on one core; stopped, it goes on where it was. --quick
# takes a minute and shows that everything works: its scores are worth nothing. RUN=DIRECTORY puts the results
# elsewhere, SEED=2 makes another twin.
set -euo pipefail
here=$PWD
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

quick=
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
fi
run=${RUN:-runs/ctf${quick:+_quick}}
seed=${SEED:-1}
sinode=${SINODE_PROGRAM:-build/release/sinode}
data=${1:+$(cd "$here" && realpath -m "$1")}
data=${data:-$run/data}
[ $# = 0 ] || [ -f "$data/train/X1train.mat" ] || die 3 "$1: has no train/X1train.mat"
at_end say_where
viscosities=(1.45 1.45 1.625 2.05) # of the short matrices X4, X5, X9, X10; ctf.yaml has those of the long ones
long=10000 short=100 frames=1000 frames_trained=100 members=64 settings=()
own_a=(model.linear.parameter=u_xxxx integrator.scheme=4 integrator.dt=0.1)
if [ "$quick" ]; then
  long=40 short=40 frames=30 frames_trained=12 members=3 settings=(--set train.epochs=20)
fi

step() { "$PYTHON" jobs/ctf/ctf.py "$@"; }
# import NAME VISCOSITIES: $run/NAME.npz to a trajectory file
import() {
  local parameter=()
  [ "$2" = none ] || parameter=(--parameter viscosity)
  "$PYTHON" io/python/sinode-tools import "$run/$1.npz" -o "$run/$1.h5" --overwrite --length 100.53096491487338 \
    "${parameter[@]}" >"$run/$1.import"
}
# program COMMAND CONFIG settings...: train goes on with what it began, the others replace
program() {
  local command=$1 config=$2 words=()
  shift 2
  [ "$command" = train ] || words+=(--overwrite)
  for setting in "$@"; do words+=(--set "$setting"); done
  "$sinode" "$command" --quiet "jobs/ctf/$config.yaml" "${settings[@]}" "${words[@]}"
}
matrix() { echo "$data/train/$1train.mat"; }
viscosity() { step viscosity "$run/$1/model.h5"; }

# learn NAME CONFIG MATRICES POINTS FRAMES VISCOSITIES settings...: $run/NAME/model.h5, unless it is there, from so many
# of their last frames, or all for 0
learn() {
  local name=$1 config=$2 matrices=$3 points=$4 count=$5 mu=$6
  shift 6
  [ ! -f "$run/$name/model.h5" ] || return 0
  begin "Training: $name"
  step excerpt "$matrices" "$points" "$count" "$mu" "$run/$name.npz"
  import "$name" "$mu"
  program train "$config" run.directory="$run/$name" train.data="$run/$name.h5" grid.points="$points" \
    train.resume=auto "$@"
}

# forecast PAIR KIND STATE POINTS VISCOSITY CONFIG settings...: $run/KIND/*/PAIR.mat; the fields are large, and go
forecast() {
  local pair=$1 kind=$2 state=$3 points=$4 mu=$5 config=$6
  shift 6
  [ ! -f "$run/$kind/nearest/$pair.mat" ] || return 0
  begin "Forecast of pair $pair: $kind"
  step start "$state" "$points" "$members" "$mu" "$run/start.npz"
  import start "$mu"
  program predict "$config" run.directory="$run/$kind" predict.data="$run/start.h5" \
    predict.file="$run/forecast.h5" predict.span="$frames" grid.points="$points" "$@"
  step keep "$run/forecast.h5" "$pair" "$run/$kind"
  rm -f "$run"/forecast.{h5,xdmf} "$run"/start.{npz,h5,xdmf,import}
}

mkdir -p "$run"
if [ $# = 0 ] && [ ! -f "$data/truth/viscosities.json" ]; then
  begin "Twin of the framework's data"
  program generate ctf run.directory="$run" grid.points=1024 run.seed="$seed" generate.file="$run/long.h5" \
    generate.span="$((long + frames - 1))"
  program generate ctf run.directory="$run" grid.points=1024 run.seed="$((seed + 1000))" generate.file="$run/short.h5" \
    generate.span="$((short + frames - 1))" generate.members=4 \
    generate.equation.parameter.values="[$(IFS=,; echo "${viscosities[*]}")]"
  step twin "$run/long.h5" "$run/short.h5" "$frames" "$seed" "$data"
  rm -f "$run"/{long,short}.{h5,xdmf}
fi

for name in X1 X4; do learn "$name" ctf "$(matrix "$name")" 128 "$frames_trained" none; done
for name in X6 X7 X8 X9 X10; do learn "$name" known "$(matrix "$name")" 256 "$frames_trained" none \
  "model.linear.coefficients={2: -1.0, 4: -1.0}" train.initial=data train.window=1 train.epochs=15; done
learnt=$(for name in X6 X7 X8; do viscosity "$name"; done | paste -sd,)
learn X6X7X8 ctf "$(matrix X6),$(matrix X7),$(matrix X8)" 128 "$(((frames_trained + 1) / 3))" "$learnt" \
  "${own_a[@]}"
for name in X2 X3 X5; do
  learn "$name" known "$(matrix "$name")" 96 0 none
  [ -f "$run/$name.mat" ] || step states "$run/$name/estimated.h5" "$run/$name.mat"
done

mkdir -p "$run"/{model,equation}/{first,nearest}
for set in 2:X2 4:X3; do # what is asked of these pairs are the states themselves
  for kind in first nearest; do ln -sf "../../${set#*:}.mat" "$run/model/$kind/${set%:*}.mat"; done
done
forecast 1 model "$(matrix X1)" 128 none ctf predict.model="$run/X1/model.h5"
forecast 3 model "$run/X2.mat" 96 none known predict.model="$run/X2/model.h5"
forecast 5 model "$run/X3.mat" 96 none known predict.model="$run/X3/model.h5"
forecast 6 model "$(matrix X4)" 128 none ctf predict.model="$run/X4/model.h5"
forecast 7 model "$run/X5.mat" 96 none known predict.model="$run/X5/model.h5"
for set in 8:X9 9:X10; do
  name=${set#*:}
  forecast "${set%:*}" model "$(matrix "$name")" 128 "$(viscosity "$name")" ctf predict.model="$run/X6X7X8/model.h5" \
    "${own_a[@]}"
done
if [ $# = 0 ]; then
  for set in 1:X1 3:X2 5:X3 6:X4 7:X5 8:X9 9:X10; do
    name=${set#*:}train
    mu=$("$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['$name'])" <"$data/truth/viscosities.json")
    forecast "${set%:*}" equation "$data/truth/$name.mat" 256 none known integrator.dt=0.1 \
      "model.linear.coefficients={2: -1.0, 4: -$mu}"
  done
  for set in 2:X2test 4:X4test; do
    for kind in first nearest; do ln -sf "$(realpath "$data/test/${set#*:}.mat")" "$run/equation/$kind/${set%:*}.mat"; done
  done
fi
begin "Scores"
step table "$data" "$run"
echo "took $SECONDS s"
