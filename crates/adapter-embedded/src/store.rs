//! Opening the store: database, journal, tail, and the parts that the owner drives.
//!
//! What holds: the journal's lock is what makes this process the only owner. The journal is opened with the folded
//! position as its floor, so a journal that has lost what the database or a consumer already holds is refused. What
//! was not folded is filed in the tail before anybody is served; folding itself goes on behind.

use doos_domain::message::Consumer;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_journal::{Disk, Journal, RealDisk, Recovery};
use doos_ports::bus::Position;
use doos_ports::inbox::{DeadLetter, Waiting};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crate::database::{self, FOLDED, NEWEST_CHANGE, Pool, UNREAD_FLOOR, meta};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::live::Unread;
use crate::locks::{lock, write};
use crate::newest_ids::NewestIds;
use crate::options::Options;
use crate::ports::{Engines, Mark};
use crate::record::decode;
use crate::shared::{Applied, Job, Shared};
use crate::table::{Key, Table};
use crate::unit::Live;
use crate::writer::Writer;

/// Where a store keeps its files inside a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub journal_dir: PathBuf,
    pub database_dir: PathBuf,
}

impl Layout {
    pub fn of(data_dir: &Path) -> Self {
        Self { journal_dir: data_dir.join("journal"), database_dir: data_dir.join("database") }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.database_dir.join(database::FILE_NAME)
    }
}

/// An opened store: every port, and who keeps it going. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engines: Arc<Engines>,
}

/// A store whose writer and folder are driven by whoever opened it.
pub struct Parts {
    pub store: Store,
    pub writer: Writer,
    pub folder: Folder,
    /// What opening the journal found.
    pub recovery: Recovery,
}

/// A store that runs on threads of its own.
pub struct Running {
    pub store: Store,
    threads: Vec<JoinHandle<()>>,
}

impl Store {
    /// Opens the store in a data directory of the file system.
    pub fn open_dir(data_dir: &Path, options: Options) -> Result<Parts> {
        let layout = Layout::of(data_dir);
        let disk = RealDisk::open(&layout.journal_dir)
            .map_err(|source| Error::Io { action: "make the journal's directory", source })?;
        Self::open(Arc::new(disk), &layout.database_dir, options)
    }

    /// Opens the store over any disk; the database lies in a directory of the file system in every case.
    pub fn open(disk: Arc<dyn Disk>, database_dir: &Path, options: Options) -> Result<Parts> {
        std::fs::create_dir_all(database_dir)
            .map_err(|source| Error::Io { action: "make the database's directory", source })?;
        let path = database_dir.join(database::FILE_NAME);
        let floor = floor_of(&path)?;
        let (journal, recovery) = Journal::open(disk, options.journal, floor, options.accept_loss)?;
        // Only now is this process the owner and may write.
        let connection = database::open_for_folding(&path)?;
        let folded = meta(&connection, FOLDED)?;
        let pool = Pool::new(&path, options.read_connections_kept_max);
        let limits = doos_batcher::Limits {
            queue_len_max: options.queue_len_max,
            group_len_max: options.group_len_max,
            group_weight_max: options.group_bytes_max,
        };
        let (sender, receiver) = doos_batcher::channel(limits);
        let shared = Arc::new(Shared::new(options, journal.reader(), pool, sender));
        shared.folded.store(folded, Ordering::Release);
        shared.applied.store(folded, Ordering::Release);
        shared.add_marks(journal.segments().into_iter().map(|segment| segment.start));
        restore_folded(&shared)?;
        let newest_id = refill_tail(&shared, folded)?;
        shared.applied.store(journal.end(), Ordering::Release);
        shared.fold_signal.written(journal.end(), 0);
        let folder = Folder::new(Arc::clone(&shared), connection, journal.preparer());
        let engines = Arc::new(Engines::new(&shared));
        let writer = Writer::new(Arc::clone(&shared), journal, receiver, newest_id);
        Ok(Parts { store: Self { shared, engines }, writer, folder, recovery })
    }

    /// Refuses new work, and lets the writer end after what is queued and the folder after its step. `false`: the
    /// queue is full just now, ask again.
    pub fn close(&self) -> bool {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.fold_signal.close();
        !matches!(self.shared.queue.submit(Job::Close, 0), Err(doos_batcher::Error::Full))
    }

    /// The cause that stopped the store, if one did.
    pub fn stopped(&self) -> Option<String> {
        self.shared.stopped.borrow().clone()
    }

    /// Waits until the store has stopped, and says why.
    pub async fn until_stopped(&self) -> String {
        let mut stopped = self.shared.stopped.subscribe();
        let cause = stopped.wait_for(Option::is_some).await;
        cause.ok().and_then(|cause| cause.clone()).unwrap_or_default()
    }

    /// The highest stored mark of order ids; ids go on above it, whatever the clock says.
    pub fn id_mark(&self) -> Result<Option<Timestamp>> {
        let marks: Vec<Mark> = self.shared.docs_of(Table::IdMark)?;
        Ok(marks.iter().map(|stored| stored.mark).max())
    }

    /// Why the store refuses orders just now, if it does for want of room on the disk; it goes on by itself.
    pub fn hindrance(&self) -> Option<String> {
        self.shared.hindrance()
    }

    pub fn depths(&self) -> Depths {
        let shared = &self.shared;
        let applied = shared.applied();
        Depths {
            queued: shared.queue.depth(),
            tail_orders: crate::locks::read(&shared.tail).order_count(),
            tail_bytes: applied.saturating_sub(shared.folded()),
            journal_end: applied,
            journal_oldest: shared.reader.oldest(),
        }
    }
}

/// How much stands where, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depths {
    pub queued: usize,
    pub tail_orders: usize,
    pub tail_bytes: u64,
    pub journal_end: u64,
    pub journal_oldest: u64,
}

impl Parts {
    /// Gives writer and folder a thread each.
    pub fn spawn(self) -> Result<Running> {
        let Self { store, writer, folder, .. } = self;
        let failed = |source| Error::Io { action: "start a thread", source };
        let journal = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        let journal = journal.map_err(failed)?;
        let folder = std::thread::Builder::new().name("folder".to_owned()).spawn(move || folder.run());
        Ok(Running { store, threads: vec![journal, folder.map_err(failed)?] })
    }
}

impl Running {
    /// Drains what is queued and ends both threads. Blocks until they have ended.
    pub fn stop(self) {
        // While the queue is full the request to close cannot be queued; the writer is emptying it.
        while !self.store.close() {
            std::thread::yield_now();
        }
        for thread in self.threads {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// The position the database holds, read before anything may be written.
fn floor_of(path: &Path) -> Result<u64> {
    if !path.exists() {
        return Ok(0);
    }
    let connection = database::open_for_reading(path)?;
    let is_made: bool = connection
        .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))
        .map_err(Error::database("read"))?;
    if is_made { meta(&connection, FOLDED) } else { Ok(0) }
}

/// Fills the indexes in memory from what is folded.
fn restore_folded(shared: &Shared) -> Result<()> {
    shared.pool.snapshot(|rows| {
        for consumer in Consumer::ALL {
            let stored = rows.doc(Table::Progress, &Key::text(consumer.name()))?;
            let progress: Option<Position> = stored.map(|json| parse(Table::Progress, &json)).transpose()?;
            lock(shared.mailbox(consumer)).settle(progress.unwrap_or_default().0);
        }
        shared.changed.ring(rows.meta(NEWEST_CHANGE)?);
        *lock(&shared.decided) = NewestIds::starting_at(rows.newest_decided()?);
        let unread_floor = rows.meta(UNREAD_FLOOR)?;
        rows.messages_from(unread_floor, |position, consumer, order, asks_for_stock| {
            lock(shared.mailbox(consumer)).push(Unread { position, order, asks_for_stock, message: None });
            Ok(())
        })?;
        rows.all_docs(Table::StockRow, |json| {
            let row: StockRow = parse(Table::StockRow, json)?;
            write(&shared.stock).insert(row.product_id.get(), row);
            Ok(())
        })?;
        rows.all_docs(Table::Waiting, |json| {
            let waiting: Waiting = parse(Table::Waiting, json)?;
            shared.index_waiting(waiting.message.to, &waiting);
            Ok(())
        })?;
        rows.all_docs(Table::DeadLetter, |json| {
            let letter: DeadLetter = parse(Table::DeadLetter, json)?;
            shared.index_dead_letter(&letter);
            Ok(())
        })
    })?;
    for (mailbox, mail) in shared.mailboxes.iter().zip(&shared.mail) {
        if let Some(last) = lock(mailbox).last() {
            mail.send_replace(last);
        }
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(table: Table, json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| Error::Row { what: format!("a row of {}", table.layout().name), found: error.to_string() })
}

/// Files what is not folded yet. Returns the highest order id there is anywhere.
fn refill_tail(shared: &Shared, folded: u64) -> Result<u64> {
    let mut newest_id = shared.pool.read(|rows| rows.newest_id())?;
    for group in shared.reader.groups(folded)? {
        let group = group?;
        let mut batch = Vec::with_capacity(group.records.len());
        for (position, bytes) in &group.records {
            let position = *position;
            let record = decode(bytes).map_err(|found| Error::Record { position, found })?;
            match &record {
                crate::record::Record::Order(head, _) => newest_id = newest_id.max(head.id),
                crate::record::Record::Void(id) => newest_id = newest_id.max(*id),
                _ => {}
            }
            batch.push(Applied { position, record, live: Live::Nothing, ends_unit: true });
        }
        shared.apply(group.start, group.end, batch)?;
    }
    Ok(newest_id)
}
