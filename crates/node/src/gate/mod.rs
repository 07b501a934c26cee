//! The stock gate of a cluster: which one the configuration chooses, and who looks after it.
//!
//! What holds: everybody asks through one [`Seat`], whatever the gate is. A gate in memory has an owner ([`owner`]); one
//! in an engine is asked by every process itself and has a keeper ([`keeper`]) that fills it when it is empty. Both are
//! named by the same lease, so that a cluster has one of them.

mod keeper;
mod owner;

pub(crate) use keeper::Keeper;
pub(crate) use owner::Election;

use anyhow::{Context, Result, bail};
use doos_adapter_mysql::{Databases, MySqlEngines, SqlGate, Way};
use doos_adapter_peer::{Owner, Seat};
use doos_adapter_redis::{GateOptions, Link, LockOptions, RedisGate, RedisLock, Standing};
use doos_ports::clock::Clock;
use doos_ports::registry::View;
use doos_ports::stock_gate::StockGate;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Gate;

/// Whoever holds this name owns or keeps the gate.
const LEASE: &str = "gate";
/// Between two tries for what did not succeed.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How often a process that starts asks whether the gate answers.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often the gate is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A shard that was skipped is not tried again before.
const AFTER_TAKE_OVER: Duration = Duration::from_secs(5);

/// A gate that every process asks itself.
#[derive(Clone)]
pub(crate) enum Shared {
    Redis(Arc<RedisGate>),
    Sql(Arc<SqlGate>),
}

impl Shared {
    /// The gate that was chosen; none for the one in memory.
    pub fn open(
        chosen: Gate,
        databases: &Databases,
        sql: &MySqlEngines,
        redis: Option<&Arc<Link>>,
    ) -> Result<Option<Self>> {
        let link = || redis.cloned().context("this gate needs redis.addr");
        let way = match chosen {
            Gate::Memory => return Ok(None),
            Gate::Redis => {
                let gate = RedisGate::new(link()?, GateOptions::default());
                return Ok(Some(Self::Redis(Arc::new(gate.with_ledger(Arc::clone(&sql.ledger) as _)))));
            }
            Gate::Optimistic => Way::optimistic(),
            Gate::OptimisticNoRetry => Way::NO_RETRY,
            Gate::RowLock => Way::RowLock,
            Gate::DistributedLock => Way::DistributedLock(Arc::new(RedisLock::new(link()?, LockOptions::default()))),
            Gate::Queue => Way::Queue,
        };
        Ok(Some(Self::Sql(Arc::new(databases.gate(way)))))
    }

    /// Makes it the gate of this process.
    pub fn take_seat(&self, seat: &Seat) {
        let gate: Arc<dyn StockGate> = match self {
            Self::Redis(gate) => Arc::clone(gate) as _,
            Self::Sql(gate) => Arc::clone(gate) as _,
        };
        seat.give(Owner::Here(gate));
    }

    /// Returns once the gate answers: one in Redis does not before its keeper has filled it.
    pub async fn answers(&self, clock: &dyn Clock) {
        let Self::Redis(gate) = self else { return };
        while !matches!(gate.standing().await, Ok(Standing::Open { .. })) {
            clock.sleep(ASK_EVERY).await;
        }
    }
}

/// As a process tells the others which gate it asks, among its roles.
pub(crate) fn announced(chosen: Gate) -> String {
    format!("gate-{}", chosen.name())
}

/// Two gates at once would each give the same pieces, so whoever has another than those that run does not start.
pub(crate) fn check_the_others(chosen: Gate, view: &View) -> Result<()> {
    let own = announced(chosen);
    for other in view.instances.values() {
        let theirs = other.roles.iter().find(|role| role.starts_with("gate-"));
        if let Some(theirs) = theirs.filter(|theirs| **theirs != own) {
            bail!(
                "gate: this process is set to `{}`, and the one at {} runs with `{}`. Fix: give all processes of the \
                 cluster the same gate; to change it, stop all of them first",
                chosen.name(),
                other.address,
                theirs.trim_start_matches("gate-")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_domain::time::Timestamp;
    use doos_ports::registry::Instance;

    #[test]
    fn another_gate_than_those_that_run_is_refused_with_the_fix() {
        let mut view = View::default();
        check_the_others(Gate::Redis, &view).unwrap();
        let roles = vec!["order".to_owned(), announced(Gate::RowLock)];
        let (name, address) = ("a".to_owned(), "10.0.0.1:7000".to_owned());
        let other = Instance { name: name.clone(), roles, address, started_at: Timestamp::from_millis(0) };
        view.instances.insert(name, other);
        check_the_others(Gate::RowLock, &view).unwrap();
        let refused = check_the_others(Gate::Memory, &view).unwrap_err().to_string();
        assert!(
            refused.contains("`memory`") && refused.contains("`row-lock`") && refused.contains("Fix:"),
            "{refused}"
        );
    }
}
