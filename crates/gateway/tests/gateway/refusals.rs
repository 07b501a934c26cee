//! Every class of refusal: which request gets which code, that nothing is stored and nothing is held.

use axum::body::Body;

use crate::client::Answer;
use crate::shop::{Shop, open, operator};

fn one_line(line: &str) -> String {
    format!(r#"{{"user_id":"42","items":[{line}]}}"#)
}

async fn refuse(shop: &Shop, body: &str, code: &str) -> Answer {
    let before = shop.footprint().await;
    let answer = shop.client.post("/v1/orders", body).await;
    assert!(answer.status.is_client_error(), "{body}: {}", answer.text);
    assert_eq!(answer.json()["code"], code, "{body}: {}", answer.text);
    answer.problem(code);
    assert_eq!(shop.footprint().await, before, "{body} left something behind");
    answer
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_and_leave_nothing_behind() {
    let shop = open().await;
    let deep = format!(r#"{{"user_id":"1","items":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let many = format!(r#"{{"user_id":"1","items":[{}]}}"#, vec![r#"{"product_id":1,"quantity":1}"#; 101].join(","));
    let long =
        format!(r#"{{"user_id":"1","items":[{{"product_id":1,"quantity":1}}],"address":"{}"}}"#, "x".repeat(1_001));
    let cases: Vec<(String, &str)> = [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        (r#"{"user_id":"1","items":[]"#, "invalid_json"),
        (r#"{"user_id":"1",}"#, "invalid_json"),
        ("nonsense", "invalid_json"),
        ("[]", "invalid_request"),
        ("null", "invalid_request"),
        ("{}", "invalid_request"),
        (r#"{"user_id":"1"}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[]}"#, "invalid_request"),
        (r#"{"user_id":"1","items":{}}"#, "invalid_request"),
        (r#"{"user_id":"1","items":"1"}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[1]}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[{"product_id":1,"quantity":1}],"more":1}"#, "invalid_request"),
        (r#"{"user_id":"1","user_id":"2","items":[{"product_id":1,"quantity":1}]}"#, "invalid_request"),
        (r#"{"user_id":true,"items":[{"product_id":1,"quantity":1}]}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[{"product_id":1,"quantity":1}],"address":{}}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[{"product_id":1,"quantity":1}],"address":5}"#, "invalid_request"),
        (r#"{"user_id":"1","items":[{"product_id":1,"quantity":1}],"coupon":"WINTER"}"#, "coupon_unknown"),
        (r#"{"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":0,"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":-1,"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":1.5,"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":1e3,"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":"0","items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":"-7","items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":9223372036854775808,"items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":"9223372036854775808","items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":"","items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (r#"{"user_id":"a b","items":[{"product_id":1,"quantity":1}]}"#, "user_invalid"),
        (&deep, "invalid_request"),
        (&many, "invalid_request"),
        (&long, "invalid_request"),
    ]
    .map(|(body, code)| (body.to_owned(), code))
    .into();
    for (body, code) in cases {
        refuse(&shop, &body, code).await;
    }
}

#[tokio::test]
async fn lines_that_are_wrong_are_refused_by_pointer() {
    let shop = open().await;
    for (line, code, pointer) in [
        (r#"{"product_id":1}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":1,"quantity":0}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":-1}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":1.5}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":1.0}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":1e1}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":"1"}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":true}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":null}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":100001}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"quantity":99999999999999999999}"#, "invalid_request", "#/items/0/quantity"),
        (r#"{"product_id":1,"count":0}"#, "invalid_request", "#/items/0/count"),
        (r#"{"product_id":1,"quantity":1,"count":2}"#, "invalid_request", "#/items/0/count"),
        (r#"{"product_id":0,"quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":-1,"quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":"x","quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":1.5,"quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":[],"quantity":1}"#, "invalid_request", "#/items/0/product_id"),
        (r#"{"product_id":1,"quantity":1,"colour":"red"}"#, "invalid_request", "#/items/0/colour"),
        (r#"{"product_id":1,"quantity":1,"price":-1}"#, "invalid_request", "#/items/0/price"),
        (r#"{"product_id":1,"quantity":1,"price":1e2}"#, "invalid_request", "#/items/0/price"),
        (r#"{"product_id":1,"quantity":1,"price":{}}"#, "invalid_request", "#/items/0/price"),
        (r#"{"product_id":1,"quantity":1,"price":"free"}"#, "invalid_request", "#/items/0/price"),
    ] {
        let answer = refuse(&shop, &one_line(line), code).await;
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{line}: {}", answer.text);
    }
    for (line, code) in [
        (r#"{"product_id":999,"quantity":1}"#, "product_unknown"),
        (r#"{"product_id":1,"quantity":1,"price":99.98}"#, "price_changed"),
        (r#"{"product_id":1,"quantity":1,"price":"100"}"#, "price_changed"),
        (r#"{"product_id":1,"quantity":1,"price":99.999}"#, "price_changed"),
        (r#"{"product_id":1,"quantity":60000},{"product_id":1,"quantity":60000}"#, "invalid_request"),
    ] {
        refuse(&shop, &one_line(line), code).await;
    }
}

#[tokio::test]
async fn all_faults_of_a_body_are_told_at_once() {
    let shop = open().await;
    let body = r#"{"user_id":"1","items":[{"product_id":"x","quantity":0},{"quantity":1,"size":9}],"note":1}"#;
    let answer = refuse(&shop, body, "invalid_request").await;
    let problem = answer.json();
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    let all = ["#/items/0/product_id", "#/items/0/quantity", "#/items/1/product_id", "#/items/1/size", "#/note"];
    assert_eq!(pointers, all);
}

#[tokio::test]
async fn both_words_for_a_quantity_may_be_given_if_they_agree() {
    let shop = open().await;
    let body = one_line(r#"{"product_id":1,"quantity":2,"count":2,"price":"99.990"}"#);
    let placed = shop.client.post("/v1/orders", body).await;
    assert_eq!((placed.status.as_u16(), &placed.json()["items"][0]["quantity"]), (201, &2.into()));
}

#[tokio::test]
async fn what_is_short_is_named_and_nothing_of_the_order_is_held() {
    let shop = open().await;
    let body = one_line(r#"{"product_id":1,"quantity":1},{"product_id":3,"quantity":3}"#);
    let answer = refuse(&shop, &body, "out_of_stock").await;
    assert_eq!(answer.json()["lines"], serde_json::json!([{"product_id": "3", "wanted": 3, "free": 2}]));
    let stock = shop.client.get("/v1/stock/1").await.json();
    assert_eq!((&stock["free"], &stock["held"]), (&1_000.into(), &0.into()));
}

#[tokio::test]
async fn a_product_that_is_no_longer_on_sale_cannot_be_ordered() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    let changed = amy.call("PATCH", "/v1/products/2", r#"{"on_sale":false}"#, None).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    refuse(&shop, &one_line(r#"{"product_id":2,"quantity":1}"#), "product_unknown").await;
    assert_eq!(shop.client.get("/v1/products/2").await.json()["on_sale"], false);
}

#[tokio::test]
async fn a_body_must_be_json_if_it_says_what_it_is() {
    let shop = open().await;
    let body = one_line(r#"{"product_id":1,"quantity":1}"#);
    for (kind, status) in [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
    ] {
        let request = shop.client.request("POST", "/v1/orders").header("content-type", kind);
        let answer = shop.client.send(request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{kind}");
        if status == 415 {
            answer.problem("unsupported_media_type");
        }
    }
    let bare = shop.client.request("POST", "/v1/orders").body(Body::from(body)).unwrap();
    assert_eq!(shop.client.send(bare).await.status, 201);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let shop = open().await;
    for path in ["/nowhere", "/v1", "/v1/orders/1/2/3", "/assets/../Cargo.toml", "/docs/errors/no_such_code"] {
        shop.client.get(path).await.problem("not_found");
    }
    for (method, path) in [
        ("DELETE", "/v1/orders"),
        ("PUT", "/v1/orders/1"),
        ("POST", "/v1/orders/1"),
        ("GET", "/v1/order/create"),
        ("POST", "/metrics"),
        ("DELETE", "/"),
        ("POST", "/v1/stock/1"),
    ] {
        let answer = shop.client.call(method, path, "", None).await;
        answer.problem("method_not_allowed");
    }
    let refused = shop.client.call("DELETE", "/v1/orders", "", None).await;
    assert!(refused.header("allow").contains("POST"), "{:?}", refused.headers);
}

#[tokio::test]
async fn a_move_can_only_be_posted_and_what_is_no_move_only_read() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    for (path, moves) in [
        ("/v1/orders/123456", &["cancel", "pay", "ship", "deliver", "return"][..]),
        ("/v1/stock/1", &["receive", "write-off"]),
        ("/v1/admin/dead-letters/1%2Forder", &["replay", "discard"]),
    ] {
        for verb in moves {
            let refused = amy.get(&format!("{path}:{verb}")).await;
            refused.problem("method_not_allowed");
            assert_eq!(refused.header("allow"), "POST", "{path}:{verb}");
        }
        let refused = amy.post(path, "").await;
        refused.problem("method_not_allowed");
        assert_eq!(refused.header("allow"), "GET,HEAD", "{path}");
        amy.get(&format!("{path}:paint")).await.problem("not_found");
    }
}

#[tokio::test]
async fn a_repeated_query_parameter_is_refused_by_name() {
    let shop = open().await;
    let amy = shop.client.with(shop.token(&operator()));
    for (path, name, values) in [
        ("/v1/orders", "page_size", ["1", "2"]),
        ("/v1/orders", "user_id", ["42", "43"]),
        ("/v1/orders", "page_token", ["", ""]),
        ("/orders", "page_size", ["1", "1"]),
        ("/v1/products", "q", ["a", "b"]),
        ("/v1/products", "category", ["tea", "light"]),
        ("/v1/products/1", "lang", ["en", "zh"]),
        ("/v1/stock/1/movements", "page_size", ["1", "2"]),
        ("/v1/admin/dead-letters", "page_token", ["", "x"]),
        ("/v1/stream", "user_id", ["42", "43"]),
        ("/v1/stream", "after", ["1", "2"]),
    ] {
        let refused = amy.get(&format!("{path}?{name}={}&{name}={}", values[0], values[1])).await;
        let problem = refused.problem("invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{name}`")), "{path}: {problem}");
    }
    let both = amy.get("/v1/orders?status=pending&status=confirmed").await;
    assert_eq!(both.status, 200, "{}", both.text);
}

#[tokio::test]
async fn a_field_given_twice_is_named_wherever_it_stands() {
    let shop = open().await;
    for (body, pointer) in [
        (r#"{"user_id":"1","user_id":"2","items":[{"product_id":1,"quantity":1}]}"#, "#/user_id"),
        (r#"{"user_id":"1","items":[{"product_id":1,"quantity":1,"quantity":2}]}"#, "#/items/0/quantity"),
    ] {
        let problem = refuse(&shop, body, "invalid_request").await.json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("given twice"), "{problem}");
    }
    let problem = refuse(&shop, "[]", "invalid_request").await.json();
    assert_eq!(problem["detail"], "#: expected an object");
}

#[tokio::test]
async fn ids_that_cannot_be_one_are_answered_like_absent_ones() {
    let shop = open().await;
    let absent = shop.client.get("/v1/orders/123456").await.problem("not_found");
    for id in ["0", "-1", "abc", "9223372036854775808", "1.5", "%20", "1%2F2"] {
        let problem = shop.client.get(&format!("/v1/orders/{id}")).await.problem("not_found");
        assert_eq!(problem["detail"], absent["detail"], "{id}");
    }
    for path in ["/v1/orders/%FF", "/orders/%FF", "/v1/products/%FF", "/v1/stock/%FF", "/v1/admin/dead-letters/%FF"] {
        shop.client.get(path).await.problem("not_found");
    }
    shop.client.post("/v1/orders/123456:cancel", "").await.problem("not_found");
    shop.client.post("/v1/orders/abc:cancel", "").await.problem("not_found");
    shop.client.get("/v1/products/999").await.problem("product_unknown");
    shop.client.get("/v1/products/x").await.problem("not_found");
    shop.client.get("/v1/stock/999").await.problem("product_unknown");
}

#[tokio::test]
async fn a_caller_s_trace_is_taken_up_and_told_back() {
    let shop = open().await;
    let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = shop.client.get_with("/v1/orders/5", "traceparent", sent).await;
    assert_eq!(answer.problem("not_found")["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let own = shop.client.get_with("/v1/orders/5", "traceparent", "nonsense").await;
    assert_ne!(own.header("trace-id"), answer.header("trace-id"));
}
