#!/usr/bin/env bash
# Counts the instructions of the hot functions under valgrind and compares them with scripts/instructions.txt.
# Counts, not times: they are the same on a busy machine.
#
#   scripts/instructions.sh          compare; a function that takes over 5 % more than its baseline fails
#   scripts/instructions.sh write    write the baseline anew; say in the commit why it may grow
#
# Each function runs twice, a different number of times; the difference is that of so many runs, since all else is done
# once. Valgrind shows every program the same processor, so the counts of one compiler are the same on all that it runs on.
# Exit codes: 0 within bounds, 1 not, 3 NOT RUN: no valgrind; 4: the baseline is of another compiler, which chooses other
# instructions, so there is nothing to compare with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BASELINE=scripts/instructions.txt
readonly FEW=100 MANY=300
readonly MORE_PER_CENT=5

not_run() { echo "NOT RUN: $*"; exit 3; }
command -v valgrind >/dev/null || not_run "valgrind is not installed"
compiler=$(rustc --version)

if [[ ${1:-} != write ]]; then
  [[ -r $BASELINE ]] || { echo "$BASELINE is missing: scripts/instructions.sh write" >&2; exit 1; }
  if ! head -n 1 "$BASELINE" | grep -qF "with: $compiler"; then
    echo "the baseline is not of $compiler; scripts/instructions.sh write, and commit it"
    exit 4
  fi
fi

# Without incremental files, which would cut functions differently from build to build.
# With doos named, what it needs is built the same way as for it, and not a second time.
CARGO_INCREMENTAL=0 cargo build -q --locked --profile fast -p doos -p doos-bench --example hot
hot=${CARGO_TARGET_DIR:-target}/fast/examples/hot
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

total_of() { # name runs
  local log="$scratch/log"
  if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null "$hot" "$1" "$2" >/dev/null 2>"$log"; then
    tail -n 20 "$log" >&2
    echo "$1 could not be run under valgrind" >&2
    exit 1
  fi
  awk '/Collected/ { print $NF }' "$log"
}

counts() {
  local name few many
  while read -r name; do
    few=$(total_of "$name" "$FEW")
    many=$(total_of "$name" "$MANY")
    echo "$name $(((many - few) / (MANY - FEW)))"
  done < <("$hot")
}

if [[ ${1:-} == write ]]; then
  {
    echo "# Instructions of one run, counted by scripts/instructions.sh with: $compiler"
    counts
  } >"$scratch/baseline"
  mv "$scratch/baseline" "$BASELINE"
  cat "$BASELINE"
  exit
fi

counts >"$scratch/now"
awk -v most="$MORE_PER_CENT" '
  FNR == NR { if ($1 != "#") base[$1] = $2; next }
  !($1 in base) { printf "%-20s %9d   NEW: scripts/instructions.sh write\n", $1, $2; bad = 1; next }
  {
    change = 100 * ($2 - base[$1]) / base[$1]
    verdict = "ok"
    if (change > most) { verdict = "TOO MANY"; bad = 1 }
    if (change < -most) verdict = "better: scripts/instructions.sh write keeps it"
    printf "%-20s %9d   was %9d   %+6.1f %%   %s\n", $1, $2, base[$1], change, verdict
    delete base[$1]
  }
  END {
    for (name in base) { printf "%-20s GONE, and still in the baseline\n", name; bad = 1 }
    exit bad
  }' "$BASELINE" "$scratch/now"
