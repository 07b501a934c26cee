//! What operators do: products, stock, messages, dead letters, the audit, the numbers.

use axum::body::Body;
use doos_domain::message::{Body as Words, Consumer, Demand, Message};
use doos_domain::time::Timestamp;
use doos_gateway::{AuditView, Extra, GaugeSample};
use doos_ports::inbox::{DeadLetter, Progress};
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::{Answer, Client};
use crate::shop::{CALLBACK_KEY, Setup, Shop, open, open_with, operator};

pub fn amy(shop: &Shop) -> Client {
    shop.client.with(shop.token(&operator()))
}

#[tokio::test]
async fn a_product_is_made_changed_stocked_and_sold() {
    let shop = open().await;
    let amy = amy(&shop);
    let body =
        r#"{"name":{"en":"Gaiwan","zh":"盖碗"},"price":{"amount_minor":1000,"currency":"CNY"},"category":"tea"}"#;
    let made = amy.post("/v1/products", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["product_id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/v1/products/{id}"));
    // What was never received is sold out in the list as on its own page; it is not unknown.
    let listed = shop.client.get("/v1/products?q=Gaiwan").await.json();
    assert_eq!(listed["products"][0]["stock"]["free"], 0, "{listed}");
    let level = amy.get(&format!("/v1/stock/{id}")).await.json();
    assert_eq!((&level["received"], &level["free"]), (&0.into(), &0.into()));
    let received = amy.post(&format!("/v1/stock/{id}:receive"), r#"{"quantity":100,"reference":"van 7"}"#).await;
    assert_eq!((received.status.as_u16(), &received.json()["free"]), (200, &100.into()), "{}", received.text);
    let lost = amy.post(&format!("/v1/stock/{id}:write-off"), r#"{"quantity":10}"#).await.json();
    assert_eq!((&lost["written_off"], &lost["free"]), (&10.into(), &90.into()));
    let price = r#"{"price":{"amount_minor":1500,"currency":"CNY"}}"#;
    let changed = amy.call("PATCH", &format!("/v1/products/{id}"), price, None).await;
    assert_eq!(changed.json()["price"]["amount_minor"], 1_500);
    let order = shop.client.order(42, id.parse().unwrap(), 2).await;
    let order = shop.client.until(&order, "confirmed").await;
    assert_eq!(order["total_amount"], "30.00");
    let movements = amy.get(&format!("/v1/stock/{id}/movements")).await.json();
    let kinds: Vec<(&str, i64)> = movements["movements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|movement| (movement["kind"].as_str().unwrap(), movement["quantity"].as_i64().unwrap()))
        .collect();
    assert_eq!(kinds, [("deduct", 2), ("write_off", 10), ("receive", 100)]);
    assert_eq!(movements["movements"][2]["reference"], "van 7");
    assert_eq!(movements["movements"][2]["actor"], "operator:amy");
}

#[tokio::test]
async fn what_is_no_product_and_no_delivery_is_refused() {
    let shop = open().await;
    let amy = amy(&shop);
    for (body, pointer) in [
        (r#"{"price":{"amount_minor":1,"currency":"CNY"}}"#, "#/name"),
        (r#"{"name":"N"}"#, "#/price"),
        (r#"{"name":"N","price":{"amount_minor":1.5,"currency":"CNY"}}"#, "#/price/amount_minor"),
        (r#"{"name":"N","price":{"amount_minor":-1,"currency":"CNY"}}"#, "#/price/amount_minor"),
        (r#"{"name":"N","price":{"amount_minor":1,"currency":"XAU"}}"#, "#/price/currency"),
        (r#"{"name":"N","price":9.99}"#, "#/price"),
        (r#"{"name":7,"price":{"amount_minor":1,"currency":"CNY"}}"#, "#/name"),
        (r#"{"name":{},"price":{"amount_minor":1,"currency":"CNY"}}"#, "#/name"),
        (r#"{"name":"N","price":{"amount_minor":1,"currency":"CNY"},"stock":5}"#, "#/stock"),
        (r#"{"name":"N","price":{"amount_minor":1,"currency":"CNY"},"on_sale":"yes"}"#, "#/on_sale"),
    ] {
        let refused = amy.post("/v1/products", body).await;
        assert_eq!(refused.problem("invalid_request")["errors"][0]["pointer"], pointer, "{body}");
    }
    amy.post("/v1/products", r#"{"name":" ","price":{"amount_minor":1,"currency":"CNY"}}"#)
        .await
        .problem("invalid_request");
    for body in [r#"{"quantity":0}"#, r#"{"quantity":-5}"#, r#"{"quantity":1.5}"#, r#"{"quantity":1000000001}"#, "{}"] {
        amy.post("/v1/stock/1:receive", body).await.problem("invalid_request");
    }
    amy.post("/v1/stock/1:steal", r#"{"quantity":1}"#).await.problem("not_found");
    amy.post("/v1/stock/999:receive", r#"{"quantity":1}"#).await.problem("product_unknown");
    amy.post("/v1/stock/3:write-off", r#"{"quantity":3}"#).await.problem("not_enough_free");
    assert_eq!(shop.client.get("/v1/products").await.json()["products"].as_array().unwrap().len(), 4);
    assert_eq!(shop.client.get("/v1/stock/1").await.json()["received"], 1_000);
}

#[tokio::test]
async fn an_orders_messages_are_shown_with_their_trace() {
    let shop = open().await;
    let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = r#"{"user_id":"42","items":[{"product_id":"1","quantity":2}]}"#;
    let request = shop.client.request("POST", "/v1/orders").header("traceparent", sent);
    let placed = shop.client.send(request.body(Body::from(body)).unwrap()).await.json();
    let id = placed["order_id"].as_str().unwrap();
    shop.client.until(id, "confirmed").await;
    let list = amy(&shop).get(&format!("/v1/admin/orders/{id}/messages")).await.json();
    let first = &list["messages"][0];
    assert_eq!((&first["event"], &first["to"]), (&"DeductStock".into(), &"inventory".into()));
    assert_eq!(first["payload"]["lines"][0], serde_json::json!({"product_id": "1", "qty": 2}));
    let trace = first["trace"].as_str().unwrap();
    assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{trace}");
    assert_ne!(trace, sent, "the span is ours");
    assert_eq!(first["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

pub async fn park(shop: &Shop, id: &str, cause: &str) {
    let order = shop.client.order(42, 1, 1).await;
    let order = shop.app.ports.orders.load(order.parse().unwrap()).await.unwrap().unwrap();
    let words = Words::DeductStock { lines: vec![Demand { product_id: "1".parse().unwrap(), qty: 1 }] };
    let message = Message {
        id: doos_domain::ids::MessageId::from_text(id),
        ..Message::about(&order, "test", Timestamp::from_millis(5), words)
    };
    let mut progress = Progress::new(Consumer::Inventory);
    progress.park.push(DeadLetter {
        consumer: Consumer::Inventory,
        message,
        sequence: 1,
        tries: 12,
        cause: cause.to_owned(),
        parked_at: Timestamp::from_millis(6),
    });
    shop.app.ports.inbox.store(progress).await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_listed_read_replayed_and_discarded() {
    let shop = open_with(Setup { roles: false, ..Setup::default() }).await;
    let amy = amy(&shop);
    // Ids contain slashes, dots and now and then a colon.
    for (id, cause) in [("1.1.DeductStock", "one"), ("pay_2_1/PaymentCaptured", "two"), ("a:b/c", "three")] {
        park(&shop, id, cause).await;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = amy.get(&format!("/v1/admin/dead-letters?page_size=2&page_token={token}")).await.json();
        seen.extend(
            page["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()),
        );
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["1.1.DeductStock", "a:b/c", "pay_2_1/PaymentCaptured"]);
    for (id, cause) in
        [("pay_2_1%2FPaymentCaptured", "two"), ("pay_2_1/PaymentCaptured", "two"), ("a%3Ab%2Fc", "three")]
    {
        let letter = amy.get(&format!("/v1/admin/dead-letters/{id}")).await;
        assert_eq!(letter.json()["cause"], cause, "{id}");
    }
    let replayed = amy.post("/v1/admin/dead-letters/pay_2_1%2FPaymentCaptured:replay", "").await;
    assert_eq!((replayed.status.as_u16(), &replayed.json()["tries"]), (200, &12.into()));
    let discarded = amy.post("/v1/admin/dead-letters/a%3Ab%2Fc:discard", "").await;
    assert_eq!(discarded.status, 200, "{}", discarded.text);
    amy.post("/v1/admin/dead-letters/a%3Ab%2Fc:discard", "").await.problem("not_found");
    amy.post("/v1/admin/dead-letters/1.1.DeductStock:burn", "").await.problem("not_found");
    amy.post("/v1/admin/dead-letters/1.1.DeductStock", "").await.problem("method_not_allowed");
    let left = amy.get("/v1/admin/dead-letters").await.json();
    assert_eq!(left["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(shop.app.ports.inbox.waiting_count(Consumer::Inventory).await.unwrap(), 1);
}

#[tokio::test]
async fn the_node_s_audit_is_run_and_its_failure_is_not_told() {
    let fails = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&fails);
    let audit: doos_gateway::Audit = Arc::new(move || {
        let fails = seen.load(Ordering::SeqCst);
        Box::pin(async move {
            if fails {
                Err("/data/secret.db is locked".to_owned())
            } else {
                Ok(AuditView { cut: 7, ..AuditView::default() })
            }
        })
    });
    let extra = Extra { audit, ..Extra::default() };
    let shop = open_with(Setup { extra, ..Setup::default() }).await;
    let report = amy(&shop).get("/v1/admin/audit").await.json();
    assert_eq!((&report["cut"], &report["differences"]), (&7.into(), &serde_json::json!([])));
    fails.store(true, Ordering::SeqCst);
    let refused = amy(&shop).get("/v1/admin/audit").await;
    refused.problem("unavailable");
    assert!(!refused.text.contains("secret"));
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_so_without_the_cause() {
    let readiness: doos_gateway::Check = Arc::new(|| Box::pin(async { Err("shard 3 at 10.0.0.7 is away".to_owned()) }));
    let extra = Extra { readiness, ..Extra::default() };
    let shop = open_with(Setup { extra, ..Setup::default() }).await;
    let refused = shop.client.get("/readyz").await;
    refused.problem("not_ready");
    assert!(!refused.text.contains("10.0.0.7"));
    assert_eq!((shop.client.get("/livez").await.status.as_u16(), refused.header("retry-after")), (200, "1"));
}

#[tokio::test]
async fn the_numbers_carry_the_names_of_the_source_documents() {
    let gauges: doos_gateway::Gauges = Arc::new(|| {
        let sample = |consumer: &str, value: f64| GaugeSample {
            name: "doos_consumer_lag_messages".to_owned(),
            help: "Messages unread".to_owned(),
            labels: vec![("consumer".to_owned(), consumer.to_owned())],
            value,
        };
        Box::pin(async move { vec![sample("inventory", 3.0), sample("order", 0.0)] })
    });
    let extra = Extra { gauges, ..Extra::default() };
    let shop = open_with(Setup { extra, ..Setup::default() }).await;
    let id = shop.client.order(42, 1, 1).await;
    shop.client.until(&id, "confirmed").await;
    shop.client.post(&format!("/v1/orders/{id}:pay"), "").await;
    shop.client.until(&id, "shipped").await;
    let numbers = shop.client.get("/metrics").await;
    let called = "route=\"/v1/orders\",method=\"POST\"";
    assert!(numbers.text.contains(called) && !numbers.text.contains("route=\"/v1/products\""), "{}", numbers.text);
    assert!(!numbers.text.contains(&format!("{called},status=\"5xx\"")), "{}", numbers.text);
    assert!(numbers.text.len() < 20_000, "{} bytes", numbers.text.len());
    assert!(numbers.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        "app_order_placed_total 1",
        "app_stock_charge_success_total 1",
        "app_shipping_success_total{source=\"normal\"} 1",
        "app_shipping_success_total{source=\"retry\"} 0",
        "repo_flush_success_total 1",
        "doos_http_requests_total{route=\"/v1/orders\",method=\"POST\",status=\"2xx\"} 1",
        "doos_http_request_duration_seconds_count{route=\"/v1/orders\",method=\"POST\"} 1",
        "doos_consumer_lag_messages{consumer=\"inventory\"} 3.0",
        "doos_consumer_lag_messages{consumer=\"order\"} 0.0",
        "app_order_queue_depth 0",
        "# TYPE app_forwarder_lag_ms gauge",
        "# TYPE repo_flush_success_total gauge",
    ] {
        assert!(numbers.text.lines().any(|found| found == line), "no `{line}` in\n{}", numbers.text);
    }
    assert!(numbers.text.ends_with("# EOF\n"));
    assert_eq!(numbers.text.matches("# TYPE doos_consumer_lag_messages gauge").count(), 1);
    assert!(!numbers.text.contains(&id), "no order in a label");
}

// --- Callbacks

async fn call_back(shop: &Shop, at: Timestamp, body: &str, key: &str) -> Answer {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{}.{body}", at.as_millis()).as_bytes());
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    let signature = format!("t={},v1={hex}", at.as_millis());
    let request = shop.client.request("POST", "/v1/payments/callback").header("doos-signature", signature);
    shop.client.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// An order with an open attempt that nobody but the provider will settle.
async fn attempted(shop: &Shop) -> (String, String) {
    let id = shop.client.order(42, 1, 2).await;
    let paying = shop.client.post(&format!("/v1/orders/{id}:pay"), "").await;
    assert_eq!(paying.status, 202, "{}", paying.text);
    (id, paying.json()["payment"]["attempt_id"].as_str().unwrap().to_owned())
}

fn captured(order: &str, attempt: &str, amount_minor: i64, currency: &str) -> String {
    format!(
        r#"{{"order_id":"{order}","attempt_id":"{attempt}","amount_minor":{amount_minor},"currency":"{currency}",
           "event":"captured","provider_reference":"x-1"}}"#
    )
}

#[tokio::test]
async fn a_signed_callback_is_booked_once() {
    let app_options = doos_app::Options { pay_wait_ms: 1, ..doos_app::Options::default() };
    let shop = open_with(Setup { roles: false, app_options, ..Setup::default() }).await;
    let (order, attempt) = attempted(&shop).await;
    let now = shop.app.ports.clock.now();
    let body = captured(&order, &attempt, 19_998, "CNY");
    for news in [true, false, false] {
        let taken = call_back(&shop, now, &body, CALLBACK_KEY).await;
        assert_eq!((taken.status.as_u16(), &taken.json()["news"]), (200, &news.into()), "{}", taken.text);
    }
    let booked = shop.app.ports.payments.entries_of(order.parse().unwrap()).await.unwrap();
    assert_eq!(booked.len(), 1);
}

#[tokio::test]
async fn a_callback_that_is_forged_stale_or_wrong_books_nothing() {
    let app_options = doos_app::Options { pay_wait_ms: 1, ..doos_app::Options::default() };
    let shop = open_with(Setup { roles: false, app_options, ..Setup::default() }).await;
    let (order, attempt) = attempted(&shop).await;
    let now = shop.app.ports.clock.now();
    let right = captured(&order, &attempt, 19_998, "CNY");
    shop.client.post("/v1/payments/callback", right.clone()).await.problem("signature_invalid");
    call_back(&shop, now, &right, "another key").await.problem("signature_invalid");
    call_back(&shop, now.plus_millis(-301_000), &right, CALLBACK_KEY).await.problem("signature_invalid");
    call_back(&shop, now.plus_millis(310_000), &right, CALLBACK_KEY).await.problem("signature_invalid");
    for body in [
        captured(&order, &attempt, 19_997, "CNY"),
        captured(&order, &attempt, 19_998, "USD"),
        captured(&order, "pay_1_9", 19_998, "CNY"),
        captured("123456", &attempt, 19_998, "CNY"),
        right.replace("captured", "refunded").replace("\"provider", "\"refund_id\":\"ref_1\",\"provider"),
    ] {
        call_back(&shop, now, &body, CALLBACK_KEY).await.problem("callback_rejected");
    }
    for body in [
        "{}".to_owned(),
        right.replace("captured", "stolen"),
        right.replace("captured", "refunded"),
        right.replace("CNY", "XAU"),
    ] {
        call_back(&shop, now, &body, CALLBACK_KEY).await.problem("invalid_request");
    }
    call_back(&shop, now, "{", CALLBACK_KEY).await.problem("invalid_json");
    assert!(shop.app.ports.payments.entries_of(order.parse().unwrap()).await.unwrap().is_empty());
}
