//! Inventory: decides once per order, in groups, and tells the order and the gate.
//!
//! What holds: rows and decisions of the whole group are locked, decided in `domain` order by order, and stored with
//! the outcomes to be sent and the consumer's progress as one unit. A repeated message has its stored outcome sent
//! again. A parked deduct ends its order; one that merely waits does not.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::stock::{Book, Changes, Command, Decision, Outcome};
use doos_domain::time::Timestamp;
use doos_ports::inbox::Progress;
use doos_ports::order_store::CommitError;
use doos_ports::stock_ledger::StockTransaction;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Decided, Handler, Task, Verdict};
use crate::App;

#[derive(Clone)]
pub struct InventoryHandler {
    app: Arc<App>,
}

impl InventoryHandler {
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

pub struct Effects {
    transaction: Box<dyn StockTransaction>,
    changes: Changes,
    decided: Vec<OrderId>,
}

#[async_trait]
impl Handler for InventoryHandler {
    type Effects = Effects;

    fn consumer(&self) -> Consumer {
        Consumer::Inventory
    }

    async fn decide(&mut self, tasks: &[Task], now: Timestamp) -> doos_ports::Result<Decided<Effects>> {
        let products: BTreeSet<_> = tasks.iter().flat_map(|task| products_of(&task.message.body)).collect();
        let orders: BTreeSet<_> = tasks.iter().map(|task| task.message.order_id).collect();
        let orders: Vec<_> = orders.into_iter().collect();
        let transaction = self.app.ports.ledger.lock(products.into_iter().collect(), orders.clone()).await?;
        let mut book = Book::new(transaction.rows(), transaction.decisions());
        let mut verdicts = Vec::with_capacity(tasks.len());
        let mut outgoing = Vec::new();
        for task in tasks {
            let message = &task.message;
            let Some(command) = command_of(message) else {
                verdicts.push(Verdict::Failed(format!("inventory does not know {}", message.body.event())));
                continue;
            };
            let outcome = book.decide(&command, "system:inventory", now);
            if let (Command::Deduct { .. }, Outcome::Decided(decision)) = (&command, outcome) {
                outgoing.push(message.reply(now, Body::StockDecided { decision }));
            }
            verdicts.push(Verdict::Done);
        }
        let effects = Effects { transaction, changes: book.into_changes(), decided: orders };
        Ok(Decided { verdicts, effects, outgoing })
    }

    async fn commit(&mut self, effects: Effects, progress: Progress) -> Result<(), CommitError> {
        let Effects { transaction, changes, decided } = effects;
        let rows = changes.rows.clone();
        let count = changes.decisions.len() as u64;
        transaction.commit(changes, Some(progress), None).await?;
        self.app.counters.stock_flushed.add(count);
        self.app.tell_gate(rows, decided).await;
        Ok(())
    }

    fn on_park(&self, message: &Message, now: Timestamp) -> Vec<Message> {
        match message.body {
            Body::DeductStock { .. } => vec![message.reply(now, Body::StockDecided { decision: Decision::Void })],
            _ => Vec::new(),
        }
    }
}

fn products_of(body: &Body) -> Vec<doos_domain::ids::ProductId> {
    match body {
        Body::DeductStock { lines } | Body::ReleaseStock { lines } | Body::ReturnStock { lines, .. } => {
            lines.iter().map(|line| line.product_id).collect()
        }
        _ => Vec::new(),
    }
}

fn command_of(message: &Message) -> Option<Command> {
    let order_id = message.order_id;
    match &message.body {
        Body::DeductStock { lines } => Some(Command::Deduct { order_id, lines: lines.clone() }),
        Body::ReleaseStock { .. } => Some(Command::Release { order_id }),
        Body::ReturnStock { return_id, .. } => Some(Command::Return { return_id: return_id.clone(), order_id }),
        _ => None,
    }
}
