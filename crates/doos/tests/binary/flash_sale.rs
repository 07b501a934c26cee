//! Ten thousand buyers, one product, a thousand units: exactly a thousand orders, and nobody refused while one was free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

use crate::support::server::Setup;
use crate::support::shop;

const BUYERS: u64 = 10_000;
const UNITS: u32 = 1_000;
const CONNECTIONS: usize = 256;
const QUEUE_AGE_MAX_MS: u64 = 120_000;

/// One buyer's call: when it was begun and answered, on the test's own clock, and whether it bought.
#[derive(Clone, Copy)]
struct Try {
    begun: u64,
    answered: u64,
    bought: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_buyers_get_exactly_the_thousand_units_there_are() {
    // Shedding has tests of its own; here every buyer must get the shop's own yes or no, however slow the machine.
    let server = Setup::new().argument("--empty").setting("LIMITS__QUEUE_AGE_MAX_MS", QUEUE_AGE_MAX_MS).start().await;
    let operator = server.operator().await;
    let product = shop::new_product(&operator, 9_900, UNITS).await;
    // As patient as the server: on a slow machine a call waits for all that came before it.
    let client = server.client().waiting(Duration::from_millis(QUEUE_AGE_MAX_MS));

    let waiting: Arc<Mutex<VecDeque<u64>>> = Arc::new(Mutex::new((1..=BUYERS).collect()));
    let clock = Arc::new(AtomicU64::new(0));
    let mut buying = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (waiting, clock, client, product) = (waiting.clone(), clock.clone(), client.clone(), product.clone());
        buying.spawn(async move {
            let mut tries = Vec::new();
            loop {
                let next = waiting.lock().unwrap().pop_front();
                let Some(user) = next else { return tries };
                let begun = clock.fetch_add(1, Ordering::SeqCst);
                let call = client.post("/v1/orders", &shop::order_of(&user.to_string(), &product, 1));
                let answer = call.key(&format!("sale-{user}")).send().await;
                let answered = clock.fetch_add(1, Ordering::SeqCst);
                match (answer.status, answer.code()) {
                    (201, _) => tries.push(Try { begun, answered, bought: true }),
                    (409, "out_of_stock") => tries.push(Try { begun, answered, bought: false }),
                    _ => panic!("buyer {user}: {} {}", answer.status, answer.text),
                }
            }
        });
    }
    let tries: Vec<Try> = buying.join_all().await.into_iter().flatten().collect();

    let bought = tries.iter().filter(|a_try| a_try.bought).count();
    assert_eq!((tries.len() as u64, bought as u64), (BUYERS, u64::from(UNITS)));
    expect_no_refusal_while_a_unit_was_free(&tries);

    // Inventory decides about all of them, and finds that it had exactly these.
    shop::await_stock(&client, &product, (0, 0, i64::from(UNITS))).await;
    let orders = shop::list(&operator, None).await;
    assert_eq!(orders.len() as u64, u64::from(UNITS));
    server.run(&["audit"]).await.expect(0);
}

/// A unit is taken somewhere between a successful call's begin and its answer, and nobody gives one back. So when a
/// refusal was answered, all thousand were taken only if a thousand of the successful calls had been begun by then.
/// Seen from the client nothing sharper can be said.
fn expect_no_refusal_while_a_unit_was_free(tries: &[Try]) {
    let mut begun: Vec<u64> = tries.iter().filter(|a_try| a_try.bought).map(|a_try| a_try.begun).collect();
    begun.sort_unstable();
    let last_unit_wanted = begun[UNITS as usize - 1];
    let first_refusal = tries.iter().filter(|a_try| !a_try.bought).map(|a_try| a_try.answered).min();
    let first_refusal = first_refusal.expect("nine thousand were refused");
    assert!(
        first_refusal > last_unit_wanted,
        "somebody was refused (at {first_refusal}) before the last unit was even asked for (at {last_unit_wanted})"
    );
}
