//! What the simulated engines promise when things fail: whole effects, known outcomes where they are told as known,
//! nothing lost on the bus, an end of all faults when the world is calm, and one seed, one run.

mod one_task;

use doos_adapter_sim::{Faults, Part, Rates, SimEngines, SimOptions};
use doos_domain::actor::{Actor, Cause};
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{AttemptId, Generator, ProductId, RefundId, UserId};
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome};
use doos_domain::pricing::{Line, Quote};
use doos_domain::stock::{Book, Command, Decision};
use doos_ports::bus::EventBus;
use doos_ports::clock::Clock;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, OrderStore};
use doos_ports::outbox::Outbox;
use doos_ports::outside::{AttemptAnswer, Carrier, Charge, OutsideError, PaymentProvider};
use doos_ports::stock_ledger::StockLedger;
use doos_ports::{Error, Result};
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use one_task::OneTask;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

struct World {
    engines: SimEngines,
    ids: Generator,
}

fn world(shards: usize, seed: u64, rates: Rates) -> World {
    let runtime = Arc::new(OneTask::default());
    let options = SimOptions { shards, seed, latency_max_ms: 5, faults: Faults::new(rates) };
    let engines = SimEngines::new(options, runtime);
    let now = engines.clock().now();
    World { ids: Generator::new(1, now, now.plus_millis(86_400_000)), engines }
}

impl World {
    fn cause(&self) -> Cause {
        Cause::new(self.engines.clock().now(), Actor::system("test"))
    }

    fn new_order(&self, user: u64) -> Change {
        let user = UserId::new(user).expect("users are numbered from one");
        let id = self.ids.next(user.bucket(), self.engines.clock().now()).expect("a test needs few ids");
        let unit_price = Money::new(100, Currency::Eur);
        let line = Line { product_id: ProductId::new(1).expect("one is a number"), quantity: 1, unit_price };
        let step = Order::place(id, user, Quote { lines: vec![line], total: unit_price }, None, &self.cause());
        let key = AnswerKey { scope: user.to_string(), key: id.to_string() };
        let at = self.engines.clock().now();
        let answer = Answer { key, fingerprint: 1, status: 201, body: "{}".to_owned(), at };
        Change {
            expected_version: 0,
            order: Arc::new(step.order),
            messages: step.messages,
            answer: Some(answer),
            gate_epoch: None,
        }
    }

    fn confirmed(&self, order: &Order) -> Change {
        let Ok(Outcome::Changed(step)) = order.stock_decided(Decision::Deducted, &self.cause()) else { panic!() };
        let order_after = Arc::new(step.order);
        Change {
            expected_version: order.version,
            order: order_after,
            messages: step.messages,
            answer: None,
            gate_epoch: None,
        }
    }

    fn commit(&self, change: Change) -> Result<(), CommitError> {
        block_on(self.engines.orders.commit(vec![change])).remove(0)
    }

    /// Order, message, open message and answer of a change: all there, or none. Tells which.
    fn is_whole(&self, change: &Change) -> bool {
        let id = change.order.id;
        let key = &change.answer.as_ref().expect("new orders come with an answer").key;
        let parts = self.engines.look(|durable| {
            [
                durable.order(id).is_some(),
                durable.shard(id).messages.contains_key(&id),
                durable.outbox.is_open(&change.messages[0].id),
                durable.answers.contains_key(key),
                durable.changes.iter().any(|order| order.id == id),
            ]
        });
        assert!(parts.iter().all(|part| *part == parts[0]), "half an order is stored: {parts:?}");
        parts[0]
    }
}

/// Polls a future so many times and drops it, as a dying node does. Tells whether it had ended.
fn poll_and_drop<T>(mut future: BoxFuture<'_, T>, times: usize) -> bool {
    block_on(async {
        for _ in 0..times {
            if futures::poll!(&mut future).is_ready() {
                return true;
            }
        }
        false
    })
}

#[test]
fn a_call_that_did_not_get_there_changed_nothing() {
    let world = world(2, 1, Rates { calls_failed: 1_000, ..Rates::none() });
    for user in 1..20 {
        let change = world.new_order(user);
        let error = world.commit(change.clone()).unwrap_err();
        assert!(matches!(error, CommitError::Engine(Error::Unavailable { .. })), "{error:?}");
        assert!(!world.is_whole(&change));
    }
}

#[test]
fn a_lost_reply_is_unknown_and_the_effect_stands() {
    let world = world(2, 1, Rates { replies_lost: 1_000, ..Rates::none() });
    let change = world.new_order(1);
    let error = world.commit(change.clone()).unwrap_err();
    assert!(matches!(&error, CommitError::Engine(error) if !error.outcome_is_known()), "{error:?}");
    assert!(world.is_whole(&change));
    // A look changes nothing, so its outcome is known whatever was lost.
    let error = block_on(world.engines.orders.load(change.order.id)).unwrap_err();
    assert!(error.outcome_is_known());
}

#[test]
fn a_dropped_commit_is_whole_or_nothing() {
    let world = world(1, 1, Rates::none());
    let mut seen = BTreeSet::new();
    for polls in 0..12 {
        let change = world.new_order(1);
        let ended = poll_and_drop(world.engines.orders.commit(vec![change.clone()]).boxed(), polls);
        let stored = world.is_whole(&change);
        assert!(stored || !ended);
        seen.insert((ended, stored));
    }
    assert!(seen.contains(&(false, false)) && seen.contains(&(false, true)) && seen.contains(&(true, true)));
}

#[test]
fn a_dropped_ledger_transaction_is_whole_or_nothing_and_gives_its_locks_back() {
    let world = world(1, 1, Rates::none());
    let product_id = ProductId::new(1).unwrap();
    let ledger = &world.engines.ledger;
    let mut booked = 0;
    for polls in 0..24 {
        let receive = async {
            let locks = ledger.lock(vec![product_id], vec![]).await.unwrap();
            let mut book = Book::new(locks.rows(), locks.decisions());
            let command = Command::Receive { reference: format!("d{polls}"), product_id, qty: 1 };
            book.decide(&command, "system:test", world.cause().at);
            locks.commit(book.into_changes(), Some(Progress::new(Consumer::Inventory)), None).await.unwrap();
        };
        let ended = poll_and_drop(receive.boxed(), polls);
        let (received, movements) = world.engines.look(|durable| {
            let row = durable.stock.rows.get(&product_id);
            (row.map_or(0, |row| row.received), durable.stock.movements.len() as i64)
        });
        assert_eq!(received, movements);
        assert!(received == booked + 1 || (received == booked && !ended));
        booked = received;
        // Nobody is kept waiting by the dead.
        drop(block_on(ledger.lock(vec![product_id], vec![])).unwrap());
    }
    assert!((1..24).contains(&booked));
}

#[test]
fn a_torn_consume_dies_between_two_shards_with_its_progress_last() {
    let mut seen = BTreeSet::new();
    for polls in 0..30 {
        let world = world(2, 7, Rates { consumes_torn: 1_000, ..Rates::none() });
        let orders = [1, 2].map(|user| {
            let change = world.new_order(user);
            world.commit(change.clone()).unwrap();
            change.order
        });
        let group = orders.iter().map(|order| world.confirmed(order)).collect();
        let mut progress = Progress::new(Consumer::Order);
        progress.position = Some(doos_ports::bus::Position(9));
        poll_and_drop(world.engines.orders.consume(group, progress).boxed(), polls);
        let versions = orders.map(|order| world.engines.look(|durable| durable.order(order.id).unwrap().version));
        let read = world.engines.look(|durable| durable.inbox(Consumer::Order).position.0);
        assert!(read == 0 || versions == [2, 2], "progress came before its effects");
        seen.insert((versions, read));
    }
    assert_eq!(seen.len(), 4, "none, one shard, both, and both with progress: {seen:?}");
}

fn message(world: &World, order: &Order, version: u32) -> Message {
    let mut order = order.clone();
    order.version = version;
    Message::from_order(&order, &world.cause(), Body::ShipmentDelivered {})
}

async fn read_all(world: &World, count: usize) -> Vec<Message> {
    let mut subscription = world.engines.bus(9).subscribe(Consumer::Order).await.expect("nothing fails here");
    let (mut read, mut seen) = (Vec::new(), BTreeSet::new());
    while seen.len() < count {
        subscription.ready().await;
        for delivery in subscription.poll(7).await.expect("nothing fails here") {
            seen.insert(delivery.message.id.clone());
            read.push(delivery.message);
        }
    }
    read
}

/// First arrivals only; repeats are counted apart.
fn overtakings(read: &[Message]) -> (usize, usize) {
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    let (mut overtaken, mut repeats) = (0, 0);
    for message in read {
        if !seen.insert(message.id.clone()) {
            repeats += 1;
            continue;
        }
        let newest = last.entry(message.order_id).or_insert(0);
        overtaken += usize::from(message.order_version < *newest);
        *newest = message.order_version.max(*newest);
    }
    (overtaken, repeats)
}

#[test]
fn a_rough_bus_repeats_and_delays_and_loses_nothing() {
    for (rates, writers, may_overtake) in [
        (Rates { reordered_within_order: 0, ..slow_bus() }, 1, false),
        (Rates { reordered_within_order: 0, ..slow_bus() }, 2, true),
        (Rates { reordered_within_order: 500, ..slow_bus() }, 1, true),
    ] {
        let world = world(1, 3, rates);
        let orders = [1, 2, 3].map(|user| world.new_order(user).order);
        for version in 1..=40 {
            let group = orders.iter().map(|order| message(&world, order, version)).collect();
            block_on(world.engines.bus(version % writers).publish(group)).unwrap();
        }
        let read = block_on(read_all(&world, 120));
        let (overtaken, repeats) = overtakings(&read);
        assert_eq!(overtaken > 0, may_overtake, "{overtaken} of {} with {writers} writers", read.len());
        assert!(repeats > 0);
        assert!(read.windows(2).any(|pair| pair[0].at > pair[1].at), "orders overtake each other");
    }
}

fn slow_bus() -> Rates {
    Rates { messages_repeated: 300, messages_delayed: 500, message_delay_max_ms: 500, ..Rates::none() }
}

#[test]
fn marks_may_be_lost_and_then_messages_go_out_again() {
    let world = world(1, 3, Rates { marks_lost: 500, ..Rates::none() });
    for user in 1..=20 {
        world.commit(world.new_order(user)).unwrap();
    }
    let outbox = &world.engines.outbox;
    let now = world.cause().at;
    let open = block_on(outbox.open(now, 100)).unwrap();
    let ids: Vec<_> = open.iter().map(|message| message.id.clone()).collect();
    block_on(outbox.mark_published(ids.clone(), now)).unwrap();
    let left = block_on(outbox.open(now, 100)).unwrap().len();
    assert!((1..20).contains(&left), "{left} of 20");
    world.engines.faults().set_calm();
    block_on(outbox.mark_published(ids, now)).unwrap();
    assert!(block_on(outbox.open(now, 100)).unwrap().is_empty());
}

#[test]
fn a_part_that_is_away_comes_back_by_itself_and_at_once_when_calm() {
    let world = world(2, 1, Rates::none());
    let faults = world.engines.faults();
    let now = world.cause().at;
    faults.set_away(Part::OrderShard(0), now.plus_millis(60_000));
    assert!(world.commit(world.new_order(2)).is_err(), "even users are on the first shard");
    assert!(world.commit(world.new_order(1)).is_ok(), "the other shard is not concerned");
    block_on(world.engines.clock().sleep(Duration::from_secs(61)));
    assert!(world.commit(world.new_order(2)).is_ok());
    faults.set_away(Part::OrderShard(0), world.cause().at.plus_millis(60_000));
    faults.set_calm();
    assert!(world.commit(world.new_order(2)).is_ok());
}

#[test]
fn clocks_step_one_by_one_and_only_the_wall_clock() {
    let world = world(1, 5, Rates { clock_steps: 1_000, clock_step_max_ms: 10_000, ..Rates::none() });
    let (stepping, steady) = (world.engines.clock(), world.engines.clock());
    let before = stepping.monotonic();
    block_on(stepping.sleep(Duration::from_secs(1)));
    assert_ne!(stepping.off_by_ms(), 0);
    assert!(stepping.off_by_ms().abs() <= 10_000);
    assert_eq!(steady.off_by_ms(), 0);
    assert_eq!(stepping.monotonic() - before, Duration::from_secs(1));
}

fn charge(world: &World, number: u32) -> Charge {
    let order = world.new_order(1).order;
    Charge { attempt_id: AttemptId::nth(order.id, number), order_id: order.id, amount: order.total }
}

#[test]
fn a_provider_asked_again_and_again_takes_money_once_and_keeps_its_promises() {
    let rates = Rates {
        captures_declined: 300,
        captures_late: 500,
        capture_delay_max_ms: 50,
        callbacks_repeated: 500,
        callback_delay_max_ms: 50,
        outside_unclear_before: 300,
        outside_unclear_after: 300,
        ..Rates::none()
    };
    let world = world(1, 11, rates);
    let provider = &world.engines.provider;
    let mut ends = BTreeSet::new();
    for number in 1..=60 {
        let charge = charge(&world, number);
        let mut last = None;
        for round in 0..40 {
            let answer = match (number % 3, round % 3) {
                (0, 2) => block_on(provider.close(&charge)),
                (_, 1) => block_on(provider.query(&charge)),
                _ => block_on(provider.capture(&charge)),
            };
            let Ok(answer) = answer else { continue };
            if let Some(promised) = last.replace(answer.clone()).filter(|last| *last != AttemptAnswer::Open) {
                assert_eq!(answer, promised, "what was final has changed");
            }
        }
        let taken = matches!(last, Some(AttemptAnswer::Captured { .. }));
        ends.insert(taken);
        let refund = RefundId::nth(charge.order_id, 1);
        let refunds: Vec<_> = (0..20).map(|_| block_on(provider.refund(&refund, &charge))).collect();
        let refused = |result: &&Result<String, OutsideError>| matches!(result, Err(OutsideError::Refused(_)));
        assert_eq!(refunds.iter().any(|refund| refund.is_ok()), taken);
        assert_eq!(refunds.iter().find(refused).is_some(), !taken);
        let refunded = world.engines.look(|durable| durable.provider.accounts[&charge.attempt_id].refunded_minor);
        assert_eq!(refunded, if taken { 100 } else { 0 });
    }
    assert_eq!(ends.len(), 2, "some attempts took money and some did not");
    let mut callbacks = BTreeMap::new();
    block_on(world.engines.clock().sleep(Duration::from_secs(60)));
    for callback in provider.callbacks_due() {
        assert_ne!(callback.answer, AttemptAnswer::Open, "a callback tells how it ended");
        *callbacks.entry(callback.attempt_id).or_insert(0) += 1;
    }
    assert!(callbacks.values().any(|count| *count > 1), "some come again");
}

#[test]
fn a_carrier_asked_again_ships_once() {
    let rates =
        Rates { parcels_refused: 300, outside_unclear_before: 200, outside_unclear_after: 300, ..Rates::none() };
    let world = world(1, 2, rates);
    let carrier = &world.engines.carrier;
    let order = world.new_order(1).order;
    let parcel = doos_domain::shipping::Parcel { lines: order.demands(), address: None };
    let answers: Vec<_> = (0..50).map(|_| block_on(carrier.ship(order.id, &parcel))).collect();
    let trackings: BTreeSet<_> = answers.iter().flatten().collect();
    assert_eq!(trackings.len(), 1);
    let tracking = trackings.into_iter().next().unwrap();
    world.engines.faults().set_calm();
    assert_eq!(block_on(carrier.is_delivered(order.id, tracking)), Ok(false));
    block_on(world.engines.clock().sleep(Duration::from_secs(3_601)));
    assert_eq!(block_on(carrier.is_delivered(order.id, tracking)), Ok(true));
    let refused = block_on(carrier.recall(order.id, tracking));
    assert!(matches!(refused, Err(OutsideError::Refused(_))), "it is at the customer's: {refused:?}");
    let other = world.new_order(1).order;
    let tracking = block_on(carrier.ship(other.id, &parcel)).unwrap();
    block_on(carrier.recall(other.id, &tracking)).unwrap();
    block_on(world.engines.clock().sleep(Duration::from_secs(3_601)));
    assert_eq!(block_on(carrier.is_delivered(other.id, &tracking)), Ok(false), "called back is not delivered");
}

/// What a caller is told by a hundred calls in a rough world.
fn trace(seed: u64) -> Vec<String> {
    let world = world(3, seed, Rates::rough());
    let mut told = Vec::new();
    for user in 1..=100 {
        let change = world.new_order(user);
        told.push(format!("{:?}", world.commit(change.clone())));
        told.push(format!("{:?}", block_on(world.engines.bus(1).publish(change.messages))));
        told.push(format!("{:?}", world.engines.clock().now()));
    }
    told
}

#[test]
fn one_seed_gives_one_run() {
    assert_eq!(trace(42), trace(42));
    assert_ne!(trace(42), trace(43));
    let rough = trace(42);
    assert!(rough.iter().any(|told| told.contains("Unknown")) && rough.iter().any(|told| told.contains("Unavailable")));
}

#[test]
fn a_calm_world_fails_nothing() {
    let everything = Rates { calls_failed: 1_000, outages: 1_000, outage_max_ms: 99_999, ..Rates::rough() };
    let world = world(3, 1, everything);
    assert!(world.commit(world.new_order(1)).is_err());
    world.engines.faults().set_calm();
    for user in 1..50 {
        world.commit(world.new_order(user)).unwrap();
    }
    world.engines.faults().set_rough();
    assert!(world.commit(world.new_order(1)).is_err());
}
