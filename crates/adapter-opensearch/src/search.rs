//! The port: groups of orders become bulk requests, searches become queries.

use async_trait::async_trait;
use bytes::Bytes;
use doos_domain::ids::OrderId;
use doos_domain::order::Order;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::clock::Clock;
use doos_ports::projection::{Projection, Standing, Walk};
use doos_ports::search::{Hits, SearchIndex, SearchQuery};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::document::{lines, newest};
use crate::http::{Client, ENGINE, Error, Fault};
use crate::indices::Indices;
use crate::options::Options;
use crate::query::{self, HITS_MAX};
use crate::standing::{Stored, document};

/// How long the engine may wait for a shard that is away, so that a write is refused before it is given up.
const SHARD_TIMEOUT: &str = "5s";

pub struct OpenSearchIndex {
    client: Client,
    indices: Indices,
    options: Options,
    /// The epoch whose index is known to be searched; 0: not looked at.
    served: AtomicU64,
    /// Something was not there: the next question for the standing looks closer.
    is_suspect: AtomicBool,
    /// How many orders an index held, and one, that was filled and not believed; 0: none.
    doubted: AtomicU64,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `opensearch` or `elasticsearch`.
    pub distribution: String,
    pub version: String,
}

impl OpenSearchIndex {
    /// Reads the options; connects to nothing.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(&options, clock)?,
            indices: Indices::new(&options)?,
            options,
            served: AtomicU64::new(0),
            is_suspect: AtomicBool::new(false),
            doubted: AtomicU64::new(0),
        })
    }

    /// Asks the engine who it is.
    pub async fn server(&self) -> Result<Server> {
        let version = self.client.get("/").await?["version"].take();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let number = text(&version["number"]).ok_or_else(|| Fault::Broken("it does not say who it is".to_owned()))?;
        let distribution = text(&version["distribution"]).unwrap_or_else(|| "elasticsearch".to_owned());
        Ok(Server { distribution, version: number })
    }

    /// Removes everything that was made here: indices, standing, template.
    pub async fn forget(&self) -> Result<()> {
        self.served.store(0, Ordering::Release);
        Ok(self.indices.forget(&self.client).await?)
    }

    /// The epochs of the indices there are: the one that is searched, and one that is being filled.
    pub async fn epochs(&self) -> Result<Vec<u64>> {
        Ok(self.indices.epochs(&self.client).await?.into_iter().map(|(epoch, _)| epoch).collect())
    }

    /// Removes one index. It is made and filled again.
    pub async fn remove_index(&self, epoch: u64) -> Result<()> {
        Ok(self.indices.remove(&self.client, &self.indices.index(epoch)).await?)
    }

    /// Removes what says where the index stands. It begins anew.
    pub async fn remove_standing(&self) -> Result<()> {
        Ok(self.indices.remove(&self.client, &self.indices.standing()).await?)
    }

    fn standing_path(&self) -> String {
        format!("/{}/_doc/search", self.indices.standing())
    }

    async fn stored(&self) -> Result<Option<Stored>, Fault> {
        match self.client.get(&self.standing_path()).await {
            Ok(reply) => Stored::read(&reply),
            Err(fault) if fault.is_status(404) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Replaces the standing as it was read. `false`: somebody has replaced it meanwhile.
    async fn replace(&self, stored: &Stored, standing: &Standing) -> Result<bool, Fault> {
        let path = format!("{}?{}", self.standing_path(), stored.unchanged());
        match self.client.put(&path, &document(standing)).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_status(409) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Nothing says where it stands: the first beginning, or what was here is not known any more.
    async fn establish(&self) -> Result<Stored, Fault> {
        let last = self.indices.epochs(&self.client).await?.last().map(|(epoch, _)| *epoch);
        let walk = if last.is_none() { Walk::Done } else { Walk::Below(None) };
        let standing = Standing { epoch: last.unwrap_or(0) + 1, token: String::new(), walk };
        self.indices.make(&self.client, standing.epoch).await?;
        if walk == Walk::Done {
            self.serve(standing.epoch).await?;
        }
        self.indices.make_standing(&self.client).await?;
        let path = format!("/{}/_create/search", self.indices.standing());
        match self.client.put(&path, &document(&standing)).await {
            Err(fault) if !fault.is_status(409) => return Err(fault),
            // Somebody else was first.
            _ => {}
        }
        let missing = || Fault::Away("its standing was removed in the same moment".to_owned());
        self.stored().await?.ok_or_else(missing)
    }

    /// The index of this epoch has been removed: another beginning, under a newer one.
    async fn begin_after_loss(&self, stored: &Stored) -> Result<(), Fault> {
        tracing::error!(index = self.indices.index(stored.standing.epoch), "an index is gone and will be made anew");
        self.begin_again(stored).await
    }

    async fn begin_again(&self, stored: &Stored) -> Result<(), Fault> {
        let epoch = stored.standing.epoch + 1;
        self.indices.make(&self.client, epoch).await?;
        // The walk brings every order as it is; what changes meanwhile comes after the place that was reached.
        let anew = Standing { epoch, token: stored.standing.token.clone(), walk: Walk::Below(None) };
        self.replace(stored, &anew).await.map(drop)
    }

    /// Whether an index that has been filled holds fewer orders than the one that is searched. No order ever leaves the
    /// shards, so then something went wrong, here or before: it is filled once more, and believed if it comes to the same.
    async fn lacks_orders(&self, epoch: u64) -> Result<bool, Fault> {
        if self.served.load(Ordering::Acquire) == epoch {
            return Ok(false);
        }
        let epochs = self.indices.epochs(&self.client).await?;
        let Some((before, _)) = epochs.into_iter().find(|(before, is_searched)| *is_searched && *before < epoch) else {
            return Ok(false);
        };
        let searched = self.indices.count(&self.client, &self.indices.index(before)).await?;
        let filled = self.indices.count(&self.client, &self.indices.index(epoch)).await?;
        let index = self.indices.index(epoch);
        if filled >= searched {
            tracing::info!(index, orders = filled, orders_before = searched, "a new index is filled");
            return Ok(false);
        }
        let is_the_same = self.doubted.swap(filled.saturating_add(1), Ordering::AcqRel) == filled.saturating_add(1);
        tracing::error!(
            index,
            orders = filled,
            orders_before = searched,
            believed = is_the_same,
            "a new index holds fewer orders than the one that is searched"
        );
        Ok(!is_the_same)
    }

    /// Searches go to this epoch's index.
    async fn serve(&self, epoch: u64) -> Result<(), Fault> {
        if self.served.load(Ordering::Acquire) == epoch {
            return Ok(());
        }
        if !self.indices.search_in(&self.client, epoch).await? {
            return Err(begun_anew());
        }
        self.indices.tidy_up(&self.client, epoch).await?;
        self.served.store(epoch, Ordering::Release);
        Ok(())
    }

    /// What a question says that found nothing to ask.
    fn not_filled(&self, fault: Fault) -> Fault {
        if !fault.is_status(404) {
            return fault;
        }
        self.is_suspect.store(true, Ordering::Release);
        Fault::Away("it is being filled for the first time".to_owned())
    }

    async fn look_closer(&self, stored: Stored) -> Result<Stored, Fault> {
        if !self.indices.is_there(&self.client, stored.standing.epoch).await? {
            self.begin_after_loss(&stored).await?;
            let missing = || Fault::Away("its standing was removed in the same moment".to_owned());
            return self.stored().await?.ok_or_else(missing);
        }
        if stored.standing.walk == Walk::Done {
            self.served.store(0, Ordering::Release);
            self.serve(stored.standing.epoch).await?;
        }
        Ok(stored)
    }

    // --- Filling

    async fn write(&self, orders: &[Arc<Order>], epoch: u64) -> Result<(), Fault> {
        let mut group = String::new();
        let mut len = 0;
        for order in newest(orders) {
            let lines = lines(order);
            let is_full = len >= self.options.bulk_len_max || group.len() + lines.len() > self.options.bulk_bytes_max;
            if len > 0 && is_full {
                self.write_group(std::mem::take(&mut group), epoch).await?;
                len = 0;
            }
            group.push_str(&lines);
            len += 1;
        }
        if len == 0 { Ok(()) } else { self.write_group(group, epoch).await }
    }

    async fn write_group(&self, group: String, epoch: u64) -> Result<(), Fault> {
        let path = format!(
            "/{}/_bulk?require_alias=true&refresh={}&timeout={SHARD_TIMEOUT}&filter_path=errors,items.*.status,items.*.error",
            self.indices.written(epoch),
            self.options.refresh_at_once,
        );
        let reply = self.client.post_lines(&path, Bytes::from(group)).await?;
        if reply["errors"] == false {
            return Ok(());
        }
        let items = reply["items"].as_array().ok_or_else(|| Fault::Broken(format!("no answer to a bulk: {reply}")))?;
        items.iter().map(|item| &item["index"]).try_for_each(check_item)
    }
}

/// A version that is there already, or a newer one, is as good as stored.
fn check_item(item: &Value) -> Result<(), Fault> {
    match item["status"].as_u64() {
        Some(200..300 | 409) => Ok(()),
        status => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
            Err(Fault::Refused { status, kind: text(&item["error"]["type"]), reason: text(&item["error"]["reason"]) })
        }
    }
}

fn begun_anew() -> Fault {
    Fault::Away("it has begun anew meanwhile".to_owned())
}

#[async_trait]
impl Projection for OpenSearchIndex {
    fn name(&self) -> &'static str {
        "search"
    }

    async fn standing(&self) -> Result<Standing> {
        let stored = match self.stored().await? {
            Some(stored) if self.is_suspect.swap(false, Ordering::AcqRel) => self.look_closer(stored).await?,
            Some(stored) => stored,
            None => self.establish().await?,
        };
        Ok(stored.standing)
    }

    async fn apply(&self, orders: &[Arc<Order>], standing: Standing) -> Result<()> {
        let stored = self.stored().await?.filter(|stored| stored.standing.epoch == standing.epoch);
        let stored = stored.ok_or_else(begun_anew)?;
        match self.write(orders, standing.epoch).await {
            Err(fault) if fault.is_status(404) => {
                self.begin_after_loss(&stored).await?;
                return Err(begun_anew().into());
            }
            written => written?,
        }
        if standing.walk == Walk::Done {
            if stored.standing.walk != Walk::Done && self.lacks_orders(standing.epoch).await? {
                self.begin_again(&stored).await?;
                return Err(Fault::Away("it is filled once more: it held fewer orders than before".to_owned()).into());
            }
            self.serve(standing.epoch).await?;
        }
        if self.replace(&stored, &standing).await? { Ok(()) } else { Err(begun_anew().into()) }
    }

    /// What there was is searched until the walk is done.
    async fn begin_anew(&self, standing: Standing) -> Result<()> {
        let stored = match self.stored().await? {
            Some(stored) => stored,
            None => self.establish().await?,
        };
        if standing.epoch <= stored.standing.epoch {
            return Ok(());
        }
        self.indices.make(&self.client, standing.epoch).await?;
        if !self.replace(&stored, &standing).await? {
            return Err(begun_anew().into());
        }
        if standing.walk == Walk::Done {
            self.serve(standing.epoch).await?;
        }
        Ok(self.indices.tidy_up(&self.client, standing.epoch).await?)
    }

    /// Orders are found for as long as they are kept.
    async fn forget_old(&self, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    async fn versions(&self, orders: &[OrderId]) -> Result<Vec<Option<u32>>> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let path = format!("/{}/_mget?filter_path=docs._id,docs._version,docs.found", self.indices.searched());
        let ids: Vec<String> = orders.iter().map(ToString::to_string).collect();
        let reply = self.client.post(&path, &json!({ "ids": ids })).await.map_err(|fault| self.not_filled(fault))?;
        let found = reply["docs"].as_array().filter(|found| found.len() == orders.len());
        let found = found.ok_or_else(|| Fault::Broken("it does not tell the version of each order".to_owned()))?;
        let version = |document: &Value| document["_version"].as_u64().and_then(|version| u32::try_from(version).ok());
        Ok(found.iter().map(|document| version(document).filter(|_| document["found"] == true)).collect())
    }

    async fn order_count(&self) -> Result<u64> {
        let count = self.indices.count(&self.client, &self.indices.searched()).await;
        Ok(count.map_err(|fault| self.not_filled(fault))?)
    }
}

#[async_trait]
impl SearchIndex for OpenSearchIndex {
    async fn search(&self, query: &SearchQuery) -> Result<Hits> {
        if query.limit == 0 {
            return Ok(Hits::default());
        }
        let path = format!(
            "/{}/_search?allow_partial_search_results=false&filter_path=timed_out,hits.hits.sort",
            self.indices.searched()
        );
        let reply = self.client.post(&path, &query::body(query, self.options.search_timeout_ms)).await;
        let reply = reply.map_err(|fault| self.not_filled(fault))?;
        if reply["timed_out"] != false {
            return Err(Fault::Away("a search took too long".to_owned()).into());
        }
        Ok(hits(&reply, query.limit)?)
    }
}

fn hits(reply: &Value, limit: usize) -> Result<Hits, Fault> {
    let found = match &reply["hits"]["hits"] {
        Value::Array(found) => found.as_slice(),
        _ => &[],
    };
    let id = |hit: &Value| hit["sort"][0].as_u64().and_then(OrderId::new);
    let ids = found.iter().map(|hit| id(hit).ok_or_else(|| Fault::Broken(format!("no id in {ENGINE}: {hit}"))));
    let mut orders = ids.collect::<Result<Vec<OrderId>, Fault>>()?;
    let limit = limit.min(HITS_MAX);
    let has_more = orders.len() > limit;
    orders.truncate(limit);
    Ok(Hits { next: orders.last().copied().filter(|_| has_more), orders })
}
