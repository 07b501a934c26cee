# shellcheck shell=bash
# Redis: second cache level, shared limits, and the stock gate in a script.

# Debian's server package is one link onto a program of its tools package, plus a system service. The tools and a link of
# our own are the same server without the service.
redis_install() {
  command -v redis-server >/dev/null || {
    need 'redis-check-rdb redis-cli' redis-tools
    mkdir -p "$root/bin"
    ln -sf "$(command -v redis-check-rdb)" "$root/bin/redis-server"
  }
  need redis-cli redis-tools
  proven_with Redis 7.0 "$(redis-server --version | sed -n 's/.* v=\([^ ]*\).*/\1/p')"
}
redis_prepare() { # name
  mkdir -p "$root/$1/data"
  (umask 077 && cat >"$root/$1/conf" <<CONF
bind 127.0.0.1
port $(port_of "$1")
requirepass $(password redis)
daemonize no
dir "$root/$1/data"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
CONF
  )
}
redis_command() { # name
  command=(redis-server "$root/$1/conf")
}
# While it still loads its data it answers LOADING.
redis_healthy() { # name
  [[ $(REDISCLI_AUTH=$(password redis) timeout 3 redis-cli -h 127.0.0.1 -p "$(port_of "$1")" ping 2>/dev/null) == PONG ]]
}
redis_exports() { # name
  echo "DOOS_TEST_REDIS=redis://default:$(password redis)@127.0.0.1:$(port_of "$1")/0"
}
