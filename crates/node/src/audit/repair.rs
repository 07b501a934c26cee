//! Makes the books balance beside running traffic, by entries in the ledger that say so.
//!
//! What holds: repaired is what the ledger itself can prove, and nothing else: a row that is not what its movements make
//! it, and stock of a cancelled order that nothing will ever bring back. Each step holds the locks of what it changes
//! while the evidence is read, so that nothing moves between evidence and entry; meanwhile inventory waits and orders
//! are taken on. A step that is done twice finds nothing to do.
//!
//! What must never happen: a row overwritten of which the running server and the disk say different things; an entry
//! decided on evidence that is older than the locks.

use anyhow::Result;
use async_trait::async_trait;
use doos_adapter_embedded::Books;
use doos_domain::audit::{GIVES_BACK, MovementSums, Subject};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::order::Status;
use doos_domain::stock::{Book, Changes, Command, Movement, MovementKind, StockRow};
use doos_domain::time::Timestamp;
use doos_gateway::{RepairStepView, StepOutcome};
use doos_ports::order_store::OrderStore;
use doos_ports::stock_gate::StockGate;
use doos_ports::stock_ledger::StockLedger;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Report;

/// A product is not held longer than this many looks at the books; whoever repairs can try again when less is going on.
const LOOKS_UNDER_LOCK_MAX: u32 = 100;

/// What is stored about a product's stock.
#[async_trait]
pub(crate) trait Evidence: Send + Sync {
    /// The row and the sums of its movements, both of one instant that is not before the call.
    async fn of(&self, product: ProductId) -> Result<Option<(StockRow, MovementSums)>>;
}

/// The evidence of a data directory, beside the process that writes it.
pub(crate) struct DirectoryEvidence(pub PathBuf);

#[async_trait]
impl Evidence for DirectoryEvidence {
    async fn of(&self, product: ProductId) -> Result<Option<(StockRow, MovementSums)>> {
        let data_dir = self.0.clone();
        let read = move || {
            let books = Books::open(&data_dir)?;
            let end = doos_adapter_embedded::journal_end(&data_dir)?;
            super::await_cut(&books, end, Some(LOOKS_UNDER_LOCK_MAX))?;
            Ok(books.read(|books| {
                let mut found = None;
                books.stock_rows(&mut |row| {
                    if row.product_id == product {
                        found = Some(row);
                    }
                })?;
                let mut sums = MovementSums::default();
                books.movement_sums(Some(product), &mut |_, kind, qty| sums.add(kind, qty))?;
                Ok(found.map(|row| (row, sums)))
            })?)
        };
        tokio::task::spawn_blocking(read).await?
    }
}

/// What can be repaired of what an audit has found, each subject once.
pub(crate) fn plan(report: &Report) -> Vec<Subject> {
    let provable = report.differences.iter().filter(|difference| match difference.subject {
        Subject::Product(_) => true,
        Subject::Order(_) => difference.rule == GIVES_BACK,
    });
    provable.map(|difference| difference.subject).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The steps as a dry run tells them.
pub(crate) fn told(plan: &[Subject]) -> Vec<RepairStepView> {
    let planned = plan.iter().map(|subject| RepairStepView {
        subject: subject.to_string(),
        outcome: StepOutcome::Planned,
        told: match subject {
            Subject::Product(_) => "its row becomes what its movements make it".to_owned(),
            Subject::Order(_) => "its stock is given back, as its cancel should have done".to_owned(),
        },
    });
    planned.collect()
}

/// What the steps are done with.
pub(crate) struct Repairer<'a> {
    pub ledger: &'a dyn StockLedger,
    pub orders: &'a dyn OrderStore,
    /// Absent where no orders are taken meanwhile.
    pub gate: Option<&'a dyn StockGate>,
    pub evidence: &'a dyn Evidence,
    /// Written into every entry.
    pub actor: &'a str,
}

/// What was done, or why nothing was.
enum Told {
    Done(String),
    Skipped(String),
}

impl Repairer<'_> {
    pub async fn run(&self, plan: &[Subject], now: Timestamp) -> Vec<RepairStepView> {
        let mut steps = Vec::with_capacity(plan.len());
        for subject in plan {
            let told = match *subject {
                Subject::Product(product) => self.put_right(product, now).await,
                Subject::Order(order) => self.give_back(order, now).await,
            };
            let (outcome, told) = match told {
                Ok(Told::Done(told)) => (StepOutcome::Done, told),
                Ok(Told::Skipped(told)) => (StepOutcome::Skipped, told),
                Err(error) => (StepOutcome::Skipped, format!("{error:#}")),
            };
            tracing::warn!(%subject, by = self.actor, ?outcome, told, "a step of a repair of the books");
            steps.push(RepairStepView { subject: subject.to_string(), outcome, told });
        }
        steps
    }

    async fn put_right(&self, product: ProductId, now: Timestamp) -> Result<Told> {
        let locks = self.ledger.lock(vec![product], Vec::new()).await?;
        let evidence = self.evidence.of(product).await?;
        let (Some(known), Some((stored, sums))) = (locks.rows().into_iter().next(), evidence) else {
            return Ok(Told::Skipped("it has no row".to_owned()));
        };
        let made = sums.row(&known);
        if known == made && stored == known {
            return Ok(Told::Skipped("its row is what its movements make it".to_owned()));
        }
        if stored != known && known != made {
            let told = format!("the server knows {known:?}, stored is {stored:?}; start the server anew, then repair");
            return Ok(Told::Skipped(told));
        }
        if !made.balances() {
            return Ok(Told::Skipped(format!("its movements make what cannot be: {made:?}")));
        }
        let entry = Movement {
            reference: format!("audit-{}", now.as_millis()),
            product_id: product,
            kind: MovementKind::Repair,
            // The row was wrong, not the supply: the entry records when it was put right, and moves nothing.
            qty: 0,
            at: now,
            actor: self.actor.to_owned(),
        };
        let fixed = StockRow { version: known.version + 1, ..made };
        let told = format!("{stored:?} became {fixed:?}");
        let changes = Changes { rows: vec![fixed.clone()], decisions: Vec::new(), movements: vec![entry] };
        locks.commit(changes, None, None).await?;
        self.tell_gate(vec![fixed], Vec::new()).await;
        Ok(Told::Done(told))
    }

    async fn give_back(&self, id: OrderId, now: Timestamp) -> Result<Told> {
        let order = self.orders.load(id).await?;
        if !order.is_some_and(|order| order.status == Status::Cancelled && !order.goods_out) {
            return Ok(Told::Skipped("it is not a cancelled order any more".to_owned()));
        }
        let locks = self.ledger.lock(Vec::new(), vec![id]).await?;
        let mut book = Book::new(locks.rows(), locks.decisions());
        book.decide(&Command::Release { order_id: id }, self.actor, now);
        let changes = book.into_changes();
        if changes == Changes::default() {
            return Ok(Told::Skipped("its stock was given back meanwhile".to_owned()));
        }
        let pieces: i64 = changes.movements.iter().map(|movement| movement.qty).sum();
        let rows = changes.rows.clone();
        locks.commit(changes, None, None).await?;
        self.tell_gate(rows, vec![id]).await;
        Ok(Told::Done(format!("its stock was given back: {pieces} pieces")))
    }

    /// A notice that gets lost is made good by the gate's own questions.
    async fn tell_gate(&self, rows: Vec<StockRow>, decided: Vec<OrderId>) {
        let Some(gate) = self.gate else { return };
        if let Err(error) = gate.decided(rows, decided).await {
            tracing::debug!(%error, "the stock gate was not told of a repair; it asks later");
        }
    }
}
