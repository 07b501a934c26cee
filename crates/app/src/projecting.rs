//! Bringing the read models on: the change feed, group by group, into statistics and search.
//!
//! What holds: a read model's standing is stored with its rows, so this may stop between any two steps and run twice at
//! once; what was applied is passed over. A read model that the feed has left behind, or that stands where the feed has
//! never been, begins anew: it follows the feed from now on and walks through the order store besides, group by group,
//! until it holds every order.
//!
//! What is stored is the feed's token of a place, since a position may mean something to this process alone. What it
//! stands for here is looked up once and kept while the token is the same.
//!
//! What must never happen: a hole. Whether the feed still holds what comes after a standing is asked again after reading.

use doos_domain::action::Deed;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use doos_ports::bus::Position;
use doos_ports::change_feed::Changed;
use doos_ports::order_store::Query;
use doos_ports::projection::{Projection, Standing, Walk};
use futures::future::{Either, select};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::actions::{Asked, Plan};
use crate::{App, Result};

/// What one round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// There is more to do at once.
    pub is_behind: bool,
    /// The least that any read model has reached.
    pub reached: Position,
    /// How old the oldest change was that it has taken just now.
    pub lag_ms: i64,
}

/// How long a read model is waited for in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It is left alone.
    None,
    /// It was away a moment ago, and is asked where it stands before it is given work.
    Little,
    Full,
}

/// For the first answer of a read model that was away.
const LITTLE: Duration = Duration::from_secs(1);

/// What one round has done, and what it could not do.
#[derive(Default)]
pub struct Round {
    /// None if no read model was brought on.
    pub followed: Option<Followed>,
    pub brought_on: Vec<&'static str>,
    pub failed: Vec<(&'static str, crate::Error)>,
}

/// How far a read model is behind what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub name: &'static str,
    /// How old the oldest change is that is not in it; 0 if all are.
    pub lag_ms: i64,
    /// It has begun anew and does not hold every order yet, or will begin anew with the next round.
    pub is_walking: bool,
    /// It cannot be asked: how far it is behind is counted from where it was last seen.
    pub is_away: bool,
}

/// Where a read model was last seen, and what that is in this process's feed.
#[derive(Clone)]
struct Seen {
    standing: Standing,
    position: Position,
}

/// The last of each read model, by its name.
#[derive(Default)]
pub(crate) struct LastSeen(Mutex<BTreeMap<&'static str, Seen>>);

impl LastSeen {
    fn get(&self, name: &'static str) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn put(&self, name: &'static str, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, seen);
    }
}

/// What the feed has after a position; kept while read models stand at the same place.
struct Piece {
    after: Position,
    end: Position,
    changes: Vec<Changed>,
}

impl App {
    pub(crate) fn projections(&self) -> impl Iterator<Item = &dyn Projection> {
        let all: [&dyn Projection; 2] = [self.ports.statistics.as_ref(), self.ports.search.as_ref()];
        all.into_iter().filter(|projection| projection.is_there())
    }

    /// One round over all read models. One that fails does not hold the others up: it is told of when they are level.
    pub async fn follow_feed(&self, now: Timestamp) -> Result<Followed> {
        let mut round = self.follow_feed_with(now, |_| Patience::Full).await;
        match (round.followed, round.failed.pop()) {
            (Some(followed), Some(_)) if followed.is_behind => Ok(followed),
            (_, Some((_, error))) => Err(error),
            (followed, None) => Ok(followed.unwrap_or_default()),
        }
    }

    /// One round, in which each read model, by its name, is given so much patience.
    pub async fn follow_feed_with(&self, now: Timestamp, patience: impl Fn(&'static str) -> Patience) -> Round {
        let mut piece = None;
        let mut round = Round::default();
        for projection in self.projections() {
            let name = projection.name();
            let brought = match patience(name) {
                Patience::None => continue,
                Patience::Little => self.bring_on_if_there(projection, now, &mut piece).await,
                Patience::Full => self.bring_on(projection, now, &mut piece).await,
            };
            match brought {
                Ok(one) => {
                    round.brought_on.push(name);
                    let so_far = round.followed.unwrap_or(one);
                    round.followed = Some(Followed {
                        is_behind: so_far.is_behind || one.is_behind,
                        reached: so_far.reached.min(one.reached),
                        lag_ms: so_far.lag_ms.max(one.lag_ms),
                    });
                }
                Err(error) => round.failed.push((name, error.into())),
            }
        }
        round
    }

    /// An engine that hangs would hold up the others for as long as a call may take; first it must say where it stands.
    async fn bring_on_if_there(
        &self,
        projection: &dyn Projection,
        now: Timestamp,
        piece: &mut Option<Piece>,
    ) -> doos_ports::Result<Followed> {
        match select(projection.standing(), self.ports.clock.sleep(LITTLE)).await {
            Either::Left((standing, _)) => standing.map(drop)?,
            Either::Right(_) => {
                let cause = "it does not say where it stands".to_owned();
                return Err(doos_ports::Error::Unavailable { engine: projection.name(), cause });
            }
        }
        self.bring_on(projection, now, piece).await
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
        let place = self.place_of(projection, &standing).await?;
        let oldest = feed.oldest().await?;
        let Some(position) = place.filter(|position| (oldest..=end).contains(position)) else {
            tracing::warn!(projection = projection.name(), "the change feed has left it behind; it begins anew");
            return self.begin_anew(projection, &standing, end, now).await;
        };
        let piece = match piece.take().filter(|piece| piece.after == position) {
            Some(known) => piece.insert(known),
            None => {
                let changes = feed.read(position, self.options.feed_group_len_max).await?;
                piece.insert(Piece { after: position, end, changes })
            }
        };
        if position < feed.oldest().await? {
            // It was left behind while it read; the next round sees it.
            return Ok(Followed { is_behind: true, reached: position, lag_ms: 0 });
        }
        self.pulse.beat(&piece.changes, now);
        let mut orders: Vec<Arc<Order>> = piece.changes.iter().map(|change| Arc::clone(&change.order)).collect();
        let mut after = standing.clone();
        // With nothing after it, everything up to the end has been read.
        let reached = piece.changes.last().map_or(piece.end, |last| last.position);
        if reached != position {
            after.token = feed.token(reached);
        }
        if let Walk::Below(before) = standing.walk {
            let limit = self.options.feed_group_len_max;
            let page = self.ports.orders.list(Query { before, limit, ..Query::default() }).await?;
            after.walk = page.next.map_or(Walk::Done, |next| Walk::Below(Some(next)));
            orders.extend(page.orders);
        }
        if after != standing {
            projection.apply(&orders, after.clone()).await?;
            self.last_seen.put(projection.name(), Seen { standing: after.clone(), position: reached });
        }
        if standing.walk != Walk::Done && after.walk == Walk::Done {
            tracing::info!(projection = projection.name(), "it holds every order again");
        }
        let is_behind = after.walk != Walk::Done || piece.changes.len() >= self.options.feed_group_len_max;
        let lag_ms = piece.changes.first().map_or(0, |oldest| now.millis_since(oldest.order.updated_at));
        Ok(Followed { is_behind, reached, lag_ms })
    }

    /// Where a standing is in this process's feed. `None`: what follows it may not be kept any more.
    async fn place_of(&self, projection: &dyn Projection, standing: &Standing) -> doos_ports::Result<Option<Position>> {
        let known = self.last_seen.get(projection.name()).filter(|seen| seen.standing.token == standing.token);
        let position = match known {
            Some(seen) => Some(seen.position),
            None if standing.token.is_empty() => Some(Position(0)),
            None => self.ports.feed.resume(&standing.token).await?,
        };
        if let Some(position) = position {
            self.last_seen.put(projection.name(), Seen { standing: standing.clone(), position });
        }
        Ok(position)
    }

    async fn begin_anew(
        &self,
        projection: &dyn Projection,
        standing: &Standing,
        end: Position,
        now: Timestamp,
    ) -> doos_ports::Result<Followed> {
        let token = self.ports.feed.token(end);
        let fresh = Standing { epoch: standing.epoch + 1, token, walk: Walk::Below(None) };
        projection.begin_anew(fresh).await?;
        projection.forget_old(now).await?;
        Ok(Followed { is_behind: true, reached: end, lag_ms: 0 })
    }

    /// Gives up what the read models keep only for a while.
    pub async fn forget_old_figures(&self, now: Timestamp) -> Result<()> {
        let mut done = Ok(());
        for projection in self.projections() {
            done = projection.forget_old(now).await.and(done);
        }
        Ok(done?)
    }

    /// Throws the read models' contents away and fills them again from the orders, while everything goes on.
    pub async fn rebuild_projections(&self, asked: &Asked) -> Result<()> {
        asked.by.check_operator()?;
        self.recorded(asked, Plan::new(Deed::RebuildProjections, ""), self.begin_all_anew()).await
    }

    async fn begin_all_anew(&self) -> Result<()> {
        let now = self.ports.clock.now();
        for projection in self.projections() {
            let standing = projection.standing().await?;
            let end = self.ports.feed.end().await?;
            self.begin_anew(projection, &standing, end, now).await?;
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
            let name = projection.name();
            let (is_away, is_walking, place) = match projection.standing().await {
                Ok(standing) => {
                    let place = self.place_of(projection, &standing).await?;
                    (false, standing.walk != Walk::Done || place.is_none(), place)
                }
                Err(_) => {
                    let seen = self.last_seen.get(name);
                    let is_walking = seen.as_ref().is_some_and(|seen| seen.standing.walk != Walk::Done);
                    (true, is_walking, seen.map(|seen| seen.position))
                }
            };
            let next = match place {
                Some(position) => self.ports.feed.read(position, 1).await?,
                None => Vec::new(),
            };
            let lag_ms = next.first().map_or(0, |change| now.millis_since(change.order.updated_at));
            lags.push(Lag { name, lag_ms, is_walking, is_away });
        }
        Ok(lags)
    }
}
