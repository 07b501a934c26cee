//! Where the index stands, as a document of its own that is only ever replaced as it was read.

use doos_domain::ids::OrderId;
use doos_ports::projection::{Standing, Walk};
use serde_json::{Value, json};

use crate::http::Fault;

/// The standing as it was read, and what it takes to replace it.
pub(crate) struct Stored {
    pub standing: Standing,
    sequence: u64,
    term: u64,
}

impl Stored {
    /// `None` if there is no such document.
    pub fn read(reply: &Value) -> Result<Option<Self>, Fault> {
        if reply["found"] != true {
            return Ok(None);
        }
        let body = &reply["_source"];
        let unreadable = || Fault::Broken(format!("the standing of the index cannot be read: {body}"));
        let number = |value: &Value| value.as_u64().ok_or_else(unreadable);
        let walk = match body["walk"].as_str() {
            Some("done") => Walk::Done,
            Some("below") => {
                let id = body["walk_below"].as_str().and_then(|id| id.parse().ok()).and_then(OrderId::new);
                Walk::Below(Some(id.ok_or_else(unreadable)?))
            }
            // Whatever else stands there: everything is walked, which costs time and loses nothing.
            _ => Walk::Below(None),
        };
        let token = body["token"].as_str().ok_or_else(unreadable)?.to_owned();
        Ok(Some(Self {
            standing: Standing { epoch: number(&body["epoch"])?, token, walk },
            sequence: number(&reply["_seq_no"])?,
            term: number(&reply["_primary_term"])?,
        }))
    }

    /// The condition under which it may be replaced: nobody has done so since it was read.
    pub fn unchanged(&self) -> String {
        format!("if_seq_no={}&if_primary_term={}", self.sequence, self.term)
    }
}

pub(crate) fn document(standing: &Standing) -> Value {
    let (walk, below) = match standing.walk {
        Walk::Done => ("done", None),
        Walk::Below(None) => ("all", None),
        Walk::Below(Some(id)) => ("below", Some(id.to_string())),
    };
    json!({ "epoch": standing.epoch, "token": standing.token, "walk": walk, "walk_below": below })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_gives_back_the_standing_it_was_made_of() {
        for walk in [Walk::Done, Walk::Below(None), Walk::Below(OrderId::new(i64::MAX as u64))] {
            let standing = Standing { epoch: 7, token: "b1-3-9".to_owned(), walk };
            let reply = json!({ "found": true, "_seq_no": 4, "_primary_term": 2, "_source": document(&standing) });
            let stored = Stored::read(&reply).unwrap().unwrap();
            assert_eq!(stored.standing, standing);
            assert_eq!(stored.unchanged(), "if_seq_no=4&if_primary_term=2");
        }
        assert!(Stored::read(&json!({ "found": false })).unwrap().is_none());
    }
}
