//! The states of an order and the graph between them.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stock held, order durable.
    Pending,
    /// Stock sold to it; awaits payment.
    Confirmed,
    Paid,
    /// The carrier would not take it; retried for as long as it takes.
    ShipFailed,
    Shipped,
    Delivered,
    Cancelled,
    Returned,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Confirmed,
        Self::Paid,
        Self::ShipFailed,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
        Self::Returned,
    ];

    /// The whole graph. What is not listed here cannot happen.
    pub const fn may_become(self, to: Self) -> bool {
        match self {
            Self::Pending => matches!(to, Self::Confirmed | Self::Cancelled),
            Self::Confirmed => matches!(to, Self::Paid | Self::Cancelled),
            Self::Paid => matches!(to, Self::Shipped | Self::ShipFailed | Self::Cancelled),
            Self::ShipFailed => matches!(to, Self::Shipped | Self::Cancelled),
            Self::Shipped => matches!(to, Self::Delivered | Self::Cancelled),
            Self::Delivered => matches!(to, Self::Returned),
            Self::Cancelled | Self::Returned => false,
        }
    }

    /// The number stored in tables, as the source documents and the design fix it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Paid => 1,
            Self::Shipped => 2,
            Self::Cancelled => 3,
            Self::ShipFailed => 4,
            Self::Confirmed => 5,
            Self::Delivered => 6,
            Self::Returned => 7,
        }
    }

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Paid => "paid",
            Self::ShipFailed => "ship_failed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    pub const fn awaits_payment(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    User,
    Timeout,
    OutOfStock,
    Operator,
}

impl CancelReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Timeout => "timeout",
            Self::OutOfStock => "out_of_stock",
            Self::Operator => "operator",
        }
    }
}
