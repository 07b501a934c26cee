//! Admission: token buckets and shedding refuse before any work is done.

use crate::shop::{Setup, customer, open_with, operator, soon};
use doos_gateway::{Options, Profile};

const ORDER: &str = r#"{"user_id":"42","items":[{"product_id":"1","quantity":1}]}"#;

#[tokio::test]
async fn an_empty_bucket_refuses_its_owner_and_nobody_else() {
    // One token in about three minutes: no test takes so long.
    let options = Options { principal_rate_per_s: 1, principal_burst: 3, ..Options::default() };
    let shop = open_with(Setup { options, ..Setup::default() }).await;
    let amy = shop.client.with(shop.token(&operator()));
    let mut left = Vec::new();
    let refused = loop {
        let answer = amy.get("/v1/orders").await;
        if answer.status == 429 {
            break answer;
        }
        left.push(answer.header("ratelimit").to_owned());
        assert!(left.len() < 100);
    };
    assert_eq!(left[..3], ["\"principal\";r=2", "\"principal\";r=1", "\"principal\";r=0"]);
    refused.problem("rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.header("ratelimit").starts_with("\"principal\";r=0;t="), "{:?}", refused.headers);
    assert!(refused.header("ratelimit-policy").starts_with("\"principal\";q=3"), "{:?}", refused.headers);
    assert_eq!(shop.client.with(shop.token(&customer(42))).get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn strangers_are_counted_by_the_address_a_trusted_proxy_names() {
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let options = Options {
        profile: Profile::Prod,
        require_auth: true,
        trusted_proxies,
        address_rate_per_s: 1,
        address_burst: 2,
        ..Options::default()
    };
    let shop = open_with(Setup { options, ..Setup::default() }).await;
    let from = async |address: &str| shop.client.get_with("/v1/orders", "x-forwarded-for", address).await;
    from("9.9.9.9").await.problem("token_missing");
    from("9.9.9.9").await.problem("token_missing");
    from("9.9.9.9").await.problem("rate_limited");
    // What the client itself wrote before the proxy's entry changes nothing.
    from("8.8.8.8, 9.9.9.9").await.problem("rate_limited");
    from("8.8.8.8").await.problem("token_missing");
    let amy = shop.client.with(shop.token(&operator()));
    assert_eq!(amy.get_with("/v1/orders", "x-forwarded-for", "9.9.9.9").await.status, 200, "a token vouches");
}

#[tokio::test]
async fn the_defaults_of_profile_dev_never_bite() {
    let shop = crate::shop::open().await;
    for _ in 0..500 {
        assert_eq!(shop.client.get("/v1/stock/1").await.status, 200);
    }
}

#[tokio::test]
async fn load_is_shed_while_the_group_in_flight_is_too_old() {
    let app_options = doos_app::Options { queue_age_max_ms: 20, ..doos_app::Options::default() };
    let shop = open_with(Setup { gated: true, roles: false, app_options, ..Setup::default() }).await;
    let client = shop.client.clone();
    let stuck = tokio::spawn(async move { client.post("/v1/orders", ORDER).await });
    soon(shop.waiting.acquire()).await.unwrap().forget();
    soon(async {
        while shop.app.queue_age_ms() <= 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let held = shop.footprint().await;
    let refused = shop.client.post("/v1/orders", ORDER).await;
    refused.problem("overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(shop.footprint().await, held, "refused before anything was done");
    assert_eq!(shop.client.get("/v1/orders").await.status, 200, "reading goes on");
    shop.gate.add_permits(10);
    assert_eq!(soon(stuck).await.unwrap().status, 201);
    assert_eq!(shop.client.post("/v1/orders", ORDER).await.status, 201);
    assert!(shop.client.get("/metrics").await.text.contains("doos_requests_shed_total 1"));
}
