//! Concurrent buyers on few hot products, and `kill -9` again and again at random moments.
//!
//! What must hold at the end, whatever the kills hit: every acknowledged order is there with its items and its total; no
//! key has two orders; each product's books balance and nothing is oversold; nobody was refused while units were free;
//! `doos audit` agrees.
//!
//! The moments are drawn from a seed, which is printed; `DOOS_TORTURE_SEED` repeats it, `DOOS_TORTURE_KILLS` makes it
//! longer. The kernel's timing is not repeated with it: a failing run keeps its data directory, which is the evidence.
//!
//! `support/buyer.rs` is what a client does that never gives up, `support/goods.rs` counts what could have been taken from
//! the shelf, `support/proof.rs` compares the end with what the buyers were told.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::buyer::{Buyer, Purchase, Shop};
use crate::support::goods::Goods;
use crate::support::proof::{expect_each_key_its_one_order, expect_settled_books, expect_the_same_answers_again};
use crate::support::server::{Server, Setup};

const BUYERS: u64 = 24;
const KILLS: u64 = 20;
/// Of these, one in so many hits the process while it starts.
const START_KILL_EVERY: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_oversold_though_the_process_is_killed_again_and_again() {
    let kills = from_environment("DOOS_TORTURE_KILLS").unwrap_or(KILLS);
    let seed = from_environment("DOOS_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("torture: {kills} kills, DOOS_TORTURE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    // No call waits for anything longer than a process lives here.
    let mut server = Setup::new().argument("--empty").setting("LIMITS__PAY_WAIT_MS", 200).start().await;
    let goods = Arc::new(Goods::put_on_the_shelf(&server.operator().await).await);
    let (address, _) = watch::channel(server.listen());
    let (closing, _) = watch::channel(false);
    let mut buying = JoinSet::new();
    for number in 0..BUYERS {
        let shop = Shop { address: address.subscribe(), closing: closing.subscribe(), goods: Arc::clone(&goods) };
        buying.spawn(Buyer::new(1_000 + number, fastrand::Rng::with_seed(random.u64(..)), shop).buy_until_closing());
    }
    kill_again_and_again(&mut server, kills, &mut random, &address, &goods).await;
    closing.send_replace(true);
    let purchases: Vec<Purchase> = buying.join_all().await.into_iter().flatten().collect();

    let placed = purchases.iter().filter(|purchase| purchase.order.is_some()).count();
    println!("torture: {} keys, {placed} orders, {} refused for stock", purchases.len(), purchases.len() - placed);
    assert!(placed as u64 > 10 * kills, "hardly anything was going on: {placed} orders");
    let client = server.client();
    expect_each_key_its_one_order(&client, &purchases).await;
    let sold = expect_settled_books(&client, &goods).await;
    println!("torture: sold at the end, by product: {sold:?}");
    expect_the_same_answers_again(&client, &purchases, &mut random).await;
    server.run(&["audit"]).await.expect(0);
    assert_eq!(server.stop().await.code(), Some(0));
    server.run(&["audit"]).await.expect(0);
}

fn from_environment(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Lets the server live for a random while, kills it, starts it, looks at the shelf, puts some units on it.
async fn kill_again_and_again(
    server: &mut Server,
    kills: u64,
    random: &mut fastrand::Rng,
    address: &watch::Sender<SocketAddr>,
    goods: &Goods,
) {
    for kill in 1..=kills {
        // Not waiting for anything: these are the random moments.
        tokio::time::sleep(Duration::from_millis(random.u64(50..1_200))).await;
        server.kill().await;
        if kill % START_KILL_EVERY == 0 {
            let mut starting = server.spawn();
            tokio::time::sleep(Duration::from_millis(random.u64(0..150))).await;
            starting.kill().await.unwrap();
        }
        server.start().await;
        address.send_replace(server.listen());
        goods.look_and_restock(&server.operator().await).await;
    }
}
