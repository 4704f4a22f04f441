# shellcheck shell=bash
# What the jobs of this folder share; sourced by them. Runs one command of sinode on all ranks of the job. If it stops
# with a checkpoint, or ranks are lost, the job requeues itself, as long as every turn gets further than the one before.
#   SINODE          the program (default: build/release/sinode, or the first on the PATH)
#   SINODE_LAUNCH   what starts it on the ranks (default: srun --mpi=pmix --kill-on-bad-exit=1)
#   SINODE_JOBS     this folder, where SLURM cannot tell it
# modules.sh in this folder, made from modules.example, may set them, and loads what the program needs.

note() { printf '== %s  %s\n' "$(date +%FT%T)" "$*"; }
die() {
  printf '%s: error: %s\n' "$SLURM_JOB_NAME" "$2" >&2
  exit "$1"
}

folder=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=/dev/null
if [ -f "$folder/modules.sh" ]; then source "$folder/modules.sh"; fi

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OPENBLAS_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun does not take it over from sbatch by itself
# SLURM's other ways to wait for all ranks do not, on fewer nodes than TreeWidth (src/base/mpi_library.c says more).
export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-ring}
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

# Where ranks are started by mpirun, or by a srun that names no folder for their session, it is one of this job alone:
# in the folder that all of a user share, jobs that start at the same moment may take it from each other. No job of
# another cluster may have the name either.
sessions=${TMPDIR:-/tmp}
[ ${#sessions} -le 20 ] || sessions=/tmp # sockets are below it, and their paths are short
sessions=$(mktemp -d "$sessions/sinode-$SLURM_JOB_ID-XXXXXX") || die 3 "no folder for MPI's session can be made"
trap 'rm -rf "$sessions"' EXIT

# One rank for every --cpus-per-task of the node's processors, unless ranks were asked for. SLURM keeps a number of
# ranks that it knows when it requeues a job, and then waits for as many nodes.
count_ranks() {
  if [ -n "${SLURM_NTASKS:-}" ]; then return; fi
  local ranks=$((SLURM_CPUS_ON_NODE / ${SLURM_CPUS_PER_TASK:-1}))
  export SLURM_NTASKS=$((ranks * SLURM_JOB_NUM_NODES)) SLURM_NTASKS_PER_NODE=$ranks
  export SLURM_TASKS_PER_NODE="$ranks(x$SLURM_JOB_NUM_NODES)"
}

find_program() {
  if [ -z "${SINODE:-}" ]; then
    SINODE=build/release/sinode
    [ -x "$SINODE" ] || SINODE=$(command -v sinode) ||
      die 2 "sinode is not on the PATH; set SINODE, or load its module in $folder/modules.sh"
  fi
  if [ -z "${SINODE_LAUNCH:-}" ]; then
    SINODE_LAUNCH="srun --mpi=pmix --kill-on-bad-exit=1" # a rank that ends alone leaves others waiting for it
    srun --mpi=list 2>&1 | grep -qw pmix ||
      die 2 "this SLURM has no PMIx; set SINODE_LAUNCH in $folder/modules.sh, to \"srun --mpi=pmi2\" or \"mpirun\" say"
  fi
}

# launch [options] ARGUMENTS...: the program on the ranks of the job. Each start has a folder of its own: one that is
# about to end, whose answer has been read already, takes away what it has in common with the next one.
launch() {
  local session
  session=$(mktemp -d "$sessions/XXX") || die 3 "no folder for MPI's session can be made"
  OMPI_MCA_orte_tmpdir_base=$session PRTE_MCA_prte_tmpdir_base=$session $SINODE_LAUNCH "$@"
}

# Where the run stands: a word and a number.
read_status() {
  read -r state step < <(launch -n 1 "$SINODE" status "$@" </dev/null) ||
    die 3 "cannot tell where the run stands: sinode status $* failed"
}

# A job that was cancelled while it wrote its checkpoint is not to come back.
requeue() {
  local id=$SLURM_JOB_ID
  if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then id=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID; fi
  scontrol show job "$id" | grep -q JobState=RUNNING || die 75 "is not to go on: the job was ended from outside"
  note "requeued at step $step"
  scontrol requeue "$id" || die 75 "cannot be requeued; submit the same job again to go on"
  sleep 60 # SLURM ends this script
  exit 75
}

# stage COMMAND CONFIG.yaml [options]. In the options %a stands for the number of the task in a job array.
stage() {
  local command=$1 status before=0 state=none step=0 arguments=()
  shift
  [ $# -gt 0 ] || die 2 "give it a parameter file: sbatch $command.sbatch CONFIG.yaml [options]"
  find_program
  count_ranks
  for word in "$@"; do
    # What --overwrite was to replace has been replaced in the first turn.
    if [ "$word" = --overwrite ] && [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then continue; fi
    arguments+=("${word//%a/${SLURM_ARRAY_TASK_ID:-%a}}")
  done
  if [ "$command" != predict ] && [[ " ${arguments[*]} " != *" --overwrite "* ]]; then
    read_status "${arguments[@]}"
    if [ "$state" != complete ]; then before=$step; fi # else of a run before this one, of generate say
  fi
  note "$command: turn $((${SLURM_RESTART_COUNT:-0} + 1)), $SLURM_NTASKS ranks on $SLURM_JOB_NODELIST, from step $before"
  launch "$SINODE" "$command" "${arguments[@]}"
  status=$?
  note "$command: status $status"
  if [ $status = 0 ] || [ "$command" = predict ]; then exit $status; fi
  # Not by the status alone: some launchers turn 75 into 1, and ranks that were lost said nothing.
  read_status "${arguments[@]}"
  if [ "$state" = running ]; then
    note "ranks were lost; the run was at step $step and goes on from its last checkpoint"
  elif [ "$state" != checkpointed ]; then
    exit $status
  fi
  [ "$step" -gt "$before" ] ||
    die $status "stopped at step $step, where it began: not requeued; give it more --time, or an earlier --signal"
  requeue
}
