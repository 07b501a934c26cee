//! Random lives of an order against a naive model that only counts: money, messages, parcels.
//!
//! The provider of the model may break its promise (an attempt it has closed takes money after all) but does not close
//! what it has captured; everybody else may do anything at any time, repeat it, and lie about numbers.

use doos_domain::ids::AttemptId;
use doos_domain::message::{Body, Message};
use doos_domain::order::{CancelReason, Order, Outcome, Status};
use doos_domain::stock::Decision;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use crate::orders::{Command, TOTAL_MINOR, Who, apply, place};

/// What the provider, inventory and the carrier have seen of this order.
struct Model {
    order: Order,
    sent: Vec<Message>,
    /// Per attempt: whether it took money (true) or never will (false).
    settled: BTreeMap<u32, bool>,
    now_ms: i64,
}

impl Model {
    fn new() -> Self {
        let step = place();
        Self { order: step.order, sent: step.messages, settled: BTreeMap::new(), now_ms: 0 }
    }

    /// Whether the provider can say this. Of attempts that never were it may say anything.
    fn is_possible(&self, command: Command) -> bool {
        match command {
            Command::Closed(number) => self.settled.get(&number) != Some(&true),
            _ => true,
        }
    }

    fn knows_attempt(&self, number: u32) -> bool {
        let last = self.order.money.attempt.as_ref().map_or(0, |attempt| attempt.number);
        (1..=last).contains(&number)
    }

    fn step(&mut self, command: Command, pause_ms: i64) {
        if !self.is_possible(command) {
            return;
        }
        self.now_ms += pause_ms;
        let before = self.order.clone();
        match command {
            Command::Captured(number) if self.knows_attempt(number) => _ = self.settled.insert(number, true),
            Command::Closed(number) if self.knows_attempt(number) => _ = self.settled.insert(number, false),
            _ => {}
        }
        let command = if let Command::Overdue(_) = command { Command::Overdue(self.now_ms) } else { command };
        if let Ok(Outcome::Changed(step)) = apply(&before, command, self.now_ms) {
            self.check_step(&before, &step.order, &step.messages);
            self.order = step.order;
            self.sent.extend(step.messages);
            // A change is done: saying it again does nothing, or is refused.
            let again = apply(&self.order, command, self.now_ms);
            let repeatable = matches!(command, Command::Overdue(_));
            assert!(repeatable || !matches!(again, Ok(Outcome::Changed(_))), "{command:?} took effect twice");
        }
        self.check();
    }

    fn check_step(&self, before: &Order, after: &Order, messages: &[Message]) {
        assert_eq!(after.version, before.version + 1, "a change counts the version up by one");
        assert!(after.updated_at >= before.updated_at);
        assert!(messages.iter().all(|message| message.order_version == after.version));
        assert_eq!(&after.history[..before.history.len()], &before.history[..], "history is only added to");
        let new = &after.history[before.history.len()..];
        assert_eq!(new.len(), usize::from(before.status != after.status), "each move is recorded, once");
        for entry in new {
            assert_eq!((entry.from, entry.to, entry.version), (Some(before.status), after.status, after.version));
        }
        let untouched = (after.id, after.user_id, after.total, &after.lines, after.created_at);
        assert_eq!(untouched, (before.id, before.user_id, before.total, &before.lines, before.created_at));
    }

    fn count(&self, is: impl Fn(&Body) -> bool) -> usize {
        self.sent.iter().filter(|message| is(&message.body)).count()
    }

    fn check(&self) {
        let order = &self.order;
        let path: Vec<Status> = order.history.iter().map(|entry| entry.to).collect();
        assert_eq!(path.last(), Some(&order.status));
        assert!(path.windows(2).all(|pair| pair[0].may_become(pair[1])), "{path:?} is no path of the graph");
        let ids: BTreeSet<_> = self.sent.iter().map(|message| &message.id).collect();
        assert_eq!(ids.len(), self.sent.len(), "message ids are unique");
        self.check_money();
        self.check_closings();
        self.check_stock();
        self.check_parcel();
    }

    fn check_money(&self) {
        let (order, money) = (&self.order, &self.order.money);
        let taken = self.settled.values().filter(|captured| **captured).count() as i64 * TOTAL_MINOR;
        assert_eq!(money.captured_minor, taken, "captured is what the provider took");
        let requested = money.refund_requested_minor();
        assert!(requested <= taken && money.refund_settled_minor() <= requested);
        let kept = if matches!(order.status, Status::Paid | Status::ShipFailed | Status::Shipped | Status::Delivered) {
            order.total.amount_minor
        } else {
            0
        };
        assert_eq!(taken - requested, kept, "an order that is {} keeps its price or nothing", order.status);
        let asked: i64 = self.sent.iter().map(|message| refund_of(&message.body)).sum();
        assert_eq!(asked, requested, "every refund row was asked for with a message");
    }

    /// At most one attempt is open, the last one; a cancelled order's attempts are closed, or asked to.
    fn check_closings(&self) {
        let Some(last) = &self.order.money.attempt else { return };
        for number in 1..last.number {
            assert!(self.settled.contains_key(&number), "attempt {number} was still open when {} began", last.number);
        }
        let id = AttemptId::nth(self.order.id, last.number);
        let closings = self.count(|body| matches!(body, Body::ClosePayment { attempt_id, .. } if *attempt_id == id));
        assert!(closings <= 1);
        if self.order.status == Status::Cancelled && last.is_open() {
            assert_eq!(closings, 1, "a cancel that finds an open attempt writes its closing");
        }
        let captures = self.count(|body| matches!(body, Body::CapturePayment { attempt_id, .. } if *attempt_id == id));
        assert!(captures <= 1, "money is asked for once an attempt");
    }

    fn check_stock(&self) {
        let order = &self.order;
        let releases = self.count(|body| matches!(body, Body::ReleaseStock { .. }));
        let returns = self.count(|body| matches!(body, Body::ReturnStock { .. }));
        assert_eq!(self.count(|body| matches!(body, Body::DeductStock { .. })), 1);
        let shipped = order.history.iter().any(|entry| entry.to == Status::Shipped);
        match order.status {
            Status::Cancelled if order.cancel_reason == Some(CancelReason::OutOfStock) => {
                assert_eq!((releases, returns), (0, 0));
            }
            Status::Cancelled if shipped => {
                assert_eq!((releases, returns), (0, usize::from(!order.goods_out)), "stock is back when the goods are");
            }
            Status::Cancelled => assert_eq!((releases, returns), (1, 0)),
            Status::Returned => assert_eq!((releases, returns), (0, 1)),
            _ => assert_eq!((releases, returns), (0, 0)),
        }
    }

    fn check_parcel(&self) {
        let asked = self.count(|body| matches!(body, Body::ShipOrder { .. }));
        let paid = self.order.history.iter().any(|entry| entry.to == Status::Paid);
        assert_eq!(asked, usize::from(paid), "the parcel is asked for once the money is here");
        // One by hand and one by the carrier, at the most, and each is called back once.
        assert!(self.count(|body| matches!(body, Body::RecallShipment { .. })) <= 2);
        if self.order.status == Status::Shipped {
            assert!(self.order.goods_out && self.order.tracking.is_some());
        }
    }
}

fn refund_of(body: &Body) -> i64 {
    if let Body::RefundPayment { amount, .. } = body { amount.amount_minor } else { 0 }
}

/// Weighted so that long lives are common and early cancels do not drown them.
fn any_command() -> impl Strategy<Value = Command> {
    let number = 0..4_u32;
    let anybody = prop_oneof![Just(Who::Customer), Just(Who::Operator), Just(Who::Service), Just(Who::System)];
    prop_oneof![
        8 => Just(Command::Stock(Decision::Deducted)),
        1 => prop_oneof![Just(Command::Stock(Decision::Short)), Just(Command::Stock(Decision::Void))],
        1 => anybody.clone().prop_map(Command::Cancel),
        8 => Just(Command::Pay),
        8 => number.clone().prop_map(Command::Captured),
        4 => number.clone().prop_map(Command::Closed),
        4 => number.prop_map(Command::RefundSettled),
        2 => Just(Command::Overdue(0)),
        2 => Just(Command::Ship),
        4 => Just(Command::CarrierTook),
        2 => Just(Command::ShippingFailed),
        4 => Just(Command::Deliver),
        2 => anybody.prop_map(Command::TakeBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_an_order_money_stock_and_history_add_up(
        commands in prop::collection::vec((any_command(), 0..400_i64), 0..40),
    ) {
        let mut model = Model::new();
        for (command, pause_ms) in commands {
            model.step(command, pause_ms);
        }
    }

    #[test]
    fn an_order_survives_being_stored(commands in prop::collection::vec((any_command(), 0..400_i64), 0..20)) {
        let mut model = Model::new();
        for (command, pause_ms) in commands {
            model.step(command, pause_ms);
        }
        let stored = serde_json::to_string(&(&model.order, &model.sent)).unwrap();
        let read: (Order, Vec<Message>) = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(read, (model.order, model.sent));
    }
}
