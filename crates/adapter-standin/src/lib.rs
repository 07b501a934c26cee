//! The built-in payment provider and carrier: they stand in for companies that live elsewhere, and behave like them.
//!
//! What holds: each keeps its own books, as the company would, and shares nothing with the shop's. Asked twice with
//! the same key, it acts once. No answer leaves before everything it was decided on is durable, if a directory was
//! given; without one the books live as long as the value. What goes wrong (latency, outages, lost replies, declines,
//! forged and late callbacks) happens only as the options say, by the clock's randomness, so a simulator can replay it.
//!
//! What must never happen: an amount, a product or an address that means something special here; a shortcut by which
//! the shop learns what the real company would not have told it.
//!
//! Where to read next: [`provider`] for money, [`carrier`] for parcels, [`signature`] for how a callback proves where
//! it comes from.

pub mod carrier;
mod desk;
mod log;
pub mod provider;
pub mod signature;
mod wire;

pub use carrier::{CarrierOptions, StandinCarrier};
pub use log::OpenError;
pub use provider::{
    Callback, CallbackBody, CallbackEvent, CallbackSink, Delivery, ProviderOptions, Receipt, StandinProvider,
};
