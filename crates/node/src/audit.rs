//! `doos audit`: proves the books from the durable data at one position; `--repair` makes them balance, by entries in
//! the ledger that say so.
//!
//! What holds: the checks are those of `doos_domain::audit`; here they are only fed. Orders are looked at in portions,
//! so that the memory needed does not grow with the store. Beside a running server the cut is what it has folded, and that is
//! waited for until nothing acknowledged before the audit is left out.
//!
//! What must never happen: a repair without an entry, or beside a running server.

use anyhow::{Context, Result, bail};
use doos_adapter_embedded::{BookReader, Books, Store};
use doos_domain::audit::{self, Difference, MovementSums, OrderRecords};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Book, Changes, Command, Movement, MovementKind, StockRow};
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
        write!(
            f,
            "{verdict} ({} orders, {} products, {} messages in flight, at journal position {})",
            self.orders, self.products, self.messages_in_flight, self.cut
        )
    }
}

/// Audits what is durable; without a running server everything is folded first.
pub fn run(config: &Config) -> Result<Report> {
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
    await_cut(&books, end)?;
    Ok(books.read(examine)?)
}

/// Waits until the books have come to `end`, as long as they come nearer.
fn await_cut(books: &Books, end: Position) -> Result<()> {
    let mut before = None;
    let mut looks_in_vain = 0;
    loop {
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
    books.movement_sums(&mut |product, kind, qty| sums.entry(product).or_default().add(kind, qty))?;
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

/// Repairs what the ledger itself can prove, then audits again: a row that is not what its movements make it, and
/// stock of a cancelled order that nothing will ever bring back.
pub fn repair(config: &Config) -> Result<Report> {
    if !doos_adapter_embedded::fold_dir(&config.data_dir, config.store)? {
        bail!("a server runs on this data directory; stop it first, so that nothing moves under the repair");
    }
    let before = beside_server(&config.data_dir)?;
    if before.balances() {
        return Ok(before);
    }
    let repaired = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(mend(config))?;
    let mut after = run(config)?;
    after.repaired = repaired;
    Ok(after)
}

async fn mend(config: &Config) -> Result<Vec<String>> {
    let books = Books::open(&config.data_dir)?;
    let (rows, sums) = books.read(stock)?;
    let leaks = books.read(|books| leaks(books))?;
    let now = SystemClock::start().now();
    let store = Store::open_dir(&config.data_dir, config.store)?.spawn()?;
    let mut told = Vec::new();
    for row in rows {
        let made = sums.get(&row.product_id).map(|sums| sums.row(&row)).unwrap_or_else(|| row.clone());
        if made == row || !made.balances() {
            continue;
        }
        let entry = Movement {
            reference: format!("audit-{}", now.as_millis()),
            product_id: row.product_id,
            kind: MovementKind::Repair,
            // The row was wrong, not the supply: the entry records when it was put right, and moves nothing.
            qty: 0,
            at: now,
            actor: "system:audit".to_owned(),
        };
        let fixed = StockRow { version: row.version + 1, ..made };
        let changes = Changes { rows: vec![fixed.clone()], decisions: Vec::new(), movements: vec![entry] };
        store.store.ledger().lock(vec![row.product_id], Vec::new()).await?.commit(changes, None, None).await?;
        told.push(format!("product {}: {row:?} became {fixed:?}", row.product_id));
    }
    for (order, products) in leaks {
        let transaction = store.store.ledger().lock(products, vec![order]).await?;
        let mut book = Book::new(transaction.rows(), transaction.decisions());
        book.decide(&Command::Release { order_id: order }, "system:audit", now);
        transaction.commit(book.into_changes(), None, None).await?;
        told.push(format!("order {order}: its stock was given back"));
    }
    tokio::task::spawn_blocking(move || store.stop()).await?;
    Ok(told)
}

/// Cancelled orders whose pieces are still sold to them and whose release is nowhere on its way.
fn leaks(books: &dyn BookReader) -> Result<Vec<(OrderId, Vec<ProductId>)>, doos_adapter_embedded::Error> {
    let mut leaks = Vec::new();
    let mut orders = 0;
    books.orders(&mut |_| orders += 1)?;
    let portions = orders / PORTION + 1;
    for portion in 0..portions {
        for (id, records) in collect(books, |id| id.get() % portions == portion)? {
            let found = audit::check_order(id, &records);
            if found.iter().any(|difference| difference.rule == "cancelled_order_gives_its_stock_back") {
                let lines = records.order.iter().flat_map(|order| &order.lines);
                leaks.push((id, lines.map(|line| line.product_id).collect()));
            }
        }
    }
    Ok(leaks)
}
