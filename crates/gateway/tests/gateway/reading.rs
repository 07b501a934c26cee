//! Reading orders and products: pages, filters, tags, languages.

use serde_json::Value;
use std::collections::BTreeSet;

use crate::shop::{customer, open};

fn ids(list: &Value) -> Vec<String> {
    list["orders"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_cover_every_order_once_newest_first() {
    let shop = open().await;
    let mut placed = Vec::new();
    for number in 0..25 {
        placed.push(shop.client.order(40 + number % 2, 1, 1).await);
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = shop.client.get(&format!("/v1/orders?page_size=10&page_token={token}")).await.json();
        seen.extend(ids(&page));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 25);
    assert_eq!(seen.len(), 25);
    assert!(seen.windows(2).all(|pair| pair[0].parse::<u64>().unwrap() > pair[1].parse::<u64>().unwrap()));
    assert_eq!(ids(&shop.client.get("/v1/orders").await.json()).len(), 20, "the default size");
    let own = shop.client.get("/v1/orders?user_id=40&page_size=100").await.json();
    assert_eq!((ids(&own).len(), &own["next_page_token"]), (13, &"".into()));
}

#[tokio::test]
async fn a_page_token_fits_only_the_list_it_was_made_for() {
    let shop = open().await;
    for _ in 0..3 {
        shop.client.order(42, 1, 1).await;
    }
    let page = shop.client.get("/v1/orders?page_size=1&user_id=42").await.json();
    let token = page["next_page_token"].as_str().unwrap();
    let next = shop.client.get(&format!("/v1/orders?page_size=1&user_id=42&page_token={token}")).await;
    assert_eq!(next.status, 200);
    for query in [
        format!("page_token={token}"),
        format!("user_id=43&page_token={token}"),
        format!("user_id=42&status=paid&page_token={token}"),
        "page_token=nonsense".to_owned(),
        "page_size=0".to_owned(),
        "page_size=101".to_owned(),
        "page_size=ten".to_owned(),
    ] {
        shop.client.get(&format!("/v1/orders?{query}")).await.problem("invalid_page");
    }
    shop.client.get(&format!("/v1/products?page_token={token}")).await.problem("invalid_page");
}

#[tokio::test]
async fn states_filter_by_name_repeated_or_separated_by_commas() {
    let shop = open().await;
    let (kept, dropped) = (shop.client.order(42, 1, 1).await, shop.client.order(42, 1, 1).await);
    shop.client.until(&kept, "confirmed").await;
    shop.client.until(&dropped, "confirmed").await;
    shop.client.post(&format!("/v1/orders/{dropped}:cancel"), "").await;
    let listed = async |query: &str| ids(&shop.client.get(&format!("/v1/orders?{query}")).await.json());
    assert_eq!(listed("status=confirmed").await, [kept.as_str()]);
    assert_eq!(listed("status=cancelled").await, [dropped.as_str()]);
    assert_eq!(listed("status=cancelled,confirmed").await, [dropped.as_str(), kept.as_str()]);
    assert_eq!(listed("status=cancelled&status=confirmed").await, [dropped.as_str(), kept.as_str()]);
    assert!(listed("status=paid").await.is_empty());
    shop.client.get("/v1/orders?status=lost").await.problem("invalid_request");
    shop.client.get("/v1/orders?user_id=0").await.problem("user_invalid");
}

#[tokio::test]
async fn a_client_that_has_the_version_is_told_so() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    let path = format!("/v1/orders/{id}");
    let read = shop.client.get(&path).await;
    let etag = read.header("etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", read.json()["version"]));
    let same = shop.client.get_with(&path, "if-none-match", &etag).await;
    assert_eq!((same.status.as_u16(), same.text.as_str(), same.header("etag")), (304, "", etag.as_str()));
    shop.client.post(&format!("{path}:cancel"), "").await;
    assert_eq!(shop.client.get_with(&path, "if-none-match", &etag).await.status, 200);
}

#[tokio::test]
async fn browsers_get_the_page_and_programs_the_orders() {
    let shop = open().await;
    let id = shop.client.order(42, 1, 1).await;
    for path in ["/orders".to_owned(), format!("/orders/{id}")] {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let page = shop.client.get_with(&path, "accept", browser).await;
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        let json = shop.client.get(&path).await;
        assert_eq!(json.header("content-type"), "application/json", "{path}");
        // A page that can be packed says that as well.
        assert_eq!((page.header("vary").split(',').next(), json.header("vary")), (Some("Accept"), "Accept"));
    }
    let refused = shop.client.get("/orders/5").await;
    assert_eq!((refused.status.as_u16(), refused.header("vary")), (404, "Accept"));
    let never = shop.client.get_with("/v1/orders", "accept", "text/html").await;
    assert_eq!(never.header("content-type"), "application/json");
}

#[tokio::test]
async fn products_are_found_by_words_category_and_page_in_the_readers_language() {
    let shop = open().await;
    let names = async |query: &str| {
        let list = shop.client.get(&format!("/v1/products?{query}")).await.json();
        let products = list["products"].as_array().unwrap().clone();
        products.iter().map(|product| product["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["Product 1", "Product 2", "Product 3", "Product 101"]);
    assert_eq!(names("lang=zh&q=101").await, ["商品101"]);
    assert_eq!(names("category=tea").await, ["Product 1", "Product 2"]);
    assert!(names("q=nothing").await.is_empty());
    let first = shop.client.get("/v1/products?page_size=3").await.json();
    let token = first["next_page_token"].as_str().unwrap();
    assert_eq!(names(&format!("page_size=3&page_token={token}")).await, ["Product 101"]);
    let one = shop.client.get_with("/v1/products/2", "accept-language", "zh-CN,zh;q=0.9").await;
    assert_eq!((one.header("vary"), &one.json()["name"]), ("Accept-Language", &"商品2".into()));
    assert_eq!(one.json()["price"], serde_json::json!({"amount_minor": 19999, "currency": "CNY"}));
    assert_eq!(one.json()["stock"]["free"], 1_000);
}

#[tokio::test]
async fn stock_is_told_in_the_words_of_the_ledger() {
    let shop = open().await;
    let own = shop.client.with(shop.token(&customer(42)));
    let id = own.order(42, 1, 3).await;
    own.until(&id, "confirmed").await;
    let stock = own.get("/v1/stock/1").await.json();
    let expected = serde_json::json!({
        "product_id": "1", "received": 1000, "written_off": 0, "on_hand": 997, "free": 997, "held": 0, "sold": 3
    });
    assert_eq!(stock, expected);
}
