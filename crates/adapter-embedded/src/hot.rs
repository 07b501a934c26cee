//! Doors for counting: the functions of this crate that each order pays for, called by nobody but the runner of
//! `scripts/instructions.sh`.
//!
//! What must never happen here: anything but a call of the function that really runs.

use doos_domain::message::Message;
use doos_domain::order::Order;

use crate::record;

pub fn encode_order(order: &Order) -> Vec<u8> {
    record::encode_order(order)
}

pub fn encode_message(message: &Message) -> Vec<u8> {
    record::encode_message(message, true)
}
