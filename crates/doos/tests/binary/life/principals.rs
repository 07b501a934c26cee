//! Who may do what, with tokens from `doos token`.

use crate::support::command::token;
use crate::support::server::Setup;
use crate::support::shop::{self, ask};

#[tokio::test]
async fn a_customer_acts_for_itself_and_sees_nothing_of_others() {
    let server = Setup::new().start().await;
    let mine = server.client().with_token(token(&server.data(), ["--user", "42"]).await);
    let yours = server.client().with_token(token(&server.data(), ["--user", "43"]).await);
    let order = shop::place(&mine, "42", "101", 1).await;
    yours.get(format!("/v1/orders/{order}")).send().await.expect_problem(404, "not_found");
    yours.get("/v1/orders/123456789").send().await.expect_problem(404, "not_found");
    ask(&yours, &order, "cancel").await.expect_problem(404, "not_found");
    yours.post("/v1/orders", &shop::order_of("42", "101", 1)).send().await.expect_problem(403, "forbidden");
    assert!(shop::list(&yours, None).await.is_empty());
    assert_eq!(shop::list(&mine, None).await.len(), 1);
}

#[tokio::test]
async fn a_service_acts_for_the_user_it_names_and_an_operator_sees_all() {
    let server = Setup::new().start().await;
    let service = server.client().with_token(token(&server.data(), ["--service", "till"]).await);
    let order = shop::place(&service, "42", "101", 1).await;
    let read = shop::read(&server.operator().await, &order).await;
    assert_eq!(read["user_id"], "42");
    assert_eq!(read["history"][0]["actor"], "service:till");
    let product = serde_json::json!({"name": "Pot", "price": {"amount_minor": 1, "currency": "CNY"}});
    service.post("/v1/products", &product).send().await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let server = Setup::new().start().await;
    server.client().get("/v1/orders").send().await.expect(200);
    let forged = server.client().with_token("not.a.token");
    forged.get("/v1/orders").send().await.expect_problem(401, "token_invalid");
    let foreign = Setup::new().start().await;
    let foreign_token = token(&foreign.data(), ["--operator", "amy"]).await;
    server.client().with_token(foreign_token).get("/v1/orders").send().await.expect_problem(401, "token_invalid");
}

#[tokio::test]
async fn with_require_auth_a_call_without_a_token_is_refused() {
    let server = Setup::new().argument("--require-auth").start().await;
    server.client().get("/v1/orders").send().await.expect_problem(401, "token_missing");
    let customer = server.client().with_token(token(&server.data(), ["--user", "42"]).await);
    shop::place(&customer, "42", "101", 1).await;
}
