#!/bin/bash
# Builds sinode and runs its tests (all but the long ones); ends with one line that says how it went.
#   tests/run.sh [CMake options]     e.g. tests/run.sh -DSINODE_WARNINGS_AS_ERRORS=ON
#   tests/run.sh --test-only         of the build that is there
# SINODE_TEST_JOBS: tests at a time (default: two a core, since most of them wait half of the time).
# tests/dearest.py tells which took most.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../jobs/common.sh"

started=$SECONDS
report() {
  local status=$1
  if [ "$status" = 0 ]; then
    printf '\ntests/run.sh: all tests passed (%d s)\n' $((SECONDS - started))
  else
    printf '\ntests/run.sh: FAILED (status %d, %d s)\n' "$status" $((SECONDS - started))
  fi
}
at_end report

if [ "${1:-}" != --test-only ]; then
  say "Dependencies"
  jobs/install.sh --tests
  say "Build"
  cmake --preset release "$@"
  cmake --build --preset release
fi
say "Tests"
ctest --preset release --label-exclude long --parallel "${SINODE_TEST_JOBS:-$((2 * $(nproc)))}"
