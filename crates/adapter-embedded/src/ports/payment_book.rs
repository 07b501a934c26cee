//! The payment context's book. One lock makes "new by reference and kind" true until the entries are stored.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::payment_book::{Booking, PaymentBook};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::engine_error;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

pub(crate) struct Payments {
    shared: Arc<Shared>,
    lock: Arc<Mutex<()>>,
}

impl Payments {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lock: Arc::default() }
    }
}

/// Part of the stored key; only ever added to.
const fn kind_name(kind: MoneyKind) -> &'static str {
    match kind {
        MoneyKind::Captured => "captured",
        MoneyKind::Refunded => "refunded",
        MoneyKind::Closed => "closed",
    }
}

fn key_of(reference: &str, kind: MoneyKind) -> Key {
    Key::text(reference).and_text(kind_name(kind))
}

#[async_trait]
impl PaymentBook for Payments {
    async fn record(&self, bookings: Vec<Booking>, progress: Option<Progress>) -> Result<usize> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        self.shared.check_running()?;
        let mut unit = Unit::default();
        let mut booked: HashSet<Key> = HashSet::new();
        for Booking { entry, tell } in bookings {
            let key = key_of(&entry.reference, entry.kind);
            let stored: Option<MoneyEntry> = self.shared.doc(Table::Money, &key)?;
            if stored.is_some() || booked.contains(&key) {
                continue;
            }
            unit.doc(Table::Money, entry.order_id.get(), &key, &entry);
            booked.insert(key);
            if let Some(message) = tell {
                unit.message(message);
            }
        }
        if let Some(progress) = progress {
            unit.progress(progress);
        }
        if !unit.is_empty() {
            unit.locks.push(guard);
            self.shared.submit_one(unit).await.map_err(engine_error)?;
        }
        Ok(booked.len())
    }

    async fn find(&self, reference: &str, kind: MoneyKind) -> Result<Option<MoneyEntry>> {
        self.shared.check_running()?;
        Ok(self.shared.doc(Table::Money, &key_of(reference, kind))?)
    }

    async fn entries_of(&self, order: OrderId) -> Result<Vec<MoneyEntry>> {
        self.shared.check_running()?;
        Ok(self.shared.docs_owned(Table::Money, order.get())?)
    }
}
