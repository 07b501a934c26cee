//! The audit of a cluster: the same checks over databases that have no common instant.
//!
//! What holds: a product's row and movements are read at one instant. An order's records are not; one that looks wrong
//! is looked at again, since what is moving settles and what is wrong stays. Only what stays is reported.

use anyhow::{Context, Result};
use async_trait::async_trait;
use doos_adapter_mysql::{Books, Databases};
use doos_app::actions::Plan;
use doos_domain::action::Deed;
use doos_domain::audit::{self, MovementSums};
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use std::sync::Arc;
use std::time::Duration;

use super::{COMMAND_LINE, Evidence, Repairer, Report, all_steps};
use crate::clock::SystemClock;
use crate::config::Config;

/// Orders looked at in one portion.
const PORTION: usize = 1_000;
/// How often, and with which pauses, an order that looks wrong is looked at again.
const LOOKS_AGAIN: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(6)];

pub(super) fn databases(config: &Config) -> Result<Databases> {
    let clock = Arc::new(SystemClock::start());
    Databases::new(config.database.options(), clock).context("the databases' addresses")
}

#[async_trait]
impl Evidence for Books {
    async fn of(&self, product: ProductId) -> Result<Option<(StockRow, MovementSums)>> {
        Ok(self.stock().await?.into_iter().find(|(row, _)| row.product_id == product))
    }
}

/// Repairs beside whoever serves, as the console does; the gate learns of it with the next look at the ledger.
pub(super) async fn repair(config: &Config) -> Result<Report> {
    let databases = databases(config)?;
    let (engines, books) = (databases.open().await.context("cannot open the databases")?, databases.books());
    let before = of_cluster(&books).await?;
    if before.balances() {
        return Ok(before);
    }
    let repairer = Repairer {
        ledger: &*engines.ledger,
        orders: &*engines.orders,
        gate: None,
        evidence: &books,
        actor: COMMAND_LINE,
    };
    let work = all_steps(&repairer, async || of_cluster(&books).await);
    let repaired = crate::offline::recorded(&*engines.actions, Plan::new(Deed::RepairBooks, ""), work).await?;
    Ok(Report { repaired, ..of_cluster(&books).await? })
}

pub async fn of_cluster(books: &Books) -> Result<Report> {
    let mut report = Report { messages_in_flight: books.open_messages().await?, ..Report::default() };
    for (row, sums) in books.stock().await? {
        report.products += 1;
        report.add(audit::check_product(&row, &sums));
    }
    let mut after = None;
    loop {
        let (ids, more) = books.ids(after, PORTION).await?;
        after = ids.last().copied();
        report.orders += examine(books, ids, &mut report).await?;
        if !more {
            return Ok(report);
        }
    }
}

/// Adds what is wrong with these orders for good; returns how many of them there are.
async fn examine(books: &Books, ids: Vec<OrderId>, report: &mut Report) -> Result<u64> {
    let mut suspects = ids;
    let mut count = None;
    for pause in LOOKS_AGAIN.into_iter().map(Some).chain([None]) {
        let records = books.records(&suspects).await?;
        count.get_or_insert_with(|| records.values().filter(|records| records.order.is_some()).count() as u64);
        let wrong = records.iter().map(|(id, records)| (*id, audit::check_order(*id, records)));
        let wrong: Vec<_> = wrong.filter(|(_, differences)| !differences.is_empty()).collect();
        match pause {
            _ if wrong.is_empty() => break,
            Some(pause) => {
                suspects = wrong.into_iter().map(|(id, _)| id).collect();
                tokio::time::sleep(pause).await;
            }
            None => wrong.into_iter().for_each(|(_, differences)| report.add(differences)),
        }
    }
    Ok(count.unwrap_or(0))
}
