//! A browser logs in: the cookie, what it opens, and who may not use it.

use crate::client::{Answer, Client};
use crate::shop::{Shop, customer, open, open_prod, operator};

/// The cookie as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let set = answer.header("set-cookie");
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

async fn log_in(shop: &Shop, body: &str) -> String {
    cookie(&shop.client.post("/v1/auth/login", body).await)
}

async fn me(client: &Client, cookie: &str) -> serde_json::Value {
    client.get_with("/v1/users/me", "cookie", cookie).await.json()
}

#[tokio::test]
async fn whoever_logs_in_by_name_is_that_customer_until_it_logs_out() {
    let shop = open().await;
    assert_eq!(shop.client.get("/v1/users/me").await.json()["kind"], "demo");
    let session = log_in(&shop, r#"{"user":"user_123"}"#).await;
    let amy = me(&shop.client, &session).await;
    assert_eq!((&amy["kind"], &amy["by_name"]), (&"customer".into(), &true.into()));
    let number: u64 = amy["user_id"].as_str().unwrap().parse().unwrap();
    let (own, other) = (shop.client.order(number, 1, 1).await, shop.client.order(number + 1, 1, 1).await);
    let seen =
        async |id: String| shop.client.get_with(&format!("/v1/orders/{id}"), "cookie", &session).await.status.as_u16();
    assert_eq!((seen(own).await, seen(other).await), (200, 404), "a session sees its own orders only");
    let request = shop.client.request("POST", "/v1/auth/logout").header("cookie", &session);
    let out = shop.client.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(out.status, 204);
    assert_eq!(me(&shop.client, &session).await["kind"], "demo", "a copy of the cookie opens nothing any more");
    shop.client.with(session.split_once('=').unwrap().1).get("/v1/orders").await.problem("token_invalid");
    assert!(out.header("set-cookie").contains("doos_session=; ") && out.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn an_operator_s_session_opens_the_back_office_and_a_token_does_in_prod() {
    let shop = open().await;
    let session = log_in(&shop, r#"{"operator":"amy"}"#).await;
    assert_eq!(shop.client.get_with("/v1/admin/dead-letters", "cookie", &session).await.status, 200);
    assert_eq!(me(&shop.client, &session).await["name"], "amy");

    let prod = open_prod().await;
    for by_name in [r#"{"user":"42"}"#, r#"{"operator":"amy"}"#] {
        prod.client.post("/v1/auth/login", by_name).await.problem("forbidden");
    }
    prod.client.post("/v1/auth/login", r#"{"token":"x.y.z"}"#).await.problem("token_invalid");
    let body = serde_json::json!({ "token": prod.token(&operator()) }).to_string();
    let answer = prod.client.post("/v1/auth/login", body).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    assert_eq!(prod.client.get_with("/v1/admin/dead-letters", "cookie", &cookie(&answer)).await.status, 200);
    prod.client.get_with("/v1/admin/dead-letters", "cookie", "doos_session=x.y.z").await.problem("token_missing");
}

#[tokio::test]
async fn a_session_is_not_lent_to_pages_of_other_sites() {
    let shop = open_prod().await;
    let body = serde_json::json!({ "token": shop.token(&customer(42)) }).to_string();
    let session = cookie(&shop.client.post("/v1/auth/login", body.clone()).await);
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let request = |method, path, body: &str| {
            let request = shop.client.request(method, path).header("cookie", &session).header(name, value);
            request.header("content-type", "application/json").body(axum::body::Body::from(body.to_owned())).unwrap()
        };
        shop.client.send(request("GET", "/v1/orders", "")).await.problem("token_missing");
        shop.client.send(request("GET", "/v1/stream", "")).await.problem("token_missing");
        shop.client.send(request("POST", "/v1/auth/login", &body)).await.problem("forbidden");
        shop.client.send(request("POST", "/v1/auth/logout", "")).await.problem("forbidden");
    }
}

#[tokio::test]
async fn a_log_in_names_exactly_one_way() {
    let shop = open().await;
    for body in ["{}", r#"{"user":"1","operator":"a"}"#, r#"{"user":7}"#, r#"{"name":"x"}"#, r#"{"operator":"a b"}"#] {
        shop.client.post("/v1/auth/login", body).await.problem("invalid_request");
    }
    shop.client.post("/v1/auth/login", r#"{"user":"1.5"}"#).await.problem("user_invalid");
}
