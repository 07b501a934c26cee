//! The stored answer to a mutating call: same key, same answer.
//!
//! It is committed together with the effect it answers, and says for ever (well: for seven days) what the first call
//! with this key was told. The scope keeps one user's keys apart from another's; the fingerprint covers method, path
//! and body, so that the same key with another request is refused instead of answered wrongly.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Whose key it is: the user acted for, else the principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnswerKey {
    pub scope: String,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub key: AnswerKey,
    /// Hash of method, path and body of the call that was answered.
    pub fingerprint: u64,
    pub status: u16,
    pub body: String,
    pub at: Timestamp,
}
