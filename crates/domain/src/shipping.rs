//! Parcels and shipments.

use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::message::Demand;
use crate::time::Timestamp;

/// What the carrier is asked to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub lines: Vec<Demand>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The shipping context's own row: the carrier's key is the order id, so asking twice ships once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    pub order_id: OrderId,
    pub tracking: String,
    pub tries: u32,
    pub shipped_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
}
