//! The world outside: who takes the money and who carries the parcels.
//!
//! Contract: every call carries our key, and asking twice with the same key does it once. A call may fail in a way
//! that leaves open whether it was done; then it is asked again, never assumed. Callers set the deadline.

use async_trait::async_trait;
use doos_domain::ids::{AttemptId, OrderId, RefundId};
use doos_domain::money::Money;
use doos_domain::shipping::Parcel;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// Not reachable, too slow, or a reply that could not be read: it may have been done.
    #[error("no clear answer: {0}")]
    Unclear(String),
    /// Refused for good, whoever asks again.
    #[error("refused: {0}")]
    Refused(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptAnswer {
    Captured {
        provider_reference: String,
    },
    /// Will never take money: declined or closed.
    Closed {
        cause: String,
    },
    /// Still being worked on; ask again or wait for the callback.
    Open,
}

#[derive(Clone, Debug)]
pub struct Charge {
    pub attempt_id: AttemptId,
    pub order_id: OrderId,
    pub amount: Money,
}

#[async_trait]
pub trait PaymentProvider: Send + Sync {
    async fn capture(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError>;

    /// Asks that the attempt never take money. An attempt the provider never heard of is closed by this, too.
    async fn close(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError>;

    /// What the provider knows of it.
    async fn query(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError>;

    /// Gives money back; idempotent by the refund's id. Returns the provider's number for it.
    async fn refund(&self, refund: &RefundId, charge: &Charge) -> Result<String, OutsideError>;
}

#[async_trait]
pub trait Carrier: Send + Sync {
    /// Hands a parcel over; idempotent by the order's id. Returns the tracking number.
    async fn ship(&self, order: OrderId, parcel: &Parcel) -> Result<String, OutsideError>;

    /// Calls a parcel back; asking twice is harmless. An empty tracking number is one that the caller never learnt. A
    /// parcel that is not on its way is refused.
    async fn recall(&self, order: OrderId, tracking: &str) -> Result<(), OutsideError>;

    /// Whether the parcel has arrived.
    async fn is_delivered(&self, order: OrderId, tracking: &str) -> Result<bool, OutsideError>;
}
