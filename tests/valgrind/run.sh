#!/bin/bash
# Unit tests at one rank under valgrind: errors are ours or named in mpi.supp. Memory that Open MPI keeps until exit is
# not looked at; that ours is given back, the tests count themselves.
#   tests/valgrind/run.sh [NAME...]     default: all, in the build of the preset debug
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_fcoll=dynamic_gen2 OPENBLAS_NUM_THREADS=1
cmake --preset debug -DSINODE_NATIVE=OFF >/dev/null
cmake --build --preset debug
status=0
for test in build/debug/tests/unit/test_*; do
  name=$(basename "$test")
  [ -x "$test" ] && [ -f "$test" ] || continue
  [ $# = 0 ] || [[ " $* " == *" ${name#test_} "* ]] || continue
  if valgrind --quiet --error-exitcode=9 --leak-check=no --suppressions=tests/valgrind/mpi.supp "$test" >/dev/null; then
    echo "$name: clean"
  else
    echo "$name: FAILED"
    status=1
  fi
done
exit $status
