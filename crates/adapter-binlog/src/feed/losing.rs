//! When the servers do not have what was to be read: purged files, or logs that began anew.

use futures::future::join_all;
use std::sync::atomic::Ordering;

use super::BinlogFeed;
use crate::error::Fault;
use crate::place::{Place, Places};
use crate::tail::lock;
use crate::timeline::Timeline;

impl BinlogFeed {
    /// Finds out what is still there, goes on from that, and says what was lost.
    pub(super) async fn start_where_logs_start(&self, lost: &Fault) -> Result<(), Fault> {
        let begun = self.begun().await?;
        let mut claim = self.claim().await;
        let kept = join_all(self.servers.iter().map(|server| server.kept())).await;
        let mut timeline = lock(&begun.timeline);
        let read = timeline.frontier_places();
        let is_another = matches!(lost, Fault::Another(_));
        let ends_before = kept.iter().zip(&read.0).any(|(kept, read)| matches!(kept, Ok(kept) if kept.end < *read));
        let began_anew = is_another || ends_before;
        let mut first = Vec::with_capacity(read.0.len());
        for (kept, read) in kept.into_iter().zip(&read.0) {
            first.push(match kept {
                Ok(kept) if ends_before && kept.end >= *read => kept.first.max(*read),
                Ok(kept) => kept.first,
                Err(Fault::Away(_)) if began_anew => *read,
                Err(Fault::Away(_)) => Place::default(),
                Err(fault) => return Err(fault),
            });
        }
        let first = Places(first);
        let before = timeline.oldest();
        if began_anew {
            self.servers.iter().for_each(|server| server.forget_read());
            *timeline = Timeline::new(first, false, self.options.units_max);
        } else {
            timeline.forget_before(&first);
        }
        let oldest = timeline.oldest();
        let from = lock(&begun.recent).from();
        if began_anew || from < oldest || timeline.frontier() < from {
            lock(&begun.recent).start_at(timeline.frontier());
        }
        drop(timeline);
        *claim.head = None;
        lock(&self.behind).clear();
        self.losses.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            cause = %lost,
            before,
            oldest,
            "the change feed does not go back as far any more; who stood before begins anew"
        );
        Ok(())
    }
}
