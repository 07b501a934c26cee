//! Looks at the embedded store through its own ports: what it shows is what is judged.

use doos_adapter_embedded::Store;
use doos_domain::message::Consumer;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::order_store::{MessageState, Query};
use std::sync::Arc;

use crate::check::{StockHistory, View, has_ended};
use crate::site::Site;

/// No run has so many of anything.
const ALL: usize = 100_000;
const FAR: Timestamp = Timestamp::from_millis(i64::MAX);

pub async fn orders(store: &Store) -> Result<Vec<Arc<Order>>> {
    let mut orders = Vec::new();
    let mut before = None;
    loop {
        // Small pages, so that lists are walked as callers walk them.
        let page = store.orders().list(Query { before, limit: 7, ..Query::default() }).await?;
        orders.extend(page.orders);
        before = page.next;
        if before.is_none() {
            return Ok(orders);
        }
    }
}

/// Whether all work is done, as far as the store can tell.
pub async fn is_at_rest(store: &Store, poisoned: bool) -> Result<bool> {
    for consumer in Consumer::ALL {
        if store.bus().lag(consumer).await? > 0 || store.inbox().waiting_count(consumer).await? > 0 {
            return Ok(false);
        }
    }
    let parked = store.inbox().dead_letter_count().await?;
    Ok((parked > 0 || !poisoned) && orders(store).await?.iter().all(|order| has_ended(order)))
}

/// Everything, as one view.
pub async fn view(store: &Store, site: &Site, history: &StockHistory, versions: Vec<Arc<Order>>) -> Result<View> {
    let mut view = site.engines.look(View::outside);
    view.versions = versions;
    view.gate = history.levels();
    view.released = history.all_released();
    for order in orders(store).await? {
        let sent = store.orders().messages(order.id).await?;
        view.message_states.extend(sent.iter().cloned());
        let arrived = sent.iter().filter(|(_, state)| *state == MessageState::Consumed);
        view.arrived.extend(arrived.map(|(message, _)| message.id.clone()));
        view.sent.insert(order.id, sent.into_iter().map(|(message, _)| message).collect());
        if let Some(decision) = store.ledger().decision(order.id).await? {
            view.decisions.insert(order.id, decision);
        }
        view.money.extend(store.payments().entries_of(order.id).await?);
        let read = store.orders().load(order.id).await?;
        if read.as_ref() != Some(&order) {
            site.oracle.finding("I3", format!("order {} is listed and read differently", order.id));
        }
        view.orders.insert(order.id, order);
    }
    for row in store.ledger().rows().await? {
        let mut movements = store.ledger().movements_on(row.product_id, None, ALL).await?.movements;
        movements.reverse();
        view.movements.extend(movements);
        view.stock.insert(row.product_id, row);
    }
    for key in site.oracle.answers().into_keys() {
        if let Some(answer) = store.orders().find_answer(&key).await? {
            view.answers.insert(key, answer);
        }
    }
    for consumer in Consumer::ALL {
        view.unread += store.bus().lag(consumer).await?;
        let waiting = store.inbox().due(consumer, FAR, ALL).await?;
        view.waiting.extend(waiting.into_iter().map(|waiting| (consumer, waiting)));
    }
    view.parked = store.inbox().dead_letters(None, ALL).await?;
    Ok(view)
}

/// Every version the feed shows after `after`, in order.
pub async fn versions_after(store: &Store, after: Position) -> Result<(Position, Vec<Arc<Order>>)> {
    let changed = store.feed().read(after, 64).await?;
    let end = changed.last().map_or(after, |last| last.position);
    Ok((end, changed.into_iter().map(|changed| changed.order).collect()))
}
