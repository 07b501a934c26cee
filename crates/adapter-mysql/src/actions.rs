//! The log of actions, in the catalogue's own database.

use async_trait::async_trait;
use doos_domain::action::Action;
use doos_domain::ids::ActionId;
use doos_ports::Result;
use doos_ports::action_log::ActionLog;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::rows::{json, parse};

const ENGINE: &str = "the log of actions";

pub struct MySqlActionLog {
    database: Arc<Database>,
}

impl MySqlActionLog {
    pub(crate) const fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    async fn put(&self, action: &Action) -> Result<(), Fault> {
        let mut session = self.database.begin().await?;
        let sql =
            "INSERT INTO t_action (id, document) VALUES (?,?) ON DUPLICATE KEY UPDATE document = VALUES(document)";
        session.exec(sql, vec![action.id.as_str().into(), json(action).into()]).await?;
        session.commit().await
    }
}

#[async_trait]
impl ActionLog for MySqlActionLog {
    async fn record(&self, action: Action) -> Result<()> {
        self.put(&action).await.map_err(|fault| fault.unknown(ENGINE))
    }

    async fn newest(&self, before: Option<&ActionId>, limit: usize) -> Result<Vec<Action>> {
        let (condition, params) = match before {
            Some(before) => ("WHERE id < ?", vec![before.as_str().into()]),
            None => ("", Vec::new()),
        };
        let sql = format!("SELECT document FROM t_action {condition} ORDER BY id DESC LIMIT {limit}");
        let rows = self.database.read::<(Vec<u8>,)>("t_action", &sql, params).await;
        let actions = rows.and_then(|rows| rows.iter().map(|(json,)| parse("t_action", json)).collect());
        actions.map_err(|fault| fault.undone(ENGINE))
    }
}
