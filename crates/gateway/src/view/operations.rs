//! What operators see: messages, dead letters, the readiness of the node.

use doos_domain::ids::MessageId;
use doos_domain::message::Message;
use doos_ports::inbox::DeadLetter;
use doos_ports::order_store::MessageState;
use serde::Serialize;
use utoipa::ToSchema;

use super::rfc3339;
use crate::trace::Trace;

/// A message between contexts.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    pub message_id: String,
    /// The context that reads it: `inventory`, `order`, `payment` or `shipping`.
    pub to: &'static str,
    #[schema(example = "DeductStock")]
    pub event: &'static str,
    pub order_id: String,
    pub order_version: u32,
    #[schema(format = DateTime)]
    pub at: String,
    /// `ready`, `published`, `consumed` or `failed`; absent for a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The trace that the work behind this message belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[schema(value_type = Object)]
    pub payload: serde_json::Value,
}

/// The messages of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageList)]
pub struct MessageListView {
    pub messages: Vec<MessageView>,
}

/// A message given up on.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// Percent-encode it in paths: it contains `/` and `.`.
    pub id: String,
    pub consumer: &'static str,
    pub tries: u32,
    pub cause: String,
    #[schema(format = DateTime)]
    pub parked_at: String,
    pub message: MessageView,
}

/// A page of dead letters, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterList)]
pub struct DeadLetterListView {
    pub dead_letters: Vec<DeadLetterView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// What became of each letter that was named.
#[derive(Serialize, ToSchema)]
#[schema(as = SettledDeadLetterList)]
pub struct SettledLetterListView {
    /// In the order in which they were named, each once.
    pub results: Vec<SettledLetterView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SettledDeadLetter)]
pub struct SettledLetterView {
    pub id: String,
    pub done: bool,
    /// Why not: a code of a refusal, such as `not_found` for one that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether the node can take work.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    #[schema(example = "ready")]
    pub status: &'static str,
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
}

impl MessageView {
    pub fn of(message: &Message, state: Option<MessageState>) -> Self {
        // The stored form carries event and payload side by side with the envelope.
        let stored = serde_json::to_value(&message.body).unwrap_or_default();
        Self {
            message_id: message.id.to_string(),
            to: message.to.name(),
            event: message.body.event(),
            order_id: message.order_id.to_string(),
            order_version: message.order_version,
            at: rfc3339(message.at),
            state: state.map(MessageState::name),
            trace: message.trace.clone(),
            trace_id: message.trace.as_deref().and_then(Trace::parse).map(|trace| trace.trace_id()),
            payload: stored.get("payload").cloned().unwrap_or_default(),
        }
    }
}

impl SettledLetterView {
    pub fn of(id: &MessageId, refused: Option<&doos_app::Error>) -> Self {
        let (code, detail) = (refused.map(doos_app::Error::code), refused.map(ToString::to_string));
        Self { id: id.to_string(), done: refused.is_none(), code, detail }
    }
}

impl DeadLetterView {
    pub fn of(letter: &DeadLetter) -> Self {
        Self {
            id: letter.message.id.to_string(),
            consumer: letter.consumer.name(),
            tries: letter.tries,
            cause: letter.cause.clone(),
            parked_at: rfc3339(letter.parked_at),
            message: MessageView::of(&letter.message, None),
        }
    }
}
