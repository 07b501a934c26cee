//! What another process of the cluster does for this one, over gRPC: today the stock gate of its present owner.
//!
//! What holds: of all processes that could own the gate one does; the others send it what they are asked, in groups that
//! form while the last one is on its way. Nobody answers for a gate that is not its own. A lost answer leaves a hold
//! that ends like any other: its order is asked after once the hold's deadline has passed.
//!
//! What must never happen here: a background task, or a call without a deadline and the cluster's token.
//!
//! Where to read next: [`Seat`] for who owns the gate, [`RemoteGate`] for the way there, [`service`] for the other end.

mod convert;
pub mod proto;
mod remote;
mod seat;
mod service;

pub use remote::{RemoteGate, RemoteOptions};
pub use seat::{Owner, PeerGate, Seat};
pub use service::service;

const ENGINE: &str = "the stock gate";

/// The header that carries the cluster's token.
const TOKEN: &str = "x-doos-peer";
