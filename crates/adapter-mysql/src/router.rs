//! The map of buckets in memory, and how it is read again.
//!
//! What holds: it is read again by whoever finds that it was wrong, once for all who find so at the same time. A shard
//! that is away keeps what was last known of it, since nothing is believed that the shard itself does not confirm. A
//! mover that died leaves nobody waiting for it: a bucket that was handed over is opened, and one that was closed for
//! too long takes writes again at its old place, by whoever reads the map.

use futures::future::join_all;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::database::Database;
use crate::error::{Error, Fault};
use crate::moves;
use crate::session::decode;
use crate::topology::{BucketRow, Topology};

/// How often a bucket that is on its way is looked for, and how long the first wait is; each is twice the one before.
const TRIES_MAX: u32 = 9;
const FIRST_WAIT: Duration = Duration::from_millis(4);

pub(crate) struct Router {
    shards: Vec<Arc<Database>>,
    map: RwLock<Arc<Topology>>,
    rows: tokio::sync::Mutex<Vec<Vec<BucketRow>>>,
}

impl Router {
    /// Reads the map for the first time; every shard must be there, and every bucket be served.
    pub async fn open(shards: Vec<Arc<Database>>) -> Result<Result<Self, Error>, Fault> {
        let rows = read_all(&shards).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let topology = match Topology::read(&rows) {
            Ok(topology) => topology,
            Err(error) => return Ok(Err(error)),
        };
        let router = Self { shards, map: RwLock::new(Arc::new(topology)), rows: tokio::sync::Mutex::new(rows) };
        // What a mover left half way is put right before anybody looks for it.
        if !router.map().to_open.is_empty() {
            router.reload(&router.map()).await?;
        }
        Ok(Topology::clone(&router.map()).whole().map(|_| router))
    }

    pub fn map(&self) -> Arc<Topology> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn shard(&self, number: usize) -> &Arc<Database> {
        &self.shards[number]
    }

    /// Reads the map again, unless somebody has done so since `seen` was taken.
    pub async fn reload(&self, seen: &Arc<Topology>) -> Result<(), Fault> {
        let mut rows = self.rows.lock().await;
        if !Arc::ptr_eq(&self.map(), seen) {
            return Ok(());
        }
        self.refresh(&mut rows).await;
        let mut topology = self.understood(&rows)?;
        let mut mended = false;
        for shard in topology.closed.clone() {
            mended |= attempt("reopening", moves::reopen_overdue(&self.shards[shard]).await);
        }
        for shard in 0..self.shards.len() {
            let here = topology.to_open.iter().filter(|(_, place)| place.shard == shard);
            let buckets: Vec<(u16, u64)> = here.map(|(bucket, place)| (*bucket, place.epoch)).collect();
            if !buckets.is_empty() {
                mended |= attempt("opening", moves::open_arrived(&self.shards[shard], &buckets).await);
            }
        }
        if mended {
            self.refresh(&mut rows).await;
            topology = self.understood(&rows)?;
        }
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
        Ok(())
    }

    async fn refresh(&self, rows: &mut [Vec<BucketRow>]) {
        for (known, read) in rows.iter_mut().zip(read_all(&self.shards).await) {
            match read {
                Ok(read) => *known = read,
                Err(fault) => tracing::debug!(cause = %fault, "a shard's buckets could not be read again"),
            }
        }
    }

    fn understood(&self, rows: &[Vec<BucketRow>]) -> Result<Topology, Fault> {
        Topology::read(rows).map_err(|error| Fault::Away(error.to_string()))
    }
}

fn attempt(what: &str, done: Result<bool, Fault>) -> bool {
    done.unwrap_or_else(|fault| {
        tracing::warn!(cause = %fault, "{what} a bucket whose mover is gone has to wait");
        false
    })
}

/// How long whoever meets a bucket on its way goes on looking for it.
#[derive(Default)]
pub(crate) struct Patience {
    tries: u32,
}

impl Patience {
    /// Waits, at first not at all. `false`: enough.
    pub async fn wait(&mut self, database: &Arc<Database>) -> bool {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return false;
        }
        if self.tries > 1 {
            database.clock.sleep(FIRST_WAIT * (1 << (self.tries - 2))).await;
        }
        true
    }
}

pub(crate) const BUCKETS: &str = "SELECT bucket, epoch, state FROM t_bucket";

/// What every shard says about its buckets.
pub(crate) async fn read_all(shards: &[Arc<Database>]) -> Vec<Result<Vec<BucketRow>, Fault>> {
    join_all(shards.iter().map(|shard| shard.read_text("t_bucket", BUCKETS))).await
}

/// The last of several results: what the shard said about buckets after all else.
pub(crate) fn buckets_behind(sets: &mut Vec<Vec<mysql_async::Row>>) -> Result<Vec<BucketRow>, Fault> {
    decode("t_bucket", sets.pop().unwrap_or_default())
}
