//! What time alone brings about: unpaid orders end, holds without an order end.
//!
//! What holds: a sweep only asks; the answer comes from the order's state machine, the order store (order or void, the
//! first wins) and the ledger. Sweeping twice, or from two processes, changes nothing more.

use doos_domain::actor::Cause;
use doos_domain::ids::OrderId;
use doos_domain::order::Status;
use doos_domain::time::Timestamp;
use doos_ports::order_store::Voided;
use doos_ports::stock_gate::Hold;

use crate::{App, Error, Result};

const PAGE: usize = 200;

impl App {
    /// One page of orders past their payment deadline; returns where to go on, or `None` at the end.
    pub async fn sweep_unpaid(&self, now: Timestamp, after: Option<OrderId>) -> Result<Option<OrderId>> {
        let limits = self.options.payment();
        let placed_before = now.plus_millis(-limits.unpaid_ms);
        let awaiting = [Status::Pending, Status::Confirmed];
        let overdue = self.ports.orders.oldest(&awaiting, placed_before, after, PAGE).await?;
        for order in &overdue {
            let cause = Cause::system("timeouts", now);
            let overdue = |order: &doos_domain::order::Order| order.payment_overdue(limits, &cause);
            match self.change_order(order.id, |_| Ok(()), overdue, |_| None).await {
                Ok(decided) if decided.changed && decided.order.status == Status::Cancelled => {
                    self.counters.orders_cancelled.add(1);
                }
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((overdue.len() == PAGE).then(|| overdue.last().map(|order| order.id)).flatten())
    }

    /// Asks after holds past their deadline. Returns how many ended.
    pub async fn sweep_holds(&self, now: Timestamp) -> Result<usize> {
        let overdue = self.ports.gate.overdue(now, PAGE).await?;
        let mut ended = 0;
        for hold in overdue {
            if self.ask_after(hold, now).await? {
                self.counters.holds_ended_by_timeout.add(1);
                ended += 1;
            }
        }
        Ok(ended)
    }

    async fn ask_after(&self, hold: Hold, now: Timestamp) -> Result<bool> {
        if self.ports.orders.void(hold.order_id).await? == Voided::Void {
            self.ports.gate.release(hold.order_id).await?;
            return Ok(true);
        }
        if self.ports.ledger.decision(hold.order_id).await?.is_some() {
            // The notice was lost. The rows it would have carried are read again, newer versions win.
            let mut rows = Vec::new();
            for line in &hold.lines {
                rows.extend(self.ports.ledger.row(line.product_id).await?);
            }
            self.ports.gate.decided(rows, vec![hold.order_id]).await?;
            return Ok(true);
        }
        let again_ms = i64::try_from(self.options.hold_deadline_ms).unwrap_or(i64::MAX);
        self.ports.gate.postpone(hold.order_id, now.plus_millis(again_ms)).await?;
        Ok(false)
    }
}
