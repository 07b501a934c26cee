//! What the contexts say to each other: commands and outcomes, one envelope.
//!
//! What holds: a message is committed in the transaction of the change that causes it, carries its order's version,
//! and has an id that depends only on what happened, so that a repeat is recognised. Event names and payload keys are
//! those of the source documents where they give them (`DeductStock`, `product_id`, `qty`). The trace context is part
//! of the stored form from the first day.
//!
//! What must never happen: a variant or a field renamed or removed. Stored messages outlive releases; only add.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::actor::Cause;
use crate::ids::{AttemptId, MessageId, OrderId, ProductId, RefundId, ReturnId, UserId};
use crate::money::Money;
use crate::order::Order;
use crate::shipping::Parcel;
use crate::stock::Decision;
use crate::time::Timestamp;

/// A context that reads messages; each has one inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consumer {
    Inventory,
    Order,
    Payment,
    Shipping,
}

impl Consumer {
    pub const ALL: [Self; 4] = [Self::Inventory, Self::Order, Self::Payment, Self::Shipping];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Shipping => "shipping",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|consumer| consumer.name() == name)
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub to: Consumer,
    pub order_id: OrderId,
    pub user_id: UserId,
    /// Version of the order that this message was written with.
    pub order_version: u32,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    #[serde(flatten)]
    pub body: Body,
}

/// So many pieces of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub product_id: ProductId,
    pub qty: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "payload")]
pub enum Body {
    /// To inventory: decide about this order's stock.
    DeductStock { lines: Vec<Demand> },
    /// To inventory: give back what was deducted, or see to it that nothing will be.
    ReleaseStock { lines: Vec<Demand> },
    /// To inventory: the goods are back on the shelf.
    ReturnStock { return_id: ReturnId, lines: Vec<Demand> },
    /// To order: what inventory decided.
    StockDecided { decision: Decision },
    /// To payment: take the money.
    CapturePayment { attempt_id: AttemptId, amount: Money },
    /// To payment: see to it that this attempt never takes money, or tell that it did.
    ClosePayment { attempt_id: AttemptId, amount: Money },
    /// To payment: give money back.
    RefundPayment { refund_id: RefundId, attempt_id: AttemptId, amount: Money },
    /// To order: the money is here.
    PaymentCaptured { attempt_id: AttemptId, amount: Money },
    /// To order: this attempt will never take money.
    PaymentClosed { attempt_id: AttemptId, cause: String },
    /// To order: the money is back with its owner.
    RefundSettled { refund_id: RefundId },
    /// To shipping: send it.
    ShipOrder { parcel: Parcel },
    /// To shipping: call the parcel back, its order was cancelled meanwhile.
    RecallShipment { tracking: String },
    /// To order: the carrier has it.
    ShipmentShipped { tracking: String, retried: bool },
    /// To order: the carrier would not take it; shipping keeps trying.
    ShipmentFailed { cause: String },
    /// To order: it arrived.
    ShipmentDelivered {},
}

impl Body {
    /// The name under which it is stored, counted and shown.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::DeductStock { .. } => "DeductStock",
            Self::ReleaseStock { .. } => "ReleaseStock",
            Self::ReturnStock { .. } => "ReturnStock",
            Self::StockDecided { .. } => "StockDecided",
            Self::CapturePayment { .. } => "CapturePayment",
            Self::ClosePayment { .. } => "ClosePayment",
            Self::RefundPayment { .. } => "RefundPayment",
            Self::PaymentCaptured { .. } => "PaymentCaptured",
            Self::PaymentClosed { .. } => "PaymentClosed",
            Self::RefundSettled { .. } => "RefundSettled",
            Self::ShipOrder { .. } => "ShipOrder",
            Self::RecallShipment { .. } => "RecallShipment",
            Self::ShipmentShipped { .. } => "ShipmentShipped",
            Self::ShipmentFailed { .. } => "ShipmentFailed",
            Self::ShipmentDelivered {} => "ShipmentDelivered",
        }
    }

    const fn consumer(&self) -> Consumer {
        match self {
            Self::DeductStock { .. } | Self::ReleaseStock { .. } | Self::ReturnStock { .. } => Consumer::Inventory,
            Self::CapturePayment { .. } | Self::ClosePayment { .. } | Self::RefundPayment { .. } => Consumer::Payment,
            Self::ShipOrder { .. } | Self::RecallShipment { .. } => Consumer::Shipping,
            Self::StockDecided { .. }
            | Self::PaymentCaptured { .. }
            | Self::PaymentClosed { .. }
            | Self::RefundSettled { .. }
            | Self::ShipmentShipped { .. }
            | Self::ShipmentFailed { .. }
            | Self::ShipmentDelivered {} => Consumer::Order,
        }
    }

    /// Whether it may pass parked messages of its order: only a release, since it voids what is before it.
    pub const fn passes_parked(&self) -> bool {
        matches!(self, Self::ReleaseStock { .. })
    }
}

impl Message {
    /// A message written together with `order`'s present version.
    pub fn from_order(order: &Order, cause: &Cause, body: Body) -> Self {
        let id = format!("{}.{}.{}", order.id, order.version, body.event());
        Self {
            id: MessageId::from_text(id),
            to: body.consumer(),
            order_id: order.id,
            user_id: order.user_id,
            order_version: order.version,
            at: cause.at,
            trace: cause.trace.clone(),
            body,
        }
    }

    /// A message about an order from a context that was not asked by message: the id names what happened.
    pub fn about(order: &Order, what: &str, at: Timestamp, body: Body) -> Self {
        Self {
            id: MessageId::from_text(format!("{what}/{}", body.event())),
            to: body.consumer(),
            order_id: order.id,
            user_id: order.user_id,
            order_version: order.version,
            at,
            trace: None,
            body,
        }
    }

    /// The outcome that answers this message. Its id hangs on the message answered, so that a repeat is the same.
    pub fn reply(&self, at: Timestamp, body: Body) -> Self {
        Self {
            id: MessageId::from_text(format!("{}/{}", self.id, body.event())),
            to: body.consumer(),
            order_id: self.order_id,
            user_id: self.user_id,
            order_version: self.order_version,
            at,
            trace: self.trace.clone(),
            body,
        }
    }
}
