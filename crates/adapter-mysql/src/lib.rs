//! The cluster's SQL engines: order shards, outbox, inbox, stock ledger and the small contexts' stores, on MySQL 8 or
//! MariaDB 10.11 and later.
//!
//! What holds: every write of orders is a group in one transaction; a COMMIT whose reply was lost is asked about before
//! anybody is answered; a server that is not set to keep what it acknowledges is refused. Engines know versions and
//! keys, no rules of the trade.
//!
//! What must never happen here: a task started in the background. Work is done by whoever asked for it; what returns
//! now and then ([`MySqlEngines::keep_up`]) is driven by the node.
//!
//! Where to read next: [`Databases`] for opening, `orders` for how groups are committed, `docs/adr/0010` for why.

mod actions;
mod archive;
mod books;
mod catalog;
mod database;
mod dialect;
mod engines;
mod error;
mod gate_epochs;
mod gates;
mod id_marks;
mod identities;
mod inbox;
mod ledger;
mod mailbox;
mod migrate;
mod moves;
mod options;
mod orders;
mod outbox;
mod partitions;
mod payment_book;
mod router;
mod rows;
mod script;
mod senders;
mod session;
pub mod settings;
mod shipments;
mod statistics;
mod topology;

pub use archive::Archivist;
pub use books::Books;
pub use dialect::Dialect;
pub use engines::{Databases, MySqlEngines};
pub use error::Error;
pub use gate_epochs::MySqlGateEpochs;
pub use gates::{SqlGate, Way};
pub use inbox::MySqlInbox;
pub use migrate::{Schema, Standing};
pub use moves::{Ask, BucketMove, MoveStep, Mover, Progress as MoveProgress, ShardStanding, Which};
pub use options::{Addresses, Options};
pub use orders::MySqlOrderStore;
pub use outbox::MySqlOutbox;
pub use rows::{order_columns, order_of_values};
pub use statistics::MySqlStatistics;
