//! A search as the engine's own query. The terms are looked up as they are: the engine's analysis does nothing but part
//! words at spaces, so that a text means the same here as in every other index.

use doos_domain::search::{Term, pairs};
use doos_ports::search::{Meanings, SearchQuery};
use serde_json::{Value, json};

/// More hits at once are refused by engines as they come.
pub(crate) const HITS_MAX: usize = 9_999;

/// One more than asked for, to see whether there are more.
pub(crate) fn body(query: &SearchQuery, timeout_ms: u64) -> Value {
    let mut body = json!({
        "query": { "bool": { "filter": conditions(query) } },
        "sort": [{ "id": "desc" }],
        "size": query.limit.min(HITS_MAX) + 1,
        "track_total_hits": false,
        "timeout": format!("{timeout_ms}ms"),
    });
    if let Some(before) = query.before {
        body["search_after"] = json!([before.get()]);
    }
    body
}

fn conditions(query: &SearchQuery) -> Vec<Value> {
    let mut conditions = Vec::new();
    conditions.extend(query.text.as_ref().map(meant));
    conditions.extend(query.user_id.map(|user| json!({ "term": { "user_id": user.get() } })));
    conditions.extend(query.product_id.map(|product| json!({ "term": { "products": product.get() } })));
    if !query.statuses.is_empty() {
        let numbers: Vec<u8> = query.statuses.iter().map(|status| status.number()).collect();
        conditions.push(json!({ "terms": { "status": numbers } }));
    }
    conditions.extend(query.from.map(|from| json!({ "range": { "created_ms": { "gte": from.as_millis() } } })));
    conditions.extend(query.to.map(|to| json!({ "range": { "created_ms": { "lt": to.as_millis() } } })));
    conditions
}

fn meant(meant: &Meanings) -> Value {
    let mut any: Vec<Value> = Vec::new();
    if !meant.terms.is_empty() {
        let all: Vec<Value> = meant.terms.iter().map(term).collect();
        any.push(json!({ "bool": { "filter": all } }));
    }
    any.extend(meant.order_id.map(|order| json!({ "term": { "id": order.get() } })));
    any.extend(meant.user_id.map(|user| json!({ "term": { "user_id": user.get() } })));
    if !meant.products.is_empty() {
        let numbers: Vec<u64> = meant.products.iter().map(|product| product.get()).collect();
        any.push(json!({ "terms": { "products": numbers } }));
    }
    if any.is_empty() {
        return json!({ "match_none": {} });
    }
    json!({ "bool": { "should": any, "minimum_should_match": 1 } })
}

/// A run is filed as its pairs of neighbours and its last sign, so each sign begins one word.
fn term(term: &Term) -> Value {
    let begins = |word: &str| json!({ "prefix": { "words": { "value": word } } });
    match term {
        Term::Word(word) => begins(word),
        Term::Run(run) => match pairs(run) {
            pairs if pairs.is_empty() => begins(run),
            pairs => json!({ "match_phrase": { "words": { "query": pairs.join(" ") } } }),
        },
    }
}
