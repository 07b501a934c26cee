//! What somebody of the back office did, for whoever has to answer for it later.
//!
//! What holds: an action is written down before it is done, and once more with its ending. One that has begun and not
//! ended was cut short in between: it may have been done or not, and what it was about tells which. The actor is in
//! the stored form of [`actor`](crate::actor).
//!
//! What must never happen: a deed renamed, or an entry removed. Only add.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::ids::ActionId;
use crate::time::Timestamp;

/// What was done. The names are stored and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    ReceiveStock,
    WriteOffStock,
    CreateProduct,
    ChangeProduct,
    ReplayDeadLetter,
    DiscardDeadLetter,
    CancelOrder,
    PayOrder,
    ShipOrder,
    DeliverOrder,
    ReturnOrder,
    RepairBooks,
    RebuildProjections,
    SetLiveValue,
}

impl Deed {
    pub const ALL: [Self; 14] = [
        Self::ReceiveStock,
        Self::WriteOffStock,
        Self::CreateProduct,
        Self::ChangeProduct,
        Self::ReplayDeadLetter,
        Self::DiscardDeadLetter,
        Self::CancelOrder,
        Self::PayOrder,
        Self::ShipOrder,
        Self::DeliverOrder,
        Self::ReturnOrder,
        Self::RepairBooks,
        Self::RebuildProjections,
        Self::SetLiveValue,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceiveStock => "receive_stock",
            Self::WriteOffStock => "write_off_stock",
            Self::CreateProduct => "create_product",
            Self::ChangeProduct => "change_product",
            Self::ReplayDeadLetter => "replay_dead_letter",
            Self::DiscardDeadLetter => "discard_dead_letter",
            Self::CancelOrder => "cancel_order",
            Self::PayOrder => "pay_order",
            Self::ShipOrder => "ship_order",
            Self::DeliverOrder => "deliver_order",
            Self::ReturnOrder => "return_order",
            Self::RepairBooks => "repair_books",
            Self::RebuildProjections => "rebuild_projections",
            Self::SetLiveValue => "set_live_value",
        }
    }
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Ending {
    Done,
    /// Nothing was changed; the code says why.
    Refused {
        code: String,
    },
    /// Nobody knows whether it was done.
    Unknown,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub at: Timestamp,
    pub actor: String,
    pub deed: Deed,
    /// The number of the product or order, the id of the message, the key of the value, or nothing where it was about the whole shop.
    pub subject: String,
    /// What exactly was asked for: quantities, references, fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// W3C `traceparent` of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Absent while it is being done, and for ever if it was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_deed_is_stored_under_the_name_it_is_shown_by() {
        for deed in Deed::ALL {
            assert_eq!(serde_json::to_value(deed).unwrap(), deed.name());
        }
    }

    #[test]
    fn ids_of_later_actions_sort_behind() {
        let id = |millis, micros, random| {
            ActionId::made(Timestamp::from_millis(millis), Duration::from_micros(micros), random)
        };
        assert!(id(1_790_000_000_000, 9, u64::MAX) < id(1_790_000_000_001, 1, 0));
        assert!(id(1_790_000_000_000, 8, u64::MAX) < id(1_790_000_000_000, 9, 0));
        assert!(id(999, 7, 5) < id(1_790_000_000_001, 0, 0));
        assert_eq!(id(1_790_000_000_000, 10, 7).as_str(), "act_01a0c4506c00000000000a000007");
    }
}
