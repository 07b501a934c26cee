#!/usr/bin/env bash
# Runs every scenario of `doos bench` on a release build and writes what was measured into the documentation: tables and
# charts below docs/performance, and between the marks of docs/performance.md and docs/capacity.md.
#
# Usage: scripts/bench.sh [options of doos bench]      such as --orders 1000000, or a few scenarios by name
#   DOOS_BENCH_PROFILE=fast   another build profile than release
#   DOOS_BENCH_INTO=DIR       write there and leave the documentation alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=${DOOS_BENCH_PROFILE:-release}
into=${DOOS_BENCH_INTO:-docs/performance}
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain --untracked-files=no 2>/dev/null) ]] || commit+=' with changes'
# Ten thousand idle connections need as many files, here and in the server.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

# Short rounds, so that the lot, and the check of millions of orders behind it, ends within ten minutes.
(($#)) || set -- --seconds 2 --long-seconds 10

DOOS_COMMIT=$commit cargo build -q --locked --profile "$profile" -p doos
doos=${CARGO_TARGET_DIR:-target}/$profile/doos
outcome=0
"$doos" bench --report "$into" "$@" || outcome=$?
if ((outcome > 1)); then exit "$outcome"; fi

# Puts a file between the marks of a page, in place of what stands there.
splice() { # page mark file
  # The page stands one folder above the charts.
  sed 's|](\([a-z]*\.svg\))|](performance/\1)|' "$3" >"$1.part"
  awk -v begin="<!-- $2:begin -->" -v end="<!-- $2:end -->" -v file="$1.part" '
    $0 == begin { print; print ""; while ((getline line < file) > 0) print line; print ""; skip = 1; next }
    $0 == end { skip = 0; done = 1 }
    !skip { print }
    END { if (!done) { print "the marks " begin " are not in the page" > "/dev/stderr"; exit 1 } }
  ' "$1" >"$1.new"
  mv "$1.new" "$1"
  rm "$1.part"
}
if [[ -z ${DOOS_BENCH_INTO:-} && $outcome == 0 ]]; then
  splice docs/performance.md measured "$into/bench.md"
  [[ ! -r $into/capacity.md ]] || splice docs/capacity.md computed "$into/capacity.md"
fi
exit "$outcome"
