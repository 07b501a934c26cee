//! Bringing the read models on: the change feed, group by group, into statistics and search.
//!
//! What holds: a read model's standing is stored with its rows, so this may stop between any two steps and run twice at
//! once; what was applied is passed over. A read model that the feed has left behind, or that stands where the feed has
//! never been, begins anew: it follows the feed from now on and walks through the order store besides, group by group,
//! until it holds every order.
//!
//! What must never happen: a hole. Whether the feed still holds what comes after a standing is asked again after reading.

use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use doos_ports::bus::Position;
use doos_ports::change_feed::Changed;
use doos_ports::order_store::Query;
use doos_ports::projection::{Projection, Standing, Walk};
use std::sync::Arc;

use crate::{App, Principal, Result};

/// What one round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// There is more to do at once.
    pub is_behind: bool,
    /// The least that any read model has reached.
    pub reached: Position,
}

/// How far a read model is behind what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub name: &'static str,
    /// How old the oldest change is that is not in it; 0 if all are.
    pub lag_ms: i64,
    /// It has begun anew and does not hold every order yet.
    pub is_walking: bool,
}

/// What the feed has after a position; kept while read models stand at the same place.
struct Piece {
    after: Position,
    end: Position,
    changes: Vec<Changed>,
}

impl App {
    fn projections(&self) -> [&dyn Projection; 2] {
        [self.ports.statistics.as_ref(), self.ports.search.as_ref()]
    }

    /// One round over all read models. One that fails does not hold the others up.
    pub async fn follow_feed(&self, now: Timestamp) -> Result<Followed> {
        let mut piece = None;
        let mut followed: Option<Followed> = None;
        let mut failed = None;
        for projection in self.projections() {
            match self.bring_on(projection, now, &mut piece).await {
                Ok(one) => {
                    let so_far = followed.unwrap_or(one);
                    followed = Some(Followed {
                        is_behind: so_far.is_behind || one.is_behind,
                        reached: so_far.reached.min(one.reached),
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(followed.unwrap_or_default()),
        }
    }

    async fn bring_on(
        &self,
        projection: &dyn Projection,
        now: Timestamp,
        piece: &mut Option<Piece>,
    ) -> doos_ports::Result<Followed> {
        let feed = &self.ports.feed;
        let standing = projection.standing().await?;
        let end = feed.end().await?;
        if standing.position > end || standing.position < feed.oldest().await? {
            tracing::warn!(projection = projection.name(), "the change feed has left it behind; it begins anew");
            return self.begin_anew(projection, standing, end, now).await;
        }
        let piece = match piece.take().filter(|piece| piece.after == standing.position) {
            Some(known) => piece.insert(known),
            None => {
                let changes = feed.read(standing.position, self.options.feed_group_len_max).await?;
                piece.insert(Piece { after: standing.position, end, changes })
            }
        };
        if standing.position < feed.oldest().await? {
            // It was left behind while it read; the next round sees it.
            return Ok(Followed { is_behind: true, reached: standing.position });
        }
        self.pulse.beat(&piece.changes, now);
        let mut orders: Vec<Arc<Order>> = piece.changes.iter().map(|change| Arc::clone(&change.order)).collect();
        let mut after = standing;
        // With nothing after it, everything up to the end has been read.
        after.position = piece.changes.last().map_or(piece.end, |last| last.position);
        if let Walk::Below(before) = standing.walk {
            let limit = self.options.feed_group_len_max;
            let page = self.ports.orders.list(Query { before, limit, ..Query::default() }).await?;
            after.walk = page.next.map_or(Walk::Done, |next| Walk::Below(Some(next)));
            orders.extend(page.orders);
        }
        if after != standing {
            projection.apply(&orders, after).await?;
        }
        if standing.walk != Walk::Done && after.walk == Walk::Done {
            tracing::info!(projection = projection.name(), "it holds every order again");
        }
        let is_behind = after.walk != Walk::Done || piece.changes.len() >= self.options.feed_group_len_max;
        Ok(Followed { is_behind, reached: after.position })
    }

    async fn begin_anew(
        &self,
        projection: &dyn Projection,
        standing: Standing,
        end: Position,
        now: Timestamp,
    ) -> doos_ports::Result<Followed> {
        let fresh = Standing { epoch: standing.epoch + 1, position: end, walk: Walk::Below(None) };
        projection.begin_anew(fresh).await?;
        projection.forget_old(now).await?;
        Ok(Followed { is_behind: true, reached: end })
    }

    /// Gives up what the read models keep only for a while.
    pub async fn forget_old_figures(&self, now: Timestamp) -> Result<()> {
        for projection in self.projections() {
            projection.forget_old(now).await?;
        }
        Ok(())
    }

    /// Throws the read models' contents away and fills them again from the orders, while everything goes on.
    pub async fn rebuild_projections(&self, principal: &Principal) -> Result<()> {
        principal.check_operator()?;
        let now = self.ports.clock.now();
        for projection in self.projections() {
            let standing = projection.standing().await?;
            let end = self.ports.feed.end().await?;
            self.begin_anew(projection, standing, end, now).await?;
        }
        // Whoever follows the feed may be waiting for a change, and there need not be one for a long time.
        self.begun_anew.notify_one();
        Ok(())
    }

    /// Completes when the read models have been told to begin anew, once for each time.
    pub async fn until_begun_anew(&self) {
        self.begun_anew.notified().await;
    }

    /// How far each read model is behind.
    pub async fn feed_lags(&self) -> Result<Vec<Lag>> {
        let now = self.ports.clock.now();
        let mut lags = Vec::new();
        for projection in self.projections() {
            let standing = projection.standing().await?;
            let next = self.ports.feed.read(standing.position, 1).await?;
            let lag_ms = next.first().map_or(0, |change| now.millis_since(change.order.updated_at));
            lags.push(Lag { name: projection.name(), lag_ms, is_walking: standing.walk != Walk::Done });
        }
        Ok(lags)
    }
}
