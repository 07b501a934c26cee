#!/usr/bin/env bash
# Says where the server's processor time goes while orders are placed as fast as they can be: samples of `perf`, summed by
# stage, times the processor time that the server used for each order of that time. A Markdown table on standard output.
#
# Usage: scripts/profile.sh [SCENARIO [SECONDS]]      a closed-loop scenario of doos bench; by default place, 4 seconds
#
# Builds a binary of its own below target/profile: stacks need frame pointers. Exit code 3: perf is not here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SCENARIO=${1:-place} SECONDS_RECORDED=${2:-4}
# Enough for a start to be over, so that the burst alone is recorded.
readonly ORDERS_BEFORE=5000

command -v perf >/dev/null || { echo "NOT RUN: perf is not here (Debian: linux-perf)" >&2; exit 3; }
RUSTFLAGS="-C force-frame-pointers=yes" CARGO_TARGET_DIR=target/profile cargo build -q --locked --profile fast -p doos
doos=target/profile/fast/doos

scratch=$(mktemp -d)
server='' load=''
trap '[[ -z $load ]] || kill "$load" 2>/dev/null; [[ -z $server ]] || kill "$server" 2>/dev/null; wait; rm -rf "$scratch"' EXIT
$doos serve --data-dir "$scratch/data" --listen 127.0.0.1:0 --empty >"$scratch/banner" 2>"$scratch/log" &
server=$!
until grep -q 'listening on' "$scratch/banner"; do
    kill -0 "$server" || { cat "$scratch/log" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$scratch/banner")
token=$($doos token --data-dir "$scratch/data" --operator profile)

placed() { curl -s "$url/metrics" | awk '$1 == "app_order_placed_total" { print $2 }'; }
# In hundredths of a second, user and system time together.
used() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

$doos bench "$SCENARIO" --rounds 1 --seconds $((SECONDS_RECORDED + 4)) --url "$url" --token "$token" >"$scratch/bench" 2>&1 &
load=$!
until (($(placed) > ORDERS_BEFORE)); do
    kill -0 "$load" || { cat "$scratch/bench" >&2; exit 1; }
    sleep 0.1
done
orders=$(placed) time=$(used)
perf record -q -e cpu-clock -F 1999 -g -p "$server" -o "$scratch/samples" -- sleep "$SECONDS_RECORDED" >/dev/null 2>&1
orders=$(($(placed) - orders)) time=$(($(used) - time))

# The first stage that a stack fits is its own; the list goes from what is called to who calls.
perf script -i "$scratch/samples" -F comm,ip,sym 2>/dev/null | awk -v orders="$orders" -v ticks="$time" '
    function stage(thread, stack) {
        if (thread == "folder") return "fold into SQLite"
        if (thread ~ /^cdc/ || stack ~ /projecting|projections/) return "statistics and search"
        if (thread == "journal") {
            if (stack ~ /sync_data|fdatasync|write_and_sync/) return "write and sync the journal"
            return "check the group, make it visible"
        }
        if (stack ~ /doos_roles/) return "decide about stock, confirm, other roles"
        if (stack ~ /Unit::of_change|record::encode/) return "encode the records"
        if (stack ~ /Flusher/) return "form the group, hand it over"
        if (stack ~ /view::order/) return "render the answer"
        if (stack ~ /gateway::json|place::read|payload::/) return "read and check the body"
        if (stack ~ /order::place/) return "price, id, hold, make the order"
        if (stack ~ /tcp_|sock_|__sys_(send|recv)|writev|vfs_read/) return "socket (kernel)"
        if (stack ~ /gateway|hyper/) return "HTTP: connection, head, limits, numbers"
        return "waiting and waking (tokio, epoll)"
    }
    /^[^ \t]/ { thread = $1; stack = ""; next }
    /^[ \t]+[0-9a-f]/ { stack = stack "\n" $0; next }
    /^$/ && thread != "" { count[stage(thread, stack)]++; all++; thread = "" }
    END {
        micros = ticks * 10000 / orders
        printf "| stage | share | µs an order |\n|---|---:|---:|\n"
        for (name in count) printf "| %s | %.1f %% | %.1f |\n", name, 100 * count[name] / all, micros * count[name] / all | "sort -t\"|\" -k3 -rn"
        close("sort -t\"|\" -k3 -rn")
        printf "| together | 100 %% | %.1f |\n\n%d orders, %d samples\n", micros, orders, all
    }'
