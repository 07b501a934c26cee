//! The stock ledger's rows and words.
//!
//! What holds, per product and in every committed snapshot: `received − written off = free + held + sold`, nothing
//! negative. Inventory decides once per order, and the first decision stands for ever: `deducted`, `short` or `void`.
//!
//! Words: `deduct` moves free→sold, `release` and `return` move sold→free. (With a gate that stores its holds in the
//! ledger, `held` is their sum and a deduct moves held→sold; the memory gate keeps its holds outside, `held` is 0.)
//!
//! [`Book`] takes the decisions; see `book.rs`.

mod book;

pub use book::{Book, Changes, Command, Outcome};

use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, ProductId};
use crate::message::Demand;
use crate::time::Timestamp;

/// A product's stock as the ledger knows it. All counts are pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRow {
    pub product_id: ProductId,
    pub version: u64,
    pub received: i64,
    pub written_off: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

impl StockRow {
    pub const fn empty(product_id: ProductId) -> Self {
        Self { product_id, version: 0, received: 0, written_off: 0, free: 0, held: 0, sold: 0 }
    }

    /// The law, to be asserted wherever a row is about to be stored.
    pub const fn balances(&self) -> bool {
        let supply = self.received - self.written_off;
        let whole = self.free >= 0 && self.held >= 0 && self.sold >= 0 && self.received >= 0 && self.written_off >= 0;
        whole && supply == self.free + self.held + self.sold
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The stock is sold to the order.
    Deducted,
    /// There was not enough.
    Short,
    /// The release came first: a late deduct does nothing.
    Void,
}

impl Decision {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deducted => "deducted",
            Self::Short => "short",
            Self::Void => "void",
        }
    }
}

/// What was decided about an order, once and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    pub order_id: OrderId,
    pub decision: Decision,
    /// What was deducted; empty for `short` and `void`.
    pub lines: Vec<Demand>,
    /// Set once the deducted pieces went back.
    pub given_back: bool,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    Receive,
    WriteOff,
    Deduct,
    Release,
    Return,
    /// Written by `doos audit --repair`, with its reason in the reference.
    Repair,
}

impl MovementKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::WriteOff => "write_off",
            Self::Deduct => "deduct",
            Self::Release => "release",
            Self::Return => "return",
            Self::Repair => "repair",
        }
    }
}

/// One line of the ledger, unique by (reference, product, kind).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The order, the return, or the delivery it belongs to.
    pub reference: String,
    pub product_id: ProductId,
    pub kind: MovementKind,
    pub qty: i64,
    pub at: Timestamp,
    pub actor: String,
}
