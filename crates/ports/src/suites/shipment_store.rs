//! todo
use super::suite; use crate::Ports;
suite!($ shipment_store shipment_store_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
