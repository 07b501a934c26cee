//! The log of actions as operators see it.

use doos_domain::action::{Action, Ending};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::rfc3339;
use crate::trace::Trace;

/// What somebody of the back office did.
#[derive(Serialize, ToSchema)]
#[schema(as = Action)]
pub struct ActionView {
    pub action_id: String,
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(example = "operator:amy")]
    pub actor: String,
    #[schema(example = "receive_stock")]
    pub deed: &'static str,
    /// The number of the product or order, or the id of the message; empty where it was about the whole shop.
    #[schema(example = "101")]
    pub subject: String,
    pub details: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// `done`, `refused`, `unknown`, or `open` while it is being done and after it was cut short.
    #[schema(example = "done")]
    pub outcome: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A page of the log, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ActionList)]
pub struct ActionListView {
    pub actions: Vec<ActionView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl ActionView {
    pub fn of(action: Action) -> Self {
        let (outcome, code) = match action.ending {
            None => ("open", None),
            Some(Ending::Done) => ("done", None),
            Some(Ending::Refused { code }) => ("refused", Some(code)),
            Some(Ending::Unknown) => ("unknown", None),
        };
        Self {
            action_id: action.id.to_string(),
            at: rfc3339(action.at),
            actor: action.actor,
            deed: action.deed.name(),
            subject: action.subject,
            details: action.details,
            trace_id: action.trace.as_deref().and_then(Trace::parse).map(|trace| trace.trace_id()),
            outcome,
            code,
        }
    }
}
