//! What the contract says in the domain's words, and back. What a peer says is checked like anything from outside.

use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, ShortLine};
use doos_ports::{Error, Result};

use crate::ENGINE;
use crate::proto::doos_internal_v1 as pb;
use pb::hold_outcome::Outcome;

fn unreadable(what: &str) -> Error {
    Error::Broken { engine: ENGINE, cause: format!("a peer said {what} that cannot be") }
}

pub(crate) fn order_from(id: u64) -> Result<OrderId> {
    OrderId::new(id).ok_or_else(|| unreadable("an order id"))
}

pub(crate) fn product_from(id: u64) -> Result<ProductId> {
    ProductId::new(id).ok_or_else(|| unreadable("a product id"))
}

pub(crate) fn hold_to(hold: Hold) -> pb::Hold {
    let line = |line: &Demand| pb::Demand { product_id: line.product_id.get(), qty: line.qty };
    pb::Hold {
        order_id: hold.order_id.get(),
        lines: hold.lines.iter().map(line).collect(),
        key: hold.key.map(|key| pb::Key { scope: key.scope, key: key.key }),
        deadline_ms: hold.deadline.as_millis(),
    }
}

pub(crate) fn hold_from(hold: pb::Hold) -> Result<Hold> {
    let line = |line: pb::Demand| Ok(Demand { product_id: product_from(line.product_id)?, qty: line.qty });
    Ok(Hold {
        order_id: order_from(hold.order_id)?,
        lines: hold.lines.into_iter().map(line).collect::<Result<_>>()?,
        key: hold.key.map(|key| AnswerKey { scope: key.scope, key: key.key }),
        deadline: Timestamp::from_millis(hold.deadline_ms),
    })
}

/// An engine's failure is no outcome; it becomes the call's status.
pub(crate) fn outcome_to(outcome: Result<Option<u64>, HoldError>) -> Result<pb::HoldOutcome> {
    let short =
        |line: ShortLine| pb::ShortLine { product_id: line.product_id.get(), wanted: line.wanted, free: line.free };
    let outcome = match outcome {
        Ok(epoch) => Outcome::Held(epoch.unwrap_or(0)),
        Err(HoldError::Short(lines)) => Outcome::Short(pb::Short { lines: lines.into_iter().map(short).collect() }),
        Err(HoldError::InProgress(order)) => Outcome::InProgress(order.get()),
        Err(HoldError::Engine(error)) => return Err(error),
    };
    Ok(pb::HoldOutcome { outcome: Some(outcome) })
}

pub(crate) fn outcome_from(outcome: pb::HoldOutcome) -> Result<Option<u64>, HoldError> {
    let short = |line: pb::ShortLine| {
        Ok(ShortLine { product_id: product_from(line.product_id)?, wanted: line.wanted, free: line.free })
    };
    match outcome.outcome {
        // Epochs begin above 0.
        Some(Outcome::Held(epoch)) => Ok(Some(epoch).filter(|epoch| *epoch > 0)),
        Some(Outcome::Short(said)) => Err(HoldError::Short(said.lines.into_iter().map(short).collect::<Result<_>>()?)),
        Some(Outcome::InProgress(order)) => Err(HoldError::InProgress(order_from(order)?)),
        None => Err(unreadable("an outcome").into()),
    }
}

pub(crate) fn row_to(row: StockRow) -> pb::StockRow {
    let StockRow { product_id, version, received, written_off, free, held, sold } = row;
    pb::StockRow { product_id: product_id.get(), version, received, written_off, free, held, sold }
}

pub(crate) fn row_from(row: pb::StockRow) -> Result<StockRow> {
    let pb::StockRow { product_id, version, received, written_off, free, held, sold } = row;
    Ok(StockRow { product_id: product_from(product_id)?, version, received, written_off, free, held, sold })
}

pub(crate) const fn level_to(level: Level) -> pb::Level {
    let Level { received, written_off, free, held, sold } = level;
    pb::Level { received, written_off, free, held, sold }
}

pub(crate) const fn level_from(level: pb::Level) -> Level {
    let pb::Level { received, written_off, free, held, sold } = level;
    Level { received, written_off, free, held, sold }
}
