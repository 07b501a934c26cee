//! The log of actions: a small table, walked by its key from the newest.

use async_trait::async_trait;
use doos_domain::action::Action;
use doos_domain::ids::ActionId;
use doos_ports::Result;
use doos_ports::action_log::ActionLog;
use std::sync::Arc;

use super::engine_error;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

pub(crate) struct Actions {
    shared: Arc<Shared>,
}

impl Actions {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[async_trait]
impl ActionLog for Actions {
    async fn record(&self, action: Action) -> Result<()> {
        let mut unit = Unit::default();
        unit.doc(Table::Action, 0, &Key::text(action.id.as_str()), &action);
        self.shared.submit_one(unit).await.map_err(engine_error)
    }

    async fn newest(&self, before: Option<&ActionId>, limit: usize) -> Result<Vec<Action>> {
        self.shared.check_running()?;
        let mut actions: Vec<Action> = self.shared.docs_before(Table::Action, before.map(ActionId::as_str), limit)?;
        actions.sort_by(|one, other| other.id.cmp(&one.id));
        actions.truncate(limit);
        Ok(actions)
    }
}
