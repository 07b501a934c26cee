//! The database: what has been folded, each context in tables of its own.
//!
//! What holds: one connection writes, the folder's. Everybody else reads, through a small pool; what must fit together
//! is read in one transaction, which sees one folded position. The database is never the truth before the journal: it may fall back
//! to an older position in a power cut, and the journal still has everything since.
//!
//! What must never happen: a row made or changed by anybody but the folder. `doos archive`, in a process of its own, moves
//! rows from one table of orders to the other, which changes no answer.

mod answer_age;
mod fold;
mod pool;
mod rows;
mod schema;
mod shelf;

pub(crate) use answer_age::AnswersKept;
pub(crate) use fold::{FoldedMarks, Folding};
pub(crate) use pool::Pool;
pub(crate) use rows::{ListSpan, Reading};
pub use schema::SCHEMA_NEWEST;
pub(crate) use schema::{
    FILE_NAME, FOLDED, NEWEST_CHANGE, UNREAD_FLOOR, lock_out_older, meta, open_beside, open_for_folding,
    open_for_reading, put_meta,
};
pub(crate) use shelf::{each_in_use, first_in_use, put_away};
