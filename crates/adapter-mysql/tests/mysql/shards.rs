//! What can be seen on the servers themselves: transactions, row events, and buckets that move.

use doos_ports::order_store::{Change, OrderStore};
use futures::StreamExt;
use mysql_async::binlog::events::EventData;
use mysql_async::binlog::row::BinlogRow;
use mysql_async::binlog::value::BinlogValue;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStreamRequest, Value};
use std::collections::BTreeSet;

use crate::common::{self, Set};
use crate::{is_stored, on_set, scene};

#[test]
fn a_group_is_one_transaction_on_each_of_its_connections() {
    on_set(async |_, set| {
        let scene = scene(&set).await;
        let group: Vec<Change> = (1..=200).map(|user| scene.new_order(user, 0)).collect();
        let lanes: BTreeSet<usize> = group.iter().map(|change| scene.ports.orders.shard_of(change.order.id)).collect();
        assert_eq!(lanes.len(), 4, "two shards with two writing connections each");
        let before = transactions(&set).await;
        assert!(scene.ports.orders.commit(group).await.iter().all(Result::is_ok));
        assert_eq!(transactions(&set).await - before, 4);
    });
}

/// Groups that the writing connections have counted, all shards together.
async fn transactions(set: &Set) -> u64 {
    let mut sum = 0;
    for address in &set.addresses.shards {
        let mut conn = connect(address).await;
        let counted: Option<u64> =
            conn.query_first("SELECT CAST(COALESCE(SUM(last_group), 0) AS UNSIGNED) FROM t_writer").await.unwrap();
        sum += counted.unwrap_or(0);
        conn.disconnect().await.unwrap();
    }
    sum
}

/// Versions of one order that the binlog of shard 0 tells of after a place in it, in its order.
async fn versions_told(set: &Set, id: u64, (file, from): (String, u64), to: u64) -> Vec<u64> {
    let address = &set.addresses.shards[0];
    let database = address.rsplit_once('/').unwrap().1;
    let number = |row: &BinlogRow, column: usize| match row.as_ref(column) {
        Some(BinlogValue::Value(Value::UInt(number))) => *number,
        Some(BinlogValue::Value(Value::Int(number))) => number.cast_unsigned(),
        other => panic!("column {column} is {other:?}"),
    };
    let request = BinlogStreamRequest::new(900_000 + std::process::id() % 100_000);
    let mut stream =
        connect(address).await.get_binlog_stream(request.with_filename(file.as_bytes()).with_pos(from)).await.unwrap();
    let mut versions = Vec::new();
    while let Some(event) = stream.next().await {
        let event = event.unwrap();
        if let Some(EventData::RowsEvent(rows)) = event.read_data().unwrap() {
            let table = stream.get_tme(rows.table_id()).unwrap();
            if table.database_name() == database && table.table_name() == "t_order" {
                let after = rows.rows(table).map(|row| row.unwrap().1.unwrap());
                versions.extend(after.filter(|row| number(row, 0) == id).map(|row| number(&row, 4)));
            }
        }
        if u64::from(event.header().log_pos()) >= to {
            break;
        }
    }
    versions
}

async fn connect(address: &str) -> mysql_async::Conn {
    mysql_async::Conn::new(mysql_async::Opts::from_url(address).unwrap()).await.unwrap()
}

async fn end_of_binlog(address: &str) -> (String, u64) {
    let row: Option<mysql_async::Row> = connect(address).await.query_first("SHOW MASTER STATUS").await.unwrap();
    let row = row.unwrap();
    (row.get(0).unwrap(), row.get(1).unwrap())
}

#[test]
fn each_version_of_an_order_is_an_event_of_its_own() {
    on_set(async |_, set| {
        let scene = scene(&set).await;
        let begin = end_of_binlog(&set.addresses.shards[0]).await;
        let first = scene.placed(2, 0).await;
        let second = scene.confirmed(&first, 10);
        let third = scene.cancelled(&second.order, 20);
        let progress = doos_ports::inbox::Progress::new(doos_domain::message::Consumer::Order);
        scene.ports.orders.consume(vec![second, third], progress).await.expect("the group is stored");
        let (file, end) = end_of_binlog(&set.addresses.shards[0]).await;
        assert_eq!(file, begin.0, "the server has begun a new binlog file meanwhile: run again");
        assert_eq!(versions_told(&set, first.id.get(), begin, end).await, [1, 2, 3]);
    });
}

#[test]
fn a_bucket_that_has_moved_is_found_at_its_new_shard() {
    on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        let bucket = doos_ports::suites::scene::user(702).bucket().get();
        let move_it = async |from: usize, to: usize| {
            for (shard, sql) in [
                (from, format!("UPDATE t_bucket SET state = 1 WHERE bucket = {bucket}")),
                (to, format!("REPLACE INTO t_bucket (bucket, epoch, state) VALUES ({bucket}, 2, 0)")),
            ] {
                let mut conn = connect(&set.addresses.shards[shard]).await;
                conn.query_drop(sql).await.unwrap();
                conn.disconnect().await.unwrap();
            }
        };
        move_it(0, 1).await;
        let change = scene.new_order(702, 0);
        let stayed = scene.new_order(704, 0);
        let results = engines.orders.commit(vec![change.clone(), stayed.clone()]).await;
        let stored =
            [is_stored(&*engines.orders, &change.order).await, is_stored(&*engines.orders, &stayed.order).await];
        move_it(1, 0).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(stored, [true, true]);
        assert!(!is_stored(&*scene.ports.orders, &change.order).await, "it was written to the shard it had left");
    });
}
