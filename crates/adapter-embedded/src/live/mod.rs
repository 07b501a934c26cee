//! What the store keeps in memory beside the tail, each part behind a lock of its own: recent orders, recent changes,
//! every consumer's unread messages, and the index of what waits and what is parked.
//!
//! All of it is rebuilt at start and brought up to date by the writer after each sync, in one place, before the
//! callers are answered. Nothing here is ever ahead of the disk.

mod absences;
mod changes;
mod inbox_index;
mod mailbox;
mod recent;

pub(crate) use absences::Absences;
pub(crate) use changes::Changes;
pub(crate) use inbox_index::InboxIndex;
pub(crate) use mailbox::{Mailbox, Unread};
pub(crate) use recent::RecentOrders;
