//! Hand-made stories: a right one that no check may object to, and for each law a wrong one that must not pass.
//!
//! If one of these fails, what the checks say about the system is worth nothing.

use doos_domain::actor::{Actor, Cause};
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{MessageId, OrderId, ProductId, UserId};
use doos_domain::message::Message;
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, Status, Verdict};
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_domain::pricing::{Line, Quote};
use doos_domain::stock::{Book, Command, Decision};
use doos_domain::time::Timestamp;
use doos_ports::inbox::{DeadLetter, Waiting};
use doos_ports::stock_gate::Level;
use std::sync::Arc;

use super::{StockHistory, View, Watch, judge, told};
use crate::executor::Executor;
use crate::oracle::{Oracle, content};
use crate::scenario::Scenario;
use crate::site::Site;

const PRICE: i64 = 500;

fn cny(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Cny)
}

fn user() -> UserId {
    UserId::new(5).unwrap()
}

fn id(number: u64) -> OrderId {
    // The bucket follows from the user, as in ids that are issued.
    OrderId::new(number << 22 | u64::from(user().bucket().get()) << 12).unwrap()
}

fn cause(actor: Actor) -> Cause {
    Cause::new(Timestamp::from_millis(1_000), actor)
}

/// An order's life: each step's order and messages, in order.
struct Life {
    versions: Vec<Arc<Order>>,
    sent: Vec<Message>,
}

impl Life {
    fn begin(number: u64) -> Self {
        let line = Line { product_id: ProductId::new(1).unwrap(), quantity: 2, unit_price: cny(PRICE) };
        let quote = Quote { lines: vec![line], total: cny(2 * PRICE) };
        let address = Some(format!("key-{number}"));
        let step = Order::place(id(number), user(), quote, address, &cause(Actor::Customer(user())));
        Self { versions: vec![Arc::new(step.order)], sent: step.messages }
    }

    fn order(&self) -> &Order {
        self.versions.last().unwrap()
    }

    fn then(mut self, decide: impl Fn(&Order) -> Verdict) -> Self {
        let Ok(Outcome::Changed(step)) = decide(self.order()) else { panic!("every step of a story is a change") };
        self.versions.push(Arc::new(step.order));
        self.sent.extend(step.messages);
        self
    }
}

fn confirmed(number: u64) -> Life {
    Life::begin(number).then(|order| order.stock_decided(Decision::Deducted, &cause(Actor::system("inventory"))))
}

fn paid(number: u64) -> Life {
    let life = confirmed(number).then(|order| order.pay(None, &cause(Actor::Customer(user()))));
    let attempt = life.order().money.attempt.clone().unwrap();
    life.then(|order| order.payment_captured(&attempt.id, attempt.amount, &cause(Actor::system("payment"))))
}

/// Order 1 is paid, carried and delivered; order 2 is paid, cancelled and refunded. Ten pieces were received.
fn story() -> View {
    let delivered = paid(1)
        .then(|order| order.carrier_took_it("T1", false, &cause(Actor::system("shipping"))))
        .then(|order| order.deliver(&cause(Actor::system("shipping"))));
    let cancelled = paid(2).then(|order| order.cancel(&cause(Actor::Customer(user()))));
    let refund = cancelled.order().money.refunds[0].clone();
    let cancelled = cancelled.then(|order| order.refund_settled(&refund.id, &cause(Actor::system("payment"))));

    let mut book = Book::default();
    let product_id = ProductId::new(1).unwrap();
    let at = Timestamp::from_millis(1_000);
    let commands = [
        Command::Receive { reference: "first".to_owned(), product_id, qty: 10 },
        Command::Deduct { order_id: id(1), lines: delivered.order().demands() },
        Command::Deduct { order_id: id(2), lines: cancelled.order().demands() },
        Command::Release { order_id: id(2) },
    ];
    for command in &commands {
        book.decide(command, "system:inventory", at);
    }
    let changes = book.into_changes();
    let mut view = View {
        stock: changes.rows.into_iter().map(|row| (row.product_id, row)).collect(),
        decisions: changes.decisions.into_iter().map(|row| (row.order_id, row)).collect(),
        movements: changes.movements,
        shows_answers: true,
        ..View::default()
    };
    for life in [delivered, cancelled] {
        let order = life.order();
        let attempt = order.money.attempt.clone().unwrap();
        let given_back = order.money.refund_settled_minor();
        view.provider.attempts.insert(attempt.id.clone(), (order.id, 2 * PRICE, given_back));
        view.money.push(entry(attempt.id.as_str(), MoneyKind::Captured, order.id));
        for refund in &order.money.refunds {
            view.provider.refunds.insert(refund.id.clone(), refund.amount.amount_minor);
            view.money.push(entry(refund.id.as_str(), MoneyKind::Refunded, order.id));
        }
        for message in &life.sent {
            view.arrived.insert(message.id.clone());
            view.arrived.insert(MessageId::from_text(format!("{}/StockDecided", message.id)));
        }
        view.sent.insert(order.id, life.sent.clone());
        view.orders.insert(order.id, Arc::clone(life.versions.last().unwrap()));
        view.versions.extend(life.versions);
    }
    view.parcels.insert(id(1), false);
    let level = Level { received: 10, written_off: 0, free: 8, held: 0, sold: 2 };
    view.gate.insert(product_id, Some(level));
    view
}

fn entry(reference: &str, kind: MoneyKind, order_id: OrderId) -> MoneyEntry {
    let at = Timestamp::from_millis(1_000);
    MoneyEntry {
        reference: reference.to_owned(),
        kind,
        order_id,
        amount: cny(2 * PRICE),
        at,
        provider_reference: String::new(),
    }
}

fn laws_broken(spoil: impl FnOnce(&mut View)) -> Vec<&'static str> {
    let mut view = story();
    spoil(&mut view);
    judge(&view, false).into_iter().map(|finding| finding.law).collect()
}

fn change_order(view: &mut View, number: u64, change: impl FnOnce(&mut Order)) {
    let mut order = Order::clone(&view.orders[&id(number)]);
    change(&mut order);
    view.orders.insert(order.id, Arc::new(order));
}

#[test]
fn a_right_story_passes() {
    assert_eq!(judge(&story(), false), []);
}

#[test]
fn for_every_law_a_wrong_story_fails() {
    type Spoil = fn(&mut View);
    let wrong: [(&str, &str, Spoil); 24] = [
        ("I1", "a piece vanished", |view| view.stock.values_mut().for_each(|row| row.free -= 1)),
        ("I2", "sold to nobody", |view| {
            view.stock.values_mut().for_each(|row| (row.free, row.sold) = (row.free - 2, row.sold + 2));
        }),
        ("I3", "an order and void", |view| _ = view.voids.insert(id(1))),
        ("I4", "two orders of one key", |view| {
            change_order(view, 2, |order| order.address = Some("key-1".to_owned()));
        }),
        ("I5", "not a path", |view| change_order(view, 1, |order| _ = order.history.remove(2))),
        ("I5", "versions do not rise", |view| change_order(view, 1, |order| order.history[1].version = 1)),
        ("I6", "never ends", |view| change_order(view, 1, |order| order.status = Status::Paid)),
        ("I6", "still held", |view| view.gate.values_mut().flatten().for_each(|level| level.held = 1)),
        ("I6", "stock kept by a cancelled order", |view| {
            view.decisions.get_mut(&id(2)).unwrap().given_back = false;
        }),
        ("I6", "never decided", |view| _ = view.decisions.remove(&id(1))),
        ("I6", "stored after its hold was given back", |view| _ = view.released.insert(id(1))),
        ("I7", "a movement twice", |view| view.movements.push(view.movements[1].clone())),
        ("I7", "money booked twice", |view| view.money.push(view.money[0].clone())),
        ("I7", "shipped without a parcel", |view| _ = view.parcels.remove(&id(1))),
        ("I7", "a parcel nobody wants", |view| _ = view.parcels.insert(id(2), false)),
        ("I8", "the provider took more", |view| {
            view.provider.attempts.values_mut().next().unwrap().1 += 1;
        }),
        ("I9", "not refunded", |view| view.provider.refunds.clear()),
        ("I9", "refunded at the provider only in part", |view| {
            view.provider.attempts.values_mut().for_each(|attempt| attempt.2 /= 2);
        }),
        ("I10", "an event without its message", |view| {
            view.sent.get_mut(&id(2)).unwrap().retain(|message| message.body.event() != "ReleaseStock");
        }),
        ("I10", "a message that never arrived", |view| _ = view.arrived.pop_first()),
        ("I12", "a message id twice", |view| {
            let sent = view.sent.get_mut(&id(1)).unwrap();
            sent[1].id = sent[0].id.clone();
        }),
        ("I16", "given up", |view| view.parked.push(letter(&view.sent[&id(1)][0]))),
        ("I16", "still waiting", |view| {
            let message = view.sent[&id(1)][0].clone();
            let next_at = Timestamp::from_millis(0);
            let waiting = Waiting { message, sequence: 1, tries: 1, next_at, cause: String::new() };
            view.waiting.push((waiting.message.to, waiting));
        }),
        ("I17", "the gate refuses what is free", |view| {
            view.gate.values_mut().flatten().for_each(|level| level.free = 0);
        }),
    ];
    for (law, what, spoil) in wrong {
        let broken = laws_broken(spoil);
        assert!(broken.contains(&law), "{what}: expected {law}, found {broken:?}");
    }
}

fn letter(message: &Message) -> DeadLetter {
    DeadLetter {
        consumer: message.to,
        message: message.clone(),
        sequence: 1,
        tries: 12,
        cause: String::new(),
        parked_at: Timestamp::from_millis(0),
    }
}

#[test]
fn an_acknowledged_order_that_is_gone_or_changed_is_found() {
    let mut view = story();
    let oracle = Oracle::default();
    oracle.acknowledged(id(1), content(&view.orders[&id(1)]));
    told::check(&view, &oracle);
    assert!(oracle.is_clean());
    change_order(&mut view, 1, |order| order.address = None);
    told::check(&view, &oracle);
    view.orders.remove(&id(1));
    told::check(&view, &oracle);
    assert_eq!(oracle.findings().iter().filter(|finding| finding.law == "I3").count(), 2);
}

#[test]
fn a_key_answered_in_two_ways_or_not_stored_is_found() {
    let mut view = story();
    let oracle = Oracle::default();
    let key = AnswerKey { scope: "5".to_owned(), key: "k".to_owned() };
    oracle.answered(&key, "yes");
    oracle.answered(&key, "yes");
    assert!(oracle.is_clean());
    told::check(&view, &oracle);
    assert_eq!(oracle.findings().len(), 1, "nothing is stored under the key");
    let at = Timestamp::from_millis(0);
    let answer = Answer { key: key.clone(), fingerprint: 1, status: 201, body: "no".to_owned(), at };
    view.answers.insert(key.clone(), answer);
    told::check(&view, &oracle);
    assert_eq!(oracle.findings().len(), 2, "something else is stored");
    oracle.answered(&key, "no");
    assert_eq!(oracle.findings().len(), 3, "a repeat was told something else");
}

#[test]
fn a_reader_who_sees_an_order_go_back_is_found() {
    let view = story();
    let oracle = Oracle::default();
    let before = oracle.seen(id(1));
    oracle.shown(&view.versions[3], before);
    oracle.shown(&view.versions[1], before);
    assert!(oracle.is_clean(), "both had been asked for before either was shown");
    oracle.shown(&view.versions[1], oracle.seen(id(1)));
    assert_eq!(oracle.findings().len(), 1);
}

#[test]
fn a_version_that_is_skipped_or_a_step_off_the_graph_is_found_as_it_happens() {
    for (spoil, expected) in [(1_usize, "I5"), (2, "I5"), (3, "I8"), (4, "I3")] {
        let executor = Executor::new(1);
        let mut scenario = Scenario::draw(1);
        scenario.products = vec![(1, PRICE, 0)];
        let engines = doos_adapter_sim::SimEngines::new(doos_adapter_sim::SimOptions::default(), executor.runtime());
        let site = Site::new(Arc::clone(&executor), engines, scenario, false);
        let mut watch = Watch::new(Arc::clone(&site), Arc::new(StockHistory::new(executor)));
        let life = paid(1);
        for order in &life.versions[..2] {
            watch.version(order);
        }
        assert!(site.oracle.is_clean(), "{:?}", site.oracle.findings());
        let mut next = Order::clone(&life.versions[2]);
        match spoil {
            1 => next.version += 1,
            2 => next.status = Status::Delivered,
            3 => next.money.captured_minor = -1,
            _ => next.address = None,
        }
        watch.version(&Arc::new(next));
        let broken: Vec<_> = site.oracle.findings().iter().map(|finding| finding.law).collect();
        assert!(broken.contains(&expected), "{spoil}: {broken:?}");
        site.end();
    }
}
