//! todo
use super::suite; use crate::Ports;
suite!($ change_feed change_feed_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
