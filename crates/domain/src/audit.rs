//! Proves the books: what must be true of the durable data of one cut through the whole system.
//!
//! What holds: every check here is a pure comparison of what different contexts stored about the same thing: the stock
//! row against its movements, an order against its decision, its movements, its money and its messages in flight. A
//! message is in flight when it is committed and its consumer has not settled it; what is in flight explains a
//! difference, nothing else does.
//!
//! What must never happen: a tolerance. The books balance to the piece and to the cent, or they do not.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::ids::{OrderId, ProductId};
use crate::message::{Body, Demand, Message};
use crate::order::{CancelReason, Order, Status};
use crate::payment::{AttemptState, MoneyEntry, MoneyKind};
use crate::stock::{Decision, DecisionRow, Movement, MovementKind, StockRow};

/// One thing that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub subject: Subject,
    pub rule: &'static str,
    pub found: String,
}

/// What a difference is about; written as `product 101` or `order 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub enum Subject {
    Product(ProductId),
    Order(OrderId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => write!(f, "product {id}"),
            Self::Order(id) => write!(f, "order {id}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// The rule that an order breaks whose pieces are sold to it for ever: a release that is missing puts it right.
pub const GIVES_BACK: &str = "cancelled_order_gives_its_stock_back";

/// A product's movements, summed by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovementSums(BTreeMap<MovementKind, i64>);

impl MovementSums {
    pub fn add(&mut self, kind: MovementKind, qty: i64) {
        *self.0.entry(kind).or_insert(0) += qty;
    }

    fn of(&self, kind: MovementKind) -> i64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// The row that these movements make, at the version of `row`. A repair is a correction of what was received.
    pub fn row(&self, row: &StockRow) -> StockRow {
        let received = self.of(MovementKind::Receive) + self.of(MovementKind::Repair);
        let written_off = self.of(MovementKind::WriteOff);
        let back = self.of(MovementKind::Release) + self.of(MovementKind::Return);
        let sold = self.of(MovementKind::Deduct) - back;
        let free = received - written_off - sold - row.held;
        StockRow { received, written_off, free, sold, ..row.clone() }
    }
}

pub fn check_product(row: &StockRow, sums: &MovementSums) -> Vec<Difference> {
    let subject = Subject::Product(row.product_id);
    let mut differences = Vec::new();
    if !row.balances() {
        let found = format!(
            "received {} − written off {} ≠ free {} + held {} + sold {}",
            row.received, row.written_off, row.free, row.held, row.sold
        );
        differences.push(Difference { subject, rule: "stock_balances", found });
    }
    let expected = sums.row(row);
    if expected != *row {
        let found = format!("the row says {row:?}, its movements make {expected:?}");
        differences.push(Difference { subject, rule: "stock_row_equals_movements", found });
    }
    differences
}

/// Everything the contexts stored about one order.
#[derive(Clone, Debug, Default)]
pub struct OrderRecords {
    pub order: Option<Order>,
    pub decision: Option<DecisionRow>,
    /// Movements whose reference is the order or its return.
    pub movements: Vec<Movement>,
    pub money: Vec<MoneyEntry>,
    pub in_flight: Vec<Message>,
}

pub fn check_order(id: OrderId, records: &OrderRecords) -> Vec<Difference> {
    let mut report = Report { subject: Subject::Order(id), differences: Vec::new() };
    match &records.order {
        None => {
            report.expect("no_decision_without_order", records.decision.is_none() && records.money.is_empty(), || {
                "stock was decided or money booked for an order that does not exist".to_owned()
            })
        }
        Some(order) => {
            check_history(order, &mut report);
            check_stock(order, records, &mut report);
            check_money(order, records, &mut report);
        }
    }
    check_movements(records, &mut report);
    report.differences
}

struct Report {
    subject: Subject,
    differences: Vec<Difference>,
}

impl Report {
    fn expect(&mut self, rule: &'static str, holds: bool, found: impl FnOnce() -> String) {
        if !holds {
            self.differences.push(Difference { subject: self.subject, rule, found: found() });
        }
    }
}

fn check_history(order: &Order, report: &mut Report) {
    let mut status = None;
    let mut version = 0;
    for step in &order.history {
        let legal = match status {
            None => step.from.is_none() && step.to == Status::Pending,
            Some(from) => step.from == Some(from) && Status::may_become(from, step.to),
        };
        report.expect("history_is_a_path", legal && step.version > version, || {
            format!("{:?} became {} at version {}", step.from.map(Status::name), step.to, step.version)
        });
        (status, version) = (Some(step.to), step.version);
    }
    report.expect("status_is_the_last_move", status == Some(order.status) && version <= order.version, || {
        format!("the status is {}, the history ends at {:?}", order.status, status.map(Status::name))
    });
}

fn check_stock(order: &Order, records: &OrderRecords, report: &mut Report) {
    let decision = records.decision.as_ref().map(|row| row.decision);
    let given_back = records.decision.as_ref().is_some_and(|row| row.given_back);
    let flies = |event: &str| records.in_flight.iter().any(|message| message.body.event() == event);
    let found = || format!("the order is {}, inventory says {:?}, given back: {given_back}", order.status, decision);
    match order.status {
        Status::Pending => match decision {
            None => report.expect("pending_order_asks_for_stock", flies("DeductStock"), found),
            Some(_) => report.expect("decision_reaches_the_order", flies("StockDecided"), found),
        },
        Status::Confirmed | Status::Paid | Status::ShipFailed | Status::Shipped | Status::Delivered => {
            let sold = decision == Some(Decision::Deducted) && !given_back;
            report.expect("live_order_has_its_stock", sold, found);
        }
        Status::Returned => {
            report.expect("returned_stock_is_back", given_back || flies("ReturnStock"), found);
        }
        Status::Cancelled if order.goods_out => {
            report.expect("recalled_goods_are_still_out", decision == Some(Decision::Deducted), found);
        }
        Status::Cancelled => {
            let ended = match decision {
                Some(Decision::Deducted) => given_back,
                Some(_) => true,
                None => false,
            };
            let moving = flies("ReleaseStock") || flies("ReturnStock");
            report.expect(GIVES_BACK, ended || moving, found);
            let short = order.cancel_reason == Some(CancelReason::OutOfStock);
            report.expect("out_of_stock_means_short", !short || decision == Some(Decision::Short), found);
        }
    }
    if let (Some(row), true) = (&records.decision, decision == Some(Decision::Deducted)) {
        report.expect("deducted_what_was_ordered", summed(&row.lines) == summed(&order.demands()), || {
            format!("ordered {:?}, deducted {:?}", order.demands(), row.lines)
        });
    }
}

/// The ledger's movements of an order say exactly what its decision says.
fn check_movements(records: &OrderRecords, report: &mut Report) {
    let decision = records.decision.as_ref();
    let lines = decision.map(|row| summed(&row.lines)).unwrap_or_default();
    let (mut out, mut back) = (BTreeMap::new(), BTreeMap::new());
    for movement in &records.movements {
        let side = match movement.kind {
            MovementKind::Deduct => &mut out,
            MovementKind::Release | MovementKind::Return => &mut back,
            _ => continue,
        };
        *side.entry(movement.product_id).or_insert(0) += movement.qty;
    }
    report.expect("deducted_once", out == lines, || format!("decided {lines:?}, moved out {out:?}"));
    let expected = if decision.is_some_and(|row| row.given_back) { lines } else { BTreeMap::new() };
    report.expect("given_back_once", back == expected, || format!("to be given back {expected:?}, moved {back:?}"));
}

fn check_money(order: &Order, records: &OrderRecords, report: &mut Report) {
    let booked = |kind| -> i64 {
        records.money.iter().filter(|entry| entry.kind == kind).map(|entry| entry.amount.amount_minor).sum()
    };
    let flying_capture: i64 = records.in_flight.iter().filter_map(captured_amount).sum();
    let money = &order.money;
    let (captured, requested) = (money.captured_minor, money.refund_requested_minor());
    report.expect("captures_reach_the_order", booked(MoneyKind::Captured) == captured + flying_capture, || {
        format!("booked {}, the order knows {captured}, on the way {flying_capture}", booked(MoneyKind::Captured))
    });
    let refunded = booked(MoneyKind::Refunded);
    report.expect("refunds_stay_below_captures", refunded <= requested && requested <= captured, || {
        format!("captured {captured}, refund asked {requested}, refunded {refunded}")
    });
    for refund in &money.refunds {
        let is_booked = records.money.iter().any(|entry| entry.reference == refund.id.as_str());
        let flies = |message: &Message| match &message.body {
            Body::RefundPayment { refund_id, .. } => *refund_id == refund.id,
            Body::RefundSettled { refund_id } => *refund_id == refund.id,
            _ => false,
        };
        let moving = records.in_flight.iter().any(flies);
        report.expect("refund_is_paid_or_on_its_way", is_booked || moving, || {
            format!("{} of {} was asked for, and nothing will pay it", refund.id, refund.amount)
        });
    }
    check_attempt(order, records, report);
    let settled = money.refund_settled_minor();
    report.expect("settled_refunds_are_booked", settled <= refunded, || {
        format!("the order counts {settled} as refunded, booked are {refunded}")
    });
    match order.status {
        Status::Paid | Status::ShipFailed | Status::Shipped | Status::Delivered => {
            report.expect("paid_in_full", captured - requested == order.total.amount_minor, || {
                format!("total {}, captured {captured}, refund asked {requested}", order.total.amount_minor)
            });
        }
        Status::Cancelled | Status::Returned => {
            report.expect("ended_order_keeps_no_money", captured == requested, || {
                format!("captured {captured}, refund asked {requested}")
            });
        }
        Status::Pending | Status::Confirmed => {}
    }
}

/// An open attempt has somebody working on it, and a paid order somebody shipping it.
fn check_attempt(order: &Order, records: &OrderRecords, report: &mut Report) {
    let flies = |events: &[&str]| records.in_flight.iter().any(|message| events.contains(&message.body.event()));
    if let Some(attempt) = order.money.open_attempt() {
        let outcome = ["CapturePayment", "ClosePayment", "PaymentCaptured", "PaymentClosed"];
        let held = attempt.state == AttemptState::Waiting && order.status == Status::Pending;
        report.expect("open_attempt_is_worked_on", held || flies(&outcome), || {
            format!("attempt {} is {:?}, and nothing will end it", attempt.id, attempt.state)
        });
    }
    let awaits_parcel = matches!(order.status, Status::Paid | Status::ShipFailed);
    let shipping = ["ShipOrder", "ShipmentShipped", "ShipmentFailed"];
    report.expect("paid_order_is_being_shipped", !awaits_parcel || flies(&shipping), || {
        format!("the order is {}, and nothing will ship it", order.status)
    });
}

const fn captured_amount(message: &Message) -> Option<i64> {
    match &message.body {
        Body::PaymentCaptured { amount, .. } => Some(amount.amount_minor),
        _ => None,
    }
}

fn summed(lines: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    sums
}
