//! Who of a group wins, decided on what was locked: versions, voids and keys.
//!
//! Pure: rows in, verdicts out. Each winner counts for those behind it, so that the second change of one version, and
//! the second order under one key, lose within the group as they would behind it.

use doos_domain::answer::Answer;
use doos_domain::ids::OrderId;
use doos_ports::Error;
use doos_ports::order_store::{Change, CommitError};
use std::collections::{HashMap, HashSet};

use super::ENGINE;
use crate::error::Fault;
use crate::rows::key_hash;
use crate::topology::{LEAVING, takes_writes};

/// What the locked rows say.
#[derive(Default)]
pub(super) struct Found {
    /// Epoch and state of the buckets that this shard knows of.
    pub buckets: HashMap<u16, (u64, u8)>,
    pub versions: HashMap<OrderId, u32>,
    /// Those of them that are archived.
    pub archived: HashSet<OrderId>,
    pub voids: HashSet<OrderId>,
    pub answers: HashMap<[u8; 16], Answer>,
    /// Read only if a change of the group names one.
    pub gate_epoch: Option<u64>,
}

impl Found {
    /// Orders in the archive: to a change they are as good as any.
    pub fn add_archived(&mut self, rows: Vec<(u64, u32)>) {
        for (id, version) in rows.into_iter().filter_map(|(id, version)| Some((OrderId::new(id)?, version))) {
            self.versions.insert(id, version);
            self.archived.insert(id);
        }
    }

    /// Whether this shard takes writes of an order's bucket.
    pub fn takes(&self, id: OrderId) -> bool {
        self.buckets.get(&id.bucket().get()).is_some_and(|(_, state)| takes_writes(*state))
    }

    /// Whether what is written to an order has to be noted for the mover of its bucket.
    pub fn is_leaving(&self, id: OrderId) -> bool {
        self.buckets.get(&id.bucket().get()).is_some_and(|(_, state)| *state == LEAVING)
    }

    /// Whether a change may be stored on top of what is there and what won before it.
    pub fn judge(&mut self, change: &Change) -> Result<(), CommitError> {
        let id = change.order.id;
        if !self.takes(id) {
            return Err(Fault::Moved.undone(ENGINE).into());
        }
        if let Some(answer) = &change.answer
            && let Some(first) = self.answers.get(&key_hash(&answer.key))
        {
            return Err(CommitError::Answered(Box::new(first.clone())));
        }
        if self.voids.contains(&id) {
            return Err(CommitError::Void);
        }
        let version = self.versions.get(&id).copied().unwrap_or(0);
        if version != change.expected_version {
            return Err(CommitError::Conflict { expected: change.expected_version });
        }
        if change.order.version != version + 1 {
            let cause = format!("order {id} was to go from version {version} to {}", change.order.version);
            return Err(Error::Broken { engine: ENGINE, cause }.into());
        }
        // Whoever owns the gate now may have given the same pieces to somebody else.
        if change.gate_epoch.is_some() && change.gate_epoch != self.gate_epoch {
            let cause = "the stock gate has a new owner since the pieces were held".to_owned();
            return Err(Error::Unavailable { engine: ENGINE, cause }.into());
        }
        self.versions.insert(id, change.order.version);
        if let Some(answer) = &change.answer {
            self.answers.insert(key_hash(&answer.key), answer.clone());
        }
        Ok(())
    }
}

pub(super) fn moved_away(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::Engine(Error::Unavailable { cause, .. })) if *cause == Fault::Moved.to_string())
}
