//! The log of actions: what the back office does is written down before it is done, and again with its ending.
//!
//! What holds: a use case that is recorded does nothing before its entry is durable; with the log away nothing dangerous
//! is done at all. The ending is written after the effect; if that write fails or the process dies, the entry stays
//! open, and says so. A call that is only answered from its key does nothing, and is not recorded again.
//!
//! What must never happen: an effect whose ending decides over it. Once done, it is answered as done.

use doos_domain::action::{Action, Deed, Ending};
use doos_domain::ids::ActionId;
use doos_ports::action_log::ActionLog;
use doos_ports::clock::Clock;
use std::collections::BTreeMap;

use crate::{App, Error, Principal, Result};

/// Who asks for something that is recorded, and inside which trace.
#[derive(Clone, Debug)]
pub struct Asked {
    pub by: Principal,
    pub trace: Option<String>,
}

impl Asked {
    #[must_use]
    pub fn traced(self, trace: Option<String>) -> Self {
        Self { trace, ..self }
    }
}

impl From<Principal> for Asked {
    fn from(by: Principal) -> Self {
        Self { by, trace: None }
    }
}

/// What is about to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    pub deed: Deed,
    pub subject: String,
    pub details: BTreeMap<String, String>,
}

impl Plan {
    pub fn new(deed: Deed, subject: impl ToString) -> Self {
        Self { deed, subject: subject.to_string(), details: BTreeMap::new() }
    }

    /// Leaves out what was not given.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        self.details.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }
}

impl App {
    /// Records the plan, does `work`, records how it ended.
    pub async fn recorded<T>(&self, asked: &Asked, plan: Plan, work: impl Future<Output = Result<T>>) -> Result<T> {
        recorded(&*self.ports.actions, &*self.ports.clock, asked, plan, work).await
    }

    /// A page of the log, newest first.
    pub async fn actions(&self, principal: &Principal, before: Option<&ActionId>, limit: usize) -> Result<Vec<Action>> {
        principal.check_operator()?;
        Ok(self.ports.actions.newest(before, limit).await?)
    }
}

/// The same for whoever has a log and no application.
pub async fn recorded<T>(
    log: &dyn ActionLog,
    clock: &dyn Clock,
    asked: &Asked,
    plan: Plan,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Plan { deed, subject, details } = plan;
    let at = clock.now();
    let mut action = Action {
        id: ActionId::made(at, clock.monotonic(), clock.random()),
        at,
        actor: asked.by.scope(),
        deed,
        subject,
        details,
        trace: asked.trace.clone(),
        ending: None,
    };
    // Not even begun if it cannot be written down; an entry whose write was lost stays open and harms nobody.
    log.record(action.clone()).await.map_err(not_begun)?;
    let outcome = work.await;
    action.ending = Some(match &outcome {
        Ok(_) => Ending::Done,
        Err(Error::OutcomeUnknown { .. }) => Ending::Unknown,
        Err(error) => Ending::Refused { code: error.code().to_owned() },
    });
    tracing::info!(
        action = %action.id, deed = deed.name(), subject = action.subject, by = action.actor,
        done = outcome.is_ok(), "an action of the back office"
    );
    let id = action.id.clone();
    if let Err(error) = log.record(action).await {
        tracing::warn!(action = %id, %error, "how the action ended could not be recorded");
    }
    outcome
}

/// Nothing was done, whatever became of the entry.
fn not_begun(error: doos_ports::Error) -> Error {
    match error {
        doos_ports::Error::Unknown { .. } => Error::Unavailable { cause: error.to_string() },
        error => error.into(),
    }
}
