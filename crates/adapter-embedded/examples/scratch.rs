#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "scratch")]
use doos_adapter_embedded::*;
use doos_domain::{actor::Cause, answer::*, ids::*, money::*, order::Order, pricing::*, time::Timestamp};
use doos_ports::order_store::*;
use std::sync::Arc;
use std::time::Instant;
fn order(ids: &Generator, n: u64, keyed: bool) -> Change {
    let user = UserId::new(n % 5000 + 1).unwrap();
    let now = Timestamp::from_millis(1_790_000_000_000 + n as i64 / 50);
    let id = ids.next(user.bucket(), now).unwrap();
    let price = Money::new(500, Currency::Eur);
    let lines = vec![Line { product_id: ProductId::new(1 + n % 24).unwrap(), quantity: 2, unit_price: price }];
    let quote = Quote { lines, total: Money::new(1_000, Currency::Eur) };
    let step = Order::place(id, user, quote, Some("1 Long Road, Town".into()), &Cause::system("test", now));
    let answer = keyed.then(|| Answer {
        key: AnswerKey { scope: format!("customer:{}", user), key: format!("key-{n}") },
        fingerprint: 7,
        status: 201,
        body: serde_json::to_string(&step.order).unwrap(),
        at: now,
    });
    Change { expected_version: 0, order: Arc::new(step.order), messages: step.messages, answer }
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmRSS")).unwrap().to_string()
}
fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let total: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let conns: u64 = std::env::args().nth(3).unwrap().parse().unwrap();
    let keyed = std::env::args().nth(4).is_some();
    let t = Instant::now();
    let options = Options {
        unread_messages_max: 10_000_000,
        unread_bytes_max: 1 << 50,
        tail_orders_max: 10_000_000,
        tail_bytes_max: 1 << 40,
        ..Options::default()
    };
    let parts = Store::open_dir(&dir, options).unwrap();
    println!("open {:?} {}", t.elapsed(), rss());
    let running = parts.spawn().unwrap();
    if total == 0 {
        let t = Instant::now();
        let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let p = rt.block_on(running.store.orders().list(Query { limit: 100, ..Default::default() })).unwrap();
        println!("list100 {:?} {}", t.elapsed(), p.orders.len());
        let id = p.orders[50].id;
        let t = Instant::now();
        for _ in 0..10000 {
            rt.block_on(running.store.orders().load(id)).unwrap();
        }
        println!("load {:?} each", t.elapsed() / 10000);
        running.stop();
        return;
    }
    let start: u64 = std::env::args().nth(5).map_or(0, |s| s.parse().unwrap());
    let base = Timestamp::from_millis(1_790_000_000_000 + start as i64 / 50);
    let ids = Arc::new(Generator::new(1, base, base.plus_millis(1_000_000_000)));
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let t = Instant::now();
    let handles: Vec<_> = (0..conns)
        .map(|c| {
            let orders = running.store.orders();
            let ids = ids.clone();
            rt.spawn(async move {
                for n in 0..total / conns {
                    let change = order(&ids, start + n * conns + c, keyed);
                    let r = orders.commit(vec![change]).await.remove(0);
                    if let Err(e) = r {
                        panic!("{e}")
                    }
                }
            })
        })
        .collect();
    rt.block_on(async {
        for h in handles {
            h.await.unwrap();
        }
    });
    let took = t.elapsed();
    println!("{total} in {took:?}: {:.0}/s  {:?} {}", total as f64 / took.as_secs_f64(), running.store.depths(), rss());
    let t = Instant::now();
    let unfolded = running.store.depths().tail_orders;
    while running.store.depths().tail_bytes > 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    println!("folded {unfolded} in {:?} {}", t.elapsed(), rss());
    running.stop();
}
