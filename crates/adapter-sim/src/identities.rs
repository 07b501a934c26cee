//! Log-in names and their numbers.

use async_trait::async_trait;
use doos_domain::ids::UserId;
use doos_ports::Result;
use doos_ports::identity_store::IdentityStore;
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimIdentityStore {
    world: Arc<World>,
}

impl SimIdentityStore {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl IdentityStore for SimIdentityStore {
    async fn resolve(&self, name: &str) -> Result<Option<UserId>> {
        self.world.read(Part::Identities, |durable| durable.users.get(name).copied()).await
    }

    async fn resolve_or_create(&self, name: &str) -> Result<UserId> {
        let effect = |durable: &mut Durable| {
            let next = UserId::new(durable.users.len() as u64 + 1).expect("numbers start at one");
            *durable.users.entry(name.to_owned()).or_insert(next)
        };
        self.world.write(Part::Identities, effect).await
    }
}
