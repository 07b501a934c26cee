//! A store of marks that forgets how far the last holder came.

use async_trait::async_trait;
use doos_domain::ids::EPOCH_MILLIS;
use doos_domain::time::Timestamp;
use doos_ports::id_marks::{Error, IdMarks, Tenure};
use std::sync::Arc;

use super::Bug;

pub(super) struct BuggyMarks {
    pub inner: Arc<dyn IdMarks>,
    pub bug: Bug,
}

#[async_trait]
impl IdMarks for BuggyMarks {
    async fn take(&self, worker: u8) -> Result<Tenure, Error> {
        let tenure = self.inner.take(worker).await?;
        if self.bug == Bug::IdsRepeatAfterRestart {
            // Always the same mark, ahead of every clock: each holder starts where the last one did.
            return Ok(Tenure { mark: Timestamp::from_millis(EPOCH_MILLIS + 86_400_000), ..tenure });
        }
        Ok(tenure)
    }

    async fn raise(&self, tenure: Tenure, mark: Timestamp) -> Result<(), Error> {
        self.inner.raise(tenure, mark).await
    }
}
