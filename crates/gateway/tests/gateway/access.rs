//! Who may do what: every route against every kind of caller.

use doos_app::Principal;
use std::time::Duration;

use crate::shop::{Shop, customer, open, open_prod, operator, service};

/// What a route does for each kind of caller; `own` and `other` are customers.
struct Row {
    method: &'static str,
    /// `{own}` is an order of customer 42.
    path: &'static str,
    body: &'static str,
    own: u16,
    other: u16,
    service: u16,
    operator: u16,
    demo: u16,
}

const fn row(method: &'static str, path: &'static str, body: &'static str, expected: [u16; 5]) -> Row {
    let [own, other, service, operator, demo] = expected;
    Row { method, path, body, own, other, service, operator, demo }
}

const PLACE: &str = r#"{"user_id":"42","items":[{"product_id":"1","quantity":1}]}"#;
const PRODUCT: &str = r#"{"name":"N","price":{"amount_minor":1,"currency":"CNY"}}"#;

/// Moves that are legal only once use orders in states that refuse them, so that a 409 says: allowed, but not now.
const ROWS: &[Row] = &[
    row("POST", "/v1/orders", PLACE, [201, 403, 201, 201, 201]),
    row("POST", "/orders", PLACE, [201, 403, 201, 201, 201]),
    row("POST", "/v1/order/create", PLACE, [201, 403, 201, 201, 201]),
    row("GET", "/v1/orders", "", [200, 200, 422, 200, 200]),
    row("GET", "/v1/orders?user_id=42", "", [200, 403, 200, 200, 200]),
    row("GET", "/orders?user_id=42", "", [200, 403, 200, 200, 200]),
    row("GET", "/v1/orders/{own}", "", [200, 404, 200, 200, 200]),
    row("GET", "/orders/{own}", "", [200, 404, 200, 200, 200]),
    row("GET", "/v1/orders/{own}/history", "", [200, 404, 200, 200, 200]),
    row("GET", "/v1/orders/123456", "", [404, 404, 404, 404, 404]),
    row("POST", "/v1/orders/{own}:return", "", [409, 404, 409, 409, 409]),
    row("POST", "/v1/orders/{own}:ship", "", [403, 403, 409, 409, 403]),
    row("POST", "/v1/orders/{own}:deliver", "", [403, 403, 409, 409, 403]),
    row("POST", "/v1/orders/{own}:pay", "", [200, 404, 409, 409, 409]),
    row("POST", "/v1/orders/123456:cancel", "", [404, 404, 404, 404, 404]),
    row("GET", "/v1/users/me", "", [200, 200, 200, 200, 200]),
    row("GET", "/v1/products", "", [200, 200, 200, 200, 200]),
    row("GET", "/v1/products/1", "", [200, 200, 200, 200, 200]),
    row("POST", "/v1/products", PRODUCT, [403, 403, 403, 201, 403]),
    row("PATCH", "/v1/products/1", "{}", [403, 403, 403, 200, 403]),
    row("GET", "/v1/stock/1", "", [200, 200, 200, 200, 200]),
    row("POST", "/v1/stock/1:receive", r#"{"quantity":1}"#, [403, 403, 200, 200, 403]),
    row("POST", "/v1/stock/1:write-off", r#"{"quantity":1}"#, [403, 403, 200, 200, 403]),
    row("GET", "/v1/stock/1/movements", "", [403, 403, 200, 200, 403]),
    row("GET", "/v1/admin/orders/{own}/messages", "", [403, 403, 403, 200, 403]),
    row("GET", "/v1/admin/dead-letters", "", [403, 403, 403, 200, 403]),
    row("GET", "/v1/admin/dead-letters/x", "", [403, 403, 403, 404, 403]),
    row("POST", "/v1/admin/dead-letters/x:replay", "", [403, 403, 403, 404, 403]),
    row("POST", "/v1/admin/dead-letters/x:discard", "", [403, 403, 403, 404, 403]),
    row("POST", "/v1/admin/dead-letters:replay", r#"{"ids":["x"]}"#, [403, 403, 403, 200, 403]),
    row("POST", "/v1/admin/dead-letters:discard", r#"{"ids":["x"]}"#, [403, 403, 403, 200, 403]),
    row("GET", "/v1/admin/actions", "", [403, 403, 403, 200, 403]),
    row("GET", "/v1/admin/audit", "", [403, 403, 403, 503, 403]),
    row("POST", "/v1/admin/audit:repair", "", [403, 403, 403, 503, 403]),
];

async fn call(shop: &Shop, principal: Option<&Principal>, row: &Row, order: &str) -> u16 {
    let client = match principal {
        Some(principal) => shop.client.with(shop.token(principal)),
        None => shop.client.clone(),
    };
    let answer = client.call(row.method, &row.path.replace("{own}", order), row.body, None).await;
    if !answer.status.is_success() {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        answer.problem(&code);
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn every_route_knows_its_callers() {
    let shop = open().await;
    let order = shop.client.order(42, 1, 1).await;
    shop.client.until(&order, "confirmed").await;
    for row in ROWS {
        let callers = [
            (Some(customer(42)), row.own),
            (Some(customer(43)), row.other),
            (Some(service()), row.service),
            (Some(operator()), row.operator),
            (None, row.demo),
        ];
        for (principal, expected) in callers {
            let status = call(&shop, principal.as_ref(), row, &order).await;
            assert_eq!(status, expected, "{} {} as {principal:?}", row.method, row.path);
        }
    }
}

#[tokio::test]
async fn profile_prod_asks_everybody_for_a_token() {
    let shop = open_prod().await;
    for row in ROWS {
        let answer = shop.client.call(row.method, &row.path.replace("{own}", "1"), row.body, None).await;
        answer.problem("token_missing");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(shop.footprint().await, (0, 0));
    // What is for people and for whoever runs the node asks for none.
    for path in ["/", "/docs", "/openapi.json", "/livez", "/readyz", "/metrics", "/pictures/1.svg"] {
        assert_eq!(shop.client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(shop.client.get_with("/orders", "accept", "text/html").await.status, 200);
    let own = shop.client.with(shop.token(&customer(42)));
    assert_eq!(own.post("/v1/orders", PLACE).await.status, 201);
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let shop = open().await;
    let good = shop.token(&customer(42));
    let bad = shop.client.with(format!("{}x", &good[..good.len() - 1]));
    for row in ROWS {
        let answer = bad.call(row.method, &row.path.replace("{own}", "1"), row.body, None).await;
        answer.problem("token_invalid");
    }
    assert_eq!(shop.footprint().await, (0, 0));
}

#[tokio::test]
async fn an_expired_token_is_refused_also_from_the_cache() {
    let shop = open().await;
    let clock = &shop.app.ports.clock;
    let short = doos_gateway::issue_token(
        &secrecy::SecretString::from("the key of the tokens"),
        &customer(42),
        clock.now().plus_millis(-3_599_000),
        Duration::from_secs(3_600),
        1,
    );
    let client = shop.client.with(short.unwrap());
    // It has less than a second to live: good now or not, at the end it is refused.
    crate::shop::soon(async {
        while client.get("/v1/orders").await.status != 401 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.get("/v1/orders").await.problem("token_invalid");
}

#[tokio::test]
async fn a_customer_needs_not_name_itself_and_sees_only_its_own() {
    let shop = open().await;
    let (amy, bob) = (shop.client.with(shop.token(&customer(42))), shop.client.with(shop.token(&customer(43))));
    let own = amy.post("/v1/orders", r#"{"items":[{"product_id":"1","quantity":1}]}"#).await.json();
    assert_eq!(own["user_id"], "42");
    bob.order(43, 1, 1).await;
    let seen = amy.get("/v1/orders").await.json();
    let users: Vec<&serde_json::Value> =
        seen["orders"].as_array().unwrap().iter().map(|order| &order["user_id"]).collect();
    assert_eq!(users, ["42"]);
    assert_eq!(shop.client.get("/v1/orders").await.json()["orders"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_log_in_name_is_one_number_for_ever_also_under_concurrent_first_use() {
    let shop = open().await;
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let client = shop.client.clone();
            tokio::spawn(async move {
                let body = r#"{"user_id":"user_123","items":[{"product_id":1,"quantity":1}]}"#;
                client.post("/v1/orders", body).await.json()["user_id"].clone()
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for call in calls {
        numbers.push(call.await.unwrap());
    }
    assert!(numbers.iter().all(|number| *number == numbers[0] && number.is_string()), "{numbers:?}");
    let listed = shop.client.get("/v1/orders?user_id=user_123").await.json();
    assert_eq!(listed["orders"].as_array().unwrap().len(), 16);
}

#[tokio::test]
async fn profile_prod_creates_no_users_by_name() {
    let shop = open_prod().await;
    let pos = shop.client.with(shop.token(&service()));
    let body = r#"{"user_id":"user_123","items":[{"product_id":1,"quantity":1}]}"#;
    pos.post("/v1/orders", body).await.problem("name_unknown");
    pos.get("/v1/orders?user_id=user_123").await.problem("name_unknown");
    assert_eq!(shop.footprint().await, (0, 0));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_demo_principal() {
    let shop = open().await;
    let host = format!("http://{}", shop.address);
    for (name, value, status) in [
        ("origin", "http://evil.example", 401),
        ("sec-fetch-site", "cross-site", 401),
        ("host", "rebound.example", 401),
        ("origin", host.as_str(), 201),
    ] {
        let request = shop.client.request("POST", "/v1/orders").header(name, value);
        let answer = shop.client.send(request.body(axum::body::Body::from(PLACE)).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
    }
    assert_eq!(shop.footprint().await.0, 1);
}
