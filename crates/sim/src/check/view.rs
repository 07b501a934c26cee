//! One cut through everything that is stored, in plain maps, whatever engine it came from.

use doos_adapter_sim::durable::Durable;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{AttemptId, MessageId, OrderId, ProductId, RefundId};
use doos_domain::message::{Consumer, Message};
use doos_domain::order::Order;
use doos_domain::payment::MoneyEntry;
use doos_domain::stock::{DecisionRow, Movement, StockRow};
use doos_ports::inbox::{DeadLetter, Waiting};
use doos_ports::order_store::MessageState;
use doos_ports::outside::AttemptAnswer;
use doos_ports::stock_gate::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{StockHistory, has_ended};

#[derive(Clone, Default)]
pub struct View {
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    pub voids: BTreeSet<OrderId>,
    /// Every committed version, in the order of commit.
    pub versions: Vec<Arc<Order>>,
    /// Per order, every message committed with it.
    pub sent: BTreeMap<OrderId, Vec<Message>>,
    pub message_states: Vec<(Message, MessageState)>,
    pub answers: BTreeMap<AnswerKey, Answer>,
    pub stock: BTreeMap<ProductId, StockRow>,
    pub decisions: BTreeMap<OrderId, DecisionRow>,
    pub movements: Vec<Movement>,
    pub money: Vec<MoneyEntry>,
    pub waiting: Vec<(Consumer, Waiting)>,
    pub parked: Vec<DeadLetter>,
    /// Messages committed and not yet known to be on the bus, and those not yet read from it.
    pub unsent: u64,
    pub unread: u64,
    /// Messages that reached their consumer.
    pub arrived: BTreeSet<MessageId>,
    /// Whether answers of other contexts are among them; an engine may show only what was committed with an order.
    pub shows_answers: bool,
    pub provider: ProviderView,
    /// Parcels the carrier has taken, and whether they were called back.
    pub parcels: BTreeMap<OrderId, bool>,
    /// Orders whose hold was given back.
    pub released: BTreeSet<OrderId>,
    /// What the gate shows for each product, asked last.
    pub gate: BTreeMap<ProductId, Option<Level>>,
}

/// The money as the world outside sees it.
#[derive(Clone, Default)]
pub struct ProviderView {
    /// Per attempt: its order, what was taken, what was given back.
    pub attempts: BTreeMap<AttemptId, (OrderId, i64, i64)>,
    pub refunds: BTreeMap<RefundId, i64>,
}

impl View {
    pub fn of(durable: &Durable, history: &StockHistory) -> Self {
        let mut view = Self::outside(durable);
        view.orders = durable.orders().map(|order| (order.id, Arc::clone(order))).collect();
        view.voids = durable.shards.iter().flat_map(|shard| shard.voids.iter().copied()).collect();
        view.versions.clone_from(&durable.changes);
        for shard in &durable.shards {
            view.sent.extend(shard.messages.iter().map(|(id, sent)| (*id, sent.clone())));
        }
        view.answers.clone_from(&durable.answers);
        view.stock.clone_from(&durable.stock.rows);
        view.decisions.clone_from(&durable.stock.decisions);
        view.movements.clone_from(&durable.stock.movements);
        view.money.clone_from(&durable.money);
        view.unsent = durable.outbox.open.len() as u64 + durable.bus.in_transit_count() as u64;
        for consumer in Consumer::ALL {
            let inbox = durable.inbox(consumer);
            view.arrived.extend(durable.bus.log(consumer).iter().map(|message| message.id.clone()));
            view.unread += (durable.bus.log(consumer).len() as u64).saturating_sub(inbox.position.0);
            view.waiting.extend(inbox.waiting.values().map(|waiting| (consumer, waiting.clone())));
            view.parked.extend(inbox.parked.values().cloned());
        }
        view.shows_answers = true;
        view.gate = history.levels();
        view.released = history.all_released();
        view
    }

    /// Only what provider and carrier know.
    pub fn outside(durable: &Durable) -> Self {
        let mut view = Self::default();
        for (id, account) in &durable.provider.accounts {
            let taken = matches!(account.state, AttemptAnswer::Captured { .. });
            let taken_minor = if taken { account.charge.amount.amount_minor } else { 0 };
            view.provider.attempts.insert(id.clone(), (account.charge.order_id, taken_minor, account.refunded_minor));
        }
        let refunds = durable.provider.refunds.iter();
        view.provider.refunds = refunds.map(|(id, amount)| (id.clone(), amount.amount_minor)).collect();
        view.parcels = durable.carrier.parcels.iter().map(|(id, parcel)| (*id, parcel.recalled)).collect();
        view
    }

    /// What is still going on, for a reader of a run that never ends.
    pub fn unrest(&self) -> String {
        let open: Vec<_> = self.orders.values().filter(|order| !has_ended(order)).take(5).collect();
        let orders: Vec<_> = open
            .iter()
            .map(|order| format!("{} {} v{} {:?}", order.id, order.status, order.version, order.money.attempt))
            .collect();
        let waiting = self.waiting.iter().take(5);
        let waiting: Vec<_> = waiting
            .map(|(_, waiting)| format!("{} ({}, {} tries)", waiting.message.id, waiting.cause, waiting.tries))
            .collect();
        format!(
            "{} unsent, {} unread, {} waiting {waiting:?}, {} parked, open orders {orders:?}",
            self.unsent,
            self.unread,
            self.waiting.len(),
            self.parked.len()
        )
    }
}
