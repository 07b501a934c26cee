//! An order as a document: what can be asked for, and no more. The text itself is not kept, only its words.

use doos_domain::order::Order;
use doos_domain::search::{index_words, text_of};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is typed is shorter than this, so words that differ only behind it are found alike.
const WORD_CHARS_MAX: usize = 1_000;

/// The newest of each order in a group.
pub(crate) fn newest(orders: &[Arc<Order>]) -> impl Iterator<Item = &Order> {
    let mut newest: BTreeMap<u64, &Order> = BTreeMap::new();
    for order in orders {
        let slot = newest.entry(order.id.get()).or_insert(order);
        if slot.version < order.version {
            *slot = order;
        }
    }
    newest.into_values()
}

/// Two lines of a bulk request: what to do, and the document. An older version than the one there is refused there.
pub(crate) fn lines(order: &Order) -> String {
    let action = json!({
        "index": { "_id": order.id.to_string(), "version": order.version, "version_type": "external" }
    });
    let products: BTreeSet<u64> = order.lines.iter().map(|line| line.product_id.get()).collect();
    let document = json!({
        "id": order.id.get(),
        "user_id": order.user_id.get(),
        "status": order.status.number(),
        "products": products,
        "created_ms": order.created_at.as_millis(),
        "words": words(&text_of(order)),
    });
    format!("{action}\n{document}\n")
}

fn words(text: &str) -> String {
    let words = index_words(text).into_iter();
    let cut = |word: String| match word.char_indices().nth(WORD_CHARS_MAX) {
        Some((end, _)) => word[..end].to_owned(),
        None => word,
    };
    words.map(cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_word_is_cut_between_two_signs() {
        assert_eq!(words(&"é".repeat(3_000)), "é".repeat(WORD_CHARS_MAX));
        assert_eq!(words("Harbour 静安区"), "harbour 静安 安区 区");
    }
}
