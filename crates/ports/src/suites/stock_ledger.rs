//! todo
use super::suite; use crate::Ports;
suite!($ stock_ledger stock_ledger_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
