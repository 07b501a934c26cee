//! The database: what has been folded, each context in tables of its own.
//!
//! What holds: one connection writes, the folder's. Everybody else reads, through a small pool; what must fit together
//! is read in one transaction, which sees one folded position. The database is never the truth before the journal: it may fall back
//! to an older position in a power cut, and the journal still has everything since.
//!
//! What must never happen: a write from anywhere but the folder.

mod answer_age;
mod fold;
mod pool;
mod rows;
mod schema;

pub(crate) use answer_age::AnswersKept;
pub(crate) use fold::{FoldedMarks, Folding};
pub(crate) use pool::Pool;
pub(crate) use rows::{ListSpan, Reading};
pub(crate) use schema::{
    FILE_NAME, FOLDED, NEWEST_CHANGE, UNREAD_FLOOR, meta, open_for_folding, open_for_reading, put_meta,
};
