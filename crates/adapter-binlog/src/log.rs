//! One shard's binlog as transactions of orders: pure bookkeeping over events, without a connection.
//!
//! What holds: a transaction comes out when its commit has been read, whole or not at all; the place moves on only
//! between transactions, so reading can start again at any place that was ever told. Other tables and deletes are
//! passed over, and so are the copies that a move of buckets makes: the shard they come from has told of them. What must never happen: an event that says something about orders and is ignored for being unknown.

use doos_domain::order::Order;
use mysql_async::binlog::events::{Event, EventData, QueryEvent, RotateEvent, RowsEventData, TableMapEvent};
use std::collections::HashMap;
use std::sync::Arc;

use crate::decode::{Columns, unreadable};
use crate::error::Fault;
use crate::place::Place;

/// The orders that one transaction has left behind.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub changes: Vec<Arc<Order>>,
    pub end: Place,
    /// When it was committed, by the server's clock, in seconds.
    pub at_s: u32,
}

/// The numbers of the events that matter, as both servers have them.
mod kind {
    pub const QUERY: u8 = 2;
    pub const ROTATE: u8 = 4;
    pub const FORMAT: u8 = 15;
    pub const XID: u8 = 16;
    pub const TABLE_MAP: u8 = 19;
    pub const ROWS_V1: std::ops::RangeInclusive<u8> = 23..=25;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const ROWS: std::ops::RangeInclusive<u8> = 30..=32;
    pub const GTID: u8 = 33;
    pub const GTID_ANONYMOUS: u8 = 34;
    pub const ROWS_PARTIAL: u8 = 39;
    pub const PAYLOAD_COMPRESSED: u8 = 40;
    pub const GTID_TAGGED: u8 = 42;
    pub const MARIA_GTID: u8 = 162;
    pub const MARIA_ROWS_COMPRESSED: std::ops::RangeInclusive<u8> = 166..=171;
}

/// What the reader is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Nothing,
    /// Announced: a transaction, or a single statement.
    Announced,
    Transaction,
}

enum Table {
    Orders(Columns),
    /// A mover writes here in each transaction in which it writes orders, and nobody else does.
    Moves,
    Other,
}

pub(crate) struct Log {
    database: String,
    /// After everything that was read and is between transactions.
    pub place: Place,
    /// After the last event; ahead of `place` inside of a transaction.
    read: Place,
    /// By the number the server gives a table until it is altered.
    tables: HashMap<u64, Table>,
    group: Group,
    changes: Vec<Arc<Order>>,
    /// The transaction writes down that it copies.
    is_copy: bool,
    is_first: bool,
}

impl Log {
    pub fn new(database: String, place: Place) -> Self {
        let group = Group::Nothing;
        Self {
            database,
            place,
            read: place,
            tables: HashMap::new(),
            group,
            changes: Vec::new(),
            is_copy: false,
            is_first: true,
        }
    }

    /// The connection was lost, and reading starts again at `place`.
    pub fn start_again(&mut self) {
        self.read = self.place;
        self.forget_group();
        self.tables.clear();
        self.is_first = true;
    }

    fn forget_group(&mut self) {
        self.group = Group::Nothing;
        self.changes.clear();
        self.is_copy = false;
    }

    pub fn take<'a>(
        &mut self,
        event: &Event,
        table_map: impl Fn(u64) -> Option<&'a TableMapEvent<'static>>,
        file_number: impl Fn(&str) -> Option<u32>,
    ) -> Result<Option<Transaction>, Fault> {
        let header = event.header();
        let is_first = std::mem::take(&mut self.is_first);
        let kind = header.event_type_raw();
        if kind == kind::ROTATE {
            // The first one repeats what was asked for, before checksums are agreed on: its name ends in rubbish.
            if !is_first {
                self.rotate(event, file_number)?;
            }
            return Ok(None);
        }
        self.move_on(header.log_pos(), header.event_size(), kind)?;
        let mut done = None;
        match kind {
            kind::FORMAT => self.tables.clear(),
            kind::GTID | kind::GTID_ANONYMOUS | kind::GTID_TAGGED => self.group = Group::Announced,
            kind::MARIA_GTID => {
                // Sequence and domain come first, then flags: the lowest says that a single statement follows.
                let flags = event.data().get(12).copied().unwrap_or_default();
                self.group = if flags & 1 == 1 { Group::Announced } else { Group::Transaction };
            }
            kind::QUERY if !self.statement(event)? => {}
            kind::QUERY | kind::XID => done = self.commit(header.timestamp()),
            kind::TABLE_MAP => self.table(event)?,
            kind if kind::ROWS_V1.contains(&kind) || kind::ROWS.contains(&kind) || kind == kind::ROWS_PARTIAL => {
                self.rows(event, table_map)?;
            }
            kind if kind::MARIA_ROWS_COMPRESSED.contains(&kind) && self.is_ours(event) => {
                return Err(Fault::Broken("rows are compressed: set `log_bin_compress = OFF`".to_owned()));
            }
            kind::PAYLOAD_COMPRESSED => {
                let cause = "transactions are compressed: set `binlog_transaction_compression = OFF`";
                return Err(Fault::Broken(cause.to_owned()));
            }
            kind::INCIDENT => {
                return Err(Fault::Broken("the server says that its binlog misses something".to_owned()));
            }
            _ => {}
        }
        if self.group == Group::Nothing {
            self.place = self.read;
        }
        Ok(done)
    }

    /// Events made for this connection have no place. Inside of transactions some servers write none either.
    fn move_on(&mut self, log_pos: u32, size: u32, kind: u8) -> Result<(), Fault> {
        if log_pos != 0 {
            self.read.offset = self.read.offset.max(log_pos);
        } else if self.group != Group::Nothing && kind != kind::FORMAT && kind != kind::HEARTBEAT {
            let cause = || Fault::Broken("a binlog file is larger than 4 GiB".to_owned());
            self.read.offset = self.read.offset.checked_add(size).ok_or_else(cause)?;
        }
        Ok(())
    }

    fn rotate(&mut self, event: &Event, file_number: impl Fn(&str) -> Option<u32>) -> Result<(), Fault> {
        let rotate: RotateEvent<'_> = event.read_event().map_err(unreadable)?;
        let name = rotate.name();
        let file = file_number(&name).ok_or_else(|| unreadable(format!("it names the file {name}")))?;
        if file != self.read.file {
            let offset = u32::try_from(rotate.position()).map_err(unreadable)?;
            self.read = Place { file, offset };
            // A transaction that a crash cut off ends with its file and never was.
            self.forget_group();
            self.tables.clear();
            self.place = self.read;
        }
        Ok(())
    }

    /// Whether it commits.
    fn statement(&mut self, event: &Event) -> Result<bool, Fault> {
        let query: QueryEvent<'_> = event.read_event().map_err(unreadable)?;
        let text = query.query();
        let text = text.trim_start();
        let starts = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if starts("BEGIN") || starts("XA START") {
            self.group = Group::Transaction;
        } else if starts("COMMIT") {
            return Ok(true);
        } else if starts("ROLLBACK") && !starts("ROLLBACK TO") {
            self.forget_group();
        } else if self.group == Group::Announced {
            // A definition: tables may look different from here on.
            self.forget_group();
            self.tables.clear();
        }
        Ok(false)
    }

    fn commit(&mut self, at_s: u32) -> Option<Transaction> {
        self.group = Group::Nothing;
        let mut changes = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.is_copy) {
            changes.clear();
        }
        (!changes.is_empty()).then_some(Transaction { changes, end: self.read, at_s })
    }

    fn table(&mut self, event: &Event) -> Result<(), Fault> {
        let id = table_id(event);
        if self.tables.contains_key(&id) {
            return Ok(());
        }
        let table: TableMapEvent<'_> = event.read_event().map_err(unreadable)?;
        let is_ours = table.database_name() == self.database;
        let known = match &*table.table_name() {
            "t_order" if is_ours => Table::Orders(Columns::of(&table)?),
            "t_move" if is_ours => Table::Moves,
            _ => Table::Other,
        };
        self.tables.insert(id, known);
        Ok(())
    }

    fn is_ours(&self, event: &Event) -> bool {
        matches!(self.tables.get(&table_id(event)), Some(Table::Orders(_) | Table::Moves))
    }

    fn rows<'a>(
        &mut self,
        event: &Event,
        table_map: impl Fn(u64) -> Option<&'a TableMapEvent<'static>>,
    ) -> Result<(), Fault> {
        let columns = match self.tables.get(&table_id(event)) {
            Some(Table::Orders(columns)) => columns,
            Some(Table::Moves) => {
                self.is_copy = true;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(EventData::RowsEvent(rows)) = event.read_data().map_err(unreadable)? else {
            return Err(unreadable("it is not about rows"));
        };
        if matches!(rows, RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_)) {
            return Ok(());
        }
        let table = table_map(rows.table_id()).ok_or_else(|| unreadable("its table was not described"))?;
        for row in rows.rows(table) {
            let (_, after) = row.map_err(unreadable)?;
            let after = after.ok_or_else(|| unreadable("a row without its new values"))?;
            self.changes.push(Arc::new(columns.order(after)?));
        }
        Ok(())
    }
}

/// The first six bytes of what describes a table or changes its rows.
fn table_id(event: &Event) -> u64 {
    event.data().iter().take(6).rev().fold(0, |id, byte| (id << 8) | u64::from(*byte))
}
