//! Reading: from memory where possible, at the end through the head, behind it through a reader of one's own.
//!
//! What holds: a place that the servers do not have any more ends a call with [`Fault::Lost`], and the caller finds out
//! what is left ([`BinlogFeed::start_where_logs_start`]) and tries again.

use doos_ports::change_feed::Changed;
use futures::future::join_all;
use std::pin::pin;
use std::sync::atomic::Ordering;
use tokio::time::timeout;

use super::{Begun, BinlogFeed, SETTLE_BYTES};
use crate::error::Fault;
use crate::place::{Place, Places};
use crate::tail::{Stepped, Tail, lock};

impl BinlogFeed {
    /// Where each reachable shard's binlog ends now. All away is an error; one is not.
    pub(super) async fn ends(&self) -> Result<Vec<Option<Place>>, Fault> {
        let mut ends = Vec::with_capacity(self.servers.len());
        let mut away = None;
        for end in join_all(self.servers.iter().map(|server| server.end())).await {
            match end {
                Ok(end) => ends.push(Some(end)),
                Err(Fault::Away(cause)) => {
                    away = Some(Fault::Away(cause));
                    ends.push(None);
                }
                Err(fault) => return Err(fault),
            }
        }
        match away {
            Some(away) if ends.iter().all(Option::is_none) => Err(away),
            _ => Ok(ends),
        }
    }

    async fn step(&self, begun: &Begun, tail: &mut Tail, until: &[Option<Place>]) -> Result<Stepped, Fault> {
        match timeout(self.options.read_timeout, tail.step(&begun.timeline, until)).await {
            Ok(stepped) => stepped,
            Err(_) => Err(Fault::Away("a shard does not send what it has committed".to_owned())),
        }
    }

    /// One transaction more at the end. `false`: there is none up to `until`.
    async fn read_on(&self, begun: &Begun, head: &mut Option<Tail>, until: &[Option<Place>]) -> Result<bool, Fault> {
        let tail = head.get_or_insert_with(|| self.tail_at_the_end(begun));
        let stepped = self.step(begun, tail, until).await;
        match stepped {
            Ok(Stepped::Changes(changes)) => {
                tail.at = changes.last().map_or(tail.at, |last| last.position.0);
                self.read_of_s.store(tail.committed_at_s, Ordering::Relaxed);
                lock(&begun.recent).push(&changes);
                Ok(true)
            }
            Ok(Stepped::Level) => {
                tail.settle(&begun.timeline, SETTLE_BYTES);
                Ok(false)
            }
            Ok(Stepped::Gone) => {
                *head = None;
                Ok(true)
            }
            Err(fault) => {
                if !matches!(fault, Fault::Away(_)) {
                    *head = None;
                }
                Err(fault)
            }
        }
    }

    fn tail_at_the_end(&self, begun: &Begun) -> Tail {
        let timeline = lock(&begun.timeline);
        let frontier = timeline.frontier();
        let tail = Tail::new(&self.servers, &timeline, frontier);
        drop(timeline);
        tail
    }

    async fn read_recent(&self, begun: &Begun, after: u64, limit: usize) -> Result<Option<Vec<Changed>>, Fault> {
        let known = || {
            let recent = lock(&begun.recent);
            (after >= recent.from()).then(|| recent.after(after, limit))
        };
        if let Some(changes) = known().filter(|changes| changes.len() >= limit) {
            return Ok(Some(changes));
        }
        let mut claim = self.claim().await;
        let until = self.ends().await?;
        self.check_ends(begun, &until)?;
        loop {
            let Some(changes) = known() else { return Ok(None) };
            if changes.len() >= limit || !self.read_on(begun, &mut claim.head, &until).await? {
                return Ok(known());
            }
        }
    }

    /// A log that ends before what was read of it began anew.
    fn check_ends(&self, begun: &Begun, ends: &[Option<Place>]) -> Result<(), Fault> {
        let frontier = lock(&begun.timeline).frontier_places();
        let shards = self.servers.iter().zip(ends).zip(&frontier.0);
        for ((server, end), read) in shards {
            if end.is_some_and(|end| end < *read) {
                return Err(Fault::Lost(format!("the binlog of {} ends before what was read of it", server.name)));
            }
        }
        Ok(())
    }

    /// For those who have fallen out of the recent changes.
    async fn read_behind(&self, begun: &Begun, after: u64, limit: usize) -> Result<Vec<Changed>, Fault> {
        let waiting = {
            let mut behind = lock(&self.behind);
            let found = behind.iter().position(|tail| tail.at == after);
            found.map(|place| behind.remove(place))
        };
        let mut tail = waiting.unwrap_or_else(|| Tail::new(&self.servers, &lock(&begun.timeline), after));
        let mut changes: Vec<Changed> = std::mem::take(&mut tail.leftover);
        tail.at = changes.last().map_or(tail.at, |last| last.position.0);
        // The timeline's last chunk is read by the head; `recent` starts before its end.
        let until = vec![None; self.servers.len()];
        while changes.len() < limit && tail.at < lock(&begun.recent).from() {
            match self.step(begun, &mut tail, &until).await? {
                Stepped::Changes(some) => {
                    tail.at = some.last().map_or(tail.at, |last| last.position.0);
                    changes.extend(some.into_iter().filter(|changed| changed.position.0 > after));
                }
                Stepped::Level => break,
                Stepped::Gone if changes.is_empty() => {
                    tail = Tail::new(&self.servers, &lock(&begun.timeline), after);
                }
                Stepped::Gone => return Ok(changes),
            }
        }
        if changes.len() > limit {
            tail.leftover = changes.split_off(limit);
            tail.at = changes.last().map_or(tail.at, |last| last.position.0);
        }
        let mut behind = lock(&self.behind);
        if behind.len() >= self.options.readers_behind_max.max(1) {
            behind.remove(0);
        }
        behind.push(tail);
        Ok(changes)
    }

    pub(super) async fn read_from(&self, after: u64, limit: usize) -> Result<Vec<Changed>, Fault> {
        let begun = self.begun().await?;
        let mut changes = Vec::new();
        let mut at = after.max(lock(&begun.timeline).start());
        loop {
            let from = lock(&begun.recent).from();
            if at >= from {
                if let Some(recent) = self.read_recent(begun, at, limit - changes.len()).await? {
                    changes.extend(recent);
                    return Ok(changes);
                }
                continue;
            }
            let more = self.read_behind(begun, at, limit - changes.len()).await?;
            // Nothing between here and the recent ones.
            at = more.last().map_or(from, |last| last.position.0);
            changes.extend(more);
            if changes.len() >= limit {
                return Ok(changes);
            }
        }
    }

    pub(super) async fn read_to_the_end(&self) -> Result<u64, Fault> {
        let begun = self.begun().await?;
        let mut claim = self.claim().await;
        let until = self.ends().await?;
        self.check_ends(begun, &until)?;
        if let Some(all) = until.iter().copied().collect::<Option<Vec<_>>>() {
            self.skip_if_far(begun, &mut claim.head, &Places(all));
        }
        while self.read_on(begun, &mut claim.head, &until).await? {}
        let frontier = lock(&begun.timeline).frontier();
        Ok(frontier)
    }

    /// Who comes after a long time without readers does not wait for all that happened.
    fn skip_if_far(&self, begun: &Begun, head: &mut Option<Tail>, ends: &Places) {
        let mut timeline = lock(&begun.timeline);
        let read = match head {
            Some(tail) => tail.read_to(),
            None => timeline.frontier_places(),
        };
        let is_far =
            |(from, to): (&Place, &Place)| to.file > from.file + 1 || from.bytes_to(*to) > self.options.skip_bytes;
        if read.0.iter().zip(&ends.0).any(is_far) {
            timeline.skip_to(ends.clone());
            lock(&begun.recent).start_at(timeline.frontier());
            *head = None;
        }
    }

    pub(super) async fn wait_for_news(&self, begun: &Begun, after: u64) -> Result<(), Fault> {
        loop {
            if lock(&begun.timeline).frontier() > after {
                return Ok(());
            }
            let mut claimed = pin!(self.claimed.notified());
            claimed.as_mut().enable();
            let mut head = self.head.lock().await;
            if self.claims.load(Ordering::SeqCst) > 0 {
                drop(head);
                tokio::task::yield_now().await;
                continue;
            }
            if lock(&begun.timeline).frontier() > after {
                return Ok(());
            }
            let tail = head.get_or_insert_with(|| self.tail_at_the_end(begun));
            let waited = tokio::select! {
                waited = tail.wait() => waited,
                () = &mut claimed => continue,
            };
            match waited {
                Ok(until) => self.read_on(begun, &mut head, &until).await.map(drop)?,
                Err(fault) => {
                    *head = None;
                    return Err(fault);
                }
            }
        }
    }
}
