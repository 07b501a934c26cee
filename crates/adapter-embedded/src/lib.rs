//! The embedded engines: every durable port on one journal and one SQLite database, and the stock gate in memory.
//!
//! What holds: the journal is the truth, the bus, the outbox and the change feed; one writer appends to it in groups
//! and makes a change visible after its sync and before its answer. A folder applies the journal to the database
//! behind it; between the two lies the tail, an index in memory. A unit (a change, a consumer's group with its
//! progress, a stock transaction) is a run of records inside one journal group, so it is stored whole or not at all.
//!
//! What must never happen: a reader that sees what is not synced, a row of the database made or changed by anybody but the
//! folder (`archive` moves rows between two tables), a rule of the trade.
//!
//! Beside the store lie its read models (`projections`), which hold no truth.
//!
//! Where to read next: `store` for opening, `unit` and `writer` for how a change becomes durable, `shared` for how it
//! becomes visible, `tail` and `reading` for how it is found, `folder` for what happens to it afterwards, `backup` and
//! `books` for looks from outside.

mod archive;
mod backup;
mod bell;
mod books;
mod database;
mod docs;
mod error;
mod fold_signal;
mod folder;
mod gate;
#[doc(hidden)]
pub mod hot;
mod live;
mod locks;
mod newest_ids;
mod options;
mod outage;
mod ports;
mod projections;
mod reading;
mod rebuild;
mod record;
mod registry;
mod shared;
mod store;
mod table;
mod tail;
mod unit;
mod writer;

pub use archive::Archive;
pub use backup::{BackupReport, backup};
pub use books::{BookReader, Books, Standing, fold_dir, journal_end};
pub use database::SCHEMA_NEWEST;
pub use error::Error;
pub use folder::{Folded, Folder};
pub use gate::MemoryGate;
pub use options::Options;
pub use ports::NoOutbox;
pub use projections::{ProjectionOptions, Projections, SqliteSearch, SqliteStatistics};
pub use registry::StaticRegistry;
pub use store::{Depths, Layout, Parts, Running, Store};
pub use writer::{Group, Writer};
