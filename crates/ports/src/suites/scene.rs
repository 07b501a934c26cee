//! What the cases are made of: orders, answers, messages, and the carrying of messages from outbox to bus.

use doos_domain::actor::{Actor, Cause};
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{Generator, MessageId, OrderId, ProductId, UserId};
use doos_domain::message::{Body, Consumer, Demand, Message};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, Verdict};
use doos_domain::pricing::{Line, Quote};
use doos_domain::stock::{Book, Changes, Command, Decision};
use doos_domain::time::Timestamp;
use futures::future::{Either, select};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::Ports;
use crate::bus::{Delivery, Subscription};
use crate::inbox::{DeadLetter, Progress, Waiting};
use crate::order_store::{Change, CommitError};

/// How often something is looked for before a case gives up on it, and how long each look waits at most.
const ROUNDS_MAX: usize = 2_000;
const ROUND: Duration = Duration::from_millis(5);
/// How often something that must not happen is looked for.
const ROUNDS_OF_NOTHING: usize = 20;
const DAY_MS: i64 = 86_400_000;

pub struct Scene {
    pub ports: Ports,
    ids: Generator,
    base: Timestamp,
}

pub fn user(number: u64) -> UserId {
    UserId::new(number).expect("suites number users from one")
}

pub fn product(number: u64) -> ProductId {
    ProductId::new(number).expect("suites number products from one")
}

pub fn demand(product_number: u64, qty: u32) -> Demand {
    Demand { product_id: product(product_number), qty }
}

pub fn euros(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Eur)
}

pub fn answer_key(scope: &str, key: &str) -> AnswerKey {
    AnswerKey { scope: scope.to_owned(), key: key.to_owned() }
}

impl Scene {
    pub fn new(ports: Ports) -> Self {
        let base = ports.clock.now();
        let ids = Generator::new(7, base, base.plus_millis(DAY_MS));
        Self { ports, ids, base }
    }

    /// So many milliseconds after the scene began.
    pub fn at(&self, millis: i64) -> Timestamp {
        self.base.plus_millis(millis)
    }

    pub fn new_id(&self, user: UserId, millis: i64) -> OrderId {
        self.ids.next(user.bucket(), self.at(millis)).expect("a scene needs few ids and ends within a day")
    }

    pub fn cause(&self, millis: i64) -> Cause {
        Cause::system("suite", self.at(millis)).traced(Some("00-scene-01".to_owned()))
    }

    pub fn answer(&self, scope: &str, key: &str, body: &str) -> Answer {
        Answer {
            key: answer_key(scope, key),
            fingerprint: 0xfedc_ba98_7654_3210,
            status: 201,
            body: body.to_owned(),
            at: self.at(0),
        }
    }

    /// A new order of two pieces of product 1 and one of product 2, with the message that asks for its stock.
    pub fn new_order(&self, user_number: u64, millis: i64) -> Change {
        let line = |number, quantity| Line { product_id: product(number), quantity, unit_price: euros(995) };
        let quote = Quote { lines: vec![line(1, 2), line(2, 1)], total: euros(2_985) };
        let owner = user(user_number);
        let id = self.new_id(owner, millis);
        let step = Order::place(id, owner, quote, Some("1 Ünder Way".to_owned()), &self.cause(millis));
        Change {
            expected_version: 0,
            order: Arc::new(step.order),
            messages: step.messages,
            answer: None,
            gate_epoch: None,
        }
    }

    pub async fn commit(&self, change: Change) -> Result<(), CommitError> {
        let mut results = self.ports.orders.commit(vec![change]).await;
        assert_eq!(results.len(), 1, "one change has one result");
        results.remove(0)
    }

    pub async fn placed(&self, user_number: u64, millis: i64) -> Arc<Order> {
        let change = self.new_order(user_number, millis);
        let order = Arc::clone(&change.order);
        self.commit(change).await.expect("a new order under a new id is taken");
        order
    }

    pub async fn load(&self, id: OrderId) -> Option<Arc<Order>> {
        self.ports.orders.load(id).await.expect("loading works")
    }

    /// Stock decided, the short way to a second version.
    pub fn confirmed(&self, order: &Order, millis: i64) -> Change {
        change_of(order, order.stock_decided(Decision::Deducted, &self.cause(millis)))
    }

    pub fn cancelled(&self, order: &Order, millis: i64) -> Change {
        let cause = Cause::new(self.at(millis), Actor::Customer(order.user_id));
        change_of(order, order.cancel(&cause))
    }

    /// What inventory would say about an order.
    pub fn outcome_for(&self, order: &Order) -> Message {
        let asked = Message::from_order(order, &self.cause(1), Body::DeductStock { lines: order.demands() });
        asked.reply(self.at(2), Body::StockDecided { decision: Decision::Deducted })
    }

    pub fn waiting(&self, message: &Message, sequence: u64, next_ms: i64) -> Waiting {
        let cause = "it did not work".to_owned();
        Waiting { message: message.clone(), sequence, tries: 1, next_at: self.at(next_ms), cause }
    }

    pub fn dead_letter(&self, consumer: Consumer, message: &Message, sequence: u64, parked_ms: i64) -> DeadLetter {
        let (message, parked_at) = (message.clone(), self.at(parked_ms));
        DeadLetter { consumer, message, sequence, tries: 12, cause: "it never worked".to_owned(), parked_at }
    }

    /// A message of its own kind to any consumer, about an order that need not exist.
    pub fn message_to(&self, consumer: Consumer, order: &Order, number: u32) -> Message {
        let body = match consumer {
            Consumer::Inventory => Body::DeductStock { lines: order.demands() },
            Consumer::Order => Body::ShipmentFailed { cause: format!("no van {number}") },
            Consumer::Payment => Body::CapturePayment {
                attempt_id: doos_domain::ids::AttemptId::nth(order.id, number),
                amount: order.total,
            },
            Consumer::Shipping => Body::RecallShipment { tracking: format!("T{number}") },
        };
        let mut message = Message::from_order(order, &self.cause(1), body);
        message.id = MessageId::from_text(format!("{}.{number}.{consumer}", order.id));
        message
    }

    /// Carries every open message from the outbox to the bus, as the relay does.
    pub async fn relay(&self) {
        for _ in 0..ROUNDS_MAX {
            let open = self.ports.outbox.open(self.at(DAY_MS), 100).await.expect("the outbox opens");
            if open.is_empty() {
                return;
            }
            let ids = open.iter().map(|message| message.id.clone()).collect();
            self.ports.bus.publish(open).await.expect("the bus takes messages");
            self.ports.outbox.mark_published(ids, self.at(DAY_MS)).await.expect("the outbox takes marks");
        }
        panic!("the outbox hands out the same messages for ever");
    }

    pub async fn subscribe(&self, consumer: Consumer) -> Box<dyn Subscription> {
        self.ports.bus.subscribe(consumer).await.expect("a consumer may subscribe")
    }

    /// Reads on until `count` different messages have come.
    pub async fn read(&self, from: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
        let mut read: Vec<Delivery> = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            self.relay().await;
            let deliveries = from.poll(count - seen.len()).await.expect("a subscription can be polled");
            for delivery in deliveries {
                seen.insert(delivery.message.id.clone());
                read.push(delivery);
            }
            if seen.len() >= count {
                return read;
            }
            self.within_a_round(from.ready()).await;
        }
        panic!("of {count} messages only {seen:?} came");
    }

    /// What a new subscription has to say first.
    pub async fn arrivals(&self, consumer: Consumer, count: usize) -> Vec<Delivery> {
        let mut subscription = self.subscribe(consumer).await;
        self.read(&mut subscription, count).await
    }

    /// Looks a few times and expects nothing.
    pub async fn expect_silence(&self, from: &mut Box<dyn Subscription>) {
        for _ in 0..ROUNDS_OF_NOTHING {
            self.relay().await;
            let deliveries = from.poll(10).await.expect("a subscription can be polled");
            assert!(deliveries.is_empty(), "nothing was to come, but {deliveries:?} did");
            self.ports.clock.sleep(Duration::from_millis(1)).await;
        }
    }

    async fn within_a_round(&self, future: impl Future<Output = ()>) {
        select(pin!(future), self.ports.clock.sleep(ROUND)).await;
    }

    /// A future that must come to an end, with a bound on the patience.
    pub async fn ends<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let patience = async {
            for _ in 0..ROUNDS_MAX * 5 {
                self.ports.clock.sleep(ROUND).await;
            }
        };
        match select(pin!(future), pin!(patience)).await {
            Either::Left((value, _)) => value,
            Either::Right(_) => panic!("{what} never ended"),
        }
    }

    /// Polls a future a few times and expects it to go on waiting.
    pub async fn expect_waiting<T>(&self, what: &str, future: &mut (impl Future<Output = T> + Unpin)) {
        for _ in 0..ROUNDS_OF_NOTHING {
            if let Either::Left(_) = select(&mut *future, self.ports.clock.sleep(Duration::from_millis(1))).await {
                panic!("{what} was to wait");
            }
        }
    }

    /// Brings goods into the ledger.
    pub async fn receive(&self, product_number: u64, qty: u32, reference: &str) {
        let locks = self.ports.ledger.lock(vec![product(product_number)], vec![]).await.expect("rows can be locked");
        let command = Command::Receive { reference: reference.to_owned(), product_id: product(product_number), qty };
        let changes = self.decide(locks.rows(), locks.decisions(), &[command]);
        locks.commit(changes, None, None).await.expect("a receipt is booked");
    }

    pub fn decide(
        &self,
        rows: Vec<doos_domain::stock::StockRow>,
        decisions: Vec<doos_domain::stock::DecisionRow>,
        commands: &[Command],
    ) -> Changes {
        let mut book = Book::new(rows, decisions);
        for command in commands {
            book.decide(command, "operator:suite", self.at(5));
        }
        book.into_changes()
    }

    /// Lets inventory decide what it was asked, in the store's own way: with its progress, telling the order.
    pub async fn let_inventory_decide(&self, deliveries: &[Delivery]) {
        let mut commands = Vec::new();
        let mut progress = Progress::new(Consumer::Inventory);
        for Delivery { position, message } in deliveries {
            let Body::DeductStock { lines } = &message.body else { continue };
            commands.push(Command::Deduct { order_id: message.order_id, lines: lines.clone() });
            let told = Body::StockDecided { decision: Decision::Deducted };
            progress.outgoing.push(message.reply(self.at(6), told));
            progress.position = Some(*position);
        }
        let products = vec![product(1), product(2)];
        let orders = deliveries.iter().map(|delivery| delivery.message.order_id).collect();
        let locks = self.ports.ledger.lock(products, orders).await.expect("rows can be locked");
        let changes = self.decide(locks.rows(), locks.decisions(), &commands);
        locks.commit(changes, Some(progress), None).await.expect("decisions are booked");
    }
}

/// The change that a command asks for.
pub fn change_of(order: &Order, verdict: Verdict) -> Change {
    match verdict {
        Ok(Outcome::Changed(step)) => Change {
            expected_version: order.version,
            order: Arc::new(step.order),
            messages: step.messages,
            gate_epoch: None,
            answer: None,
        },
        other => panic!("the scene asks for a move that changes something, not {other:?}"),
    }
}
