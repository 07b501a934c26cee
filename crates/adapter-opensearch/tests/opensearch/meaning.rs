//! A text means the same here as where it is written down what it means.

use doos_domain::order::Order;
use doos_domain::search::{is_found, terms, text_of};
use doos_ports::search::{Meanings, SearchIndex, SearchQuery};
use std::sync::Arc;

use crate::engine::with_index;
use crate::orders::{apply, everything, some};

const TEXTS: [&str; 18] = [
    "12b Harbour Street, Århus",
    "HARBOUR-street 12 b",
    "harb our",
    "上海市静安区南京西路1266号３楼",
    "北京市朝阳区南路 静安里",
    "京",
    "京 北京",
    "北 京",
    "静安静安静安",
    "東京タワー ひらがな한국어",
    "İstanbul Straße ẞ ǅ ﬁ ﬂ",
    "Ａｖｅｎｕｅ　７",
    "a\u{0301}bc e\u{301}",
    "☂ \u{200d} 👩‍👩‍👧 \\ \" * ? ~ AND OR NOT ( ) [ ] { } ^ : /",
    "١٢٣ ๑๒๓ ½ ②",
    "\u{feff}bom\u{a0}nbsp\u{2028}line",
    "𠀀𠀁𪚥 𝔘𝔫𝔦",
    "",
];

const TYPED: [&str; 40] = [
    "harb",
    "HARBOUR",
    "harbour street",
    "12",
    "12b",
    "b",
    "street 12 b",
    "our",
    "århus",
    "arhus",
    "静",
    "静安",
    "静安区",
    "安静",
    "安静安",
    "京",
    "北京",
    "北京市",
    "京北",
    "南 西",
    "1266",
    "号",
    "3楼",
    "タワ",
    "ひらがな한",
    "국어",
    "i̇stanbul",
    "istanbul",
    "strasse",
    "straße",
    "avenue 7",
    "ａｖ",
    "abc",
    "bom",
    "line nbsp",
    "½",
    "٣",
    "١٢",
    "𠀁𪚥",
    "𝔘𝔫",
];

#[test]
fn every_text_is_found_by_what_it_should_be_and_by_nothing_else() {
    with_index(async |index| {
        let texts: Vec<Option<String>> = TEXTS.iter().map(|text| Some((*text).to_owned())).collect();
        let long = [Some("长".repeat(1_000)), Some(format!("{} end", "x".repeat(1_200)))];
        let texts: Vec<Option<String>> = texts.into_iter().chain(long).collect();
        let with_text = |(order, text): (Arc<Order>, &Option<String>)| {
            Arc::new(Order { address: text.clone(), ..Order::clone(&order) })
        };
        let orders: Vec<Arc<Order>> = some(texts.len() as u64).into_iter().zip(&texts).map(with_text).collect();
        apply(index, &orders, "1").await.unwrap();
        let long = ["长".repeat(200), "长".repeat(199) + "短", "x".repeat(200), "x".repeat(199) + "y"];
        let mut found = 0;
        for typed in TYPED.iter().map(|typed| (*typed).to_owned()).chain(long) {
            let wanted = terms(&typed);
            let text = Some(Meanings { terms: wanted.clone(), ..Meanings::default() });
            let hits = index.search(&SearchQuery { text, ..everything(100) }).await.unwrap();
            let fits = |order: &&Arc<Order>| !wanted.is_empty() && is_found(&wanted, &text_of(order));
            let counted: Vec<_> = orders.iter().rev().filter(fits).map(|order| order.id).collect();
            found += counted.len();
            let numbers: Vec<_> = hits.orders.iter().map(|id| orders.iter().position(|it| it.id == *id)).collect();
            assert_eq!(hits.orders, counted, "{typed:?} finds {numbers:?}");
        }
        assert!(found >= 50, "{found}");
    });
}
