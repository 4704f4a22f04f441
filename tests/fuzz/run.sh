#!/bin/bash
# Fuzzes the reader of the parameter file and the readers of HDF5 files, each for SECONDS (default: 600), with address
# and undefined-behaviour sanitizers, from tests/fuzz/seeds and corpus. What is found is left in build/fuzz/found. To keep
# what reached new code: build/fuzz/tests/fuzz/fuzz_NAME -merge=1 tests/fuzz/corpus/NAME build/fuzz/corpus/NAME
#   tests/fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-600}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_fcoll=dynamic_gen2 OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=0 OMPI_MCA_opal_signal=10 # abort() is for the fuzzer to catch, not for Open MPI
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzz_config fuzz_file
mkdir -p build/fuzz/found
status=0
for name in config file; do
  mkdir -p "build/fuzz/corpus/$name"
  log=build/fuzz/$name.log
  if "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
    "tests/fuzz/seeds/$name" >"$log" 2>&1; then
    grep -E "^(stat::|Done)" "$log" | sed "s/^/$name: /"
  else
    status=1
    printf '%s: FAILED; the end of %s:\n' "$name" "$log"
    tail -n 30 "$log"
  fi
done
exit $status
