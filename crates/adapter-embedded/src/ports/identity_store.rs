//! Log-in names and their numbers. One lock makes a first use the only one until the name is stored.
//!
//! Numbers given to names start far above those that clients without names use, so that the two never meet.

use async_trait::async_trait;
use doos_domain::ids::UserId;
use doos_ports::Result;
use doos_ports::identity_store::IdentityStore;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::engine_error;
use crate::error::ENGINE;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

const USER_COUNTER: &str = "user";
/// Clients that send numbers send small ones; names are numbered from here.
pub(crate) const NAMED_USERS_BASE: u64 = 1_000_000_000_000;

pub(crate) struct Identities {
    shared: Arc<Shared>,
    lock: Arc<Mutex<()>>,
}

impl Identities {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lock: Arc::default() }
    }
}

#[async_trait]
impl IdentityStore for Identities {
    async fn resolve(&self, name: &str) -> Result<Option<UserId>> {
        self.shared.check_running()?;
        Ok(self.shared.doc(Table::UserName, &Key::text(name))?)
    }

    async fn resolve_or_create(&self, name: &str) -> Result<UserId> {
        if let Some(known) = self.resolve(name).await? {
            return Ok(known);
        }
        let guard = Arc::clone(&self.lock).lock_owned().await;
        if let Some(known) = self.resolve(name).await? {
            return Ok(known);
        }
        let counter = Key::text(USER_COUNTER);
        let given_out: u64 = self.shared.doc(Table::Counter, &counter)?.unwrap_or(NAMED_USERS_BASE);
        let next = given_out + 1;
        let id = UserId::new(next).ok_or_else(|| doos_ports::Error::Broken {
            engine: ENGINE,
            cause: "there is no user number left".to_owned(),
        })?;
        let mut unit = Unit::default();
        unit.doc(Table::Counter, 0, &counter, &next);
        unit.doc(Table::UserName, next, &Key::text(name), &id);
        unit.locks.push(guard);
        self.shared.submit_one(unit).await.map_err(engine_error)?;
        Ok(id)
    }
}
