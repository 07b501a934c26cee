//! The journal: an append-only, segmented log that is synced in groups. It knows bytes, not orders.
//!
//! What holds here:
//! * `append` returns after the group is on disk; a group is there whole or not at all.
//! * A [`Position`] counts the bytes of all groups ever written: dense, and the end of one group is the start of
//!   the next, also from one segment to the next.
//! * Readers see only what is synced, and never wait for the writer.
//! * Opening may cut one thing only, the unfinished last group. Any other flaw refuses to start, unless the
//!   operator accepts the loss.
//! * The first write or sync that fails stops the journal for good; nothing is tried again on the same pages.
//!
//! What must never happen: a retry of a failed sync, a checksum that fits bytes from another place or another
//! time, a record served that a power cut could still take away.
//!
//! Where to read next: `format` for the bytes, `recover` for what opening decides, `journal` for the writer,
//! `reader` for the rest of the world, `docs/adr/0001-journal.md` for the reasons.

mod disk;
mod error;
mod format;
mod inspect;
mod journal;
mod options;
mod peek;
mod reader;
mod recover;
mod scan;
mod segment;
pub mod sim_disk;

pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use error::Error;
pub use format::Position;
pub use inspect::{Inspection, inspect};
pub use journal::{Appended, Journal, Preparer};
pub use options::Options;
pub use peek::peek;
pub use reader::{Group, GroupCursor, Reader};
pub use recover::{Cut, Loss, Recovery};
pub use segment::SegmentSummary;
