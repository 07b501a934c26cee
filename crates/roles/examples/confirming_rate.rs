//! Orders per second to `confirmed` in a cluster (two order shards, inventory, broker), next to a plain program that does
//! the same steps one transaction each, on the same servers, tables and durability:
//! `cargo run --profile fast -p doos-roles --example confirming_rate`.
//!
//! The plain program is given every advantage: it has no broker and no relay, the connection that placed the order does
//! the next step itself, at once. Prints and judges nothing: the numbers mean something only as ratios of one run.
//! `CONFIRMING_SECONDS` and `CONFIRMING_ROUNDS` make it longer; the callers place for so long, and the rate counts until
//! the last order is confirmed. At 256 callers the plain program takes 256 of the inventory server's connections; where others
//! use it too, it may have none left.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]

#[expect(dead_code, reason = "the adapter's tests need more of it")]
#[path = "../../adapter-mysql/tests/mysql/common/mod.rs"]
mod common;

use common::{RealClock, Set, runtime, servers};
use doos_adapter_embedded::MemoryGate;
use doos_adapter_kafka::KafkaBus;
use doos_adapter_sim::{SimEngines, SimOptions};
use doos_app::keys::Key;
use doos_app::order::{PlaceOrder, Placed};
use doos_app::stock::Adjustment;
use doos_app::{App, Options, Principal};
use doos_domain::actor::Actor;
use doos_domain::actor::Cause;
use doos_domain::catalog::Product;
use doos_domain::ids::{ProductId, UserId};
use doos_domain::message::{Body, Message};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome};
use doos_domain::pricing::WantedLine;
use doos_domain::stock::Decision;
use doos_ports::Ports;
use doos_ports::clock::Clock;
use futures::future::join_all;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const USERS: u64 = 20_000;
/// Enough that the plain program's orders seldom wait for each other's rows.
const PRODUCTS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn broker() -> Option<String> {
    if let Ok(address) = std::env::var("DOOS_TEST_KAFKA") {
        return Some(address);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
    let said = Command::new(script).arg("env").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let named = said.lines().find_map(|line| line.split_once("DOOS_TEST_KAFKA="));
    named.map(|(_, address)| address.trim_matches('\'').to_owned())
}

fn product(number: u64) -> ProductId {
    ProductId::new(1 + number % PRODUCTS).unwrap()
}

/// Two lines each, as in the measurement of placing.
fn lines_of(number: u64) -> [(ProductId, u32); 2] {
    [(product(number * 7), 2), (product(number * 7 + 3), 1)]
}

struct Rates {
    placed: u64,
    placing_s: f64,
    confirmed_s: f64,
}

impl Rates {
    fn placing(&self) -> f64 {
        self.placed as f64 / self.placing_s
    }

    fn confirming(&self) -> f64 {
        self.placed as f64 / self.confirmed_s
    }
}

/// Calls `work` from so many callers for the given time. Returns how often, and how long it took.
async fn callers<F: Future<Output = ()>>(count: usize, work: impl Fn(usize) -> F) -> (u64, f64) {
    let clock = RealClock::start();
    let end = Duration::from_secs(setting("CONFIRMING_SECONDS", 4));
    let caller = |number: usize| {
        let (clock, work) = (&clock, &work);
        async move {
            let mut done = 0_u64;
            while Clock::monotonic(&**clock) < end {
                work(number).await;
                done += 1;
            }
            done
        }
    };
    let done = join_all((0..count).map(caller)).await.into_iter().sum();
    (done, Clock::monotonic(&*clock).as_secs_f64())
}

async fn ports(set: &Set, broker: &str) -> Ports {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let topics = format!("doos.rate-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let options = doos_adapter_kafka::Options {
        brokers: vec![broker.to_owned()],
        topic_prefix: topics,
        ..doos_adapter_kafka::Options::default()
    };
    let bus = KafkaBus::open(options).unwrap();
    bus.prepare().await.unwrap();
    let engines = common::open(&set.addresses).await;
    let clock = RealClock::start();
    let sim = SimEngines::new(SimOptions::default(), clock.clone());
    Ports {
        clock,
        bus: Arc::new(bus),
        gate: Arc::new(MemoryGate::default()),
        id_marks: engines.id_marks,
        orders: engines.orders,
        outbox: engines.outbox,
        ledger: engines.ledger,
        inbox: engines.inbox,
        catalog: engines.catalog,
        payments: engines.payments,
        shipments: engines.shipments,
        actions: engines.actions,
        ..sim.ports(1, sim.clock(), sim.gate())
    }
}

/// Products with stock for everybody.
async fn stock_up(app: &Arc<App>) {
    for number in 0..PRODUCTS {
        let product = Product {
            id: product(number),
            version: 1,
            name: doos_domain::catalog::LocalText::plain("a thing"),
            description: doos_domain::catalog::LocalText::default(),
            price: Money::new(9_999, Currency::Cny),
            category: String::new(),
            picture: None,
            on_sale: true,
            updated_at: app.ports.clock.now(),
        };
        app.seed_product(product).await.unwrap();
    }
    let by = doos_app::actions::Asked::from(Principal::Operator("rate".to_owned()));
    let receive = Adjustment::Receive { quantity: 1_000_000_000 };
    for number in 0..PRODUCTS {
        let reference = Some(format!("rate-{number}"));
        app.adjust_stock(&by, product(number), receive, reference, None, |_, _| String::new()).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "tasks as a node starts them")]
async fn grouped(set: &Set, broker: &str, count: usize) -> Rates {
    let ports = ports(set, broker).await;
    let (app, loops) = App::start(ports, Options { worker: 1, ..Options::default() }).await.unwrap();
    let mut tasks: Vec<_> = loops.into_iter().map(|each| tokio::spawn(each.run)).collect();
    stock_up(&app).await;
    for name in ["relay", "inventory", "order", "id-keeper"] {
        let role = doos_roles::build(name, &app).unwrap();
        tasks.push(tokio::spawn(doos_roles::drive(role, Arc::clone(&app.ports.clock), std::future::pending())));
    }
    let made = &AtomicU64::new(0);
    let clock = RealClock::start();
    let place = |_| {
        let app = Arc::clone(&app);
        async move {
            let number = made.fetch_add(1, Ordering::Relaxed);
            let user_id = user(number);
            let key = Key::try_new(user_id.to_string(), &format!("key-{number}"), number).unwrap();
            let line = |(product_id, quantity)| WantedLine { product_id, quantity, seen_price: None };
            let call = || PlaceOrder {
                user_id,
                actor: Actor::Customer(user_id),
                lines: lines_of(number).map(line).to_vec(),
                address: Some("1 Long Street, Short Town".to_owned()),
                coupon: None,
                key: Some(key.clone()),
                trace: None,
                render: |order| format!("{{\"order_id\":\"{}\",\"status\":\"pending\"}}", order.id),
            };
            // Busy is an answer, and the caller comes again.
            while !matches!(app.place(call()).await, Ok(Placed::Now(..))) {
                app.ports.clock.sleep(Duration::from_millis(2)).await;
            }
        }
    };
    let (placed, placing_s) = callers(count, place).await;
    while confirmed(set).await < placed {
        assert!(Clock::monotonic(&*clock) < PATIENCE, "{} of {placed} were confirmed", confirmed(set).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let confirmed_s = Clock::monotonic(&*clock).as_secs_f64();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Rates { placed, placing_s, confirmed_s }
}

fn user(number: u64) -> UserId {
    UserId::new(1 + number.wrapping_mul(2_654_435_761) % USERS).unwrap()
}

/// How many orders of the set are confirmed.
async fn confirmed(set: &Set) -> u64 {
    let mut sum = 0;
    for address in &set.addresses.shards {
        let mut conn = Conn::new(Opts::from_url(address).unwrap()).await.unwrap();
        sum += conn.query_first::<u64, _>("SELECT COUNT(*) FROM t_order WHERE status = 5").await.unwrap().unwrap();
        conn.disconnect().await.unwrap();
    }
    sum
}

/// A caller of the plain program: a connection to its shard, one to the inventory, prepared statements.
struct Plain {
    shard: Conn,
    inventory: Conn,
}

async fn one_by_one(set: &Set, count: usize) -> Rates {
    let connect = |address: String| async move { Conn::new(Opts::from_url(&address).unwrap()).await.unwrap() };
    let caller = |number: usize| async move {
        let shard = connect(set.addresses.shards[number % 2].clone()).await;
        tokio::sync::Mutex::new(Plain { shard, inventory: connect(set.addresses.inventory.clone()).await })
    };
    let connected = join_all((0..count).map(caller)).await;
    let plain = &connected;
    let clock = RealClock::start();
    let now = clock.now();
    let ids = &doos_domain::ids::Generator::new(2, now, now.plus_millis(86_400_000));
    let (made, clock) = (&AtomicU64::new(0), &clock);
    let work = |number: usize| async move {
        let mut plain = plain[number].lock().await;
        // A user whose shard this connection is at.
        let (order_number, user) = std::iter::repeat_with(|| made.fetch_add(1, Ordering::Relaxed))
            .map(|order_number| (order_number, user(order_number)))
            .find(|(_, user)| usize::from(user.bucket().get()) % 2 == number % 2)
            .unwrap();
        let now = clock.now();
        let lines = lines_of(order_number).map(|(product_id, quantity)| doos_domain::pricing::Line {
            product_id,
            quantity,
            unit_price: Money::new(9_999, Currency::Cny),
        });
        let total = Money::new(29_997, Currency::Cny);
        let quote = doos_domain::pricing::Quote { lines: lines.to_vec(), total };
        let id = ids.next(user.bucket(), now).unwrap();
        let address = Some("1 Long Street, Short Town".to_owned());
        let step = Order::place(id, user, quote, address, &Cause::system("rate", now));
        plain.carry(&step.order, &step.messages[0], &format!("plain-{order_number}")).await.unwrap();
    };
    let (placed, placing_s) = callers(count, work).await;
    // Gone before the next round asks for as many.
    for caller in connected {
        let Plain { shard, inventory } = caller.into_inner();
        shard.disconnect().await.unwrap();
        inventory.disconnect().await.unwrap();
    }
    Rates { placed, placing_s, confirmed_s: placing_s }
}

impl Plain {
    /// One order from placed to confirmed, in four transactions.
    async fn carry(&mut self, order: &Order, deduct: &Message, key: &str) -> mysql_async::Result<()> {
        self.place(order, deduct, key).await?;
        let decided = deduct.reply(order.created_at, Body::StockDecided { decision: Decision::Deducted });
        // Two orders may want the same two products the other way round.
        while let Err(error) = self.deduct(order, &decided).await {
            let deadlock = matches!(&error, mysql_async::Error::Server(server) if server.code == 1213);
            assert!(deadlock, "{error}");
        }
        self.confirm(order, deduct).await?;
        let sql = "UPDATE t_local_message SET status = 2 WHERE message_id = ?";
        self.inventory.exec_drop(sql, (decided.id.as_str(),)).await
    }

    async fn place(&mut self, order: &Order, deduct: &Message, key: &str) -> mysql_async::Result<()> {
        let conn = &mut self.shard;
        let (id, user, bucket) = (order.id.get(), order.user_id.get(), order.id.bucket().get());
        let at = order.created_at.as_millis();
        conn.query_drop("START TRANSACTION").await?;
        let sql = "INSERT INTO t_order (id, user_id, bucket, status, version, total_amount, currency, items, address, \
                   detail, history, created_at, updated_at) VALUES (?,?,?,0,1,?,'CNY',?,?,?,?,?,?)";
        let (items, history) = (json(&order.lines), json(&order.history));
        let amount = order.total.amount_minor;
        let detail = format!("{{\"money\":{}}}", json(&order.money));
        conn.exec_drop(sql, (id, user, bucket, amount, items, order.address.as_deref(), detail, history, at, at))
            .await?;
        insert_message(conn, deduct).await?;
        let sql = "INSERT INTO t_answer (id, bucket, scope, idempotency_key, fingerprint, status, body, created_at) \
                   VALUES (UNHEX(MD5(?)),?,?,?,?,201,?,?)";
        let body = format!("{{\"order_id\":\"{id}\",\"status\":\"pending\"}}");
        conn.exec_drop(sql, (key, bucket, user.to_string(), key, id, body, at)).await?;
        conn.query_drop("COMMIT").await
    }

    async fn deduct(&mut self, order: &Order, decided: &Message) -> mysql_async::Result<()> {
        let conn = &mut self.inventory;
        let (id, at) = (order.id.get(), order.created_at.as_millis());
        let lines: Vec<(u64, u32)> = order.lines.iter().map(|line| (line.product_id.get(), line.quantity)).collect();
        let done = async {
            conn.query_drop("START TRANSACTION").await?;
            for (product, quantity) in &lines {
                let sql = "UPDATE t_stock SET version = version + 1, free = free - ?, sold = sold + ? \
                           WHERE product_id = ? AND free >= ?";
                conn.exec_drop(sql, (quantity, quantity, product, quantity)).await?;
                assert_eq!(conn.affected_rows(), 1);
                let sql = "INSERT INTO t_stock_ledger (reference, product_id, kind, qty, actor, created_at) \
                           VALUES (?,?,'deduct',?,'system:inventory',?)";
                conn.exec_drop(sql, (id.to_string(), product, quantity, at)).await?;
            }
            let sql = "INSERT INTO t_decision (order_id, decision, lines_deducted, given_back, decided_at) \
                       VALUES (?,0,?,0,?)";
            conn.exec_drop(sql, (id, json(&order.lines), at)).await?;
            insert_message(conn, decided).await?;
            conn.query_drop("COMMIT").await
        };
        let done = done.await;
        if done.is_err() {
            self.inventory.query_drop("ROLLBACK").await?;
        }
        done
    }

    async fn confirm(&mut self, order: &Order, deduct: &Message) -> mysql_async::Result<()> {
        let conn = &mut self.shard;
        let Ok(Outcome::Changed(step)) =
            order.stock_decided(Decision::Deducted, &Cause::system("inventory", order.created_at))
        else {
            panic!("{order:?}");
        };
        conn.query_drop("START TRANSACTION").await?;
        let sql = "SELECT version FROM t_order WHERE id = ? FOR UPDATE";
        let version: Option<u32> = conn.exec_first(sql, (order.id.get(),)).await?;
        assert_eq!(version, Some(1));
        let sql = "UPDATE t_order SET status = 5, version = 2, history = ?, updated_at = ? WHERE id = ?";
        let row = (json(&step.order.history), step.order.updated_at.as_millis(), order.id.get());
        conn.exec_drop(sql, row).await?;
        let sql = "UPDATE t_local_message SET status = 2 WHERE message_id = ?";
        conn.exec_drop(sql, (deduct.id.as_str(),)).await?;
        conn.query_drop("COMMIT").await
    }
}

async fn insert_message(conn: &mut Conn, message: &Message) -> mysql_async::Result<()> {
    let sql = "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, next_retry, created_at) \
               VALUES (?,?,?,?,?,?,?)";
    let at = message.at.as_millis();
    let (order, bucket) = (message.order_id.to_string(), message.order_id.bucket().get());
    let row = (message.id.as_str(), order, bucket, message.to.name(), json(message), at + 5_000, at);
    conn.exec_drop(sql, row).await
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn main() {
    let (Some(servers), Some(broker)) = (servers(), broker()) else { return };
    runtime().block_on(async {
        println!("orders/s on two shards and an inventory: one transaction each, to confirmed | grouped, placing | grouped, to confirmed | ratio");
        for count in [64, 256] {
            for round in 1..=setting("CONFIRMING_ROUNDS", 2) {
                // Emptied for each, so that both find the same tables.
                let set = Set::take(&servers, 2).await;
                let together = grouped(&set, &broker, count).await;
                let alone = one_by_one(&set, count).await;
                let (placing, confirming, alone) = (together.placing(), together.confirming(), alone.confirming());
                println!(
                    "{count:>4} callers, round {round}: {alone:>8.0} | {placing:>8.0} | {confirming:>8.0} | {:.1}",
                    confirming / alone
                );
            }
        }
    });
}
