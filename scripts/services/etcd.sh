# shellcheck shell=bash
# etcd: registration, leases, live configuration. One node.

# Debian's package starts a system service when it is installed, and the server is one file: only unpacked, not installed.
etcd_install() {
  need curl curl ca-certificates
  command -v etcd >/dev/null || with_lock packages unpack_etcd
  proven_with etcd 3.4 "$(etcd --version | sed -n 's/^etcd Version: //p')"
}
unpack_etcd() {
  local scratch=$root/bin/.etcd log=$root/packages.log
  [[ ! -x $root/bin/etcd ]] || return 0
  command -v apt-get >/dev/null || unavailable "missing: etcd (Debian's package: etcd-server), and there is no apt-get here"
  echo "unpacking etcd-server"
  rm -rf "$scratch"
  mkdir -p "$scratch"
  cd "$scratch" || exit
  apt_download etcd-server >"$log" 2>&1 ||
    { ((EUID == 0)) && apt_get update && apt_download etcd-server; } >>"$log" 2>&1 ||
    unavailable "apt-get download etcd-server failed: $(grep -m 1 '^E:' "$log" || echo "see $log")"
  dpkg-deb -x etcd-server_*.deb . >>"$log" 2>&1 || unavailable "the package etcd-server could not be unpacked, see $log"
  mv usr/bin/etcd "$root/bin/etcd"
  cd "$root" || exit
  rm -rf "$scratch"
}
apt_download() { apt_get -o APT::Sandbox::User="$(id -un)" download "$@"; }

etcd_prepare() { # name
  mkdir -p "$root/$1"
}
etcd_command() { # name
  local client peer
  client=http://127.0.0.1:$(port_of "$1") peer=http://127.0.0.1:$(port_of etcd-peer)
  command=(etcd --name doos --data-dir "$root/$1/data"
    --listen-client-urls "$client" --advertise-client-urls "$client"
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "doos=$peer"
    --auto-compaction-mode periodic --auto-compaction-retention 1h --log-level warn --logger zap)
}
etcd_healthy() { # name
  curl -sf --noproxy '*' -m 3 "http://127.0.0.1:$(port_of "$1")/health" 2>/dev/null | grep -q '"health":"true"'
}
etcd_exports() { # name
  echo "DOOS_TEST_ETCD=http://127.0.0.1:$(port_of "$1")"
}
