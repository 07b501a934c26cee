#!/usr/bin/env bash
# Measures durable orders a second over HTTP next to a bare axum server that parses the same body, interleaved, on
# loopback; then memory, start time with many orders, and whether the books balance.
# Usage: scripts/measure.sh [rounds] [seconds a run] [orders in the store for the start time]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3} seconds=${2:-8} orders=${3:-1000000}
command -v wrk >/dev/null || { echo "wrk is needed: apt-get install wrk" >&2; exit 2; }

cargo build --release -q -p doos -p doos-bench
target=${CARGO_TARGET_DIR:-target}/release
dir=$(mktemp -d); doos_pid='' bare_pid=''
finish() { kill "$doos_pid" "$bare_pid" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"; }
trap finish EXIT

ready() { # url
  for _ in $(seq 2000); do curl -sf -o /dev/null "$1" && return; sleep 0.005; done
  echo "the server does not answer on $1" >&2; exit 1
}
address_of() { # file with the line "listening on http://ADDRESS"
  for _ in $(seq 2000); do grep -m1 -o 'http://[0-9.:]*' "$1" 2>/dev/null && return; sleep 0.005; done
  echo "the server has not said where it listens" >&2; exit 1
}
start_doos() {
  : >"$dir/doos.out"
  "$target/doos" serve --data-dir "$dir/data" --listen 127.0.0.1:0 >"$dir/doos.out" 2>>"$dir/doos.err" &
  doos_pid=$!; doos=$(address_of "$dir/doos.out"); ready "$doos/readyz"
}
load() { # url seconds file
  wrk -t2 -c64 -d"$2s" --latency -s scripts/wrk/place.lua "$1" -- 11 >"$3"
}
rate() { awk '/Requests\/sec/ {print $2}' "$1"; }
p99() { awk '$1 == "99%" {print $2}' "$1"; }
bad() { awk '/Non-2xx/ {print $NF}' "$1"; }
resident() { awk '/VmRSS/ {printf "%.0f MB", $2 / 1024}' "/proc/$doos_pid/status"; }

echo "machine: $(nproc) cores, $(awk -F: '/model name/ {print $2; exit}' /proc/cpuinfo | xargs), $(uname -r)"
echo "commit:  $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
"$target/doos" doctor --data-dir "$dir/data" | grep -m1 'synced' || true
start_doos
token=$("$target/doos" token --operator measure --data-dir "$dir/data")
for product in $(seq 11); do
  curl -sf -o /dev/null "$doos/v1/stock/$product:receive" -H "Authorization: Bearer $token" \
    -H 'Content-Type: application/json' -d '{"quantity":100000000}'
done
echo "memory at start: $(resident)"
"$target/doos-bench" bare --listen 127.0.0.1:0 >"$dir/bare.out" & bare_pid=$!
bare=$(address_of "$dir/bare.out")

load "$doos" 2 "$dir/warm"; load "$bare" 2 "$dir/warm"
echo "round  doos orders/s      p99   bare posts/s      p99   ratio   refused"
for round in $(seq "$rounds"); do
  load "$doos" "$seconds" "$dir/a"; load "$bare" "$seconds" "$dir/b"
  a=$(rate "$dir/a") b=$(rate "$dir/b"); ratio=$(awk "BEGIN {printf \"%.2f\", $a / $b}")
  echo "$ratio" >>"$dir/ratios"
  printf '%5s  %13s  %7s  %13s  %7s  %6s  %8s\n' "$round" "$a" "$(p99 "$dir/a")" "$b" "$(p99 "$dir/b")" "$ratio" "$(bad "$dir/a" | grep . || echo 0)"
done
echo "median ratio: $(sort -n "$dir/ratios" | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}')"
echo "memory after the load: $(resident)"
kill "$bare_pid"

# Up to as many orders as asked for, in bounded runs.
stored() { curl -s "$doos/metrics" | awk '$1 == "app_order_placed_total" {print int($2)}'; }
for _ in $(seq 60); do
  [ "$(stored)" -ge "$orders" ] && break
  load "$doos" 10 "$dir/fill"
done
echo "orders placed since the start: $(stored); memory: $(resident)"
for _ in $(seq 600); do
  [ "$(curl -s "$doos/metrics" | awk '$1 ~ /^doos_tail_orders/ {print int($2)}')" -eq 0 ] && break; sleep 0.2
done
kill "$doos_pid"; wait "$doos_pid" || true
before=$(date +%s%N); start_doos; after=$(date +%s%N)
echo "start with these orders: $(( (after - before) / 1000000 )) ms; memory: $(resident)"
kill "$doos_pid"; wait "$doos_pid" || true
"$target/doos" audit --data-dir "$dir/data"
du -sh "$dir/data" | awk '{print "disk: " $1}'
