#!/usr/bin/env bash
# The engines of a cluster on this machine, for development and tests: MariaDB (order shards 0 and 1, inventory), Redis,
# etcd, Kafka, OpenSearch. Installs what is missing, starts each in .services/NAME/ on loopback. docs/operations/services.md
set -euo pipefail
shopt -s extglob
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/services/common.sh
source "$repo/scripts/services/common.sh"
# shellcheck source=scripts/services/mariadb.sh
source "$repo/scripts/services/mariadb.sh"
# shellcheck source=scripts/services/redis.sh
source "$repo/scripts/services/redis.sh"
# shellcheck source=scripts/services/etcd.sh
source "$repo/scripts/services/etcd.sh"
# shellcheck source=scripts/services/jars.sh
source "$repo/scripts/services/jars.sh"
# shellcheck source=scripts/services/kafka.sh
source "$repo/scripts/services/kafka.sh"
# shellcheck source=scripts/services/opensearch.sh
source "$repo/scripts/services/opensearch.sh"

usage() {
  cat <<USAGE
usage: scripts/services.sh COMMAND [NAME…]
  start [NAME…]    install what is missing, start, wait until ready; what runs is left alone
  stop [NAME…]     stop, keep the data
  reset [NAME…]    stop and delete the data; keeps what was downloaded
  status [NAME…]   state, address, process, memory; exit code 1 unless all are ready
  env              shell exports of the addresses of those that run
  kill NAME…       SIGKILL
  wipe NAME…       SIGKILL, and delete what it stored; it starts empty, where it was
  pause NAME…      SIGSTOP
  resume NAME…     SIGCONT
  sql NAME [STATEMENT]   the MariaDB administrator's prompt
names: ${instances[*]} (without a name: all but $spare); mariadb = shard-0 shard-1 inventory
exit codes: 0 done, 1 failed, 2 wrong usage, 3 something cannot be had on this machine (the others are started)
USAGE
}

# --- commands on one engine, each under its lock -------------------------------------------------------------------

start_one() { # name
  local name=$1 engine=${engine_of[$1]} began=$SECONDS command=()
  "${engine}_install"
  if running "$name"; then
    [[ $state != T ]] || kill -CONT "$pid"
    wait_ready "$name"
    say "$name" "ready (ran already)"
    return
  fi
  claim_port "$name"
  [[ -z ${inner_port[$name]:-} ]] || claim_port "${inner_port[$name]}"
  (umask 077 && mkdir -p "$root/$name")
  "${engine}_prepare" "$name"
  "${engine}_command" "$name"
  launch "$name" "${command[@]}"
  wait_ready "$name"
  say "$name" "ready ($((SECONDS - began)) s)"
}
stop_one() { # name
  local name=$1 deadline=$((SECONDS + stop_within_s))
  if ! running "$name"; then
    say "$name" stopped
    return
  fi
  kill -TERM "$pid"
  kill -CONT "$pid" 2>/dev/null || true
  while running "$name"; do
    if ((SECONDS >= deadline)); then
      say "$name" "pid $pid did not end within $stop_within_s s: killed" >&2
      kill -KILL "$pid" 2>/dev/null || true
      deadline=$((SECONDS + stop_within_s))
    fi
    sleep 0.1
  done
  say "$name" stopped
}
reset_one() { # name
  stop_one "$1" >/dev/null
  say "$1" "data deleted"
  rm -rf "${root:?}/$1" "$root/ports/$1"
  [[ -z ${inner_port[$1]:-} ]] || rm -f "$root/ports/${inner_port[$1]}"
}
signal_one() { # name signal done
  local name=$1
  running "$name" || failed "$name" "does not run"
  kill "-$2" "$pid"
  if [[ $2 == KILL ]]; then while running "$name"; do sleep 0.02; done; fi
  say "$name" "$3"
}
kill_one() { signal_one "$1" KILL killed; }
wipe_one() { # name
  signal_one "$1" KILL killed
  rm -rf "${root:?}/$1/data"
  say "$1" "data deleted"
}
pause_one() { signal_one "$1" STOP paused; }
resume_one() { signal_one "$1" CONT resumed; }

status_one() { # name
  local name=$1 memory
  if ! running "$name"; then
    say "$name" stopped
    return 1
  fi
  memory=$(awk '/^VmRSS/ { printf "%.0f MB", $2 / 1024 }' "/proc/$pid/status")
  if [[ $state == T ]]; then
    say "$name" "paused          pid $pid  $memory"
    return 1
  elif ! healthy "$name"; then
    say "$name" "does not answer pid $pid  $memory  log: $root/$name/log"
    return 1
  fi
  say "$name" "ready           pid $pid  $memory"
}

# --- over several --------------------------------------------------------------------------------------------------

chosen() { # names as the caller wrote them → one instance a line
  local name
  (($#)) || set -- mariadb redis etcd kafka opensearch
  for name; do
    if [[ $name == mariadb ]]; then
      printf '%s\n' shard-0 shard-1 inventory
    elif [[ -n ${engine_of[$name]:-} ]]; then
      echo "$name"
    else
      echo "no engine is called $name; there are: ${instances[*]}, and mariadb for the first three" >&2
      return 2
    fi
  done
}
# Each in a process of its own, so that a slow one holds up nobody; the worst exit code counts.
all_at_once() { # command name…
  local verb=$1 name code worst=0 missing=() pids=()
  shift
  for name; do
    with_lock "$name" "${verb}_one" "$name" &
    pids+=($!)
  done
  for name; do
    code=0
    wait "${pids[0]}" || code=$?
    pids=("${pids[@]:1}")
    ((code != 3)) || missing+=("$name")
    ((code <= worst)) || worst=$code
  done
  ((${#missing[@]} == 0)) || echo "cannot be had on this machine: ${missing[*]} (the reasons are above)" >&2
  return "$worst"
}
one_after_another() { # command name…
  local verb=$1 name worst=0
  shift
  for name; do "${verb}_one" "$name" || worst=1; done
  return "$worst"
}
print_exports() {
  local name line
  for name in "${instances[@]}"; do
    running "$name" || continue
    line=$("${engine_of[$name]}_exports" "$name")
    echo "export ${line%%=*}='${line#*=}'"
  done
}

main() {
  local verb=${1:-} names
  [[ $# -eq 0 ]] || shift
  case $verb in
    start | stop | reset | status)
      names=$(chosen "$@") || exit 2
      # What is stopped or deleted without being named is everything, the spare too.
      [[ $# -gt 0 || $verb == start ]] || { [[ $verb == status ]] && ! running "$spare"; } || names+=$'\n'$spare
      ;;
    kill | wipe | pause | resume)
      [[ $# -gt 0 ]] || { usage >&2; exit 2; }
      names=$(chosen "$@") || exit 2
      ;;
    env) print_exports; return ;;
    sql)
      [[ ${engine_of[${1:-none}]:-} == mariadb && $# -le 2 ]] || { usage >&2; exit 2; }
      mariadb_sql "$@"
      return
      ;;
    help | -h | --help) usage; return ;;
    *) usage >&2; exit 2 ;;
  esac
  mapfile -t names <<<"$names"
  mkdir -p "$root"
  case $verb in
    status) one_after_another status "${names[@]}"; return ;;
    start) with_lock credentials make_credentials ;;
  esac
  all_at_once "$verb" "${names[@]}"
}
main "$@"
