//! Bugs put in on purpose.

use doos_ports::Ports;
use doos_ports::stock_gate::StockGate;
use std::sync::Arc;

use crate::executor::Executor;

#[derive(Clone, Debug, Default)]
pub struct Planted;

impl Planted {
    pub fn is_any(&self) -> bool {
        false
    }
    pub fn gate(&self, gate: Arc<dyn StockGate>) -> Arc<dyn StockGate> {
        gate
    }
    pub fn wrap(&self, ports: Ports, _: &Arc<Executor>) -> Ports {
        ports
    }
}
