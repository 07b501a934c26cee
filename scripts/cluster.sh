#!/usr/bin/env bash
# A whole cluster on this machine: the engines of scripts/services.sh, and doos as seven processes on them, each with
# roles of its own, on loopback. Data, configuration and logs are in .services/cluster/. docs/operations/cluster.md
#
# DOOS_BINARY names the program; DOOS_CLUSTER_PORT the first of its seven ports (8080).
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/services/common.sh
source "$repo/scripts/services/common.sh"

readonly engines_root=$root
root=$engines_root/cluster
readonly binary=${DOOS_BINARY:-${CARGO_TARGET_DIR:-$repo/target}/release/doos}
readonly first_port=${DOOS_CLUSTER_PORT:-8080}
readonly processes=(gateway-1 gateway-2 order-1 order-2 inventory-1 inventory-2 back-office)
# The built-in payment provider keeps its books in one process, so that one alone plays payment.
declare -rA roles_of=([gateway-1]=gateway [gateway-2]=gateway [order-1]=order,timeouts [order-2]=order,timeouts
  [inventory-1]=inventory,cdc [inventory-2]=inventory,cdc [back-office]=payment,shipping,deliveries)

usage() {
  cat <<USAGE
usage: scripts/cluster.sh COMMAND [PROCESS…]
  start [PROCESS…]   start the engines, bring the tables up to date, start what does not run, wait until it is ready
  stop [PROCESS…]    in good order; the engines go on (make services-stop)
  reset              stop all and delete the cluster's data, those in the engines too
  status             who is there, where, and how it is
  kill PROCESS…      SIGKILL
  pause PROCESS…     SIGSTOP
  resume PROCESS…    SIGCONT
processes: ${processes[*]}
USAGE
}

address_of() { # process
  local index
  for index in "${!processes[@]}"; do
    [[ ${processes[index]} != "$1" ]] || echo "127.0.0.1:$((first_port + index))"
  done
}
tell() { printf '%-12s %-16s %s\n' "$1" "$(address_of "$1")" "${*:2}"; }
# The name may be missing where a command takes all.
chosen() {
  local name
  (($#)) || set -- "${processes[@]}"
  for name; do
    [[ -n ${roles_of[$name]:-} ]] || { echo "no process is called $name; there are: ${processes[*]}" >&2; return 2; }
    echo "$name"
  done
}

secret() { # file: made once
  [[ -s $root/$1 ]] || (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$root/$1")
}
# config/cluster.yaml with the ports and the passwords of this machine's engines.
configure() {
  local engine port script=()
  mkdir -p "$root"
  chmod 700 "$root"
  secret token_secret
  secret callback_secret
  (umask 077 && sed -n 's/^mysql_password=//p' "$engines_root/credentials" | tr -d '\n' >"$root/mysql_password")
  (umask 077 && sed -n 's/^redis_password=//p' "$engines_root/credentials" | tr -d '\n' >"$root/redis_password")
  for engine in shard-0 shard-1 inventory redis etcd kafka opensearch; do
    port=$(root=$engines_root port_of "$engine")
    script+=(-e "s|127\\.0\\.0\\.1:${default_port[$engine]}\\b|127.0.0.1:$port|g")
  done
  script+=(-e "s|^  token_secret_file: .*|  token_secret_file: '$root/token_secret'|"
    -e "s|^  callback_secret_file: .*|  callback_secret_file: '$root/callback_secret'|"
    -e "/^database:/,/^[a-z]*:\$/s|^  password_file: .*|  password_file: '$root/mysql_password'|"
    -e "/^redis:/,/^[a-z]*:\$/s|^  password_file: .*|  password_file: '$root/redis_password'|"
    -e "s|^  callback_to: .*|  callback_to: $(address_of gateway-1)|")
  sed "${script[@]}" "$repo/config/cluster.yaml" >"$root/cluster.yaml"
}

is_ready() { curl -sf -m 2 -o /dev/null "http://$(address_of "$1")/readyz"; }
start_one() { # process
  local name=$1
  if running "$name"; then
    [[ $state != T ]] || kill -CONT "$pid"
    return
  fi
  mkdir -p "$root/$name"
  launch "$name" "$binary" serve --config "$root/cluster.yaml" --data-dir "$root/$name/data" \
    --roles "${roles_of[$name]}" --listen "$(address_of "$name")"
}
wait_for() { # process
  local name=$1 deadline=$((SECONDS + 60))
  until is_ready "$name"; do
    running "$name" || { tell "$name" "has ended: $root/$name/log" >&2; tail -n 5 "$root/$name/log" >&2; return 1; }
    ((SECONDS < deadline)) || { tell "$name" "is not ready after 60 s: $root/$name/log" >&2; return 1; }
    sleep 0.1
  done
  tell "$name" "ready   ${roles_of[$name]}"
}
start() {
  local name names worst=0
  [[ -x $binary ]] || { echo "$binary is not there: make build, or name it by DOOS_BINARY" >&2; exit 1; }
  names=$(chosen "$@") || exit 2
  DOOS_SERVICES_DIR=$engines_root bash "$repo/scripts/services.sh" start
  configure
  "$binary" migrate up --config "$root/cluster.yaml" --data-dir "$root/migrate"
  for name in $names; do start_one "$name"; done
  for name in $names; do wait_for "$name" || worst=1; done
  ((worst == 0)) || exit "$worst"
  [[ $# -eq 0 ]] || return 0
  cat <<DONE

shop       http://$(address_of gateway-1)/     also http://$(address_of gateway-2)/
an order   curl -s http://$(address_of gateway-1)/v1/orders -H 'Content-Type: application/json' \\
             -H 'Idempotency-Key: first-order' -d '{"user_id":"42","items":[{"product_id":"101","quantity":2}]}'
books      $binary audit --config $root/cluster.yaml
stop       scripts/cluster.sh stop     (one: scripts/cluster.sh kill gateway-2; start gateway-2)
DONE
}

signal_each() { # signal process…
  local signal=$1 name
  shift
  for name; do
    running "$name" || continue
    kill "-$signal" "$pid"
    [[ $signal != TERM ]] || kill -CONT "$pid" 2>/dev/null || true
  done
}
until_ended() { # process…
  local name deadline=$((SECONDS + stop_within_s))
  for name; do
    while running "$name"; do
      if ((SECONDS >= deadline)); then
        tell "$name" "did not end within $stop_within_s s: killed" >&2
        kill -KILL "$pid" 2>/dev/null || true
      fi
      sleep 0.05
    done
  done
}
status() {
  local name worst=0
  for name in "${processes[@]}"; do
    if ! running "$name"; then
      tell "$name" stopped
      worst=1
    elif [[ $state == T ]]; then
      tell "$name" "paused  pid $pid"
      worst=1
    else
      local standing=ready
      is_ready "$name" || { standing='not ready'; worst=1; }
      tell "$name" "$standing  pid $pid  $(awk '/^VmRSS/ { printf "%.0f MB", $2 / 1024 }' "/proc/$pid/status")  ${roles_of[$name]}"
    fi
  done
  return "$worst"
}
# Everything the cluster has in the engines; only databases, topics and keys of its own names.
reset() {
  local name
  signal_each KILL "${processes[@]}"
  until_ended "${processes[@]}"
  rm -rf "$root"
  DOOS_SERVICES_DIR=$engines_root bash "$repo/scripts/services.sh" reset
}

main() {
  local verb=${1:-} names
  [[ $# -eq 0 ]] || shift
  case $verb in
    start) start "$@" ;;
    stop)
      names=$(chosen "$@") || exit 2
      # shellcheck disable=SC2086
      signal_each TERM $names
      # shellcheck disable=SC2086
      until_ended $names
      ;;
    kill | pause | resume)
      [[ $# -gt 0 ]] || { usage >&2; exit 2; }
      names=$(chosen "$@") || exit 2
      declare -A signal=([kill]=KILL [pause]=STOP [resume]=CONT)
      # shellcheck disable=SC2086
      signal_each "${signal[$verb]}" $names
      # shellcheck disable=SC2086
      [[ $verb != kill ]] || until_ended $names
      ;;
    status) status ;;
    reset) reset ;;
    help | -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
  esac
}
main "$@"
