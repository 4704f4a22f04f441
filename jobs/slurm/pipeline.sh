#!/bin/bash
# Submits generate, train and predict of one parameter file, each to start when the one before it has succeeded.
#   jobs/slurm/pipeline.sh [sbatch options] CONFIG.yaml [sinode options]
#   jobs/slurm/pipeline.sh --account=ACCOUNT --nodes=4 my.yaml --set parallel.space=4
# A stage that requeues itself keeps the next one waiting; one that fails cancels those behind it.
# STAGES="train predict" leaves out what is there already.
set -euo pipefail

fail() {
  printf 'pipeline: error: %s\n' "$*" >&2
  exit 2
}

options=()
while [ $# -gt 0 ] && [[ $1 == -* ]]; do
  options+=("$1")
  shift
done
if [ $# = 0 ] || [ ! -f "$1" ]; then
  fail "found '${1:-}' where the parameter file should be; sbatch options come before it, as --name=value"
fi
command -v sbatch >/dev/null || fail "there is no sbatch here; without SLURM run mpirun -n RANKS sinode COMMAND $1"

here=$(cd "$(dirname "$0")" && pwd)
before=
for stage in ${STAGES:-generate train predict}; do
  [ -f "$here/$stage.sbatch" ] || fail "STAGES names '$stage', but there are generate, train and predict"
  dependency=()
  if [ -n "$before" ]; then dependency=("--dependency=afterok:$before" --kill-on-invalid-dep=yes); fi
  id=$(sbatch --parsable "${options[@]}" "${dependency[@]}" "$here/$stage.sbatch" "$@")
  before=${id%%;*} # the cluster's name may follow
  printf '%-9s job %s%s\n' "$stage" "$before" "${dependency:+, after the one above}"
done
printf 'watch: squeue --me; sinode status %s; tail -f sinode-*-%s.log\n' "$1" "$before"
