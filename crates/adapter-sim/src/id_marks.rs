//! The high-water marks of order ids, one a worker number.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::id_marks::{Error, IdMarks, Tenure};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

#[derive(Clone, Copy, Debug, Default)]
pub struct MarkRow {
    pub epoch: u64,
    pub mark: Timestamp,
}

pub struct SimIdMarks {
    world: Arc<World>,
}

impl SimIdMarks {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl IdMarks for SimIdMarks {
    async fn take(&self, worker: u8) -> Result<Tenure, Error> {
        let effect = |durable: &mut Durable| {
            let row = durable.id_marks.entry(worker).or_default();
            row.epoch += 1;
            Tenure { worker, epoch: row.epoch, mark: row.mark }
        };
        Ok(self.world.write(Part::IdMarks, effect).await?)
    }

    async fn raise(&self, tenure: Tenure, mark: Timestamp) -> Result<(), Error> {
        let effect = |durable: &mut Durable| match durable.id_marks.get_mut(&tenure.worker) {
            Some(row) if row.epoch == tenure.epoch => {
                row.mark = row.mark.max(mark);
                Ok(())
            }
            _ => Err(Error::Fenced { worker: tenure.worker }),
        };
        self.world.write(Part::IdMarks, effect).await?
    }
}
