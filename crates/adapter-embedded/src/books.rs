//! The books of a store as they stand at one position, for audits and for looks from outside.
//!
//! Reads the folded rows in one read transaction, beside the process that runs on them or without one. What is not
//! folded yet is not in the picture, in no table: the folded position is the cut through everything. Where no process
//! runs, [`fold_dir`] brings the cut to the journal's end first.

use doos_domain::ids::ProductId;
use doos_domain::message::{Consumer, Message};
use doos_domain::order::Order;
use doos_domain::payment::MoneyEntry;
use doos_domain::shipping::Shipment;
use doos_domain::stock::{DecisionRow, Movement, MovementKind, StockRow};
use doos_domain::time::Timestamp;
use doos_journal::{RealDisk, peek};
use doos_ports::bus::Position;
use doos_ports::inbox::{DeadLetter, Waiting};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use std::path::Path;

use crate::database::{Reading, open_for_reading};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::ports::Mark;
use crate::store::{Layout, Store};
use crate::table::{Key, Table};

/// Where a message stands that is not done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Unread,
    Waiting,
    Parked,
}

/// A cut through the books. Every method walks its rows in a fixed order and hands each to the visitor.
pub trait BookReader {
    /// The position everything is of.
    fn cut(&self) -> Position;

    fn stock_rows(&self, visit: &mut dyn FnMut(StockRow)) -> Result<()>;

    /// The ledger's sum of pieces per product and kind, of one product or of all.
    fn movement_sums(
        &self,
        product: Option<ProductId>,
        visit: &mut dyn FnMut(ProductId, MovementKind, i64),
    ) -> Result<()>;

    fn movements(&self, visit: &mut dyn FnMut(Movement)) -> Result<()>;

    fn decisions(&self, visit: &mut dyn FnMut(DecisionRow)) -> Result<()>;

    /// By id, oldest first.
    fn orders(&self, visit: &mut dyn FnMut(Order)) -> Result<()>;

    fn money(&self, visit: &mut dyn FnMut(MoneyEntry)) -> Result<()>;

    fn shipments(&self, visit: &mut dyn FnMut(Shipment)) -> Result<()>;

    /// Messages on their way at the cut.
    fn open_messages(&self, visit: &mut dyn FnMut(Message, Standing)) -> Result<()>;

    fn dead_letters(&self, visit: &mut dyn FnMut(DeadLetter)) -> Result<()>;
}

/// The books of one data directory.
pub struct Books {
    connection: Connection,
}

impl Books {
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = Layout::of(data_dir).database();
        if !path.is_file() {
            let missing = std::io::ErrorKind::NotFound.into();
            return Err(Error::Io { action: "find a store in the data directory", source: missing });
        }
        Ok(Self { connection: open_for_reading(&path)? })
    }

    /// The highest mark of order ids among what is folded.
    pub fn id_mark(&self) -> Result<Option<Timestamp>> {
        let mut highest = None;
        Reading::of(&self.connection).all_docs(Table::IdMark, |json| {
            let stored: Mark = parse(Table::IdMark.layout().name, json)?;
            highest = highest.max(Some(stored.mark));
            Ok(())
        })?;
        Ok(highest)
    }

    /// Runs one audit on one cut.
    pub fn read<T>(&self, work: impl FnOnce(&dyn BookReader) -> Result<T>) -> Result<T> {
        Reading::snapshot(&self.connection, |reading| {
            let cut = Position(reading.folded()?);
            work(&Cut { reading, cut })
        })
    }
}

/// Where the journal of a data directory ends, beside the process that writes it or without one. What lies between the
/// cut of the books and this is not in the books yet.
pub fn journal_end(data_dir: &Path) -> Result<Position> {
    let failed = |source| Error::Io { action: "read the journal's directory", source };
    let disk = RealDisk::open(&Layout::of(data_dir).journal_dir).map_err(failed)?;
    Ok(Position(peek(&disk)?.end()))
}

/// Folds all there is, if no other process owns the store. `false`: one does, and folds for itself.
pub fn fold_dir(data_dir: &Path, options: Options) -> Result<bool> {
    let mut parts = match Store::open_dir(data_dir, options) {
        Err(Error::Journal(doos_journal::Error::Locked)) => return Ok(false),
        other => other?,
    };
    while parts.folder.fold_once(options.fold_records_max)?.records > 0 {}
    Ok(true)
}

struct Cut<'a> {
    reading: &'a Reading<'a>,
    cut: Position,
}

fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Row { what: what.to_owned(), found: error.to_string() })
}

impl Cut<'_> {
    fn docs<T: DeserializeOwned>(&self, table: Table, visit: &mut dyn FnMut(T)) -> Result<()> {
        self.reading.all_docs(table, |json| {
            visit(parse(table.layout().name, json)?);
            Ok(())
        })
    }

    fn progress(&self, consumer: Consumer) -> Result<Position> {
        let stored = self.reading.doc(Table::Progress, &Key::text(consumer.name()))?;
        Ok(stored.map(|json| parse(Table::Progress.layout().name, &json)).transpose()?.unwrap_or_default())
    }
}

impl BookReader for Cut<'_> {
    fn cut(&self) -> Position {
        self.cut
    }

    fn stock_rows(&self, visit: &mut dyn FnMut(StockRow)) -> Result<()> {
        self.docs(Table::StockRow, visit)
    }

    fn movement_sums(
        &self,
        product: Option<ProductId>,
        visit: &mut dyn FnMut(ProductId, MovementKind, i64),
    ) -> Result<()> {
        self.reading.movement_sums(product.map(ProductId::get), |product, kind, sum| {
            let unknown = |found: String| Error::Row { what: "a movement".to_owned(), found };
            let id = ProductId::new(product).ok_or_else(|| unknown(format!("{product} is no product id")))?;
            let kind = parse("a movement's kind", &format!("\"{kind}\""))?;
            visit(id, kind, sum);
            Ok(())
        })
    }

    fn movements(&self, visit: &mut dyn FnMut(Movement)) -> Result<()> {
        self.docs(Table::Movement, visit)
    }

    fn decisions(&self, visit: &mut dyn FnMut(DecisionRow)) -> Result<()> {
        self.docs(Table::Decision, visit)
    }

    fn orders(&self, visit: &mut dyn FnMut(Order)) -> Result<()> {
        self.reading.all_orders(|row| {
            visit(parse("an order", &row.doc)?);
            Ok(())
        })
    }

    fn money(&self, visit: &mut dyn FnMut(MoneyEntry)) -> Result<()> {
        self.docs(Table::Money, visit)
    }

    fn shipments(&self, visit: &mut dyn FnMut(Shipment)) -> Result<()> {
        self.docs(Table::Shipment, visit)
    }

    fn open_messages(&self, visit: &mut dyn FnMut(Message, Standing)) -> Result<()> {
        let mut settled = Vec::new();
        for consumer in Consumer::ALL {
            settled.push((consumer, self.progress(consumer)?));
        }
        let is_settled = |to: Consumer, position: u64| {
            settled.iter().any(|(consumer, progress)| *consumer == to && position <= progress.0)
        };
        // Not the stored floor of the unread: that one may know of progress made after this cut.
        let floor = settled.iter().map(|(_, progress)| progress.0).min().unwrap_or_default();
        self.reading.messages_from(floor, |position, to, _, _| {
            if !is_settled(to, position)
                && let Some(json) = self.reading.message_at(position)?
            {
                visit(parse("a message", &json)?, Standing::Unread);
            }
            Ok(())
        })?;
        self.docs(Table::Waiting, &mut |waiting: Waiting| visit(waiting.message, Standing::Waiting))?;
        self.docs(Table::DeadLetter, &mut |letter: DeadLetter| visit(letter.message, Standing::Parked))
    }

    fn dead_letters(&self, visit: &mut dyn FnMut(DeadLetter)) -> Result<()> {
        self.docs(Table::DeadLetter, visit)
    }
}
