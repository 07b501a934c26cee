//! Idempotency keys: same key, same answer; another body under the same key is refused.
//!
//! What holds: a call with a key first takes its place among the calls in flight (a twin waits, then finds the stored
//! answer), then asks the store. The answer is committed with the effect; a refusal that changed nothing is not stored
//! and may succeed on repeat.

use doos_domain::answer::{Answer, AnswerKey};
use doos_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

use crate::{App, Error, Result};

/// A key with the fingerprint of the request it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub key: AnswerKey,
    pub fingerprint: u64,
}

impl Key {
    /// Refuses keys that no log or header could carry.
    pub fn try_new(scope: String, key: &str, fingerprint: u64) -> Result<Self> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if key.trim().is_empty() || key.len() > 255 || !visible {
            return Err(Error::KeyInvalid);
        }
        Ok(Self { key: AnswerKey { scope, key: key.to_owned() }, fingerprint })
    }

    pub fn answer(&self, status: u16, body: String, at: Timestamp) -> Answer {
        Answer { key: self.key.clone(), fingerprint: self.fingerprint, status, body, at }
    }

    /// The stored answer to this very request, or the refusal if it answered another one.
    pub fn replay(&self, answer: Answer) -> Result<Answer> {
        if answer.fingerprint == self.fingerprint { Ok(answer) } else { Err(Error::KeyReused) }
    }
}

/// The keys being worked on in this process.
#[derive(Default)]
pub struct InFlight {
    calls: Mutex<BTreeMap<AnswerKey, Arc<Notify>>>,
}

/// A call's place; dropping it lets the twins look for the stored answer.
pub struct Place<'a> {
    in_flight: &'a InFlight,
    key: AnswerKey,
    done: Arc<Notify>,
}

impl InFlight {
    /// Waits until no twin is in flight, then takes the place.
    async fn enter(&self, key: &AnswerKey) -> Place<'_> {
        loop {
            let twin = {
                let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
                match calls.get(key) {
                    // Registered under the lock, so that a twin that ends right now still wakes us.
                    Some(done) => Arc::clone(done).notified_owned(),
                    None => {
                        let done = Arc::new(Notify::new());
                        calls.insert(key.clone(), Arc::clone(&done));
                        return Place { in_flight: self, key: key.clone(), done };
                    }
                }
            };
            twin.await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.in_flight.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.done.notify_waiters();
    }
}

/// What a keyed call finds on arrival.
pub enum Arrival<'a> {
    /// Nobody was here before. Keep the place until the effect is stored.
    First(Option<Place<'a>>),
    Replay(Answer),
}

impl App {
    pub async fn arrive(&self, key: Option<&Key>) -> Result<Arrival<'_>> {
        let Some(key) = key else { return Ok(Arrival::First(None)) };
        let place = self.keys.enter(&key.key).await;
        match self.ports.orders.find_answer(&key.key).await? {
            Some(answer) => key.replay(answer).map(Arrival::Replay),
            None => Ok(Arrival::First(Some(place))),
        }
    }
}
