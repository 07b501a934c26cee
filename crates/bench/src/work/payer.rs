//! Places an order and pays for it, again and again. What counts as done is the payment's answer.

use std::io::Write;

use super::place::{Buyer, Buyers};
use super::{refused, text_of};
use crate::http::Answer;
use crate::load::{Outcome, Work};
use crate::notes::Notes;

pub struct Payer {
    headers: String,
    buyer: Buyer,
    /// An order that was placed and is not paid for yet.
    unpaid: Option<u64>,
}

impl Payer {
    pub fn new(buyers: Buyers, seed: u64) -> Self {
        Self { headers: buyers.headers.clone(), buyer: Buyer::new(buyers, seed), unpaid: None }
    }
}

impl Work for Payer {
    fn prepare(&mut self, request: &mut Vec<u8>) {
        match self.unpaid {
            Some(order) => {
                let headers = &self.headers;
                write!(request, "POST /v1/orders/{order}:pay HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n")
                    .expect("a vector takes everything");
            }
            None => self.buyer.prepare(request),
        }
    }

    fn judge(&mut self, answer: Answer<'_>) -> Outcome {
        if self.unpaid.is_none() {
            let outcome = self.buyer.judge(answer);
            let order = text_of(answer.body, "order_id").and_then(|id| id.parse().ok());
            self.unpaid = order.filter(|_| outcome == Outcome::Done);
            return if self.unpaid.is_some() { Outcome::OnTheWay } else { outcome };
        }
        // 202: the provider has not said its word yet.
        let outcome = if matches!(answer.status, 200 | 202) { Outcome::Done } else { refused(answer) };
        if !matches!(outcome, Outcome::Shed { .. }) {
            self.unpaid = None;
        }
        outcome
    }

    fn lost(&mut self) {
        if self.unpaid.take().is_none() {
            self.buyer.lost();
        }
    }

    fn into_notes(self) -> Notes {
        self.buyer.into_notes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expected;
    use super::super::place::tests::buyers;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer<'_> {
        Answer { status, replayed: false, has_retry_after: true, body: body.as_bytes() }
    }

    fn path(payer: &mut Payer) -> String {
        let mut request = Vec::new();
        payer.prepare(&mut request);
        String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn each_order_is_placed_then_paid_and_counted_once() {
        let mut payer = Payer::new(buyers(Expected::Sold), 1);
        assert_eq!(path(&mut payer), "/v1/orders");
        assert_eq!(payer.judge(answer(201, r#"{"order_id":"5"}"#)), Outcome::OnTheWay);
        assert_eq!(path(&mut payer), "/v1/orders/5:pay");
        // Told to come later, it comes again; only then is the order paid for.
        assert!(matches!(payer.judge(answer(503, "{}")), Outcome::Shed { .. }));
        assert_eq!(path(&mut payer), "/v1/orders/5:pay");
        assert_eq!(payer.judge(answer(202, "{}")), Outcome::Done);
        assert_eq!(path(&mut payer), "/v1/orders");
        assert_eq!(payer.into_notes().acknowledged.len(), 1);
    }
}
