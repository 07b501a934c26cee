# shellcheck shell=bash
# What every engine shares: names, ports, the running process, locks, the secrets, what is told to the reader.
# Sourced by scripts/services.sh. Exit codes of a piece of work: 0 done, 1 it failed, 3 something cannot be had.

root=${DOOS_SERVICES_DIR:-$repo/.services}
PATH=$root/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin

instances=(shard-0 shard-1 inventory shard-2 redis etcd kafka opensearch)
# shard-2 is the spare for resharding: only started when it is named.
spare=shard-2
declare -A engine_of=([shard-0]=mariadb [shard-1]=mariadb [inventory]=mariadb [shard-2]=mariadb
  [redis]=redis [etcd]=etcd [kafka]=kafka [opensearch]=opensearch)
declare -A default_port=([shard-0]=3306 [shard-1]=3307 [inventory]=3308 [shard-2]=3309 [redis]=6379 [etcd]=2379
  [kafka]=9092 [opensearch]=9200 [etcd-peer]=2380 [kafka-controller]=9093 [opensearch-transport]=9300)
# Second ports, which only the engine itself uses.
declare -A inner_port=([etcd]=etcd-peer [kafka]=kafka-controller [opensearch]=opensearch-transport)
declare -A ready_within_s=([mariadb]=90 [redis]=30 [etcd]=30 [kafka]=120 [opensearch]=180)
stop_within_s=60

say() { # name text…
  local label=${engine_of[$1]}
  [[ $label == "$1" ]] || label="$label $1"
  printf '%-18s %-16s %s\n' "$label" "127.0.0.1:$(port_of "$1")" "${*:2}"
}
failed() { say "$@" >&2; exit 1; }
unavailable() { # text…: a missing package or file that this machine cannot get
  say "$name" "cannot be had: $*" >&2; exit 3
}

# --- ports ---------------------------------------------------------------------------------------------------------

# While an engine runs, the port it was started on; else DOOS_PORT_NAME, the port of its last start, the usual one.
port_of() { # name of an instance or of a second port
  local name=$1 file=$root/ports/$1 variable=DOOS_PORT_${1^^} remembered=''
  variable=${variable//-/_}
  [[ ! -r $file ]] || remembered=$(<"$file")
  if [[ -n $remembered ]] && running "${name%-@(peer|controller|transport)}"; then echo "$remembered"; return; fi
  echo "${!variable:-${remembered:-${default_port[$name]}}}"
}
# Refuses a port that someone else listens on, and says who.
claim_port() { # name of the port
  local port owner file=$root/ports/$1 variable=DOOS_PORT_${1^^}
  port=$(port_of "$1")
  if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    owner=$(ss -ltnpH "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1, pid \2/p' | head -n 1)
    failed "$name" "port $port is taken by ${owner:-another process}:" \
      "stop it, or choose another: ${variable//-/_}=PORT"
  fi
  mkdir -p "$root/ports"
  echo "$port" >"$file"
}

# --- the process ---------------------------------------------------------------------------------------------------

# State letter and start time of a process; the start time tells a process from a later one with the same id.
process_stat() { # pid
  local line
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -r -a line <<<"${line##*) }"
  echo "${line[0]} ${line[19]}"
}
# Sets pid and state when the engine's process is there (it may be paused or hang), else fails. A killed one counts until
# its last thread is gone, since until then its port and its files are held.
running() { # name
  local since then_since
  pid='' state=''
  [[ -r $root/$1/pid ]] && read -r pid since <"$root/$1/pid" || return 1
  read -r state then_since <<<"$(process_stat "$pid")"
  [[ $since == "$then_since" && $state != X ]] || return 1
  [[ $state != Z || $(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l) -gt 1 ]]
}
# Starts a program that outlives this script: own session, no input, no descriptor of ours (locks, the pipes of make).
launch() { # name command…
  local name=$1 dir=$root/$1 log=$root/$1/log fd
  shift
  [[ ! -f $log || $(stat -c %s "$log") -lt 67108864 ]] || mv "$log" "$log.1"
  (
    cd "$dir" || exit
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd < 3 || fd == 255)) || eval "exec $fd>&-"
    done
    exec setsid "$@" </dev/null >>"$log" 2>&1
  ) &
  pid=$!
  read -r _ since <<<"$(process_stat "$pid")"
  echo "$pid $since" >"$dir/pid"
}
healthy() { # name
  running "$1" && "${engine_of[$1]}_healthy" "$1"
}
wait_ready() { # name
  local name=$1 engine=${engine_of[$1]} log=$root/$1/log deadline
  deadline=$((SECONDS + ready_within_s[$engine]))
  until healthy "$name"; do
    if ! running "$name"; then
      tail -n 15 "$log" >&2
      failed "$name" "ended while starting; its log: $log"
    fi
    ((SECONDS < deadline)) ||
      failed "$name" "pid $pid does not answer within ${ready_within_s[$engine]} s; its log: $log"
    sleep 0.2
  done
}

# --- locks ---------------------------------------------------------------------------------------------------------

with_lock() { # lock command…: one at a time; whoever waits for another run says so
  local lock=$1 handle
  shift
  mkdir -p "$root/locks"
  (
    exec {handle}>"$root/locks/$lock"
    if ! flock -w 5 "$handle"; then
      [[ -z ${engine_of[$lock]:-} ]] || say "$lock" "waiting: another run works on it" >&2
      flock -w 1200 "$handle" || { echo "gave up waiting for $lock after 1200 s" >&2; exit 1; }
    fi
    "$@"
  )
}

# --- secrets -------------------------------------------------------------------------------------------------------

make_credentials() {
  [[ ! -s $root/credentials ]] || return 0
  (
    umask 077
    for secret in mysql redis; do
      echo "${secret}_password=$(od -An -vtx1 -N24 /dev/urandom | tr -d ' \n')"
    done >"$root/credentials.new"
  )
  mv "$root/credentials.new" "$root/credentials"
}
password() { # mysql or redis
  sed -n "s/^$1_password=//p" "$root/credentials"
}

# --- packages ------------------------------------------------------------------------------------------------------

# Does nothing when the commands are there. Only packages without a system service are installed this way.
need() { # "command…" package…
  local missing
  missing=$(missing_of "$1")
  [[ -n $missing ]] || return 0
  command -v apt-get >/dev/null ||
    unavailable "missing: $missing (Debian's packages: ${*:2}), and there is no apt-get here"
  ((EUID == 0)) || unavailable "missing: $missing. As root: apt-get install --no-install-recommends ${*:2}"
  with_lock packages install_packages "$@"
  hash -r
}
missing_of() { # "command…"
  local command missing=()
  for command in $1; do command -v "$command" >/dev/null || missing+=("$command"); done
  echo "${missing[*]}"
}
install_packages() { # "command…" package…
  local log=$root/packages.log
  # Another engine's start may have installed them while this one waited for its turn.
  [[ -n $(missing_of "$1") ]] || return 0
  shift
  echo "installing $*"
  apt_install "$@" >"$log" 2>&1 || { apt_get update && apt_install "$@"; } >>"$log" 2>&1 ||
    unavailable "apt-get install $* failed: $(grep -m 1 '^E:' "$log" || echo "see $log")"
}
apt_get() { DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
apt_install() { apt_get install -y --no-install-recommends "$@"; }

# Which version this was proven with; another may work, and the reader should know.
proven_with() { # engine wanted-series found-version
  [[ $3 == "$2"* ]] || echo "$1 $3 is not the $2 series this was proven with" >&2
}
