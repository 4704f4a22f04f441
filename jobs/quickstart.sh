#!/bin/bash
# From a fresh checkout to a trained model and figures, in a few minutes on two cores:
# installs what is missing, builds, generates data, trains on two ranks, predicts, draws; then the same with the recipe
# of jobs/configs/best.yaml, whose forecasts last longer.
#   jobs/quickstart.sh
# Run again after an interruption, it goes on where it stopped; after a change of jobs/configs/ks64.yaml it starts over.
# Results: runs/quickstart, runs/best. RANKS=4 jobs/quickstart.sh takes another number of ranks.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/common.sh"

ranks=${RANKS:-2}
run=runs/quickstart
config=jobs/configs/ks64.yaml
paper=jobs/configs/ks64_paper.yaml
best=jobs/configs/best.yaml
sinode=build/release/sinode

report() {
  [ "$1" != 0 ] || return
  # Not by the status alone: mpirun does not always pass on the program's 75.
  if grep -qs '"state": "checkpointed"' "$run/status.json" runs/best/status.json; then
    printf '\nquickstart: stopped with a good checkpoint; jobs/quickstart.sh goes on from there\n' >&2
  else
    say_where "$1"
  fi
}
at_end report

end() {
  printf -- '-- %s: %d s\n' "$stage" $((SECONDS - ended))
  ended=$SECONDS
}
ended=0

parallel() { mpirun -n "$ranks" "$sinode" "$@"; }

# Whether FILE was made with CONFIG as it is now; the copy beside it says with which it was made.
made_with() { [ -f "$1" ] && cmp -s "$2" "$1.made_with"; }

# generate CONFIG FILE [SETTINGS]
generate() {
  local config=$1 file=$2
  shift 2
  if made_with "$file" "$config"; then
    printf '%s is there already\n' "$file"
    return
  fi
  rm -f "$file.made_with"
  parallel generate "$config" --overwrite --set generate.file="$file" "$@"
  cp "$config" "$file.made_with"
}

# start_over RUN CONFIG: puts aside a run that was made with another CONFIG.
start_over() {
  if ! made_with "$1/data.h5" "$2" && [ -e "$1/checkpoints" ]; then
    local kept
    kept=$1-$(date +%Y%m%d-%H%M%S)
    printf '%s has changed since the last run, which is kept as %s\n' "$2" "$kept"
    mv "$1" "$kept"
  fi
}

begin "Dependencies"
jobs/install.sh
end

begin "Build"
cmake --preset release
cmake --build --preset release --target sinode_program
end

use_ranks "$ranks"
begin "Data: the paper's 1001 snapshots, and 5000 for training"
start_over "$run" "$config"
generate "$paper" runs/ks64_paper/data.h5
generate "$config" "$run/data.h5"
end

begin "Training on $ranks ranks"
parallel train "$config"
end

begin "Prediction"
parallel predict "$config" --overwrite
end

begin "Figures"
tools() { "$PYTHON" io/python/sinode-tools "$@"; }
tools all "$run"
tools map runs/ks64_paper/data.h5 --output "$run/figures/paper_data"
tools report "$run"
end

begin "A forecast that lasts: $best"
start_over runs/best "$best"
generate "$best" runs/best/data.h5
generate "$best" runs/best/unseen.h5 --set run.seed=999 --set generate.members=1 --set generate.span=6000
parallel train "$best"
parallel predict "$best" --set predict.baselines=false | tee runs/best/prediction.txt
parallel predict "$best" --quiet --overwrite --set predict.starts=1 --set predict.start=6000 --set predict.span=450 \
  --set predict.file=runs/best/prediction.h5
tools map runs/best/prediction.h5
end

stage="Summary"
PYTHONPATH=io/python "$PYTHON" - "$run" "$config" "$ranks" "$SECONDS" "$best" <<'END'
import os
import pathlib
import re
import sys
import sinode

run, config, ranks, seconds, best = sys.argv[1:]
history = sinode.read_history(run)
with sinode.open(f"{run}/prediction.h5") as prediction:
    threshold = sinode.threshold_of(prediction)
valid, lyapunov = sinode.runs.valid_time_of(f"{run}/prediction.h5")
median, low, high = re.search(r"that is (\S+) Lyapunov times .*quartiles (\S+) and (\S+),",
                              pathlib.Path("runs/best/prediction.txt").read_text()).groups()
print(f"""
== Done in {seconds} s

  training loss (mse)         {history.train_loss[-1]:.3e}
  test loss (validation set)  {history.validation_loss[-1]:.3e}
  epochs, seconds per epoch   {history.epoch[-1]:.0f}, {history.seconds[-1] / history.epoch[-1]:.3f}
  valid time of prediction    t = {valid:.2f}, or {lyapunov:.2f} Lyapunov times
                              (until the normalized error passes {threshold:g})
  and of {best}: median of 100 predictions {median} Lyapunov times (quartiles {low}, {high})

  report      {run}/report.html
  figures     {run}/figures/*.png, *.pdf; runs/best/prediction_map.png
  prediction  xarray.open_dataset("{run}/prediction.h5")

What next:
  train on from here   mpirun -n {ranks} build/release/sinode train {config} --set train.epochs=200
  then predict again   mpirun -n {ranks} build/release/sinode predict {config} --overwrite
  your own run         build/release/sinode template train > my.yaml
  all tests            tests/run.sh
""")
if os.getuid() == 0:
    print("As root, first: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n")
END
