//! The payment context's own database.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::message::Message;
use doos_domain::money::{Currency, Money};
use doos_domain::payment::{MoneyEntry, MoneyKind};
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::payment_book::{Booking, PaymentBook};
use mysql_async::Value;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::mailbox;
use crate::outbox::MySqlOutbox;
use crate::script::Script;
use crate::session::Session;

const ENGINE: &str = "the payment book";
pub(crate) const COLUMNS: &str = "reference, kind, order_id, amount, currency, provider_reference, created_at";

pub(crate) type Columns = (String, String, u64, i64, String, String, i64);

pub struct MySqlPaymentBook {
    database: Arc<Database>,
    outbox: Arc<MySqlOutbox>,
    poll_after_ms: i64,
}

const fn name_of(kind: MoneyKind) -> &'static str {
    match kind {
        MoneyKind::Captured => "captured",
        MoneyKind::Refunded => "refunded",
        MoneyKind::Closed => "closed",
    }
}

pub(crate) fn entry_of(
    (reference, kind, order, amount, currency, provider_reference, at): Columns,
) -> Result<MoneyEntry, Fault> {
    let unreadable = || Fault::row("t_money", format!("entry {reference}"));
    let kind = [MoneyKind::Captured, MoneyKind::Refunded, MoneyKind::Closed]
        .into_iter()
        .find(|known| name_of(*known) == kind)
        .ok_or_else(unreadable)?;
    Ok(MoneyEntry {
        kind,
        order_id: OrderId::new(order).ok_or_else(unreadable)?,
        amount: Money::new(amount, Currency::from_code(&currency).ok_or_else(unreadable)?),
        at: Timestamp::from_millis(at),
        provider_reference,
        reference,
    })
}

impl MySqlPaymentBook {
    pub(crate) const fn new(database: Arc<Database>, outbox: Arc<MySqlOutbox>, poll_after_ms: i64) -> Self {
        Self { database, outbox, poll_after_ms }
    }

    async fn entries(&self, condition: &str, params: Vec<Value>) -> Result<Vec<MoneyEntry>> {
        let sql = format!("SELECT {COLUMNS} FROM t_money WHERE {condition}");
        let rows = self.database.read::<Columns>("t_money", &sql, params).await;
        rows.and_then(|rows| rows.into_iter().map(entry_of).collect()).map_err(|fault| fault.undone(ENGINE))
    }

    /// Writes all and leaves the transaction open. Returns how many entries are new, and what is to be told of them.
    async fn write(
        &self,
        bookings: Vec<Booking>,
        progress: Option<&Progress>,
    ) -> Result<(Session, usize, Vec<Message>), Fault> {
        let mut session = self.database.begin().await?;
        let (mut new, mut told) = (0, Vec::new());
        for Booking { entry, tell } in bookings {
            if book(&mut session, &entry).await? {
                new += 1;
                told.extend(tell);
            }
        }
        let poll_at = self.database.clock.now().plus_millis(self.poll_after_ms);
        let mut script = Script::default();
        mailbox::send(&mut script, &told, poll_at);
        if let Some(progress) = progress {
            mailbox::settle(&mut script, progress, poll_at);
        }
        session.run(script).await?;
        Ok((session, new, told))
    }
}

/// Whether the entry is new. One that somebody is booking at this moment is waited for.
async fn book(session: &mut Session, entry: &MoneyEntry) -> Result<bool, Fault> {
    let sql = "INSERT INTO t_money (reference, kind, order_id, amount, currency, provider_reference, created_at) \
               VALUES (?,?,?,?,?,?,?) ON DUPLICATE KEY UPDATE id = t_money.id";
    let row = vec![
        entry.reference.as_str().into(),
        name_of(entry.kind).into(),
        entry.order_id.get().into(),
        entry.amount.amount_minor.into(),
        entry.amount.currency.code().into(),
        entry.provider_reference.as_str().into(),
        entry.at.as_millis().into(),
    ];
    // One for a row that was put in, none for a row that stayed as it was.
    Ok(session.affected_by(sql, row).await? == 1)
}

#[async_trait]
impl PaymentBook for MySqlPaymentBook {
    async fn record(&self, bookings: Vec<Booking>, progress: Option<Progress>) -> Result<usize> {
        let written = self.write(bookings, progress.as_ref()).await;
        let (mut session, new, told) = written.map_err(|fault| fault.undone(ENGINE))?;
        session.commit().await.map_err(|fault| fault.unknown(ENGINE))?;
        drop(session);
        let source = self.outbox.sources().payment();
        self.outbox.hand_over(source, told);
        if let Some(progress) = progress {
            self.outbox.hand_over(source, progress.outgoing.iter().cloned());
            self.outbox.tell_senders(&progress).await;
        }
        Ok(new)
    }

    async fn find(&self, reference: &str, kind: MoneyKind) -> Result<Option<MoneyEntry>> {
        let params = vec![reference.into(), name_of(kind).into()];
        Ok(self.entries("reference = ? AND kind = ?", params).await?.into_iter().next())
    }

    async fn entries_of(&self, order: OrderId) -> Result<Vec<MoneyEntry>> {
        self.entries("order_id = ? ORDER BY id", vec![order.get().into()]).await
    }
}
