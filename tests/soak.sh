#!/bin/bash
# Runs the usual tests again and again, to see that none fails by chance; ends with a table in markdown.
#   tests/soak.sh [N] [--load]     N times (default: 10); --load: beside a busy process on each core
# Wants a build (tests/run.sh, or cmake --build --preset release). Logs and the table: runs/soak. The status is 1 if a
# test has failed. SINODE_TEST_JOBS as for tests/run.sh.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../jobs/common.sh"

rounds=10 load=
for word in "$@"; do
  case $word in
    --load) load=yes ;;
    [1-9] | [1-9][0-9] | [1-9][0-9][0-9]) rounds=$word ;;
    *) die 2 "'$word' is neither a number of runs from 1 to 999 nor --load" ;;
  esac
done
[ -f build/release/CTestTestfile.cmake ] || die 2 "there is no build: call tests/run.sh first"

run=runs/soak/$(date +%Y%m%d-%H%M%S)
table=$run/table.md
mkdir -p "$run"

busy=() tests=
end() {
  [ ${#busy[@]} = 0 ] || kill "${busy[@]}"
  if [ -n "$tests" ]; then pkill -P "$tests"; fi # in the midst of a run: ctest, which takes its tests with it
}
at_end end
if [ -n "$load" ]; then
  for _ in $(seq "$(nproc)"); do
    while :; do :; done &
    busy+=($!)
  done
fi

# progress LOG PID: a line every half minute while a process runs.
progress() {
  while kill -0 "$2" 2>/dev/null; do
    for _ in $(seq 30); do
      kill -0 "$2" 2>/dev/null || return 0
      sleep 1
    done
    printf '%s  %s\n' "$(date +%T)" "$(grep -E 'Test +#' "$1" | tail -n 1)"
  done
}

failed_names() { sed -n 's/^\t *[0-9]* - \([^ ]*\) (\(Failed\|Timeout\|.*\)).*/\1/p' "$1" | sort | tr '\n' ' '; }

printf '| run | tests | failed | wall, s | which, and their log |\n|---|---|---|---|---|\n' >"$table"
all=0
for ((k = 1; k <= rounds; k++)); do
  log=$run/$k.log
  say "$(date +%T)  Run $k of $rounds${load:+, beside a busy process on each core}: $log"
  begun=$SECONDS
  tests/run.sh --test-only >"$log" 2>&1 &
  tests=$!
  progress "$log" $tests
  wait $tests || all=1
  tests=
  names=$(failed_names "$log")
  count=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log" || true)
  printf '| %d | %d | %d | %d | %s |\n' "$k" "$count" "$(wc -w <<<"$names")" $((SECONDS - begun)) \
    "${names:+$names($log)}" | tee -a "$table"
done

say "$rounds runs${load:+ beside a busy process on each core}, $(nproc) cores: $table"
cat "$table"
exit $all
