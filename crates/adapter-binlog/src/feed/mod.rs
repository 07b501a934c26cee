//! The port: one head that reads on at the end for everybody, and a few readers for those who are behind.
//!
//! What holds: a read that is shorter than asked for has everything that the reachable shards had committed when it
//! began. Work is done by whoever asks: nothing runs in the background, and nothing is read while nobody wants it.
//! Whoever waits for news holds the head only until somebody else wants to read.
//!
//! What must never happen: a position handed out as the end with something unread before it.

mod losing;
mod reading;

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use doos_ports::clock::Clock;
use futures::future::join_all;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{MutexGuard, Notify, OnceCell};

use crate::error::{ENGINE, Error, Fault};
use crate::options::Options;
use crate::place::{Places, Token};
use crate::recent::Recent;
use crate::server::Server;
use crate::tail::{Tail, lock};
use crate::timeline::Timeline;

/// Tokens may ask for earlier and earlier starts, each a chunk; so many are enough.
const CHUNKS_MAX: usize = 10_000;
/// A shard that has moved on so far without an order is written down.
const SETTLE_BYTES: u64 = 1 << 20;
/// How often a place that the servers do not have is looked for anew in one call.
const LOST_MAX: usize = 3;

/// The change feed over the binlogs of all order shards.
pub struct BinlogFeed {
    servers: Vec<Arc<Server>>,
    clock: Arc<dyn Clock>,
    options: Options,
    /// Tells this process's tokens from those of others.
    process: u64,
    begun: OnceCell<Begun>,
    head: tokio::sync::Mutex<Option<Tail>>,
    /// Who wants the head, apart from those who only wait for news.
    claims: AtomicUsize,
    claimed: Notify,
    behind: Mutex<Vec<Tail>>,
    losses: AtomicU64,
    /// When the last transaction at the end was committed, in seconds.
    read_of_s: AtomicU32,
}

struct Begun {
    timeline: Mutex<Timeline>,
    recent: Mutex<Recent>,
}

/// How far the feed is behind what the shards have committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Changes that have been read and lie after the asked position.
    pub changes: u64,
    /// Binlog that nobody has read yet, at least.
    pub unread_bytes: u64,
    /// How old the first change after the asked position is; where that is not read yet, how long ago the last one that
    /// was read was committed.
    pub behind_ms: u64,
    /// Shards that cannot be reached.
    pub shards_away: u64,
}

/// The head, for as long as a call needs it.
struct Claim<'a> {
    feed: &'a BinlogFeed,
    head: MutexGuard<'a, Option<Tail>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.feed.claims.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts from before the wait for the head, and is given up with it.
struct Wanting<'a>(Option<&'a BinlogFeed>);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        if let Some(feed) = self.0 {
            feed.claims.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl BinlogFeed {
    /// Reads the addresses; connects to nothing. The first call of any kind takes the shards' present ends as the start.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        if options.shards.is_empty() {
            return Err(Error::NoShards);
        }
        let servers = (0..options.shards.len()).map(|number| Server::new(number, &options, Arc::clone(&clock)));
        let servers = servers.collect::<Result<_, _>>()?;
        let now_ms = clock.now().as_millis().unsigned_abs();
        let process = clock.random() ^ now_ms.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(Self {
            servers,
            clock,
            options,
            process,
            begun: OnceCell::new(),
            head: tokio::sync::Mutex::default(),
            claims: AtomicUsize::new(0),
            claimed: Notify::new(),
            behind: Mutex::default(),
            losses: AtomicU64::new(0),
            read_of_s: AtomicU32::new(0),
        })
    }

    /// Takes the shards' present ends as the start, unless that was done before. All shards must be there.
    pub async fn begin(&self) -> Result<()> {
        Ok(self.begun().await.map(drop)?)
    }

    async fn begun(&self) -> Result<&Begun, Fault> {
        self.begun
            .get_or_try_init(|| async {
                let ends = join_all(self.servers.iter().map(|server| server.end())).await;
                let start = Places(ends.into_iter().collect::<Result<_, _>>()?);
                // Asked after the ends: no order now means none before them.
                let mut is_whole = true;
                for server in &self.servers {
                    is_whole &= !server.has_orders().await?;
                }
                let recent = Recent::new(start.sum(), self.options.recent_max);
                let timeline = Timeline::new(start, is_whole, self.options.units_max);
                Ok(Begun { timeline: Mutex::new(timeline), recent: Mutex::new(recent) })
            })
            .await
    }

    async fn claim(&self) -> Claim<'_> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        let mut wanting = Wanting(Some(self));
        self.claimed.notify_waiters();
        let head = self.head.lock().await;
        wanting.0 = None;
        Claim { feed: self, head }
    }

    /// How often the servers did not have what was to be read.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// How far a reader at `after` is behind, without reading for it.
    pub async fn lag(&self, after: Position) -> Result<Lag> {
        let begun = self.begun().await?;
        let ends = self.ends().await?;
        let now = self.clock.now();
        let read = lock(&begun.timeline).frontier_places();
        let read = self.servers.iter().zip(&read.0).map(|(server, read)| server.read_to().max(*read));
        let unread = ends.iter().zip(read).map(|(end, read)| end.map_or(0, |end| read.bytes_to(end)));
        let unread_bytes: u64 = unread.sum();
        let recent = lock(&begun.recent);
        let waiting = recent.after(after.0, 1);
        let since = match (waiting.first(), self.read_of_s.load(Ordering::Relaxed)) {
            (Some(changed), _) => Some(changed.order.updated_at),
            (None, read_of_s) if unread_bytes > 0 && read_of_s > 0 => {
                Some(Timestamp::from_millis(i64::from(read_of_s) * 1_000))
            }
            _ => None,
        };
        let behind_ms = since.map_or(0, |since| now.millis_since(since).max(0));
        Ok(Lag {
            changes: recent.count_after(after.0) as u64,
            unread_bytes,
            behind_ms: behind_ms.unsigned_abs(),
            shards_away: ends.iter().filter(|end| end.is_none()).count() as u64,
        })
    }

    /// A token's places, if the servers still have what comes after them.
    async fn check_kept(&self, places: &Places) -> Result<Option<Places>, Fault> {
        let mut checked = Vec::with_capacity(self.servers.len());
        for (number, kept) in join_all(self.servers.iter().map(|server| server.kept())).await.into_iter().enumerate() {
            let kept = kept?;
            // A shard that joined after the token was given out has everything that it ever had.
            let place = places.0.get(number).copied().unwrap_or(kept.first);
            if place < kept.first || place > kept.end {
                return Ok(None);
            }
            checked.push(place);
        }
        Ok((places.0.len() <= checked.len()).then_some(Places(checked)))
    }
}

#[async_trait]
impl ChangeFeed for BinlogFeed {
    async fn end(&self) -> Result<Position> {
        let mut tries = 0;
        loop {
            match self.read_to_the_end().await {
                Err(lost @ (Fault::Lost(_) | Fault::Another(_))) if tries < LOST_MAX => {
                    self.start_where_logs_start(&lost).await?;
                }
                end => return Ok(Position(end?)),
            }
            tries += 1;
        }
    }

    async fn oldest(&self) -> Result<Position> {
        let begun = self.begun().await?;
        Ok(Position(lock(&begun.timeline).oldest()))
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Changed>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut tries = 0;
        loop {
            match self.read_from(after.0, limit).await {
                Err(lost @ (Fault::Lost(_) | Fault::Another(_))) if tries < LOST_MAX => {
                    self.start_where_logs_start(&lost).await?;
                }
                changes => return Ok(changes?),
            }
            tries += 1;
        }
    }

    async fn ready(&self, after: Position) {
        let waited = match self.begun().await {
            Ok(begun) => self.wait_for_news(begun, after.0).await,
            Err(fault) => Err(fault),
        };
        if waited.is_err() {
            // Whoever waited reads now, and is told what is wrong.
            self.clock.sleep(self.options.away_pause).await;
        }
    }

    fn token(&self, position: Position) -> String {
        let Some(begun) = self.begun.get() else { return String::new() };
        let (_, places) = lock(&begun.timeline).locate(position.0);
        Token { process: self.process, position: position.0, places }.to_string()
    }

    async fn resume(&self, token: &str) -> Result<Option<Position>> {
        let Ok(token) = token.parse::<Token>() else { return Ok(None) };
        let begun = self.begun().await?;
        if token.process == self.process && token.position >= lock(&begun.timeline).oldest() {
            return Ok(Some(Position(token.position)));
        }
        let Some(places) = self.check_kept(&token.places).await? else { return Ok(None) };
        let mut timeline = lock(&begun.timeline);
        let found = timeline.find(&places);
        let position = match found {
            Some(position) => position,
            None if timeline.chunks() >= CHUNKS_MAX => {
                let cause = "too many readers ask for earlier and earlier places".to_owned();
                return Err(doos_ports::Error::Unavailable { engine: ENGINE, cause });
            }
            None => timeline.begin_earlier(&places),
        };
        Ok(Some(Position(position)))
    }
}
