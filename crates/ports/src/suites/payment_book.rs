//! todo
use super::suite; use crate::Ports;
suite!($ payment_book payment_book_suite { dummy, });
pub async fn dummy(_ports: Ports) {}
