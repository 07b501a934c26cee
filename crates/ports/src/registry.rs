//! Who is there, who may try, and which values hold now: registration, discovery, leases on names, worker numbers, live
//! configuration.
//!
//! Contract. A **view** is everything that is known, at one instant; it is served from memory, also while the engine is
//! away, and then says that it is not current. What is **announced** stays announced until it is withdrawn: an engine
//! that forgot it, or was away, is told again by itself. A **lease** makes its holder the one process that may try; it is
//! kept alive in the background and ends with its process.
//!
//! A lease says who may try, the epoch in the store written to says who may write. So its [`Standing`] has three values:
//! *sure*, while this process's own clock says that the lease cannot have ended, measured from before it was last
//! prolonged (a process that was stopped past its lease is never sure, from its first instruction on); *unsure*, when it
//! may have ended and the engine has not said; *lost*, once the engine has said so, or a newer holder was seen. With the
//! engine away incumbents carry on and nobody takes over: whoever writes under an epoch of the store carries on while
//! it is not lost, and raises no epoch and begins nothing without such a fence while it is not sure.
//!
//! What must never happen: two processes that are sure of one name, or of one worker number, at once; a fence that is
//! handed out twice or goes down.

use async_trait::async_trait;
use doos_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest name of a lease, a value or a role.
pub const NAME_LEN_MAX: usize = 128;
/// The longest live value.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// A process that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its process among all that ever were; the engine's choice.
    pub name: String,
    pub roles: Vec<String>,
    /// Where it can be called.
    pub address: String,
    pub started_at: Timestamp,
}

/// Who holds a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The name of its process. It may hold a name and be announced nowhere.
    pub instance: String,
    pub fence: u64,
}

/// A live value, as it was last set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    /// Grows with every change of any value.
    pub version: u64,
}

/// What is known, at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Grows with every change of the view; counted by this process.
    pub version: u64,
    /// False while the engine is away: then this is what was known last.
    pub is_current: bool,
    /// By their names.
    pub instances: BTreeMap<String, Instance>,
    /// By what they hold.
    pub holders: BTreeMap<String, Holder>,
    /// By their names.
    pub values: BTreeMap<String, Value>,
}

impl View {
    pub fn instances_of<'view>(&'view self, role: &'view str) -> impl Iterator<Item = &'view Instance> {
        self.instances.values().filter(move |instance| instance.roles.iter().any(|played| played == role))
    }

    /// The process that holds a name, if it is announced and can be called.
    pub fn owner(&self, name: &str) -> Option<&Instance> {
        self.instances.get(&self.holders.get(name)?.instance)
    }
}

/// How much the holder of a name may believe in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By this process's own clock the lease cannot have ended.
    Sure,
    /// It may have ended; the engine has not said so.
    Unsure,
    /// It has ended, or somebody newer has the name. It stays so.
    Lost,
}

/// A name that this process holds, until it is lost. Dropping it gives the name up.
#[async_trait]
pub trait Lease: Send + Sync {
    fn name(&self) -> &str;

    /// Higher than that of every holder of this name before.
    fn fence(&self) -> u64;

    /// Read from the clock at every call, so that it is right also in a process that was stopped for a while.
    fn standing(&self) -> Standing;

    fn is_sure(&self) -> bool {
        self.standing() == Standing::Sure
    }

    /// Returns once the standing is lost. Dropping the future loses nothing.
    async fn lost(&self);

    /// Gives the name up; whoever waits for it can have it now. It is lost from the first instant of this call; if the
    /// engine is away, the name is free once the engine is back or the lease has run out.
    async fn release(&self);
}

/// A worker number, as long as the lease on it lasts. The marks of ids in the store are what keeps two holders' ids
/// apart; this only keeps two processes from meeting there.
pub struct WorkerNumber {
    pub number: u8,
    pub lease: Box<dyn Lease>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More processes than numbers.
    #[error("all {count} worker numbers are taken; stop a process, or wait until the lease of an ended one runs out")]
    NoWorkerNumber { count: u8 },
    /// Somebody else has changed the value in between.
    #[error("the value {name} is not as it was expected to be")]
    Changed { name: String },
    /// A name or a value that cannot be stored.
    #[error("{name:?} {why}")]
    Refused { name: String, why: &'static str },
    #[error(transparent)]
    Engine(#[from] crate::Error),
}

#[async_trait]
pub trait Registry: Send + Sync {
    /// This process among all that ever were.
    fn instance(&self) -> &str;

    /// Waits until the engine has answered for the first time, or has been found to be away. Whatever comes before is
    /// an empty view.
    async fn ready(&self) -> Result<(), Error>;

    fn view(&self) -> Arc<View>;

    /// Returns the view once its version is above `seen`. Dropping the future loses nothing.
    async fn changed(&self, seen: u64) -> Arc<View>;

    /// Makes this process known under these roles at this address, in place of what it announced before.
    fn announce(&self, roles: &[&str], address: &str);

    /// Takes the announcement back, so that no new calls come; leases stay.
    fn withdraw(&self);

    /// None if somebody else holds the name, in this process or another. After an error it is held by nobody here.
    async fn try_acquire(&self, name: &str) -> Result<Option<Box<dyn Lease>>, Error>;

    /// Waits until the name can be had, also while the engine is away. Fails only for a name that cannot be stored.
    /// Dropping the future gives up what it may have got.
    async fn acquire(&self, name: &str) -> Result<Box<dyn Lease>, Error>;

    /// A number that no other process is sure of. One that was given back is handed out again as late as possible.
    async fn worker_number(&self) -> Result<WorkerNumber, Error>;

    /// Sets a live value, or removes it, and returns the version of this change. `expected` is the version that it must
    /// have now, 0 for one that is not there; without it, whatever is there.
    async fn set_value(&self, name: &str, text: Option<&str>, expected: Option<u64>) -> Result<u64, Error>;

    /// Gives everything up at once and ends the work in the background.
    async fn close(&self);
}

/// Whether a name of a lease or of a value can be stored by every engine.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(is_good) {
        let why = "is no name: 1 to 128 letters, digits, '-', '_', '.' and '/'";
        return Err(Error::Refused { name: name.to_owned(), why });
    }
    Ok(())
}

pub fn check_value(name: &str, text: Option<&str>) -> Result<(), Error> {
    check_name(name)?;
    if text.is_some_and(|text| text.len() > VALUE_BYTES_MAX) {
        return Err(Error::Refused { name: name.to_owned(), why: "has a value above 64 KiB" });
    }
    Ok(())
}
