//! A lean HTTP/1.1 client: it shares two cores with the server it measures, so it must cost little.
//!
//! What holds: a request is sent from bytes prepared before; an answer is the status, the few headers that are counted,
//! and its body's bytes, where they were received. One request at a time on a connection, kept open.
//!
//! What must never happen: an answer taken for whole that is not, or the end of one taken for the begin of the next.

mod connection;
mod wire;

pub use connection::{Connection, Refusal};
pub use wire::{Head, parse};

/// An answer, as its reader sees it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub replayed: bool,
    pub has_retry_after: bool,
    pub body: &'a [u8],
}
