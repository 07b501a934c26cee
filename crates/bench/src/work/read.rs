//! Reads orders, one after the other, out of a fixed set.

use std::sync::Arc;

use super::refused;
use crate::http::Answer;
use crate::load::{Outcome, Work};
use crate::notes::Notes;

/// The requests that read these orders, each as the bytes to send.
pub fn requests(orders: &[u64], headers: &str) -> Arc<Vec<Vec<u8>>> {
    requests_of(orders.iter().map(|order| format!("/v1/orders/{order}")), headers)
}

/// The requests that read these paths.
pub fn requests_of(paths: impl Iterator<Item = String>, headers: &str) -> Arc<Vec<Vec<u8>>> {
    Arc::new(paths.map(|path| format!("GET {path} HTTP/1.1\r\n{headers}\r\n").into_bytes()).collect())
}

pub struct Reader {
    requests: Arc<Vec<Vec<u8>>>,
    random: fastrand::Rng,
    notes: Notes,
}

impl Reader {
    pub fn new(requests: Arc<Vec<Vec<u8>>>, seed: u64) -> Self {
        assert!(!requests.is_empty(), "there is an order to read");
        Self { requests, random: fastrand::Rng::with_seed(seed), notes: Notes::default() }
    }
}

impl Work for Reader {
    fn prepare(&mut self, request: &mut Vec<u8>) {
        let chosen = self.random.usize(..self.requests.len());
        request.extend_from_slice(&self.requests[chosen]);
    }

    fn judge(&mut self, answer: Answer<'_>) -> Outcome {
        if answer.status == 200 && !answer.body.is_empty() { Outcome::Done } else { refused(answer) }
    }

    fn lost(&mut self) {}

    fn into_notes(self) -> Notes {
        self.notes
    }
}
