//! todo
use super::suite; use crate::Ports;
suite!($ stock_gate stock_gate_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
