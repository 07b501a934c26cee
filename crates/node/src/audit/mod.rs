//! `doos audit`: proves the books from the durable data at one position; `--repair` makes them balance, by entries in
//! the ledger that say so.
//!
//! What holds: the checks are those of `doos_domain::audit`; here they are only fed. Orders are looked at in portions,
//! so that the memory needed does not grow with the store. Beside a running server the cut is what it has folded, and that is
//! waited for until nothing acknowledged before the audit is left out.
//!
//! What must never happen: a repair without an entry.

mod cluster;
mod repair;

pub(crate) use cluster::of_cluster;
pub(crate) use repair::{DirectoryEvidence, Evidence, Repairer, plan, told};

use anyhow::{Context, Result, bail};
use doos_adapter_embedded::{BookReader, Books, Store};
use doos_app::actions::Plan;
use doos_domain::action::Deed;
use doos_domain::audit::{self, Difference, MovementSums, OrderRecords};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Movement, MovementKind, StockRow};
use doos_gateway::{AuditView, DifferenceView, StepOutcome};
use doos_ports::bus::Position;
use doos_ports::clock::Clock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::clock::SystemClock;
use crate::config::Config;

/// Orders looked at in one portion.
const PORTION: u64 = 250_000;
/// How often the books are looked at while they come nearer to the journal's end, and how often in vain.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_IN_VAIN_MAX: u32 = 100;
/// Differences reported in full; the rest is counted.
const REPORTED_MAX: usize = 1_000;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The journal's position that everything is of; 0 in a cluster, whose databases have no common instant.
    pub cut: u64,
    pub products: u64,
    pub orders: u64,
    pub messages_in_flight: u64,
    pub differences_found: u64,
    pub differences: Vec<Difference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<String>,
}

impl Report {
    pub fn balances(&self) -> bool {
        self.differences_found == 0
    }

    fn add(&mut self, found: Vec<Difference>) {
        self.differences_found += found.len() as u64;
        let room = REPORTED_MAX.saturating_sub(self.differences.len());
        self.differences.extend(found.into_iter().take(room));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for repaired in &self.repaired {
            writeln!(f, "repaired: {repaired}")?;
        }
        for difference in &self.differences {
            writeln!(f, "{}: {}: {}", difference.subject, difference.rule, difference.found)?;
        }
        let verdict = if self.balances() {
            "the books balance".to_owned()
        } else {
            format!("the books do not balance: {} differences", self.differences_found)
        };
        let (orders, products, in_flight) = (self.orders, self.products, self.messages_in_flight);
        write!(f, "{verdict} ({orders} orders, {products} products, {in_flight} messages in flight")?;
        if self.cut > 0 {
            write!(f, ", at journal position {}", self.cut)?;
        }
        f.write_str(")")
    }
}

/// Audits what is durable; without a running server an embedded store is folded first.
pub fn run(config: &Config) -> Result<Report> {
    if config.database.is_cluster() {
        return runtime()?.block_on(async { of_cluster(&cluster::databases(config)?.books()).await });
    }
    // Opening would make a store where there is none, and an empty one always balances.
    Books::open(&config.data_dir).with_context(|| format!("{} holds no store", config.data_dir.display()))?;
    doos_adapter_embedded::fold_dir(&config.data_dir, config.store).context("the journal cannot be folded")?;
    beside_server(&config.data_dir)
}

/// Audits what is folded, changing nothing. Everything that was in the journal at the call is in it: a cut that leaves
/// acknowledged orders out proves nothing about them.
pub fn beside_server(data_dir: &Path) -> Result<Report> {
    let books = Books::open(data_dir)?;
    let end = doos_adapter_embedded::journal_end(data_dir)?;
    await_cut(&books, end, None)?;
    Ok(books.read(examine)?)
}

/// Waits until the books have come to `end`, as long as they come nearer and for at most so many looks.
fn await_cut(books: &Books, end: Position, looks_max: Option<u32>) -> Result<()> {
    let mut before = None;
    let mut looks_in_vain = 0;
    for look in 0.. {
        if looks_max.is_some_and(|most| look >= most) {
            bail!("too much is going on: the books are behind the journal for too long. Try again later");
        }
        let cut = books.read(|books| Ok(books.cut()))?;
        if cut >= end {
            return Ok(());
        }
        looks_in_vain = if before == Some(cut) { looks_in_vain + 1 } else { 0 };
        if looks_in_vain >= LOOKS_IN_VAIN_MAX {
            bail!(
                "the books stand still at journal position {}, and the journal goes on to {}: what lies between cannot \
                 be audited. See why the server does not fold, in its log and at /readyz; often the disk is full",
                cut.0,
                end.0
            );
        }
        before = Some(cut);
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn examine(books: &dyn BookReader) -> Result<Report, doos_adapter_embedded::Error> {
    let mut report = Report { cut: books.cut().0, ..Report::default() };
    let (rows, sums) = stock(books)?;
    for row in &rows {
        let empty = MovementSums::default();
        report.add(audit::check_product(row, sums.get(&row.product_id).unwrap_or(&empty)));
    }
    report.products = rows.len() as u64;
    let mut orders = 0;
    books.orders(&mut |_| orders += 1)?;
    report.orders = orders;
    books.open_messages(&mut |_, _| report.messages_in_flight += 1)?;
    let portions = orders / PORTION + 1;
    for portion in 0..portions {
        for (id, records) in collect(books, |id| id.get() % portions == portion)? {
            report.add(audit::check_order(id, &records));
        }
    }
    Ok(report)
}

type Sums = BTreeMap<ProductId, MovementSums>;

fn stock(books: &dyn BookReader) -> Result<(Vec<StockRow>, Sums), doos_adapter_embedded::Error> {
    let mut rows = Vec::new();
    books.stock_rows(&mut |row| rows.push(row))?;
    let mut sums = Sums::new();
    books.movement_sums(None, &mut |product, kind, qty| sums.entry(product).or_default().add(kind, qty))?;
    Ok((rows, sums))
}

/// What every context stored about the orders of one portion.
fn collect(
    books: &dyn BookReader,
    wanted: impl Fn(OrderId) -> bool,
) -> Result<BTreeMap<OrderId, OrderRecords>, doos_adapter_embedded::Error> {
    let mut records: BTreeMap<OrderId, OrderRecords> = BTreeMap::new();
    books.orders(&mut |order| {
        if wanted(order.id) {
            let slot = records.entry(order.id).or_default();
            slot.order = Some(order);
        }
    })?;
    books.decisions(&mut |decision| {
        if wanted(decision.order_id) {
            let slot = records.entry(decision.order_id).or_default();
            slot.decision = Some(decision);
        }
    })?;
    books.movements(&mut |movement| {
        if let Some(order) = order_of(&movement).filter(|order| wanted(*order)) {
            records.entry(order).or_default().movements.push(movement);
        }
    })?;
    books.money(&mut |entry| {
        if wanted(entry.order_id) {
            records.entry(entry.order_id).or_default().money.push(entry);
        }
    })?;
    books.open_messages(&mut |message, _| {
        if wanted(message.order_id) {
            records.entry(message.order_id).or_default().in_flight.push(message);
        }
    })?;
    Ok(records)
}

/// The order a movement belongs to: by its own number, or by that of its return.
fn order_of(movement: &Movement) -> Option<OrderId> {
    match movement.kind {
        MovementKind::Deduct | MovementKind::Release => movement.reference.parse().ok(),
        MovementKind::Return => movement.reference.strip_prefix("ret_")?.parse().ok(),
        _ => None,
    }
}

/// Repairs what the ledger itself can prove, then audits again. A running server repairs for itself; see
/// `repair.rs` for what holds.
pub fn repair(config: &Config) -> Result<Report> {
    if config.database.is_cluster() {
        return runtime()?.block_on(cluster::repair(config));
    }
    if !doos_adapter_embedded::fold_dir(&config.data_dir, config.store)? {
        bail!(
            "a server runs on this data directory and repairs for itself: in the console under Books, or by \
             POST /v1/admin/audit:repair"
        );
    }
    let before = beside_server(&config.data_dir)?;
    if before.balances() {
        return Ok(before);
    }
    let repaired = runtime()?.block_on(mend(config))?;
    let mut after = run(config)?;
    after.repaired = repaired;
    Ok(after)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Who repairs when nobody runs.
const COMMAND_LINE: &str = "system:audit";

async fn mend(config: &Config) -> Result<Vec<String>> {
    let store = Store::open_dir(&config.data_dir, config.store)?.spawn()?;
    let evidence = DirectoryEvidence(config.data_dir.clone());
    let (ledger, orders) = (store.store.ledger(), store.store.orders());
    let repairer =
        Repairer { ledger: &*ledger, orders: &*orders, gate: None, evidence: &evidence, actor: COMMAND_LINE };
    let work = all_steps(&repairer, async || beside_server(&config.data_dir));
    let actions = store.store.actions();
    let told = crate::offline::recorded(&*actions, Plan::new(Deed::RepairBooks, ""), work).await;
    tokio::task::spawn_blocking(move || store.stop()).await?;
    Ok(told?)
}

/// Repairs until an audit names nothing more that can be repaired. Returns what was done.
async fn all_steps(repairer: &Repairer<'_>, audit: impl AsyncFn() -> Result<Report>) -> doos_app::Result<Vec<String>> {
    let mut told = Vec::new();
    loop {
        // A report names no more than so many differences; what is left is met in the next round.
        let report = audit().await.map_err(unavailable)?;
        let steps = repairer.run(&plan(&report), SystemClock::start().now()).await;
        let done = steps.iter().filter(|step| step.outcome == StepOutcome::Done);
        let done: Vec<String> = done.map(|step| format!("{}: {}", step.subject, step.told)).collect();
        if done.is_empty() {
            return Ok(told);
        }
        told.extend(done);
    }
}

fn unavailable(error: anyhow::Error) -> doos_app::Error {
    doos_app::Error::Unavailable { cause: format!("{error:#}") }
}

impl From<Report> for AuditView {
    fn from(report: Report) -> Self {
        let difference = |difference: Difference| DifferenceView {
            subject: difference.subject.to_string(),
            rule: difference.rule.to_owned(),
            found: difference.found,
        };
        Self {
            cut: report.cut,
            products: report.products,
            orders: report.orders,
            messages_in_flight: report.messages_in_flight,
            differences_found: report.differences_found,
            differences: report.differences.into_iter().map(difference).collect(),
        }
    }
}
