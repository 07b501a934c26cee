# shellcheck shell=bash
# MariaDB: order shards 0 and 1, the inventory's database, and a spare shard for resharding. Debian's server-core package
# is the server without a system service, so nothing else of it ever listens on 3306.

declare -A server_id=([shard-0]=1 [shard-1]=2 [inventory]=3 [shard-2]=4)
declare -A database=([shard-0]=doos_order_0 [shard-1]=doos_order_1 [inventory]=doos_inventory [shard-2]=doos_order_2)

mariadb_install() {
  need 'mariadbd mariadb mariadb-install-db' mariadb-server-core mariadb-client-core
  proven_with MariaDB 10.11 "$(mariadbd --no-defaults --version | sed -n 's/.*Ver \([^ ]*\).*/\1/p')"
}

mariadb_prepare() { # name
  local dir=$root/$1 port
  port=$(port_of "$1")
  mkdir -p "$dir/tmp"
  cat >"$dir/conf" <<CONF
[mariadbd]
datadir = $dir/data
# Its own: a starting server deletes the temporary tables that it finds here, those of its neighbour too.
tmpdir = $dir/tmp
socket = $dir/sock
pid_file = $dir/mariadbd.pid
init_file = $dir/init.sql
bind_address = 127.0.0.1
port = $port
skip_name_resolve = ON
max_connections = 300
max_allowed_packet = 64M
open_files_limit = 16384

# Nothing acknowledged may be lost, and the change feed reads the binlog.
innodb_flush_log_at_trx_commit = 1
sync_binlog = 1
server_id = ${server_id[$1]}
log_bin = binlog
log_bin_compress = OFF
binlog_format = ROW
binlog_row_image = FULL
binlog_row_metadata = FULL
max_binlog_size = 256M
binlog_expire_logs_seconds = 172800

transaction_isolation = READ-COMMITTED
default_time_zone = '+00:00'
character_set_server = utf8mb4
collation_server = utf8mb4_bin

innodb_buffer_pool_size = 256M
innodb_log_file_size = 256M
performance_schema = OFF
CONF
  # Runs at each start, before the first connection, and beside the binlog. The rights are those a production user needs:
  # its databases, and reading the binlog. Whoever needs more is the server's administrator: services.sh sql.
  (umask 077 && cat >"$dir/init.sql" <<SQL
SET SESSION sql_log_bin = 0;
CREATE DATABASE IF NOT EXISTS ${database[$1]};
CREATE USER IF NOT EXISTS 'doos'@'%' IDENTIFIED BY '$(password mysql)';
ALTER USER 'doos'@'%' IDENTIFIED BY '$(password mysql)';
GRANT ALL PRIVILEGES ON \`doos\\_%\`.* TO 'doos'@'%';
GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'doos'@'%';
SQL
  )
  # Made beside and moved, so that a data folder is whole or not there.
  [[ -d $dir/data ]] && return
  rm -rf "$dir/data.new"
  # --force: go on where the machine's own name cannot be looked up. From inside the folder, since the program trips over
  # spaces in a path.
  (cd "$dir" && TMPDIR=$dir/tmp mariadb-install-db --no-defaults --force --datadir=./data.new --user="$(id -un)" \
    --auth-root-authentication-method=socket --auth-root-socket-user="$(id -un)" --skip-test-db \
    --innodb-log-file-size=256M) >"$dir/install.log" 2>&1 ||
    { grep -i -m 5 error "$dir/install.log" >&2 || cat "$dir/install.log" >&2; failed "$1" "mariadb-install-db failed: $dir/install.log"; }
  mv "$dir/data.new" "$dir/data"
}
mariadb_command() { # name
  command=(mariadbd --defaults-file="$root/$1/conf" --user="$(id -un)")
}
mariadb_healthy() { # name
  MYSQL_PWD=$(password mysql) timeout 3 mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$(port_of "$1")" -u doos \
    -e 'SELECT 1' "${database[$1]}" >/dev/null 2>&1
}
mariadb_exports() { # name
  local variable
  case $1 in
    shard-2) variable=SPARE ;;
    inventory) variable=INVENTORY ;;
    *) variable=${1#shard-} ;;
  esac
  variable=DOOS_TEST_MYSQL_$variable
  echo "$variable=mysql://doos:$(password mysql)@127.0.0.1:$(port_of "$1")/${database[$1]}"
}
# The administrator's way in, over the socket: the user who started the server.
mariadb_sql() { # name [statement]
  running "$1" || failed "$1" "does not run"
  mariadb --no-defaults --socket="$root/$1/sock" -u "$(id -un)" ${2:+-e "$2"}
}
