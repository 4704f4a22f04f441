# shellcheck shell=bash
# Shared by the scripts of this project; to be sourced by bash. Goes to the project's root and sets up MPI.

script=$0
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 3

# Debian's interpreter, for which install.sh installs the packages, before any other on the PATH.
if [ -x /usr/bin/python3 ]; then PYTHON=/usr/bin/python3; else PYTHON=python3; fi
export PYTHON PYTHONDONTWRITEBYTECODE=1

if [ "$(id -u)" = 0 ]; then # a container, as a rule
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# OpenMPI counts cores, not hardware threads: let it start the ranks asked for on small and virtual machines too.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
# One rank a core is how sinode uses a machine; the BLAS gets threads by parallel.threads.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"

# Open MPI keeps the session of a start in a folder that all starts of a user share, and two at one moment may take it
# from each other: each script has one of its own. In /tmp, as paths of sockets are short.
sessions=$(mktemp -d /tmp/sinode-XXXXXX)
export OMPI_MCA_orte_tmpdir_base=$sessions PRTE_MCA_prte_tmpdir_base=$sessions
# at_end FUNCTION: is called with the script's exit status when it ends.
at_end() { at_end=$1; }
at_end=:
trap 'status=$?; rm -rf "$sessions"; $at_end $status || true' EXIT

# Ranks that share a core must give way while they wait.
use_ranks() {
  if [ "$(nproc)" -lt "$1" ]; then export OMPI_MCA_mpi_yield_when_idle=1; fi
}

# say TEXT: the headline of a stage.
say() { printf '\n== %s\n' "$*"; }

# begin TEXT: a stage with its headline. A script with `at_end say_where` says in which stage it failed.
begin() {
  stage=$1
  say "$(date +%T)  $stage"
}
say_where() {
  [ "$1" = 0 ] || printf '\n%s: failed in stage "%s" (status %d)\n' "$script" "${stage:-none}" "$1" >&2
}

# die STATUS TEXT
die() {
  local status=$1
  shift
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit "$status"
}
