#!/bin/bash
# The Kuramoto-Sivashinsky equation on a domain of 22 * 2^14, a million points, beside one of 22 * 2^10: energy per
# length, the spectrum of long waves, and what a step costs beside a script in NumPy (and pyFFTW, where there is one).
#   jobs/long_waves/run.sh [RANKS]
# Some minutes on one core. Results: runs/long_waves.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../common.sh"

ranks=${1:-1}
run=runs/long_waves
sinode=build/release/sinode
mkdir -p "$run"
use_ranks "$ranks"

# generate EXPONENT MEMBERS: on a domain of 22 * 2^EXPONENT; seconds of all cores are left in $run/EXPONENT.seconds.
generate() {
  TIMEFORMAT='%U %S'
  { time mpirun -n "$ranks" "$sinode" generate jobs/configs/ks64.yaml --overwrite \
      --set grid.points=$((64 << $1)) --set grid.length=$((22 << $1)) --set parallel.space="$ranks" \
      --set run.directory="$run/$1" --set generate.file="$run/$1.h5" --set generate.initial=noise \
      --set generate.members="$2" --set generate.dt=0.1 --set generate.transient=1000 --set generate.span=1000 \
      --set generate.interval=50 2>&3 | tee "$run/$1.log"; } 3>&2 2> "$run/$1.seconds"
}

generate 14 1
generate 10 4
for way in numpy pyfftw; do
  "$PYTHON" jobs/long_waves/rival.py "$way" > "$run/$way.seconds" || rm -f "$run/$way.seconds"
done
"$PYTHON" jobs/long_waves/plot.py "$run" "$run/long_waves"
