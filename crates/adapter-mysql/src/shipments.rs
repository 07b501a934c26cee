//! The shipping context's own database.

use async_trait::async_trait;
use doos_domain::ids::OrderId;
use doos_domain::shipping::Shipment;
use doos_domain::time::Timestamp;
use doos_ports::Result;
use doos_ports::inbox::Progress;
use doos_ports::shipment_store::ShipmentStore;
use mysql_async::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::database::Database;
use crate::mailbox;
use crate::outbox::MySqlOutbox;
use crate::script::Script;
use crate::session::Statement;

const ENGINE: &str = "the shipments";
const ROWS: Statement = Statement {
    head: "INSERT INTO t_shipment (order_id, tracking, tries, shipped_at, delivered_at)",
    columns: 5,
    tail: "ON DUPLICATE KEY UPDATE tracking = VALUES(tracking), tries = VALUES(tries), \
           shipped_at = VALUES(shipped_at), delivered_at = VALUES(delivered_at)",
};

pub struct MySqlShipmentStore {
    database: Arc<Database>,
    outbox: Arc<MySqlOutbox>,
    poll_after_ms: i64,
}

impl MySqlShipmentStore {
    pub(crate) const fn new(database: Arc<Database>, outbox: Arc<MySqlOutbox>, poll_after_ms: i64) -> Self {
        Self { database, outbox, poll_after_ms }
    }

    fn script(&self, shipments: Vec<Shipment>, progress: &Progress) -> Script {
        // The last word about an order within one group counts.
        let last: BTreeMap<OrderId, Shipment> =
            shipments.into_iter().map(|shipment| (shipment.order_id, shipment)).collect();
        let row = |shipment: Shipment| -> Vec<Value> {
            vec![
                shipment.order_id.get().into(),
                shipment.tracking.into(),
                u64::from(shipment.tries).into(),
                shipment.shipped_at.as_millis().into(),
                shipment.delivered_at.map(Timestamp::as_millis).into(),
            ]
        };
        let mut script = Script::default();
        script.rows(&ROWS, last.into_values().map(row));
        mailbox::settle(&mut script, progress, self.database.clock.now().plus_millis(self.poll_after_ms));
        script
    }
}

#[async_trait]
impl ShipmentStore for MySqlShipmentStore {
    async fn store(&self, shipments: Vec<Shipment>, progress: Progress) -> Result<()> {
        let mut session = self.database.begin().await.map_err(|fault| fault.undone(ENGINE))?;
        let script = self.script(shipments, &progress);
        session.run_to_commit(script).await.map_err(|fault| fault.unknown(ENGINE))?;
        drop(session);
        self.outbox.hand_over(self.outbox.sources().shipping(), progress.outgoing.iter().cloned());
        self.outbox.tell_senders(&progress).await;
        Ok(())
    }

    async fn find(&self, order: OrderId) -> Result<Option<Shipment>> {
        let sql = "SELECT tracking, tries, shipped_at, delivered_at FROM t_shipment WHERE order_id = ?";
        let rows =
            self.database.read::<(String, u32, i64, Option<i64>)>("t_shipment", sql, vec![order.get().into()]).await;
        let rows = rows.map_err(|fault| fault.undone(ENGINE))?;
        Ok(rows.into_iter().next().map(|(tracking, tries, shipped_at, delivered_at)| Shipment {
            order_id: order,
            tracking,
            tries,
            shipped_at: Timestamp::from_millis(shipped_at),
            delivered_at: delivered_at.map(Timestamp::from_millis),
        }))
    }
}
