//! Whether an order is at its end, so that it may be put away.
//!
//! What holds: an order that is closed is not moved on by any deadline, and no customer can move it. What still may
//! reach it is a late word from outside (a provider that takes money after all) or an operator; whoever puts orders away
//! must take such a change all the same.

use super::{Order, Status};
use crate::time::Timestamp;

/// Why an order is not closed. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StillOpen {
    /// Its status is not one that it may rest in.
    UnderWay(Status),
    /// It was delivered a short time ago: the customer may still return it.
    Returnable,
    /// Its parcel was called back and has not arrived.
    ParcelOut,
    /// An attempt to pay has not been closed by the provider.
    PaymentOpen,
    /// Money is to be given back, and the provider has not said that it was.
    RefundOpen,
}

impl StillOpen {
    pub const ALL: [Self; 9] = [
        Self::UnderWay(Status::Pending),
        Self::UnderWay(Status::Confirmed),
        Self::UnderWay(Status::Paid),
        Self::UnderWay(Status::ShipFailed),
        Self::UnderWay(Status::Shipped),
        Self::Returnable,
        Self::ParcelOut,
        Self::PaymentOpen,
        Self::RefundOpen,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::UnderWay(status) => status.name(),
            Self::Returnable => "returnable",
            Self::ParcelOut => "parcel_out",
            Self::PaymentOpen => "payment_open",
            Self::RefundOpen => "refund_open",
        }
    }
}

impl Order {
    /// Why it is not at its end at this time, or `None` if it is.
    pub fn still_open(&self, return_window_ms: i64, at: Timestamp) -> Option<StillOpen> {
        match self.status {
            Status::Cancelled | Status::Returned => {}
            Status::Delivered if self.is_returnable(return_window_ms, at) => return Some(StillOpen::Returnable),
            Status::Delivered => {}
            under_way => return Some(StillOpen::UnderWay(under_way)),
        }
        if self.goods_out {
            return Some(StillOpen::ParcelOut);
        }
        if self.money.open_attempt().is_some() {
            return Some(StillOpen::PaymentOpen);
        }
        self.money.refunds.iter().any(|refund| refund.settled_at.is_none()).then_some(StillOpen::RefundOpen)
    }

    /// Whether its delivery is so short ago that its customer may return it.
    pub(super) fn is_returnable(&self, return_window_ms: i64, at: Timestamp) -> bool {
        let delivery = self.history.iter().rev().find(|entry| entry.to == Status::Delivered);
        delivery.is_some_and(|entry| at.millis_since(entry.at) < return_window_ms)
    }
}
