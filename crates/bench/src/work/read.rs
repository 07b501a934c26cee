//! Reads orders, one after the other, out of a fixed set.

use std::fmt::Write;
use std::sync::Arc;

use super::refused;
use crate::http::Answer;
use crate::load::{Outcome, Work};
use crate::notes::Notes;

/// The requests that read these orders, each as the bytes to send.
pub fn requests(orders: &[u64], headers: &str) -> Arc<Vec<Vec<u8>>> {
    let requests = orders.iter().map(|order| {
        let mut text = String::new();
        write!(text, "GET /v1/orders/{order} HTTP/1.1\r\n{headers}\r\n").expect("a string takes everything");
        text.into_bytes()
    });
    Arc::new(requests.collect())
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
