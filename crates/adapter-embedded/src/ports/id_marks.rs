//! The high-water marks of order ids, one row a worker number.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::id_marks::{Error, IdMarks, Tenure};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::engine_error;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::Unit;

pub(crate) struct Marks {
    shared: Arc<Shared>,
    lock: Arc<Mutex<()>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mark {
    epoch: u64,
    pub mark: Timestamp,
}

impl Marks {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lock: Arc::default() }
    }

    async fn locked(&self, worker: u8) -> Result<(OwnedMutexGuard<()>, Mark), Error> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        self.shared.check_running()?;
        let stored = self.shared.doc(Table::IdMark, &Key::number(worker.into())).map_err(doos_ports::Error::from)?;
        Ok((guard, stored.unwrap_or_default()))
    }

    async fn put(&self, guard: OwnedMutexGuard<()>, worker: u8, mark: &Mark) -> Result<(), Error> {
        let mut unit = Unit::default();
        unit.doc(Table::IdMark, 0, &Key::number(worker.into()), mark);
        unit.locks.push(guard);
        self.shared.submit_one(unit).await.map_err(|refused| Error::Engine(engine_error(refused)))
    }
}

#[async_trait]
impl IdMarks for Marks {
    async fn take(&self, worker: u8) -> Result<Tenure, Error> {
        let (guard, stored) = self.locked(worker).await?;
        let taken = Mark { epoch: stored.epoch + 1, mark: stored.mark };
        self.put(guard, worker, &taken).await?;
        Ok(Tenure { worker, epoch: taken.epoch, mark: taken.mark })
    }

    async fn raise(&self, tenure: Tenure, mark: Timestamp) -> Result<(), Error> {
        let (guard, stored) = self.locked(tenure.worker).await?;
        if stored.epoch != tenure.epoch {
            return Err(Error::Fenced { worker: tenure.worker });
        }
        if mark <= stored.mark {
            return Ok(());
        }
        self.put(guard, tenure.worker, &Mark { epoch: stored.epoch, mark }).await
    }
}
