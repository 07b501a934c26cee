//! The stock gate's epoch in every order shard.
//!
//! What holds: raising it takes the row exclusively, which waits for every group that has read it and not ended; a group
//! that comes later reads the new one. Each shard is asked by itself, so that one that is away holds up nobody else.

use async_trait::async_trait;
use doos_domain::order::Order;
use doos_ports::Result;
use doos_ports::gate_epochs::GateEpochs;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::orders::MySqlOrderStore;
use crate::session::decode;

const ENGINE: &str = "the gate's epochs";

pub struct MySqlGateEpochs {
    shards: Vec<Arc<Database>>,
    orders: Arc<MySqlOrderStore>,
}

impl MySqlGateEpochs {
    pub(crate) const fn new(shards: Vec<Arc<Database>>, orders: Arc<MySqlOrderStore>) -> Self {
        Self { shards, orders }
    }

    fn shard(&self, number: usize) -> Result<&Arc<Database>> {
        let missing = || doos_ports::Error::Broken { engine: ENGINE, cause: format!("there is no shard {number}") };
        self.shards.get(number).ok_or_else(missing)
    }
}

fn only(rows: Vec<(u64,)>) -> Result<u64, Fault> {
    match rows.first() {
        Some((epoch,)) => Ok(*epoch),
        None => Err(Fault::row("t_gate", "its only row is gone; `doos migrate` makes no second one")),
    }
}

async fn raise(shard: &Arc<Database>, epoch: u64) -> Result<u64, Fault> {
    let mut session = shard.begin().await?;
    let look = "SELECT epoch FROM t_gate WHERE one = 1 FOR UPDATE";
    let known = only(decode("t_gate", session.text(look).await?)?)?;
    if known >= epoch {
        session.rollback().await?;
        return Ok(known);
    }
    session.text(&format!("UPDATE t_gate SET epoch = {epoch} WHERE one = 1")).await?;
    session.commit().await?;
    Ok(epoch)
}

#[async_trait]
impl GateEpochs for MySqlGateEpochs {
    fn shard_count(&self) -> usize {
        self.shards.len()
    }

    async fn epoch(&self, shard: usize) -> Result<u64> {
        let sql = "SELECT epoch FROM t_gate WHERE one = 1";
        let rows = self.shard(shard)?.read_text("t_gate", sql).await;
        rows.and_then(only).map_err(|fault| fault.undone(ENGINE))
    }

    async fn raise(&self, shard: usize, epoch: u64) -> Result<u64> {
        // Raised without anybody's knowing, it is in nobody's use; whoever asked raises it again.
        raise(self.shard(shard)?, epoch).await.map_err(|fault| fault.undone(ENGINE))
    }

    async fn undecided(&self, shard: usize) -> Result<Vec<Arc<Order>>> {
        self.shard(shard)?;
        self.orders.list_undecided_on(shard).await.map_err(|fault| fault.undone(ENGINE))
    }
}
