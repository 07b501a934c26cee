//! Places orders of one piece, each for another user, and notes which were acknowledged.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Products, refused, text_of};
use crate::http::Answer;
use crate::load::{Outcome, Work};
use crate::notes::{Acknowledged, Notes};
use crate::sampler::Sampler;

/// Orders of a connection whose call may be repeated.
const REPEATABLE_MAX: usize = 64;

/// What the answers to an order may be, besides being told to come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Sold,
    SoldOut,
    /// First the one, then the other.
    Either,
}

/// All the buyers of a load: what they have in common.
#[derive(Clone, Debug)]
pub struct Buyers {
    pub products: Arc<Products>,
    /// The last user who bought; shared by everything that places orders in one shop.
    pub last_user: Arc<AtomicU64>,
    pub expected: Expected,
    /// Host and authorization, with their line ends.
    pub headers: String,
    /// Every call has a key, and so many of a thousand are repeats.
    pub repeats_per_mille: Option<u32>,
    /// Off for servers whose answers are not orders.
    pub notes_orders: bool,
    /// Who watches some of the orders further.
    pub sampler: Option<Arc<Sampler>>,
}

pub struct Buyer {
    buyers: Buyers,
    head: Vec<u8>,
    random: fastrand::Rng,
    body: Vec<u8>,
    current: Acknowledged,
    repeats: bool,
    repeatable: Vec<Acknowledged>,
    notes: Notes,
}

impl Buyer {
    pub fn new(buyers: Buyers, seed: u64) -> Self {
        let head = format!("POST /v1/orders HTTP/1.1\r\n{}Content-Type: application/json\r\n", buyers.headers);
        Self {
            head: head.into_bytes(),
            random: fastrand::Rng::with_seed(seed),
            body: Vec::with_capacity(128),
            current: Acknowledged { order_id: 0, user_id: 0, product_id: 0 },
            repeats: false,
            repeatable: Vec::new(),
            notes: Notes::default(),
            buyers,
        }
    }

    fn choose(&mut self) {
        self.repeats = self.buyers.repeats_per_mille.is_some_and(|share| self.random.u32(..1_000) < share)
            && !self.repeatable.is_empty();
        if self.repeats {
            self.current = self.repeatable[self.random.usize(..self.repeatable.len())];
            return;
        }
        let user_id = self.buyers.last_user.fetch_add(1, Ordering::Relaxed) + 1;
        let product_id = self.buyers.products.pick(self.random.f64());
        self.current = Acknowledged { order_id: 0, user_id, product_id };
    }

    fn acknowledged(&mut self, answer: Answer<'_>) -> Outcome {
        if !self.buyers.notes_orders {
            return Outcome::Done;
        }
        let Some(order_id) = text_of(answer.body, "order_id").and_then(|id| id.parse().ok()) else {
            self.notes.faults.add(|| "an order was acknowledged without its number".to_owned());
            return Outcome::Failed("201 without an order_id".to_owned());
        };
        if self.repeats {
            let first = self.current;
            if first.order_id != order_id || !answer.replayed {
                let Acknowledged { order_id: was, user_id, .. } = first;
                let words = if answer.replayed { "replayed" } else { "anew" };
                self.notes
                    .faults
                    .add(|| format!("user {user_id} repeated a key and got order {order_id} {words}, not {was}"));
            }
            return Outcome::Done;
        }
        self.current.order_id = order_id;
        self.notes.acknowledged.push(self.current);
        if let Some(sampler) = &self.buyers.sampler {
            sampler.offer(order_id);
        }
        if self.buyers.repeats_per_mille.is_some() {
            if self.repeatable.len() < REPEATABLE_MAX {
                self.repeatable.push(self.current);
            } else {
                let replaced = self.random.usize(..REPEATABLE_MAX);
                self.repeatable[replaced] = self.current;
            }
        }
        Outcome::Done
    }
}

impl Work for Buyer {
    fn prepare(&mut self, request: &mut Vec<u8>) {
        self.choose();
        let Acknowledged { user_id, product_id, .. } = self.current;
        self.body.clear();
        let body = write!(
            self.body,
            r#"{{"user_id":"{user_id}","items":[{{"product_id":"{product_id}","quantity":1}}],"address":"1 Harbour Street"}}"#
        );
        body.expect("a vector takes everything");
        request.extend_from_slice(&self.head);
        if self.buyers.repeats_per_mille.is_some() {
            write!(request, "Idempotency-Key: order-of-{user_id}\r\n").expect("a vector takes everything");
        }
        write!(request, "Content-Length: {}\r\n\r\n", self.body.len()).expect("a vector takes everything");
        request.extend_from_slice(&self.body);
    }

    fn judge(&mut self, answer: Answer<'_>) -> Outcome {
        let is_sold_out = || answer.status == 409 && text_of(answer.body, "code") == Some("out_of_stock");
        match self.buyers.expected {
            Expected::Sold | Expected::Either if answer.status == 201 => self.acknowledged(answer),
            Expected::SoldOut | Expected::Either if is_sold_out() => Outcome::Done,
            Expected::SoldOut if answer.status == 201 && self.buyers.notes_orders => {
                let product_id = self.current.product_id;
                self.notes.faults.add(|| format!("product {product_id} was sold out and was sold all the same"));
                Outcome::Failed("201 where nothing was left".to_owned())
            }
            _ if answer.status == 201 => Outcome::Done,
            _ => refused(answer),
        }
    }

    fn lost(&mut self) {
        if !self.repeats {
            self.notes.unanswered += 1;
        }
    }

    fn into_notes(self) -> Notes {
        self.notes
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn buyers(expected: Expected) -> Buyers {
        Buyers {
            products: Arc::new(Products::one(7)),
            last_user: Arc::default(),
            expected,
            headers: "Host: h\r\n".to_owned(),
            repeats_per_mille: None,
            notes_orders: true,
            sampler: None,
        }
    }

    fn buyer(expected: Expected, repeats_per_mille: Option<u32>) -> Buyer {
        Buyer::new(Buyers { repeats_per_mille, ..buyers(expected) }, 1)
    }

    fn prepared(buyer: &mut Buyer) -> String {
        let mut request = Vec::new();
        buyer.prepare(&mut request);
        String::from_utf8(request).unwrap()
    }

    fn answer(status: u16, body: &str, replayed: bool) -> Answer<'_> {
        Answer { status, replayed, has_retry_after: false, body: body.as_bytes() }
    }

    #[test]
    fn a_request_tells_its_own_length_and_every_user_buys_once() {
        let mut buyer = buyer(Expected::Sold, None);
        for user in 1..=12 {
            let request = prepared(&mut buyer);
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((&body["user_id"], &body["items"][0]["product_id"]), (&user.to_string().into(), &"7".into()));
        }
    }

    #[test]
    fn an_acknowledged_order_is_noted() {
        let mut buyer = buyer(Expected::Sold, None);
        prepared(&mut buyer);
        assert_eq!(buyer.judge(answer(201, r#"{"order_id":"5"}"#, false)), Outcome::Done);
        prepared(&mut buyer);
        buyer.lost();
        let notes = buyer.into_notes();
        assert_eq!(notes.acknowledged, [Acknowledged { order_id: 5, user_id: 1, product_id: 7 }]);
        assert_eq!((notes.unanswered, notes.faults.found), (1, 0));
    }

    #[test]
    fn a_repeat_sends_the_same_bytes_and_another_order_for_it_is_a_fault() {
        let mut buyer = buyer(Expected::Sold, Some(1_000));
        let first = prepared(&mut buyer);
        buyer.judge(answer(201, r#"{"order_id":"5"}"#, false));
        assert_eq!(prepared(&mut buyer), first);
        buyer.judge(answer(201, r#"{"order_id":"5"}"#, true));
        assert_eq!(buyer.notes.faults.found, 0);
        for (order, replayed) in [("6", true), ("5", false)] {
            assert_eq!(prepared(&mut buyer), first);
            buyer.judge(answer(201, &format!(r#"{{"order_id":"{order}"}}"#), replayed));
        }
        let notes = buyer.into_notes();
        assert_eq!((notes.faults.found, notes.acknowledged.len()), (2, 1));
    }

    #[test]
    fn what_is_sold_out_must_be_refused_for_that_and_nothing_else() {
        let mut buyer = buyer(Expected::SoldOut, None);
        prepared(&mut buyer);
        assert_eq!(buyer.judge(answer(409, r#"{"code":"out_of_stock"}"#, false)), Outcome::Done);
        assert!(matches!(buyer.judge(answer(409, r#"{"code":"price_changed"}"#, false)), Outcome::Failed(_)));
        assert!(matches!(buyer.judge(answer(201, r#"{"order_id":"5"}"#, false)), Outcome::Failed(_)));
        assert_eq!(buyer.into_notes().faults.found, 1);
    }
}
