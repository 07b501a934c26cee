//! Orders per second of this engine next to a plain program that does one transaction per order, on the same servers,
//! tables and durability: `cargo run --profile fast -p doos-adapter-mysql --example placing_rate`.
//!
//! Prints and judges nothing: the numbers mean something only as ratios of one run. `PLACING_SECONDS` and
//! `PLACING_ROUNDS` make it longer, `PLACING_WRITERS` sets the writing connections of each shard.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/mysql/common/mod.rs"]
mod common;

use common::{RealClock, Set, runtime, servers};
use doos_batcher::Limits;
use doos_domain::actor::Cause;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{Generator, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::{Line, Quote};
use doos_ports::clock::Clock;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use futures::future::join_all;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const USERS: u64 = 20_000;

struct Orders {
    ids: Generator,
    clock: Arc<RealClock>,
    made: AtomicU64,
}

impl Orders {
    fn new(worker: u8) -> Self {
        let clock = RealClock::start();
        let now = clock.now();
        Self { ids: Generator::new(worker, now, now.plus_millis(86_400_000)), clock, made: AtomicU64::new(0) }
    }

    /// An order of two lines with its message and its answer.
    fn make(&self) -> Change {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let user = UserId::new(1 + number.wrapping_mul(2_654_435_761) % USERS).unwrap();
        let now = self.clock.now();
        let id = self.ids.next(user.bucket(), now).unwrap();
        let line = |number, quantity| Line {
            product_id: ProductId::new(number).unwrap(),
            quantity,
            unit_price: Money::new(9_999, Currency::Cny),
        };
        let quote = Quote { lines: vec![line(1, 2), line(2, 1)], total: Money::new(29_997, Currency::Cny) };
        let step =
            Order::place(id, user, quote, Some("1 Long Street, Short Town".to_owned()), &Cause::system("rate", now));
        let key = AnswerKey { scope: user.to_string(), key: format!("key-{id}") };
        let body = format!("{{\"order_id\":\"{id}\",\"user_id\":\"{user}\",\"status\":\"pending\"}}");
        let answer = Some(Answer { key, fingerprint: number, status: 201, body, at: now });
        Change { expected_version: 0, order: Arc::new(step.order), messages: step.messages, answer, gate_epoch: None }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Orders per second while `place` is called by so many at once.
async fn rate<F: Future<Output = ()>>(callers: usize, place: impl Fn(usize) -> F) -> f64 {
    let clock = RealClock::start();
    let seconds = setting("PLACING_SECONDS", 3);
    let end = Duration::from_secs(seconds);
    let caller = |number: usize| {
        let (clock, place) = (&clock, &place);
        async move {
            let mut placed = 0_u64;
            while Clock::monotonic(&**clock) < end {
                place(number).await;
                placed += 1;
            }
            placed
        }
    };
    let placed: u64 = join_all((0..callers).map(caller)).await.into_iter().sum();
    placed as f64 / Clock::monotonic(&*clock).as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "one writing task a connection, as in a node")]
async fn grouped(set: &Set, callers: usize) -> f64 {
    let mut options = common::options(&set.addresses);
    options.writers_per_shard = setting("PLACING_WRITERS", 2) as usize;
    let store = common::open_with(options).await.orders;
    let limits = Limits { queue_len_max: 4_096, group_len_max: 256, group_weight_max: 1 << 20 };
    let mut queues = Vec::new();
    for _ in 0..store.shard_count() {
        let (queue, mut receiver) = doos_batcher::channel::<Change, Result<(), CommitError>>(limits);
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            while let Some(group) = receiver.next_group().await {
                let (changes, replies) = group.into_parts();
                replies.send(store.commit(changes).await);
            }
        });
        queues.push(queue);
    }
    let (orders, queues, store) = (&Orders::new(1), &queues, &store);
    rate(callers, |_| async move {
        let change = orders.make();
        let queue = &queues[store.shard_of(change.order.id)];
        queue.submit(change, 1_024).unwrap().reply().await.unwrap().unwrap();
    })
    .await
}

/// The plain program: a connection each, prepared statements, the same rows.
async fn one_by_one(set: &Set, callers: usize) -> f64 {
    let connect = |number: usize| async move {
        let opts = Opts::from_url(&set.addresses.shards[number % 2]).unwrap();
        tokio::sync::Mutex::new(Conn::new(opts).await.unwrap())
    };
    let connections = &join_all((0..callers).map(connect)).await;
    let orders = &Orders::new(2);
    let placed = rate(callers, |number| async move {
        // An order of a user whose shard this connection is at.
        let change = std::iter::repeat_with(|| orders.make())
            .find(|change| usize::from(change.order.id.bucket().get()) % 2 == number % 2)
            .unwrap();
        let mut conn = connections[number].lock().await;
        place_alone(&mut conn, &change).await.unwrap();
    });
    placed.await
}

async fn place_alone(conn: &mut Conn, change: &Change) -> mysql_async::Result<()> {
    let (order, message) = (&change.order, &change.messages[0]);
    let answer = change.answer.as_ref().unwrap();
    let (id, user, bucket) = (order.id.get(), order.user_id.get(), order.id.bucket().get());
    let json = |value: &dyn erased::Json| value.text();
    conn.query_drop("START TRANSACTION").await?;
    let sql = "INSERT INTO t_order (id, user_id, bucket, status, version, total_amount, currency, items, address, \
               detail, history, created_at, updated_at) VALUES (?,?,?,0,1,?,'CNY',?,?,?,?,?,?)";
    let at = order.created_at.as_millis();
    let row = (
        id,
        user,
        bucket,
        order.total.amount_minor,
        json(&order.lines),
        order.address.as_deref(),
        json(&order.money),
        json(&order.history),
        at,
        at,
    );
    conn.exec_drop(sql, row).await?;
    let sql = "INSERT INTO t_local_message (message_id, tx_id, bucket, topic, payload, next_retry, created_at) \
               VALUES (?,?,?,?,?,?,?)";
    let row = (message.id.as_str(), id.to_string(), bucket, message.to.name(), json(message), at + 5_000, at);
    conn.exec_drop(sql, row).await?;
    let sql = "INSERT INTO t_answer (id, bucket, scope, idempotency_key, fingerprint, status, body, created_at) \
               VALUES (UNHEX(MD5(?)),?,?,?,?,?,?,?)";
    let key = &answer.key;
    let row = (&key.key, bucket, &key.scope, &key.key, answer.fingerprint, answer.status, &answer.body, at);
    conn.exec_drop(sql, row).await?;
    conn.query_drop("COMMIT").await
}

mod erased {
    pub trait Json: Sync {
        fn text(&self) -> String;
    }

    impl<T: serde::Serialize + Sync> Json for T {
        fn text(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

fn main() {
    let Some(servers) = servers() else { return };
    runtime().block_on(async {
        let set = Set::take(&servers, 2).await;
        println!("orders/s on two shards; one transaction each | grouped | ratio");
        for callers in [64, 256] {
            for round in 1..=setting("PLACING_ROUNDS", 3) {
                let alone = one_by_one(&set, callers).await;
                let together = grouped(&set, callers).await;
                println!(
                    "{callers:>4} callers, round {round}: {alone:>8.0} | {together:>8.0} | {:.1}",
                    together / alone
                );
            }
        }
    });
}
