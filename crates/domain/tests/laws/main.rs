//! The domain's laws: the order's state machine as a table, and orders, stock and pricing against naive models.
//!
//! Where to read next: `order_table.rs` is meant to be audited by eye; the others draw random histories.

mod orders;

mod order_closed;
mod order_properties;
mod order_table;
mod pricing_properties;
mod stock_properties;
