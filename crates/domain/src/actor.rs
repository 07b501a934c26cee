//! Who caused a change: written into every history entry and every ledger row.
//!
//! The stored form is one short string (`customer:42`, `operator:amy`, `service:pos`, `system:timeouts`), so that it
//! can be searched and read as it stands.

use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, str::FromStr};

use crate::ids::UserId;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Actor {
    Customer(UserId),
    Operator(String),
    Service(String),
    /// A role of this system acting by itself.
    System(String),
}

impl Actor {
    pub fn system(role: &str) -> Self {
        Self::System(role.to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(user) => write!(f, "customer:{user}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::System(role) => write!(f, "system:{role}"),
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` names no actor: expected customer:ID, operator:NAME, service:NAME or system:ROLE")]
pub struct UnknownActor(String);

impl FromStr for Actor {
    type Err = UnknownActor;

    fn from_str(text: &str) -> Result<Self, UnknownActor> {
        let unknown = || UnknownActor(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "customer" => name.parse().map(Self::Customer).map_err(|_| unknown()),
            "operator" => Ok(Self::Operator(name.to_owned())),
            "service" => Ok(Self::Service(name.to_owned())),
            "system" => Ok(Self::System(name.to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for Actor {
    type Error = UnknownActor;

    fn try_from(text: String) -> Result<Self, UnknownActor> {
        text.parse()
    }
}

/// The circumstances of a change: when, by whom, and inside which trace.
#[derive(Clone, Debug)]
pub struct Cause {
    pub at: Timestamp,
    pub actor: Actor,
    /// W3C `traceparent` of the work that led here; travels inside every message.
    pub trace: Option<String>,
    /// The actor's own words for the history, in place of the move's usual ones.
    pub reason: Option<String>,
}

impl Cause {
    pub fn new(at: Timestamp, actor: Actor) -> Self {
        Self { at, actor, trace: None, reason: None }
    }

    pub fn system(role: &str, at: Timestamp) -> Self {
        Self::new(at, Actor::system(role))
    }

    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    #[must_use]
    pub fn traced(mut self, trace: Option<String>) -> Self {
        self.trace = trace;
        self
    }
}
