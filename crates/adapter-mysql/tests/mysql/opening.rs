//! Migrations, partitions, and what is refused.

use doos_adapter_mysql::{Databases, Error, Options, Schema};
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{self, RealClock, addresses, on_each, runtime, servers};
use crate::{clock, scene};

const DAY_MS: i64 = 86_400_000;

/// Runs a test on databases of its own, made empty and dropped at the end.
fn on_empty<F: Future<Output = ()>>(test: impl FnOnce(Options) -> F) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(servers) = servers() else { return };
    let prefix = format!("doos_test_{}_{}_own", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let addresses = addresses(&servers, &prefix, 2);
    runtime().block_on(async {
        on_each(&addresses, "CREATE DATABASE {}").await;
        let tested = std::panic::AssertUnwindSafe(test(common::options(&addresses)));
        let result = futures::FutureExt::catch_unwind(tested).await;
        on_each(&addresses, "DROP DATABASE {}").await;
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

fn databases(options: &Options) -> Databases {
    Databases::new(options.clone(), clock()).expect("the addresses are right")
}

async fn at(address: &str) -> Conn {
    Conn::new(Opts::from_url(address).unwrap()).await.unwrap()
}

#[test]
fn tables_are_made_from_nothing_once_and_an_old_state_is_refused() {
    on_empty(async |options| {
        let plan = databases(&options).standing().await.expect("empty databases can be looked at");
        assert_eq!(plan.len(), 8);
        assert!(plan.iter().all(|standing| standing.applied == 0 && !standing.pending.is_empty()), "{plan:?}");
        let refused = databases(&options).open().await.err().expect("empty databases are not served from");
        assert!(matches!(&refused, Error::SchemaTooOld { missing, .. } if *missing == [1, 2, 3, 4, 5]), "{refused}");

        // Two programs that start at once take turns.
        let (one, other) = (databases(&options), databases(&options));
        let (one, other) = futures::join!(one.migrate(), other.migrate());
        for done in [one.unwrap(), other.unwrap()] {
            assert!(done.iter().all(|standing| standing.pending.is_empty()));
        }
        let standing = databases(&options).standing().await.unwrap();
        assert!(standing.iter().all(|standing| standing.applied == standing.schema.newest()), "{standing:?}");
        assert_eq!(standing.iter().filter(|standing| standing.schema == Schema::Shard).count(), 2);
        databases(&options).open().await.expect("migrated databases can be opened");
        for (shard, first) in options.addresses.shards.iter().zip([0_u16, 1]) {
            let buckets: Vec<u16> = at(shard).await.query("SELECT bucket FROM t_bucket ORDER BY bucket").await.unwrap();
            assert_eq!(buckets, (first..1024).step_by(2).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_newer_schema_is_refused_by_name() {
    on_empty(async |options| {
        databases(&options).migrate().await.unwrap();
        let sql = "INSERT INTO t_schema VALUES (99, 'from the future', 'x', 0)";
        at(&options.addresses.payment).await.query_drop(sql).await.unwrap();
        for refused in [databases(&options).open().await.err(), databases(&options).migrate().await.err()] {
            let refused = refused.expect("a newer schema is refused");
            assert!(matches!(&refused, Error::SchemaTooNew { found: 99, known: 2, .. }), "{refused}");
            assert!(refused.to_string().contains("_payment"), "{refused}");
        }
    });
}

#[test]
fn a_wrong_setting_is_refused_with_its_fix() {
    on_empty(async |mut options| {
        databases(&options).migrate().await.unwrap();
        options.packet_bytes_min = 1 << 40;
        let refused = databases(&options).open().await.err().expect("no server takes such packets");
        let text = refused.to_string();
        assert!(matches!(refused, Error::Settings { .. }), "{text}");
        assert!(text.contains("set `max_allowed_packet = 1099511627776`"), "{text}");
        assert!(text.contains("_order_0") && !text.contains('@'), "it names the database and no password: {text}");
    });
}

#[test]
fn months_are_made_ahead_and_orders_lie_in_theirs() {
    on_empty(async |options| {
        databases(&options).migrate().await.unwrap();
        let engines = common::open_with(options.clone()).await;
        let months = async || -> Vec<String> {
            let sql = "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() \
                       AND TABLE_NAME = 't_order' ORDER BY PARTITION_ORDINAL_POSITION";
            at(&options.addresses.shards[0]).await.query(sql).await.unwrap()
        };
        let first = months().await;
        assert_eq!(first.len(), 5, "this month, three ahead, and the rest: {first:?}");
        engines.keep_up(clock().now()).await.unwrap();
        assert_eq!(months().await, first, "nothing is missing yet");
        let later = clock().now().plus_millis(62 * DAY_MS);
        engines.keep_up(later).await.unwrap();
        engines.keep_up(later).await.unwrap();
        let grown = months().await;
        assert!((6..=8).contains(&grown.len()) && grown.starts_with(&first[..4]), "{grown:?}");
        assert_eq!(grown.last().map(String::as_str), Some("p_rest"));

        let ports = common::ports(&options.addresses).await;
        let scene = doos_ports::suites::scene::Scene::new(ports);
        scene.placed(2, 0).await;
        let sql = format!("SELECT COUNT(*) FROM t_order PARTITION ({})", first[0]);
        let count: Option<u64> = at(&options.addresses.shards[0]).await.query_first(sql).await.unwrap();
        assert_eq!(count, Some(1), "an order of today lies in this month");
    });
}

#[test]
fn answers_are_forgotten_after_a_week() {
    crate::on_set(async |_, set| {
        let engines = common::open(&set.addresses).await;
        let scene = scene(&set).await;
        let answer = scene.answer("customer:2", "k", "yes");
        scene.ports.orders.remember(answer.clone()).await.unwrap();
        let found = async |at: Timestamp| {
            engines.keep_up(at).await.unwrap();
            scene.ports.orders.find_answer(&answer.key).await.unwrap().is_some()
        };
        assert!(found(answer.at.plus_millis(7 * DAY_MS - 1_000)).await);
        assert!(!found(answer.at.plus_millis(7 * DAY_MS + 1_000)).await);
    });
}

#[test]
fn addresses_that_cannot_be_right_are_refused() {
    let right = |name: &str| format!("mysql://u:secret@127.0.0.1:1/{name}");
    let options = |shards: Vec<String>, payment: String| {
        let other = |name: &str| right(name);
        Options::new(doos_adapter_mysql::Addresses {
            shards,
            inventory: other("i"),
            catalog: other("c"),
            identity: other("d"),
            payment,
            shipping: other("s"),
            statistics: other("t"),
        })
    };
    let refused = |options: Options| Databases::new(options, RealClock::start()).err().unwrap();
    let error = refused(options(Vec::new(), right("p")));
    assert!(matches!(error, Error::NoShards), "{error}");
    for wrong in ["postgres://u:secret@h/p", "mysql://u:secret@127.0.0.1:1", "127.0.0.1:3306"] {
        let error = refused(options(vec![right("o")], wrong.to_owned()));
        assert!(matches!(&error, Error::Address { option, .. } if option == "payment"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = refused(options(vec![right("o")], right("c")));
    assert!(matches!(error, Error::SharedDatabase { .. }), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let Some(servers) = servers() else { return };
    let mut addresses = addresses(&servers, "doos_test_nowhere", 1);
    addresses.shards[0] = "mysql://u:secret@127.0.0.1:1/orders".to_owned();
    runtime().block_on(async {
        let error = databases(&common::options(&addresses)).open().await.err().unwrap();
        assert!(error.to_string().contains("127.0.0.1:1/orders"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    });
}
