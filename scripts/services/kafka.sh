# shellcheck shell=bash
# Kafka: one node that is broker and controller (KRaft), from its jars.

kafka_version=4.3.1
kafka_jars=kafka-$kafka_version

kafka_install() {
  java_install
  with_lock jars fetch_jars "$kafka_jars" "org.apache.kafka:kafka_2.13:$kafka_version" org.slf4j:slf4j-simple:1.7.36
}
kafka_java() { # heap options and class…
  command=(java -Xmx384m "${java_flags[@]}"
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
    -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS
    -cp "$root/jars/$kafka_jars/*" "$@")
}
kafka_prepare() { # name
  local dir=$root/$1 controller
  controller=127.0.0.1:$(port_of kafka-controller)
  cat >"$dir/conf" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1"),CONTROLLER://$controller
log.dirs=$dir/data
auto.create.topics.enable=false

# A broker that was killed is let in again only when the session of its former life has ended.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500

# One node: its own topics have one copy and few partitions.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# Groups form at once, and short session time-outs are allowed, so that tests of rebalancing are short.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# The cleaner's usual buffer is a third of the heap given here.
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=67108864
CONF
  [[ -d $dir/data ]] && return
  kafka_java kafka.tools.StorageTool format --cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" \
    --config "$dir/conf"
  "${command[@]}" >"$dir/install.log" 2>&1 </dev/null ||
    { tail -n 15 "$dir/install.log" >&2; rm -rf "$dir/data"; failed "$1" "formatting its storage failed: $dir/install.log"; }
}
kafka_command() { # name
  kafka_java kafka.Kafka "$root/$1/conf"
}
# Asks for the cluster's metadata (v1, no topics) by hand, since a client in Java takes seconds to start. A broker is in the
# answer only once it is admitted. Answer: length, correlation id, number of brokers, four bytes each.
kafka_healthy() { # name
  local answer
  answer=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf "\0\0\0\016\0\003\0\001\0\0\0\001\377\377\0\0\0\0" >&3
    head -c 12 <&3 | od -An -vtx1' - "$(port_of "$1")" 2>/dev/null) || return 1
  read -r -a answer <<<"$answer"
  [[ ${#answer[@]} == 12 && ${answer[*]:8:4} == '00 00 00 01' ]]
}
kafka_exports() { # name
  echo "DOOS_TEST_KAFKA=127.0.0.1:$(port_of "$1")"
}
