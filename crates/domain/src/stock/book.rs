//! Decides about stock, order by order, on the rows it was given.
//!
//! The caller loads (and locks) the rows and the existing decisions of a whole group of commands, hands them in, asks
//! for one decision after the other, and stores what [`Book::into_changes`] returns in one transaction. A book that was
//! not given a row treats the product as having no stock.
//!
//! What must never happen: a second decision for an order, a count below zero, a movement booked twice.

use std::collections::BTreeMap;

use super::{Decision, DecisionRow, Movement, MovementKind, StockRow};
use crate::ids::{OrderId, ProductId, ReturnId};
use crate::message::Demand;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Deduct { order_id: OrderId, lines: Vec<Demand> },
    Release { order_id: OrderId },
    Return { return_id: ReturnId, order_id: OrderId },
    Receive { reference: String, product_id: ProductId, qty: u32 },
    WriteOff { reference: String, product_id: ProductId, qty: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order's decision, old or new.
    Decided(Decision),
    /// Pieces went back; false if they had before, or there were none.
    GivenBack(bool),
    Booked,
    /// A write-off of more than is free.
    NotFree,
}

#[derive(Default)]
pub struct Book {
    rows: BTreeMap<ProductId, StockRow>,
    decisions: BTreeMap<OrderId, DecisionRow>,
    changed_rows: BTreeMap<ProductId, ()>,
    changed_decisions: BTreeMap<OrderId, ()>,
    movements: Vec<Movement>,
}

/// What a group of decisions changes; stored in one transaction or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub rows: Vec<StockRow>,
    pub decisions: Vec<DecisionRow>,
    pub movements: Vec<Movement>,
}

impl Book {
    pub fn new(rows: Vec<StockRow>, decisions: Vec<DecisionRow>) -> Self {
        Self {
            rows: rows.into_iter().map(|row| (row.product_id, row)).collect(),
            decisions: decisions.into_iter().map(|row| (row.order_id, row)).collect(),
            ..Self::default()
        }
    }

    pub fn decide(&mut self, command: &Command, actor: &str, at: Timestamp) -> Outcome {
        match command {
            Command::Deduct { order_id, lines } => self.deduct(*order_id, lines, actor, at),
            Command::Release { order_id } => self.release(*order_id, actor, at),
            Command::Return { return_id, order_id } => self.take_back(return_id, *order_id, actor, at),
            Command::Receive { reference, product_id, qty } => self.receive(reference, *product_id, *qty, actor, at),
            Command::WriteOff { reference, product_id, qty } => self.write_off(reference, *product_id, *qty, actor, at),
        }
    }

    /// Every changed row and decision once, in key order, and all movements in the order they happened.
    pub fn into_changes(self) -> Changes {
        let Self { mut rows, mut decisions, changed_rows, changed_decisions, movements } = self;
        let rows: Vec<_> = changed_rows.keys().filter_map(|product| rows.remove(product)).collect();
        for row in &rows {
            assert!(row.balances(), "the books of product {} would not balance: {row:?}", row.product_id);
        }
        let decisions = changed_decisions.keys().filter_map(|order| decisions.remove(order)).collect();
        Changes { rows, decisions, movements }
    }

    fn deduct(&mut self, order_id: OrderId, lines: &[Demand], actor: &str, at: Timestamp) -> Outcome {
        if let Some(existing) = self.decisions.get(&order_id) {
            return Outcome::Decided(existing.decision);
        }
        let demands = merge(lines);
        let enough = demands.iter().all(|(product, qty)| self.rows.get(product).is_some_and(|row| row.free >= *qty));
        if !enough {
            return self.conclude(order_id, Decision::Short, Vec::new(), at);
        }
        for (product, qty) in &demands {
            self.change_row(*product, |row| {
                row.free -= qty;
                row.sold += qty;
            });
            self.note(order_id.to_string(), *product, MovementKind::Deduct, *qty, actor, at);
        }
        self.conclude(order_id, Decision::Deducted, lines.to_vec(), at)
    }

    fn release(&mut self, order_id: OrderId, actor: &str, at: Timestamp) -> Outcome {
        if self.decisions.contains_key(&order_id) {
            return self.give_back(order_id, order_id.to_string(), MovementKind::Release, actor, at);
        }
        self.conclude(order_id, Decision::Void, Vec::new(), at)
    }

    fn take_back(&mut self, return_id: &ReturnId, order_id: OrderId, actor: &str, at: Timestamp) -> Outcome {
        self.give_back(order_id, return_id.to_string(), MovementKind::Return, actor, at)
    }

    /// Moves a deducted order's pieces back to free, once, whoever asks first: the release or the return.
    fn give_back(
        &mut self,
        order: OrderId,
        reference: String,
        kind: MovementKind,
        actor: &str,
        at: Timestamp,
    ) -> Outcome {
        let Some(decision) = self.decisions.get_mut(&order) else { return Outcome::GivenBack(false) };
        if decision.decision != Decision::Deducted || decision.given_back {
            return Outcome::GivenBack(false);
        }
        decision.given_back = true;
        let demands = merge(&decision.lines);
        self.changed_decisions.insert(order, ());
        for (product, qty) in demands {
            self.change_row(product, |row| {
                row.sold -= qty;
                row.free += qty;
            });
            self.note(reference.clone(), product, kind, qty, actor, at);
        }
        Outcome::GivenBack(true)
    }

    fn receive(&mut self, reference: &str, product: ProductId, qty: u32, actor: &str, at: Timestamp) -> Outcome {
        let qty = i64::from(qty);
        self.change_row(product, |row| {
            row.received += qty;
            row.free += qty;
        });
        self.note(reference.to_owned(), product, MovementKind::Receive, qty, actor, at);
        Outcome::Booked
    }

    fn write_off(&mut self, reference: &str, product: ProductId, qty: u32, actor: &str, at: Timestamp) -> Outcome {
        let qty = i64::from(qty);
        if self.rows.get(&product).is_none_or(|row| row.free < qty) {
            return Outcome::NotFree;
        }
        self.change_row(product, |row| {
            row.written_off += qty;
            row.free -= qty;
        });
        self.note(reference.to_owned(), product, MovementKind::WriteOff, qty, actor, at);
        Outcome::Booked
    }

    fn conclude(&mut self, order_id: OrderId, decision: Decision, lines: Vec<Demand>, at: Timestamp) -> Outcome {
        self.decisions.insert(order_id, DecisionRow { order_id, decision, lines, given_back: false, at });
        self.changed_decisions.insert(order_id, ());
        Outcome::Decided(decision)
    }

    /// The version grows once a group, however often the group touches the row.
    fn change_row(&mut self, product: ProductId, change: impl FnOnce(&mut StockRow)) {
        let row = self.rows.entry(product).or_insert_with(|| StockRow::empty(product));
        if self.changed_rows.insert(product, ()).is_none() {
            row.version += 1;
        }
        change(row);
    }

    fn note(
        &mut self,
        reference: String,
        product: ProductId,
        kind: MovementKind,
        qty: i64,
        actor: &str,
        at: Timestamp,
    ) {
        let actor = actor.to_owned();
        self.movements.push(Movement { reference, product_id: product, kind, qty, at, actor });
    }
}

/// Several lines of one product are one demand.
fn merge(lines: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut demands = BTreeMap::new();
    for line in lines {
        *demands.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    demands
}
