//! The order store over any number of MySQL or MariaDB shards.
//!
//! What holds: a user's orders, messages and answers are in one bucket, a bucket is on one shard, and its writes go
//! through one of that shard's few connections, so that groups form and never meet each other. Reads of single rows are
//! gathered into one statement per shard as they come.
//!
//! Where to read next: `lane.rs` for how a group is committed, `judge.rs` for who wins, `consume.rs` for units over
//! several shards, `reading.rs` for lists and sweeps.

mod combine;
mod consume;
mod group;
mod judge;
mod lane;
pub(crate) mod reading;

use async_trait::async_trait;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{Bucket, OrderId};
use doos_domain::message::Message;
use doos_domain::order::{Order, Status};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError, MessageState, OrderStore, Page, Query, Voided};
use futures::future::join_all;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::moves::{self, Note};
use crate::outbox::MySqlOutbox;
use crate::router::{Patience, Router};
use crate::rows::{
    ANSWER_COLUMNS, AnswerRow, FIRST_ANSWERS, answer_of, answer_values, bucket_of_scope, hash_literal, key_hash,
    user_of_scope,
};
use crate::session::Session;
use crate::topology::{LEAVING, Place, Topology, takes_writes};
use combine::Combiner;
use lane::Lane;

pub(crate) const ENGINE: &str = "the order store";
type Outcome = Result<(), CommitError>;

struct Shard {
    database: Arc<Database>,
    lanes: Vec<Lane>,
    consuming: Lane,
    orders: Combiner<OrderId, Seen<Arc<Order>>>,
    answers: Combiner<([u8; 16], u16), Seen<Answer>>,
}

pub struct MySqlOrderStore {
    shards: Vec<Shard>,
    lanes_per_shard: usize,
    router: Arc<Router>,
    /// Other contexts' databases with answers in them.
    answered_elsewhere: Vec<Arc<Database>>,
    outbox: Arc<MySqlOutbox>,
    poll_after_ms: i64,
}

impl MySqlOrderStore {
    pub(crate) fn new(
        shards: Vec<Arc<Database>>,
        lanes_per_shard: usize,
        router: Arc<Router>,
        answered_elsewhere: Vec<Arc<Database>>,
        outbox: Arc<MySqlOutbox>,
        poll_after_ms: i64,
    ) -> Self {
        let lanes_per_shard = lanes_per_shard.max(1);
        let shard = |database| Shard {
            database,
            lanes: (0..lanes_per_shard).map(|_| Lane::default()).collect(),
            consuming: Lane::default(),
            orders: Combiner::default(),
            answers: Combiner::default(),
        };
        let shards = shards.into_iter().map(shard).collect();
        Self { shards, lanes_per_shard, router, answered_elsewhere, outbox, poll_after_ms }
    }

    /// The shard that has the order's bucket. For one that no known shard has, any: it will say so.
    fn place_of(&self, id: OrderId) -> usize {
        self.router.map().place(id.bucket()).map_or(0, |place| place.shard)
    }

    /// Shard and connection of a bucket's writes, as one number.
    fn lane_of(&self, id: OrderId) -> usize {
        let lane = usize::from(id.bucket().get()) / self.shards.len() % self.lanes_per_shard;
        self.place_of(id) * self.lanes_per_shard + lane
    }

    /// Does something at the shard that has a bucket, again and again while the bucket is on its way. What is done must
    /// find out by itself that it is at the wrong place, and say [`Fault::Moved`].
    async fn at_place<T, F>(&self, bucket: Bucket, work: impl Fn(Place, Arc<Topology>) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut patience = Patience::default();
        loop {
            let map = self.router.map();
            let done = match map.place(bucket) {
                Some(place) => work(place, Arc::clone(&map)).await,
                None => Err(Fault::Moved),
            };
            if !matches!(done, Err(Fault::Moved)) || !patience.wait(&self.shards[0].database).await {
                return done;
            }
            self.router.reload(&map).await?;
        }
    }

    /// Commits on every lane at once. Results in the order of the changes.
    async fn commit_on_lanes(&self, changes: &[&Change]) -> Vec<Outcome> {
        let mut by_lane: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            by_lane.entry(self.lane_of(change.order.id)).or_default().push(place);
        }
        let commits = by_lane.into_iter().map(async |(lane, places)| {
            let number = lane / self.lanes_per_shard;
            let shard = &self.shards[number];
            let own: Vec<&Change> = places.iter().map(|place| changes[*place]).collect();
            let lane = &shard.lanes[lane % self.lanes_per_shard];
            let outcomes = lane.commit(&shard.database, self.poll_after_ms, &own).await;
            let won: Vec<&Change> = own.iter().zip(&outcomes).filter(|(_, out)| out.is_ok()).map(|(c, _)| *c).collect();
            self.outbox.hand_over(number, group::messages_of(&won));
            (places, outcomes)
        });
        let mut results: Vec<Option<Outcome>> = changes.iter().map(|_| None).collect();
        for (places, outcomes) in join_all(commits).await {
            for (place, outcome) in places.into_iter().zip(outcomes) {
                results[place] = Some(outcome);
            }
        }
        results.into_iter().map(|result| result.expect("every change went to a lane")).collect()
    }

    /// New orders are refused where too much of the old ones is undone; what ends those is always taken.
    fn has_room(&self, change: &Change) -> Outcome {
        if change.expected_version == 0 && self.outbox.is_full(self.place_of(change.order.id)) {
            return Err(doos_ports::Error::Busy { engine: ENGINE }.into());
        }
        Ok(())
    }

    /// An operator's or a service's key may have been answered anywhere; a user's only where the user is.
    async fn answered_before(&self, change: &Change) -> Outcome {
        let Some(answer) = change.answer.as_ref().filter(|answer| user_of_scope(&answer.key.scope).is_none()) else {
            return Ok(());
        };
        match self.find_answer(&answer.key).await? {
            Some(first) => Err(CommitError::Answered(Box::new(first))),
            None => Ok(()),
        }
    }

    async fn first_answer(&self, answer: &Answer, bucket: u16) -> Result<Answer, Fault> {
        let user = doos_domain::ids::UserId::new(u64::from(bucket) + 1024).expect("above zero");
        self.at_place(user.bucket(), |place, _| async move {
            let mut session = self.router.shard(place.shard).begin().await?;
            let state = state_of(&mut session, bucket, "LOCK IN SHARE MODE").await?;
            let stored = first_answer_in(&mut session, answer, bucket).await?;
            if state == LEAVING {
                moves::note(&mut session, bucket, Note::Answer(key_hash(&answer.key))).await?;
            }
            session.commit().await?;
            Ok(stored)
        })
        .await
    }
}

/// Locks a bucket that takes writes here.
async fn state_of(session: &mut Session, bucket: u16, lock: &str) -> Result<u8, Fault> {
    let sql = format!("SELECT state FROM t_bucket WHERE bucket = {bucket} {lock}");
    let states: Vec<(u8,)> = crate::session::decode("t_bucket", session.text(&sql).await?)?;
    match states.first() {
        Some((state,)) if takes_writes(*state) => Ok(*state),
        _ => Err(Fault::Moved),
    }
}

/// Stores an answer unless there is one, and returns the one that is there.
pub(crate) async fn first_answer_in(session: &mut Session, answer: &Answer, bucket: u16) -> Result<Answer, Fault> {
    session.write_rows(&FIRST_ANSWERS, vec![answer_values(answer, bucket)]).await?;
    let sql = format!("SELECT {ANSWER_COLUMNS} FROM t_answer WHERE id = {}", hash_literal(&key_hash(&answer.key)));
    let rows: Vec<AnswerRow> = crate::session::decode("t_answer", session.text(&sql).await?)?;
    let first = rows.into_iter().next().ok_or_else(|| Fault::row("t_answer", "it was stored and is not there"))?;
    Ok(answer_of(first).1)
}

pub(crate) async fn answers_in(
    database: &Arc<Database>,
    keys: Vec<[u8; 16]>,
) -> Result<HashMap<[u8; 16], Answer>, Fault> {
    let keys: Vec<String> = keys.iter().map(hash_literal).collect();
    let sql = format!("SELECT {ANSWER_COLUMNS} FROM t_answer WHERE id IN ({})", keys.join(","));
    let rows: Vec<AnswerRow> = database.read_text("t_answer", &sql).await?;
    Ok(rows.into_iter().map(answer_of).collect())
}

#[async_trait]
impl OrderStore for MySqlOrderStore {
    async fn commit(&self, group: Vec<Change>) -> Vec<Outcome> {
        let before = join_all(group.iter().map(async |change| {
            self.has_room(change)?;
            self.answered_before(change).await
        }))
        .await;
        let fresh: Vec<&Change> =
            group.iter().zip(&before).filter(|(_, b)| b.is_ok()).map(|(change, _)| change).collect();
        let mut outcomes: Vec<Option<Outcome>> = fresh.iter().map(|_| None).collect();
        let mut left: Vec<usize> = (0..fresh.len()).collect();
        let mut patience = Patience::default();
        loop {
            let map = self.router.map();
            let asked: Vec<&Change> = left.iter().map(|place| fresh[*place]).collect();
            let told = self.commit_on_lanes(&asked).await;
            let mut moved = Vec::new();
            for (place, outcome) in left.into_iter().zip(told) {
                if judge::moved_away(&outcome) {
                    moved.push(place);
                }
                outcomes[place] = Some(outcome);
            }
            // The map of buckets was old; with the new one they are where they should be, or soon will be.
            if moved.is_empty() || !patience.wait(&self.shards[0].database).await {
                break;
            }
            if let Err(fault) = self.router.reload(&map).await {
                tracing::debug!(cause = %fault, "the map of buckets cannot be read again");
            }
            left = moved;
        }
        let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("every change was asked about"));
        let mut outcomes = outcomes;
        let result = |before: Outcome| match before {
            Ok(()) => outcomes.next().expect("every fresh change has its outcome"),
            answered => answered,
        };
        before.into_iter().map(result).collect()
    }

    async fn consume(&self, group: Vec<Change>, progress: Progress) -> Result<(), CommitError> {
        let mut patience = Patience::default();
        loop {
            let map = self.router.map();
            let stored = self.consume_parts(self.split(&group, &progress)).await;
            if !judge::moved_away(&stored) || !patience.wait(&self.shards[0].database).await {
                stored?;
                break;
            }
            self.router.reload(&map).await.map_err(|fault| fault.undone(ENGINE))?;
        }
        self.outbox.tell_senders(&progress).await;
        Ok(())
    }

    async fn void(&self, id: OrderId) -> Result<Voided> {
        let voided = self.at_place(id.bucket(), |place, _| void_in(self.router.shard(place.shard), id));
        voided.await.map_err(|fault| fault.unknown(ENGINE))
    }

    async fn load(&self, id: OrderId) -> Result<Option<Arc<Order>>> {
        let found = self.at_place(id.bucket(), |place, _| async move {
            let shard = &self.shards[place.shard];
            let fetch = |ids| reading::orders_here(&shard.database, self.router.map(), place.shard, ids);
            Seen::here(shard.orders.get(id, fetch).await?)
        });
        found.await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn find_answer(&self, key: &AnswerKey) -> Result<Option<Answer>> {
        let hash = key_hash(key);
        if let Some(user) = user_of_scope(&key.scope) {
            let key = (hash, user.bucket().get());
            let found = self.at_place(user.bucket(), |place, _| async move {
                let shard = &self.shards[place.shard];
                let fetch = |keys| reading::answers_here(&shard.database, self.router.map(), place.shard, keys);
                Seen::here(shard.answers.get(key, fetch).await?)
            });
            return found.await.map_err(|fault| fault.undone(ENGINE));
        }
        let shards = self.shards.iter().map(|shard| &shard.database);
        let databases: Vec<_> = shards.chain(&self.answered_elsewhere).collect();
        let asked = join_all(databases.into_iter().map(|database| answers_in(database, vec![hash]))).await;
        let (mut found, mut lost) = (None, None);
        for answers in asked {
            match answers {
                Ok(mut answers) => found = found.or_else(|| answers.remove(&hash)),
                Err(fault) => lost = Some(fault),
            }
        }
        match (found, lost) {
            (None, Some(fault)) => Err(fault.undone(ENGINE)),
            (found, _) => Ok(found),
        }
    }

    async fn remember(&self, answer: Answer) -> Result<Answer> {
        if user_of_scope(&answer.key.scope).is_none()
            && let Some(first) = self.find_answer(&answer.key).await?
        {
            return Ok(first);
        }
        // Repeating it is harmless, so a lost reply needs no more care than that.
        self.first_answer(&answer, bucket_of_scope(&answer.key.scope)).await.map_err(|fault| fault.unknown(ENGINE))
    }

    async fn list(&self, query: Query) -> Result<Page> {
        self.list_all(query).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn oldest(
        &self,
        statuses: &[Status],
        created_before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>> {
        self.sweep(statuses, created_before, after, limit).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn messages(&self, id: OrderId) -> Result<Vec<(Message, MessageState)>> {
        let found = self.at_place(id.bucket(), |place, map| async move {
            let shard = self.router.shard(place.shard);
            let found = reading::messages_of(shard, id).await?;
            reading::confirm(shard, &map, place.shard).await?;
            Ok(found)
        });
        found.await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn undecided(&self) -> Result<Vec<Arc<Order>>> {
        self.list_undecided().await.map_err(|fault| fault.undone(ENGINE))
    }

    /// Groups are formed for each writing connection.
    fn shard_of(&self, id: OrderId) -> usize {
        self.lane_of(id)
    }

    fn shard_count(&self) -> usize {
        self.shards.len() * self.lanes_per_shard
    }
}

async fn void_in(shard: &Arc<Database>, id: OrderId) -> Result<Voided, Fault> {
    let mut session = shard.begin().await?;
    // Exclusive: waits for the groups that are running in this bucket, then sees what they left.
    let bucket = id.bucket().get();
    let state = state_of(&mut session, bucket, "FOR UPDATE").await?;
    let sql = format!(
        "SELECT version FROM t_order WHERE id = {id} UNION ALL SELECT version FROM t_order_archive WHERE id = {id}"
    );
    let voided = if session.text(&sql).await?.is_empty() {
        let sql = "INSERT INTO t_void (id, bucket) VALUES (?,?) ON DUPLICATE KEY UPDATE bucket = t_void.bucket";
        session.exec(sql, vec![id.get().into(), u64::from(bucket).into()]).await?;
        if state == LEAVING {
            moves::note(&mut session, bucket, Note::Order(id.get())).await?;
        }
        Voided::Void
    } else {
        Voided::Order
    };
    // A lost reply leaves the id void or not; asking again tells.
    session.commit().await?;
    Ok(voided)
}

/// What a shard says of a row: it is there, or its bucket is not.
#[derive(Clone)]
enum Seen<T> {
    Here(T),
    Elsewhere,
}

impl<T> Seen<T> {
    fn here(found: Option<Self>) -> Result<Option<T>, Fault> {
        match found {
            Some(Self::Here(found)) => Ok(Some(found)),
            Some(Self::Elsewhere) => Err(Fault::Moved),
            None => Ok(None),
        }
    }
}
