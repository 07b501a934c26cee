//! `doos archive` on the embedded store, beside the server that runs on it, and on a cluster's databases.

use doos_adapter_embedded::Store;
use doos_adapter_mysql::{Addresses, Databases};
use doos_domain::actor::{Actor, Cause};
use doos_domain::ids::{Generator, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::month::Month;
use doos_domain::order::{Order, Outcome};
use doos_domain::pricing::{Line, Quote};
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use doos_ports::order_store::{Change, OrderStore};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::Place;
use crate::support::command::{Said, run, run_with};
use crate::support::server::Setup;
use crate::support::shop::{self, await_status};
use crate::support::wait::until;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// Noon of the tenth.
fn day_of(text: &str) -> Timestamp {
    month(text).start().plus_millis(9 * 86_400_000 + 43_200_000)
}

/// A new order of one kettle, and the change that cancels it.
fn order_of(ids: &Generator, user: u64, at: Timestamp) -> (Change, Change) {
    let owner = UserId::new(user).unwrap();
    let price = Money::new(9_999, Currency::Cny);
    let line = Line { product_id: ProductId::new(101).unwrap(), quantity: 1, unit_price: price };
    let quote = Quote { lines: vec![line], total: price };
    let cause = Cause::new(at, Actor::Customer(owner));
    let placed = Order::place(ids.next(owner.bucket(), at).unwrap(), owner, quote, None, &cause);
    let Ok(Outcome::Changed(cancelled)) = placed.order.cancel(&cause) else { panic!("a new order can be cancelled") };
    let change = |expected_version, order, messages| Change {
        expected_version,
        order: Arc::new(order),
        messages,
        answer: None,
        gate_epoch: None,
    };
    (change(0, placed.order, placed.messages), change(1, cancelled.order, cancelled.messages))
}

fn ids_of(text: &str) -> Generator {
    Generator::new(7, month(text).start(), month(text).next().start())
}

async fn commit(orders: &dyn OrderStore, change: Change) {
    orders.commit(vec![change]).await.remove(0).expect("it is taken");
}

/// Three orders of January 2026, the last of them unpaid.
fn january_in(data: &Path) -> Vec<String> {
    let running = Store::open_dir(data, doos_adapter_embedded::Options::default()).unwrap().spawn().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let orders = running.store.orders();
    let mut placed = Vec::new();
    runtime.block_on(async {
        let ids = ids_of("2026-01");
        for at in 0..3 {
            let (new, cancel) = order_of(&ids, 42, day_of("2026-01").plus_millis(at));
            placed.push(new.order.id.to_string());
            commit(&*orders, new).await;
            if at < 2 {
                commit(&*orders, cancel).await;
            }
        }
    });
    running.stop();
    placed
}

fn reasons(month: &Value) -> Vec<&str> {
    month["obstacles"].as_array().unwrap().iter().map(|obstacle| obstacle["reason"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_month_of_the_embedded_store_is_put_away_beside_its_server_and_read_as_before() {
    let setup = Setup::new();
    let data = setup.data();
    let placed = tokio::task::spawn_blocking({
        let data = data.clone();
        move || january_in(&data)
    });
    let placed = placed.await.unwrap();

    // Nobody has heard of these orders yet, and one may still be paid.
    let told = run(&data, &["archive", "--before", "2026-02", "-o", "json"]).await.expect_json(1);
    assert_eq!(
        (&told["months"][0]["fate"], reasons(&told["months"][0])),
        (&json!("refused"), vec!["message_open", "pending"])
    );
    let said = run(&data, &["archive", "--before", "2026-02"]).await.expect(1);
    assert!(said.contains("2026-01  refused  3 orders") && said.contains("1 pending, such as order"), "{said}");

    // With a server, the deadlines pass and all is decided.
    let mut server = setup.start().await;
    let client = server.client();
    for order in &placed {
        await_status(&client, order, "cancelled").await;
    }
    let today = shop::place(&client, "42", "101", 1).await;
    await_status(&client, &today, "confirmed").await;
    let read = async |order: &str| client.get(format!("/v1/orders/{order}")).send().await.expect(200);
    let list = async || client.get("/v1/orders?user_id=42&page_size=2").send().await.expect(200);
    let mut before = Vec::new();
    for order in &placed {
        before.push(read(order).await);
    }
    until("the month is ready", async || {
        let said = server.run(&["archive", "--before", "2026-02", "--dry-run"]).await;
        if said.code == Some(0) { Ok(()) } else { Err(said) }
    })
    .await;
    let listed = list().await;
    let done = server.run(&["archive", "--before", "2026-02"]).await;
    assert!(done.stderr.contains("2026-01") && done.stderr.contains("put away"), "progress: {}", done.stderr);
    let text = done.expect(0);
    assert!(text.contains("2026-01  archived  3 orders, 3 put away"), "{text}");
    for (order, before) in placed.iter().zip(&before) {
        assert_eq!(read(order).await, *before);
    }
    assert_eq!(list().await, listed);
    let next = listed["next_page_token"].as_str().unwrap();
    let rest = client.get(format!("/v1/orders?user_id=42&page_size=2&page_token={next}")).send().await.expect(200);
    assert_eq!(rest["orders"].as_array().unwrap().len(), 2, "over live and archived months");

    until("search finds all four", async || {
        let found = client.get("/v1/admin/search?user_id=42").send().await.expect(200);
        if found["orders"].as_array().map(Vec::len) == Some(4) { Ok(()) } else { Err(found) }
    })
    .await;

    let standing = server.run(&["archive", "status", "-o", "json"]).await.expect_json(0);
    assert_eq!((&standing["months"][0]["month"], &standing["months"][0]["orders"]), (&json!("2026-01"), &json!(3)));
    assert!(server.run(&["archive", "--before", "2026-02"]).await.expect(0).contains("nothing to do"));
    server.run(&["audit"]).await.expect(0);
    let rebuilt = server.run(&["projections", "rebuild", "-o", "json"]).await.expect_json(0);
    assert!(rebuilt["equal"] == true && rebuilt["projections"][0]["held"] == 4, "{rebuilt}");

    server.stop().await;
    server.run(&["audit"]).await.expect(0);
    server.start().await;
    let client = server.client();
    for (order, before) in placed.iter().zip(&before) {
        assert_eq!(client.get(format!("/v1/orders/{order}")).send().await.expect(200), *before, "after a restart");
    }
}

#[tokio::test]
async fn the_month_that_runs_is_refused_and_wrong_words_are_told() {
    let server = Setup::new().start().await;
    shop::place(&server.client(), "42", "101", 1).await;
    let months = until("its order is folded", async || {
        let said = server.run(&["archive", "--before", "9999-01", "-o", "json"]).await;
        let told: Value = serde_json::from_str(&said.stdout).unwrap();
        let months = told["months"].as_array().unwrap().clone();
        if months.is_empty() { Err(told) } else { Ok(months) }
    })
    .await;
    assert!(reasons(&months[0]).contains(&"month_not_over"), "{months:?}");
    let empty = Place::new();
    let refused = run(&empty.path().join("nothing"), &["archive", "--before", "2026-02"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let wrong = run(empty.path(), &["archive", "--before", "2026-2"]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("write it as 2026-09"), "{wrong:?}");
}

/// Stands in a month of the past.
struct Past(Timestamp);

#[async_trait::async_trait]
impl Clock for Past {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        #[expect(clippy::disallowed_methods, reason = "databases are given up on by a real clock")]
        START.get_or_init(Instant::now).elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        4
    }
}

/// User, password and place of the test servers, or `None` after having said so.
fn servers() -> Option<[(String, String, String); 2]> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
    let said = std::process::Command::new(script).arg("env").output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let of = |name: &str| {
        let line = text.lines().find(|line| line.contains(name))?;
        let (credentials, rest) = line.split_once("mysql://")?.1.split_once('@')?;
        let (user, password) = credentials.split_once(':')?;
        Some((user.to_owned(), password.to_owned(), rest.split_once('/')?.0.to_owned()))
    };
    let found = of("DOOS_TEST_MYSQL_0=").zip(of("DOOS_TEST_MYSQL_1="));
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no MariaDB: run `scripts/services.sh start mariadb`");
        eprintln!("!!!! NOT RUN: no MariaDB: run `scripts/services.sh start mariadb`");
    }
    found.map(|(first, second)| [first, second])
}

/// Databases that go when their test is over.
struct Databank(String);

impl Drop for Databank {
    fn drop(&mut self) {
        for (number, name) in NAMES.iter().enumerate() {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
            let statement = format!("DROP DATABASE IF EXISTS {}_{name}", self.0);
            let shard = format!("shard-{}", number % 2);
            // A server that is gone has nothing to be removed.
            let _ = std::process::Command::new(script).args(["sql", &shard, &statement]).output();
        }
    }
}

const NAMES: [&str; 8] =
    ["order_0", "order_1", "inventory", "catalog", "identity", "payment", "shipping", "statistics"];

#[tokio::test]
async fn months_of_a_cluster_s_shards_are_put_away_by_the_command() {
    let Some(servers) = servers() else { return };
    let prefix = format!("doos_cli_archive_{}", std::process::id());
    let _databank = Databank(prefix.clone());
    let at = |number: usize| &servers[number % 2];
    let url = |number: usize| {
        let (user, password, place) = at(number);
        format!("mysql://{user}:{password}@{place}/{prefix}_{}", NAMES[number])
    };
    let dsn = |number: usize| {
        let (user, password, place) = at(number);
        format!("{user}:{password}@tcp({place})/{prefix}_{}", NAMES[number])
    };
    let addresses = Addresses {
        shards: vec![url(0), url(1)],
        inventory: url(2),
        catalog: url(3),
        identity: url(4),
        payment: url(5),
        shipping: url(6),
        statistics: url(7),
    };
    let began = Arc::new(Past(month("2026-01").start()));
    let databases = Databases::new(doos_adapter_mysql::Options::new(addresses), began).unwrap();
    databases.migrate().await.expect("new databases");
    let orders = databases.open().await.expect("they can be opened").orders;
    // Nobody is there to hear of them.
    let unheard = |change: Change| Change { messages: Vec::new(), ..change };
    for (text, user, is_open) in [("2026-01", 2, false), ("2026-01", 3, false), ("2026-02", 2, true)] {
        let (new, cancel) = order_of(&ids_of(text), user, day_of(text));
        commit(&*orders, unheard(new)).await;
        if !is_open {
            commit(&*orders, unheard(cancel)).await;
        }
    }

    let place = Place::new();
    let file = place.path().join("cluster.yaml");
    let shards: Vec<Value> = (0..2).map(|number| json!({ "dsn": dsn(number) })).collect();
    let database = json!({
        "shards": shards, "inventory": dsn(2), "catalog": dsn(3), "identity": dsn(4), "payment": dsn(5),
        "shipping": dsn(6), "statistics": dsn(7),
    });
    let settings = json!({
        "database": database,
        "kafka": {"brokers": ["127.0.0.1:1"]},
        "auth": {"token_secret": "9e1c5a7340bd28f6e4d1907ac35f8b62"},
        "payment": {"callback_secret": "b7f1c0d94e6a58231f7d90ce4ab8356e"},
    });
    std::fs::write(&file, settings.to_string()).unwrap();
    let doos = async |words: &[&str]| -> Said {
        let words = [words, &["--config", file.to_str().unwrap()]].concat();
        run_with(place.path(), &[], &words).await
    };
    let fates = |told: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        told["months"].as_array().unwrap().iter().map(|told| (text(&told["month"]), text(&told["fate"]))).collect()
    };
    let pair = |month: &str, fate: &str| (month.to_owned(), fate.to_owned());

    let dry = doos(&["archive", "--before", "2026-02", "--dry-run", "-o", "json"]).await.expect_json(0);
    assert_eq!(fates(&dry), [pair("2026-01", "archivable"), pair("2026-01", "archivable")]);
    assert!(doos(&["archive", "status"]).await.expect(0).contains("nothing is archived"));
    let told = doos(&["archive", "--before", "2026-03", "-o", "json"]).await.expect_json(1);
    let expected = [
        pair("2026-01", "archived"),
        pair("2026-02", "refused"),
        pair("2026-01", "archived"),
        pair("2026-02", "archived"),
    ];
    assert_eq!(fates(&told), expected);
    assert_eq!(reasons(&told["months"][1]), ["pending"]);
    let again = doos(&["archive", "--before", "2026-02"]).await.expect(0);
    assert!(again.contains("nothing to do"), "{again}");
    let standing = doos(&["archive", "status"]).await.expect(0);
    assert!(standing.contains("shard 0  2026-01  1 orders put away"), "{standing}");
    // The audit finds these three, put away or not; no context but the orders' has heard of them.
    let audit = doos(&["audit", "-o", "json"]).await.expect_json(1);
    assert_eq!(audit["orders"], 3, "{audit}");

    // Many more for February's other shard, and the command killed in the middle of them.
    let ids = ids_of("2026-03");
    let (mut placed, mut cancelled) = (Vec::new(), Vec::new());
    for at in 0..600 {
        let (new, cancel) = order_of(&ids, 3 + 2 * (at % 7), day_of("2026-03"));
        placed.push(unheard(new));
        cancelled.push(unheard(cancel));
    }
    let last: Vec<Arc<Order>> = cancelled.iter().map(|change| Arc::clone(&change.order)).collect();
    for told in [orders.commit(placed).await, orders.commit(cancelled).await].concat() {
        told.expect("it is taken");
    }
    let mut command = crate::support::command::doos();
    command.args(["archive", "--month", "2026-03", "--config"]).arg(&file).stderr(Stdio::piped());
    let mut process = command.arg("--data-dir").arg(place.path()).spawn().unwrap();
    let mut progress = BufReader::new(process.stderr.take().unwrap()).lines();
    while let Some(line) = progress.next_line().await.unwrap() {
        if line.contains("put away") {
            break;
        }
    }
    process.kill().await.unwrap();
    for order in &last {
        assert_eq!(orders.load(order.id).await.unwrap().as_ref(), Some(order), "after the kill");
    }
    let told = doos(&["archive", "--month", "2026-03", "-o", "json"]).await.expect_json(0);
    assert!(fates(&told).iter().all(|(_, fate)| fate == "archived"), "{told}");
    let standing = doos(&["archive", "status"]).await.expect(0);
    assert!(standing.contains("shard 1  2026-03  600 orders put away") && !standing.contains("again"), "{standing}");
    for order in &last {
        assert_eq!(orders.load(order.id).await.unwrap().as_ref(), Some(order), "in the end");
    }
}
