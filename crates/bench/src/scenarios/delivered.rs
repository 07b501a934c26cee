//! The full life: placed, paid, shipped, delivered, as many a second as one likes to keep up.
//!
//! What holds: a server beside the run's own, whose carrier delivers at once and whose `:pay` does not wait for the
//! provider; everything else is as it always is. What counts is an order that is delivered, not a call.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;

use super::life::{bare_rate, flat};
use crate::clock::Clock;
use crate::rounds::Rounds;
use crate::session::Session;
use crate::work::{Expected, Payer};

const SURROUNDINGS: [(&str, &str); 2] =
    [("DOOS_SHIPPING__CARRIER__DELIVER_AFTER_MS", "1"), ("DOOS_LIMITS__PAY_WAIT_MS", "0")];
const STATES_BEFORE: [&str; 5] = ["pending", "confirmed", "paid", "ship_failed", "shipped"];
/// Of those, the ones in which an order may still have to be paid for.
const UNPAID: [&str; 2] = ["pending", "confirmed"];
const LOOK_EVERY: Duration = Duration::from_millis(50);
const DELIVERED_WITHIN_S: f64 = 300.0;

pub fn delivered(session: &mut Session<'_>) -> Result<()> {
    let Some(mut shop) = session.beside(&SURROUNDINGS)? else { return Ok(()) };
    let buyers = shop.buyers(&shop.products, Expected::Sold);
    let seconds = shop.options.long_seconds as f64;
    shop.progress.say(&format!("delivered: {seconds:.0} s with a flat backlog"));
    let make = |connection: usize| Payer::new(buyers.clone(), connection as u64);
    let run = flat(&mut shop, seconds, make, until_delivered)?;
    let mut found = Rounds::default();
    found.add(&run.tally);
    let bare = bare_rate(&mut shop)?;
    let against = bare.as_ref().map(|bare| ("bare axum POST", bare));
    let row = shop.report("delivered", "placed, paid, shipped, delivered", &found, against);
    row.expect_ratio(0.12);
    row.remarks.push(run.remark());
    session.take(shop)
}

/// How long it took until no order was in any state before the last.
fn until_delivered(session: &mut Session<'_>) -> Result<f64> {
    let clock = Clock::start();
    for state in STATES_BEFORE {
        loop {
            let page = session.api.get(&format!("/v1/orders?status={state}&page_size=100"))?;
            let orders = page["orders"].as_array().context("a list without orders")?;
            if orders.is_empty() {
                break;
            }
            if UNPAID.contains(&state) {
                pay(session, orders)?;
            }
            let seconds = clock.seconds();
            ensure!(seconds < DELIVERED_WITHIN_S, "after {seconds:.0} s there are still orders that are {state}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
    session.settle()?;
    Ok(clock.seconds())
}

/// The load may end between an order's placing and its payment. Paying again joins the payment under way.
fn pay(session: &mut Session<'_>, orders: &[Value]) -> Result<()> {
    for order in orders {
        let id = order["order_id"].as_str().context("an order without order_id")?;
        let reply = session.api.call("POST", &format!("/v1/orders/{id}:pay"), None)?;
        // 409: it has moved on since the list was read. 503: the next look pays.
        ensure!(matches!(reply.status, 200 | 202 | 409 | 503), "paying for order {id} answered {}", reply.status);
    }
    Ok(())
}
