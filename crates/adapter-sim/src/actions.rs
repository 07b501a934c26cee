//! The log of actions, in the catalogue's database.

use async_trait::async_trait;
use doos_domain::action::Action;
use doos_domain::ids::ActionId;
use doos_ports::Result;
use doos_ports::action_log::ActionLog;
use std::ops::Bound;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimActionLog {
    world: Arc<World>,
}

impl SimActionLog {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl ActionLog for SimActionLog {
    async fn record(&self, action: Action) -> Result<()> {
        let effect = |durable: &mut Durable| {
            durable.actions.insert(action.id.clone(), action);
        };
        self.world.write(Part::Catalog, effect).await
    }

    async fn newest(&self, before: Option<&ActionId>, limit: usize) -> Result<Vec<Action>> {
        let end = before.map_or(Bound::Unbounded, |id| Bound::Excluded(id.clone()));
        let look = |durable: &Durable| {
            durable.actions.range((Bound::Unbounded, end)).rev().take(limit).map(|(_, action)| action.clone()).collect()
        };
        self.world.read(Part::Catalog, look).await
    }
}
