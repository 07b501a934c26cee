//! The payment context's database.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::payment_book::{Booking, PaymentBook};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimPaymentBook {
    world: Arc<World>,
}

impl SimPaymentBook {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

impl Durable {
    fn money_entry(&self, reference: &str, kind: MoneyKind) -> Option<&MoneyEntry> {
        self.money.iter().find(|entry| entry.reference == reference && entry.kind == kind)
    }

    fn book(&mut self, bookings: Vec<Booking>) -> usize {
        let before = self.money.len();
        for Booking { entry, tell } in bookings {
            if self.money_entry(&entry.reference, entry.kind).is_some() {
                continue;
            }
            self.money.push(entry);
            if let Some(message) = tell {
                self.outbox.add(Part::Payments, message);
            }
        }
        self.money.len() - before
    }
}

#[async_trait]
impl PaymentBook for SimPaymentBook {
    async fn record(&self, bookings: Vec<Booking>, progress: Option<Progress>) -> Result<usize> {
        let effect = |durable: &mut Durable| {
            let new = durable.book(bookings);
            if let Some(progress) = progress {
                durable.settle(Part::Payments, progress);
            }
            new
        };
        self.world.write(Part::Payments, effect).await
    }

    async fn find(&self, reference: &str, kind: MoneyKind) -> Result<Option<MoneyEntry>> {
        self.world.read(Part::Payments, |durable| durable.money_entry(reference, kind).cloned()).await
    }

    async fn entries_of(&self, order: OrderId) -> Result<Vec<MoneyEntry>> {
        let look = |durable: &Durable| durable.money.iter().filter(|entry| entry.order_id == order).cloned().collect();
        self.world.read(Part::Payments, look).await
    }
}
