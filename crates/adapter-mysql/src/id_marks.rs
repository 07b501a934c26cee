//! The high-water marks of order ids, kept in the shards, so that no other engine is needed to issue ids.
//!
//! What holds: taking a number raises its epoch on every shard, which fences whoever held it, and finds the highest mark
//! that any shard knows. Raising a mark needs one shard, the first that is there: the next holder will look at all.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use doos_ports::id_marks::{Error, IdMarks, Tenure};
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::session::decode;

const ENGINE: &str = "the id marks";

pub struct MySqlIdMarks {
    shards: Vec<Arc<Database>>,
}

impl MySqlIdMarks {
    pub(crate) const fn new(shards: Vec<Arc<Database>>) -> Self {
        Self { shards }
    }

    async fn take_on_all(&self, worker: u8) -> Result<Tenure, Fault> {
        // The first shard's row stays locked until the others know, so two who take one number come one after the other.
        let first = &self.shards[0];
        let mut lock = first.begin().await?;
        let sql = "INSERT INTO t_id_mark (worker, epoch, mark) VALUES (?, 0, 0) ON DUPLICATE KEY UPDATE worker = t_id_mark.worker";
        lock.exec(sql, vec![u64::from(worker).into()]).await?;
        let look = format!("SELECT epoch, mark FROM t_id_mark WHERE worker = {worker} FOR UPDATE");
        let mut rows: Vec<(u64, i64)> = decode("t_id_mark", lock.text(&look).await?)?;
        for shard in &self.shards[1..] {
            let sql = format!("SELECT epoch, mark FROM t_id_mark WHERE worker = {worker}");
            rows.extend(shard.read_text::<(u64, i64)>("t_id_mark", &sql).await?);
        }
        let epoch = rows.iter().map(|(epoch, _)| *epoch).max().unwrap_or(0) + 1;
        for shard in &self.shards[1..] {
            // Whoever raises a mark there at this moment either gets in before, and is read below, or is fenced.
            let mut session = shard.begin().await?;
            let sql = "INSERT INTO t_id_mark (worker, epoch, mark) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE epoch = VALUES(epoch)";
            session.exec(sql, vec![u64::from(worker).into(), epoch.into()]).await?;
            rows.extend(decode::<(u64, i64)>("t_id_mark", session.text(&look).await?)?);
            session.commit().await?;
        }
        lock.text(&format!("UPDATE t_id_mark SET epoch = {epoch} WHERE worker = {worker}")).await?;
        lock.commit().await?;
        let mark = rows.iter().map(|(_, mark)| *mark).max().unwrap_or(0);
        Ok(Tenure { worker, epoch, mark: Timestamp::from_millis(mark) })
    }

    async fn raise_on(shard: &Arc<Database>, tenure: Tenure, mark: Timestamp) -> Result<bool, Fault> {
        let mut session = shard.begin().await?;
        let look = format!("SELECT epoch FROM t_id_mark WHERE worker = {} FOR UPDATE", tenure.worker);
        let epochs: Vec<(u64,)> = decode("t_id_mark", session.text(&look).await?)?;
        if epochs.first() != Some(&(tenure.epoch,)) {
            session.rollback().await?;
            return Ok(false);
        }
        let sql = "UPDATE t_id_mark SET mark = GREATEST(mark, ?) WHERE worker = ?";
        session.exec(sql, vec![mark.as_millis().into(), u64::from(tenure.worker).into()]).await?;
        session.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl IdMarks for MySqlIdMarks {
    async fn take(&self, worker: u8) -> Result<Tenure, Error> {
        // An epoch raised twice harms nobody, so a lost reply is a plain failure here.
        self.take_on_all(worker).await.map_err(|fault| fault.undone(ENGINE).into())
    }

    async fn raise(&self, tenure: Tenure, mark: Timestamp) -> Result<(), Error> {
        let mut lost = None;
        for shard in &self.shards {
            match Self::raise_on(shard, tenure, mark).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Error::Fenced { worker: tenure.worker }),
                Err(fault) => lost = Some(fault),
            }
        }
        Err(lost.expect("there is at least one shard").unknown(ENGINE).into())
    }
}
