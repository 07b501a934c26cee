//! A tiny shop driven by hand: a store over any disk without threads, and the few steps that every test takes.

use doos_adapter_embedded::{Folder, Options, Store, Writer};
use doos_domain::actor::Cause;
use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::message::{Body, Consumer};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome};
use doos_domain::pricing::{Line, Quote};
use doos_domain::stock::{Book, Command};
use doos_domain::time::Timestamp;
use doos_journal::Disk;
use doos_ports::inbox::Progress;
use doos_ports::order_store::{Change, CommitError};
use std::path::Path;
use std::sync::Arc;

pub const BASE_MS: i64 = 1_790_000_000_000;

pub struct Shop {
    pub store: Store,
    pub writer: Writer,
    pub folder: Folder,
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(BASE_MS + millis)
}

pub fn id(number: u64) -> OrderId {
    OrderId::new((1 << 40) + number * 64).unwrap()
}

pub fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

pub fn product(number: u64) -> ProductId {
    ProductId::new(number).unwrap()
}

pub fn answer(key: &str, body: &str) -> Answer {
    answer_at(key, body, 0)
}

pub fn answer_at(key: &str, body: &str, millis: i64) -> Answer {
    let key = AnswerKey { scope: "customer:1".to_owned(), key: key.to_owned() };
    Answer { key, fingerprint: 7, status: 201, body: body.to_owned(), at: at(millis) }
}

/// A new order of two pieces of product 1.
pub fn new_order(number: u64, of_user: u64) -> Change {
    let price = Money::new(500, Currency::Eur);
    let lines = vec![Line { product_id: product(1), quantity: 2, unit_price: price }];
    let quote = Quote { lines, total: Money::new(1_000, Currency::Eur) };
    let cause = Cause::system("test", at(number as i64));
    let step = Order::place(id(number), user(of_user), quote, None, &cause);
    Change { expected_version: 0, order: Arc::new(step.order), messages: step.messages, answer: None, gate_epoch: None }
}

pub fn cancelled(order: &Order) -> Change {
    next(order, order.cancel(&Cause::system("test", at(6_000))).unwrap())
}

pub fn next(order: &Order, outcome: Outcome) -> Change {
    let Outcome::Changed(step) = outcome else { panic!("the step changes something") };
    Change {
        expected_version: order.version,
        order: Arc::new(step.order),
        messages: step.messages,
        answer: None,
        gate_epoch: None,
    }
}

impl Shop {
    pub fn open(disk: impl Disk + 'static, database_dir: &Path, options: Options) -> Result<Self, String> {
        let parts = Store::open(Arc::new(disk), database_dir, options).map_err(|error| error.to_string())?;
        Ok(Self { store: parts.store, writer: parts.writer, folder: parts.folder })
    }

    /// Runs a piece of work to its end; the writer works whenever it is asked.
    pub async fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                group = self.writer.next_group() => {
                    self.writer.write_group(group.expect("the store is not closed"));
                }
            }
        }
    }

    pub async fn commit(&mut self, change: Change) -> Result<(), CommitError> {
        let orders = self.store.orders();
        self.run(orders.commit(vec![change])).await.remove(0)
    }

    pub async fn load(&self, number: u64) -> Option<Arc<Order>> {
        self.store.orders().load(id(number)).await.unwrap()
    }

    pub async fn receive(&mut self, qty: u32, reference: &str) -> doos_ports::Result<()> {
        let ledger = self.store.ledger();
        let reference = reference.to_owned();
        self.run(async move {
            let locks = ledger.lock(vec![product(1)], vec![]).await?;
            let mut book = Book::new(locks.rows(), locks.decisions());
            book.decide(&Command::Receive { reference, product_id: product(1), qty }, "operator:test", at(1));
            locks.commit(book.into_changes(), None, None).await
        })
        .await
    }

    /// Inventory decides everything that it has not read yet, as one group. Returns how many it decided.
    pub async fn let_inventory_decide(&mut self) -> doos_ports::Result<usize> {
        let (ledger, bus) = (self.store.ledger(), self.store.bus());
        self.run(async move {
            let unread = bus.subscribe(Consumer::Inventory).await?.poll(1_000).await?;
            if unread.is_empty() {
                return Ok(0);
            }
            let mut progress = Progress::new(Consumer::Inventory);
            progress.position = unread.last().map(|delivery| delivery.position);
            let orders = unread.iter().map(|delivery| delivery.message.order_id).collect();
            let locks = ledger.lock(vec![product(1)], orders).await?;
            let mut book = Book::new(locks.rows(), locks.decisions());
            for delivery in &unread {
                let order_id = delivery.message.order_id;
                let command = match &delivery.message.body {
                    Body::DeductStock { lines } => Command::Deduct { order_id, lines: lines.clone() },
                    _ => Command::Release { order_id },
                };
                if let doos_domain::stock::Outcome::Decided(decision) = book.decide(&command, "system:test", at(2)) {
                    progress.outgoing.push(delivery.message.reply(at(2), Body::StockDecided { decision }));
                }
            }
            locks.commit(book.into_changes(), Some(progress), None).await?;
            Ok(unread.len())
        })
        .await
    }

    /// The order context takes note of everything that it has not read yet, as one group.
    pub async fn let_orders_hear(&mut self) -> Result<usize, CommitError> {
        let (orders, bus) = (self.store.orders(), self.store.bus());
        self.run(async move {
            let unread = bus.subscribe(Consumer::Order).await?.poll(1_000).await?;
            if unread.is_empty() {
                return Ok(0);
            }
            let mut progress = Progress::new(Consumer::Order);
            progress.position = unread.last().map(|delivery| delivery.position);
            let mut group = Vec::new();
            for delivery in &unread {
                let Body::StockDecided { decision } = delivery.message.body else { continue };
                let Some(order) = orders.load(delivery.message.order_id).await? else { continue };
                if let Outcome::Changed(step) = order.stock_decided(decision, &Cause::system("test", at(5))).unwrap() {
                    let (expected_version, messages) = (order.version, step.messages);
                    group.push(Change {
                        expected_version,
                        order: Arc::new(step.order),
                        messages,
                        answer: None,
                        gate_epoch: None,
                    });
                }
            }
            orders.consume(group, progress).await?;
            Ok(unread.len())
        })
        .await
    }

    /// Folds everything there is.
    pub fn fold_all(&mut self) {
        while self.folder.fold_once(1_000).unwrap().records > 0 {}
    }
}
