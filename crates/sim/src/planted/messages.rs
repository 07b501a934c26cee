//! A bus that loses, an outbox that marks too early, books that forget or repeat.

use async_trait::async_trait;
use doos_domain::ids::{MessageId, OrderId};
use doos_domain::message::{Consumer, Message};
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_domain::shipping::Shipment;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::bus::{Delivery, EventBus, Position, Subscription};
use doos_ports::inbox::Progress;
use doos_ports::outbox::Outbox;
use doos_ports::payment_book::{Booking, PaymentBook};
use doos_ports::shipment_store::ShipmentStore;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Bug;

pub(super) struct BuggyBus {
    pub inner: Arc<dyn EventBus>,
    pub bug: Bug,
}

struct BuggySubscription {
    inner: Box<dyn Subscription>,
    bug: Bug,
    newest: BTreeMap<OrderId, u32>,
}

#[async_trait]
impl EventBus for BuggyBus {
    async fn subscribe(&self, consumer: Consumer) -> Result<Box<dyn Subscription>> {
        let inner = self.inner.subscribe(consumer).await?;
        Ok(Box::new(BuggySubscription { inner, bug: self.bug, newest: BTreeMap::new() }))
    }

    async fn publish(&self, messages: Vec<Message>) -> Result<()> {
        self.inner.publish(messages).await
    }

    async fn lag(&self, consumer: Consumer) -> Result<u64> {
        self.inner.lag(consumer).await
    }
}

#[async_trait]
impl Subscription for BuggySubscription {
    /// "Something newer of this order has been seen, so this is out of date": it is not.
    async fn poll(&mut self, limit: usize) -> Result<Vec<Delivery>> {
        let mut deliveries = self.inner.poll(limit).await?;
        if self.bug == Bug::SkipLateMessages {
            let last = deliveries.last().cloned();
            deliveries.retain(|delivery| {
                let newest = self.newest.entry(delivery.message.order_id).or_default();
                let late = delivery.message.order_version <= *newest;
                *newest = delivery.message.order_version.max(*newest);
                !late
            });
            // Something must carry the position on; only what stands before it is lost.
            match (deliveries.last_mut(), last) {
                (Some(kept), Some(last)) => kept.position = last.position,
                (None, Some(last)) => deliveries.push(last),
                _ => {}
            }
        }
        Ok(deliveries)
    }

    async fn ready(&mut self) {
        self.inner.ready().await;
    }

    async fn rewind(&mut self) -> Result<()> {
        self.inner.rewind().await
    }

    async fn acknowledge(&mut self, position: Position) -> Result<()> {
        self.inner.acknowledge(position).await
    }
}

pub(super) struct BuggyOutbox {
    pub inner: Arc<dyn Outbox>,
    pub bug: Bug,
}

#[async_trait]
impl Outbox for BuggyOutbox {
    async fn open(&self, now: Timestamp, limit: usize) -> Result<Vec<Message>> {
        let open = self.inner.open(now, limit).await?;
        if self.bug == Bug::MarkBeforePublish {
            let ids = open.iter().map(|message| message.id.clone()).collect();
            self.inner.mark_published(ids, now).await?;
        }
        Ok(open)
    }

    async fn mark_published(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<()> {
        self.inner.mark_published(ids, now).await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }
}

pub(super) struct BuggyPayments {
    pub inner: Arc<dyn PaymentBook>,
    pub bug: Bug,
}

#[async_trait]
impl PaymentBook for BuggyPayments {
    async fn record(&self, mut bookings: Vec<Booking>, mut progress: Option<Progress>) -> Result<usize> {
        if let Some(progress) = progress.as_mut().filter(|_| self.bug == Bug::ForgetWaiting) {
            progress.wait.clear();
        }
        if self.bug == Bug::BookAgain {
            for booking in &mut bookings {
                // "A new movement each time": what comes again is booked again.
                booking.entry.reference = format!("{}@{}", booking.entry.reference, booking.entry.at.as_millis());
            }
        }
        self.inner.record(bookings, progress).await
    }

    async fn find(&self, reference: &str, kind: MoneyKind) -> Result<Option<MoneyEntry>> {
        self.inner.find(reference, kind).await
    }

    async fn entries_of(&self, order: OrderId) -> Result<Vec<MoneyEntry>> {
        self.inner.entries_of(order).await
    }
}

pub(super) struct BuggyShipments {
    pub inner: Arc<dyn ShipmentStore>,
    pub bug: Bug,
}

#[async_trait]
impl ShipmentStore for BuggyShipments {
    async fn store(&self, shipments: Vec<Shipment>, mut progress: Progress) -> Result<()> {
        if self.bug == Bug::ForgetWaiting {
            progress.wait.clear();
        }
        self.inner.store(shipments, progress).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Shipment>> {
        self.inner.find(order).await
    }
}
