//! The stock gate in Redis, shared by every process that places orders.
//!
//! What holds: each call is one script, so between two calls the gate shows one instant. Deadlines are numbers in it,
//! never times to live: a hold ends by a decision, a release or a rebuild. A Redis that came back empty, was started
//! again, or took over from another refuses everything as unavailable until [`RedisGate::rebuild_at`] (or the port's
//! `rebuild`) has filled it: what it has forgotten it must not give again. Lines, sums and names travel as text; whole
//! numbers are exact up to 2^53.
//!
//! What must never happen: a unit taken for sold because it is held here. The ledger decides; whoever is given a hold
//! that a failover forgets may be refused there.
//!
//! Where to read next: `standing.lua` for how a loss is noticed, `hold.lua` for the hold, `docs/adr/0014`.

mod rebuild;
mod scripts;
mod text;

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, ShortLine, StockGate};
use doos_ports::stock_ledger::StockLedger;
use doos_ports::{Error, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::link::{Failure, Link};
use scripts::{Places, Scripts};

pub(crate) const ENGINE: &str = "the redis gate";
/// Rows or orders in one script: a script holds up everybody else on the server.
const CHUNK: usize = 500;
/// So long a product that the ledger does not know is not looked up again, and so many of them are remembered.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
const UNKNOWN_MAX: usize = 1_024;

#[derive(Clone, Debug)]
pub struct GateOptions {
    /// So long an order that was decided is remembered: its hold, coming late or again, does nothing. Zero: not at all.
    pub deduction_key: Duration,
    /// The same for an order that was released.
    pub restock_key: Duration,
    /// How often one call has a product looked up in the ledger that the gate does not know.
    pub reloads_max: u32,
    /// What the stream of holds keeps, about.
    pub stream_len_max: u64,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            deduction_key: Duration::from_secs(3_600),
            restock_key: Duration::from_secs(24 * 3_600),
            reloads_max: 3,
            stream_len_max: 100_000,
        }
    }
}

/// Whether the gate may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Open {
        epoch: u64,
    },
    /// It is empty, or its server is not the one it was rebuilt on.
    MustBeRebuilt,
}

pub struct RedisGate {
    link: Arc<Link>,
    options: GateOptions,
    scripts: Scripts,
    places: Places,
    ledger: Option<Arc<dyn StockLedger>>,
    unknown: Mutex<HashMap<ProductId, Duration>>,
    epoch: AtomicU64,
}

enum Answer {
    /// Under this epoch.
    Held(u64),
    Short(Vec<ShortLine>, Vec<ProductId>),
}

impl RedisGate {
    pub fn new(link: Arc<Link>, options: GateOptions) -> Self {
        let places = Places::of(&link);
        Self {
            link,
            options,
            scripts: Scripts::new(),
            places,
            ledger: None,
            unknown: Mutex::default(),
            epoch: AtomicU64::new(0),
        }
    }

    /// Looks up products that the gate does not know, which only a lost notice can make them.
    #[must_use]
    pub fn with_ledger(self, ledger: Arc<dyn StockLedger>) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// The epoch under which this process was last given a hold; 0 before the first one.
    pub fn last_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub async fn standing(&self) -> Result<Standing> {
        let (epoch, marked, history) = self.look().await.map_err(|failure| failure.undone(ENGINE))?;
        let is_open = marked.is_some_and(|marked| marked == history);
        Ok(if is_open { Standing::Open { epoch } } else { Standing::MustBeRebuilt })
    }

    /// Refuses everything from now on, until a rebuild: done before the undecided orders are read for one, so that no
    /// hold is given meanwhile that the rebuild would forget.
    pub async fn close(&self) -> Result<()> {
        let (epoch, ..) = self.look().await.map_err(|failure| failure.at(ENGINE))?;
        let closed = redis::cmd("SET").arg(&self.places.fixed[0]).arg(format!("{epoch} closed")).to_owned();
        self.link.command::<()>(&closed).await.map_err(|failure| failure.at(ENGINE))
    }

    async fn try_hold(&self, hold: &Hold) -> Result<Answer, HoldError> {
        let merged = text::merged(&hold.lines);
        let mut args = vec![
            text::order(hold.order_id),
            text::deadline(hold.deadline),
            hold.key.as_ref().map(text::key).unwrap_or_default(),
            text::lines(&hold.lines),
            self.options.stream_len_max.to_string(),
        ];
        for (product, qty) in &merged {
            args.extend([product.to_string(), qty.to_string()]);
        }
        let keys = self.places.with([self.places.ended(hold.order_id)]);
        let said: Vec<String> =
            self.link.script(&self.scripts.hold, &keys, &args).await.map_err(|failure| failure.at(ENGINE))?;
        let broken = || Error::Broken { engine: ENGINE, cause: format!("it answered {said:?}") };
        let words: Vec<&str> = said.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["held" | "ended", epoch] => {
                let epoch = epoch.parse().map_err(|_| broken())?;
                self.epoch.store(epoch, Ordering::Release);
                Ok(Answer::Held(epoch))
            }
            ["progress", order] => Err(HoldError::InProgress(text::read_order(order).ok_or_else(broken)?)),
            ["short", lines @ ..] => {
                let mut short = Vec::new();
                let mut unknown = Vec::new();
                for line in lines.chunks(3) {
                    let &[product, free, known] = line else { return Err(broken().into()) };
                    let product_id: ProductId = product.parse().map_err(|_| broken())?;
                    let wanted = merged.get(&product_id).copied().ok_or_else(broken)?;
                    short.push(ShortLine { product_id, wanted, free: free.parse().map_err(|_| broken())? });
                    if known == "unknown" {
                        unknown.push(product_id);
                    }
                }
                Ok(Answer::Short(short, unknown))
            }
            _ => Err(broken().into()),
        }
    }

    /// Tells the gate of products that only the ledger knows. Returns whether there were any.
    async fn reload(&self, products: &[ProductId]) -> Result<bool> {
        let Some(ledger) = &self.ledger else { return Ok(false) };
        let mut rows = Vec::new();
        for product in products {
            if self.is_known_to_be_unknown(*product) {
                continue;
            }
            match ledger.row(*product).await? {
                Some(row) => rows.push(row),
                None => self.remember_unknown(*product),
            }
        }
        let found = !rows.is_empty();
        if found {
            self.decided(rows, Vec::new()).await?;
        }
        Ok(found)
    }

    fn is_known_to_be_unknown(&self, product: ProductId) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(&product).is_some_and(|until| self.link.clock().monotonic() < *until)
    }

    fn remember_unknown(&self, product: ProductId) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX {
            unknown.clear();
        }
        unknown.insert(product, self.link.clock().monotonic() + UNKNOWN_FOR);
    }

    async fn tell(&self, rows: &[StockRow], orders: &[OrderId]) -> Result<(), Failure> {
        let mut args = vec![
            self.options.stream_len_max.to_string(),
            self.options.deduction_key.as_millis().to_string(),
            rows.len().to_string(),
        ];
        for row in rows {
            args.extend([row.product_id.to_string(), text::row(row)]);
        }
        args.extend(orders.iter().map(|order| text::order(*order)));
        let keys = self.places.with(orders.iter().map(|order| self.places.ended(*order)));
        self.link.script(&self.scripts.decided, &keys, &args).await
    }
}

#[async_trait]
impl StockGate for RedisGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.hold_in_epoch(hold).await.map(drop)
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        let mut reloads = self.options.reloads_max;
        loop {
            match self.try_hold(&hold).await? {
                Answer::Held(epoch) => return Ok(Some(epoch)),
                Answer::Short(_, unknown) if reloads > 0 && self.reload(&unknown).await? => reloads -= 1,
                Answer::Short(lines, _) => return Err(HoldError::Short(lines)),
            }
        }
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        let args = [
            text::order(order_id),
            self.options.stream_len_max.to_string(),
            self.options.restock_key.as_millis().to_string(),
        ];
        let keys = self.places.with([self.places.ended(order_id)]);
        self.link.script(&self.scripts.release, &keys, &args).await.map_err(|failure| failure.at(ENGINE))
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        // One notice is one script as long as it is of the usual size. A larger one sends all rows before any order.
        let mut rows = rows.as_slice();
        let mut orders = orders.as_slice();
        loop {
            let (now, later) = rows.split_at(rows.len().min(CHUNK));
            rows = later;
            let (ending, left) =
                if rows.is_empty() { orders.split_at(orders.len().min(CHUNK)) } else { (&[][..], orders) };
            orders = left;
            self.tell(now, ending).await.map_err(|failure| failure.at(ENGINE))?;
            if rows.is_empty() && orders.is_empty() {
                return Ok(());
            }
        }
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        Ok(self.levels(&[product_id]).await?.pop().flatten())
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        let args: Vec<String> = products.iter().map(ToString::to_string).collect();
        let found = self.link.script(&self.scripts.levels, &self.places.fixed, &args).await;
        let found: Vec<Option<String>> = found.map_err(|failure| failure.undone(ENGINE))?;
        found.chunks(2).map(|pair| text::level(pair).map_err(|failure| failure.undone(ENGINE))).collect()
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        let args = [text::deadline(now), limit.to_string()];
        let found = self.link.script(&self.scripts.overdue, &self.places.fixed, &args).await;
        let found: Vec<String> = found.map_err(|failure| failure.undone(ENGINE))?;
        let holds = found.chunks(3).map(|hold| text::read_hold(hold).map_err(|failure| failure.undone(ENGINE)));
        holds.collect()
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        let args = [text::order(order_id), text::deadline(deadline)];
        let done = self.link.script(&self.scripts.postpone, &self.places.fixed, &args).await;
        done.map_err(|failure| failure.at(ENGINE))
    }

    async fn hold_count(&self) -> Result<usize> {
        let count = self.link.script(&self.scripts.count, &self.places.fixed, &[]).await;
        count.map_err(|failure| failure.undone(ENGINE))
    }

    async fn rebuild(&self, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<()> {
        self.replace(None, rows, holds).await.map(drop).map_err(|failure| failure.at(ENGINE))
    }
}
