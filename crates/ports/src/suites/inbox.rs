//! todo
use super::suite; use crate::Ports;
suite!($ inbox inbox_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
