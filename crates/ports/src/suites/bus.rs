//! todo
use super::suite; use crate::Ports;
suite!($ bus bus_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
