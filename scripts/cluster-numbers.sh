#!/usr/bin/env bash
# Numbers of a cluster on this machine: the engines of scripts/services.sh, a build of release speed, load and servers on
# the same cores. Rates of placing and confirming next to a plain program that does one transaction a step, then those of
# seven processes, their memory, and how long it takes until all goes on after a kill. docs/performance.md
#
# Usage: scripts/cluster-numbers.sh [placing|confirming|cluster]…      all of them without a name
#   PLACING_SECONDS, PLACING_ROUNDS, CONFIRMING_SECONDS, CONFIRMING_ROUNDS, NUMBERS_SECONDS   longer, and more often
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly built=${CARGO_TARGET_DIR:-target}/fast
declare -rA example_of=([placing]=placing_rate [confirming]=confirming_rate [cluster]=cluster_numbers)
(($#)) || set -- placing confirming cluster
for name; do
  [[ -n ${example_of[$name]:-} ]] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
done

cargo build -q --locked --profile fast --workspace --bin doos \
  --example placing_rate --example confirming_rate --example cluster_numbers
bash scripts/services.sh start mariadb redis etcd kafka opensearch >/dev/null
eval "$(bash scripts/services.sh env)"
DOOS_TEST_BINARY=$(realpath "$built/doos")
export DOOS_TEST_BINARY
echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1); load when this began: $(cut -d' ' -f1-3 /proc/loadavg)"
outcome=0
for name; do
  echo
  "$built/examples/${example_of[$name]}" || outcome=1
done
exit "$outcome"
