//! What a stock gate must know when it starts empty: the ledger's rows, and a hold for every stored order whose stock
//! is not decided yet.
//!
//! To be called before anything runs that places orders or decides about stock.

use doos_domain::ids::OrderId;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::stock_gate::{Hold, StockGate};

use crate::store::Store;

impl Store {
    /// Rebuilds the gate. The holds get `deadline`, when somebody asks what became of their orders. Returns how many.
    pub async fn rebuild_gate(&self, gate: &dyn StockGate, deadline: Timestamp) -> Result<usize> {
        let rows = self.ledger().rows().await?;
        let undecided = self.orders().undecided().await?;
        let hold = |order_id: OrderId, lines| Hold { order_id, lines, key: None, deadline };
        let holds: Vec<_> = undecided.iter().map(|order| hold(order.id, order.demands())).collect();
        let count = holds.len();
        gate.rebuild(rows, holds).await?;
        Ok(count)
    }
}
