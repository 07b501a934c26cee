//! The gRPC service over its generated client, health, reflection, gRPC-Web.

use doos_app::Principal;
use doos_gateway::proto::order_v1 as pb;
use doos_gateway::proto::order_v1::order_service_client::OrderServiceClient;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::shop::{Shop, customer, open, open_prod, operator, service, soon};

pub async fn channel(shop: &Shop) -> Channel {
    soon(Endpoint::from_shared(format!("http://{}", shop.address)).unwrap().connect()).await.unwrap()
}

pub async fn client(shop: &Shop) -> OrderServiceClient<Channel> {
    OrderServiceClient::new(channel(shop).await)
}

pub fn order(user_id: i64, product_id: i64, count: i32) -> pb::CreateOrderRequest {
    pb::CreateOrderRequest {
        user_id,
        items: vec![pb::OrderItem { product_id, count, unit_price_minor: None }],
        ..Default::default()
    }
}

pub fn by<T>(shop: &Shop, principal: &Principal, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = MetadataValue::try_from(format!("Bearer {}", shop.token(principal))).unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn under<T>(key: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("idempotency-key", MetadataValue::from_static(key));
    request
}

#[track_caller]
fn is(status: &Status, code: Code, problem: &str) {
    let told = status.metadata().get("problem-code").map(|value| value.to_str().unwrap());
    assert_eq!((status.code(), told), (code, Some(problem)), "{status:?}");
    assert!(!status.details().is_empty());
}

#[tokio::test]
async fn an_order_is_created_read_listed_and_cancelled() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let request = pb::CreateOrderRequest { address: "Nanjing Road 1".to_owned(), ..order(42, 101, 2) };
    let created = client.create_order(request).await.unwrap().into_inner();
    assert_eq!(created.status, "pending");
    let stored = created.order.unwrap();
    assert_eq!(
        (stored.id, stored.user_id, stored.total_minor, stored.currency.as_str()),
        (created.order_id, 42, 19_998, "CNY")
    );
    shop.client.until(&created.order_id.to_string(), "confirmed").await;
    let asked = pb::GetOrderDetailRequest { order_id: created.order_id };
    let detail = client.get_order_detail(asked).await.unwrap().into_inner().order.unwrap();
    let steps: Vec<&str> = detail.history.iter().map(|entry| entry.to_status.as_str()).collect();
    assert_eq!((detail.status.as_str(), steps), ("confirmed", vec!["pending", "confirmed"]));
    assert_eq!(detail.address, "Nanjing Road 1");
    for _ in 0..2 {
        client.create_order(order(42, 1, 1)).await.unwrap();
    }
    let page = pb::GetOrdersRequest { user_id: 42, page_size: 2, ..Default::default() };
    let first = client.get_orders(page.clone()).await.unwrap().into_inner();
    let next = pb::GetOrdersRequest { page_token: first.next_page_token, ..page };
    let second = client.get_orders(next).await.unwrap().into_inner();
    assert_eq!((first.orders.len(), second.orders.len(), second.next_page_token.as_str()), (2, 1, ""));
    assert_eq!(second.orders[0].id, created.order_id);
    let cancel = pb::CancelOrderRequest { order_id: created.order_id };
    let cancelled = client.cancel_order(cancel).await.unwrap().into_inner().order.unwrap();
    assert_eq!((cancelled.status.as_str(), cancelled.cancel_reason.as_str()), ("cancelled", "user"));
}

#[tokio::test]
async fn refusals_carry_the_same_codes_as_in_rest() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let seen = |product_id, unit_price_minor| pb::CreateOrderRequest {
        items: vec![pb::OrderItem { product_id, count: 1, unit_price_minor: Some(unit_price_minor) }],
        ..order(42, 1, 1)
    };
    for (request, code, problem) in [
        (order(0, 1, 1), Code::InvalidArgument, "user_invalid"),
        (order(-1, 1, 1), Code::InvalidArgument, "user_invalid"),
        (order(42, 0, 1), Code::InvalidArgument, "invalid_request"),
        (order(42, 1, 0), Code::InvalidArgument, "invalid_request"),
        (order(42, 1, -1), Code::InvalidArgument, "invalid_request"),
        (order(42, 1, 100_001), Code::InvalidArgument, "invalid_request"),
        (order(42, 999, 1), Code::NotFound, "product_unknown"),
        (order(42, 3, 3), Code::FailedPrecondition, "out_of_stock"),
        (seen(1, 9_998), Code::FailedPrecondition, "price_changed"),
        (seen(1, -1), Code::InvalidArgument, "invalid_request"),
        (pb::CreateOrderRequest { items: Vec::new(), ..order(42, 1, 1) }, Code::InvalidArgument, "invalid_request"),
        (pb::CreateOrderRequest { coupon: "X".to_owned(), ..order(42, 1, 1) }, Code::InvalidArgument, "coupon_unknown"),
    ] {
        is(&client.create_order(request).await.unwrap_err(), code, problem);
    }
    assert!(client.create_order(seen(1, 9_999)).await.is_ok());
    let absent = pb::GetOrderDetailRequest { order_id: 123_456 };
    is(&client.get_order_detail(absent).await.unwrap_err(), Code::NotFound, "not_found");
    let page = pb::GetOrdersRequest { page_size: 101, ..Default::default() };
    is(&client.get_orders(page).await.unwrap_err(), Code::InvalidArgument, "invalid_page");
    assert_eq!(shop.footprint().await.0, 1);
}

#[tokio::test]
async fn callers_are_known_by_their_metadata() {
    let shop = open_prod().await;
    let mut client = client(&shop).await;
    is(&client.create_order(order(42, 1, 1)).await.unwrap_err(), Code::Unauthenticated, "token_missing");
    let mut bad = Request::new(order(42, 1, 1));
    bad.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer x"));
    is(&client.create_order(bad).await.unwrap_err(), Code::Unauthenticated, "token_invalid");
    let created = client.create_order(by(&shop, &customer(42), order(0, 1, 1))).await.unwrap().into_inner();
    let asked = pb::GetOrderDetailRequest { order_id: created.order_id };
    let other = client.get_order_detail(by(&shop, &customer(43), asked)).await.unwrap_err();
    is(&other, Code::NotFound, "not_found");
    assert!(client.get_order_detail(by(&shop, &operator(), asked)).await.is_ok());
    let named = client.create_order(by(&shop, &customer(43), order(42, 1, 1))).await.unwrap_err();
    is(&named, Code::PermissionDenied, "forbidden");
    assert!(client.create_order(by(&shop, &service(), order(42, 1, 1))).await.is_ok());
}

#[tokio::test]
async fn a_key_in_the_metadata_makes_a_call_repeatable() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let first = client.create_order(under("k", order(42, 1, 1))).await.unwrap();
    assert!(first.metadata().get("idempotent-replayed").is_none());
    let again = client.create_order(under("k", order(42, 1, 1))).await.unwrap();
    assert_eq!(again.metadata().get("idempotent-replayed").unwrap(), "true");
    assert_eq!(again.into_inner(), first.into_inner());
    let reused = client.create_order(under("k", order(42, 1, 2))).await.unwrap_err();
    is(&reused, Code::InvalidArgument, "idempotency_key_reused");
    let rest = r#"{"user_id":"42","items":[{"product_id":"1","quantity":1}]}"#;
    shop.client.post_under("k", "/v1/orders", rest).await.problem("idempotency_key_reused");
    assert_eq!(shop.footprint().await.0, 1);
}

#[tokio::test]
async fn a_watch_shows_changes_resumes_and_ends_with_the_node() {
    let shop = open().await;
    let mut client = client(&shop).await;
    let placed = client.create_order(order(42, 1, 1)).await.unwrap().into_inner().order_id;
    shop.client.until(&placed.to_string(), "confirmed").await;
    let from_start = pb::WatchOrdersRequest { user_id: 42, resume_token: "0".to_owned() };
    let mut watch = client.watch_orders(from_start).await.unwrap().into_inner();
    let first = soon(watch.message()).await.unwrap().unwrap();
    let second = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(first.order.unwrap().status, "pending");
    assert_eq!(second.order.unwrap().status, "confirmed");
    let after = pb::WatchOrdersRequest { user_id: 42, resume_token: first.resume_token };
    let mut resumed = client.watch_orders(after).await.unwrap().into_inner();
    assert_eq!(soon(resumed.message()).await.unwrap().unwrap().resume_token, second.resume_token);
    let bad = pb::WatchOrdersRequest { user_id: 42, resume_token: "x".to_owned() };
    is(&client.watch_orders(bad).await.unwrap_err(), Code::InvalidArgument, "position_unknown");
    let mut health = HealthClient::new(channel(&shop).await);
    let mut pulse = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(soon(pulse.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    shop.begin_to_stop();
    is(&soon(watch.message()).await.unwrap_err(), Code::Unavailable, "unavailable");
    soon(async { while let Ok(Some(_)) = pulse.message().await {} }).await;
    assert_eq!(shop.stop().await.cut, 0, "no stream holds the drain up");
}

#[tokio::test]
async fn health_is_told_without_a_token_and_reflection_only_in_dev() {
    let prod = open_prod().await;
    let mut health = HealthClient::new(channel(&prod).await);
    let service = HealthCheckRequest { service: "order.v1.OrderService".to_owned() };
    let status = soon(async {
        loop {
            match health.check(service.clone()).await {
                Ok(status) => break status.into_inner().status(),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(status.await, ServingStatus::Serving);
    for (shop, code) in [(prod, Code::Unimplemented), (open().await, Code::Ok)] {
        assert_eq!(services(&shop).await, code);
    }
}

/// Asks reflection for the list of services.
async fn services(shop: &Shop) -> Code {
    use tonic_reflection::pb::v1 as reflection;
    let mut client = reflection::server_reflection_client::ServerReflectionClient::new(channel(shop).await);
    let ask = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(reflection::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let asked = client.server_reflection_info(futures::stream::iter([ask])).await;
    match asked {
        Err(status) => status.code(),
        Ok(answers) => {
            let answer = soon(answers.into_inner().message()).await.unwrap().unwrap();
            assert!(format!("{answer:?}").contains("order.v1.OrderService"));
            Code::Ok
        }
    }
}

#[tokio::test]
async fn a_browser_calls_over_grpc_web() {
    use prost::Message as _;
    let shop = open().await;
    let message = order(42, 101, 1).encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    let request = shop.client.request("POST", "/order.v1.OrderService/CreateOrder");
    let request = request.header("content-type", "application/grpc-web+proto").header("x-grpc-web", "1");
    let pool: hyper_util::client::legacy::Client<_, axum::body::Body> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let response = soon(pool.request(request.body(axum::body::Body::from(framed)).unwrap())).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    let body = soon(http_body_util::BodyExt::collect(response.into_body())).await.unwrap().to_bytes();
    let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
    let created = pb::CreateOrderResponse::decode(&body[5..5 + length]).unwrap();
    assert_eq!(created.status, "pending");
    assert!(String::from_utf8_lossy(&body[5 + length..]).contains("grpc-status:0"));
}

#[tokio::test]
async fn a_message_larger_than_a_body_may_be_is_refused() {
    let shop = open().await;
    let request = pb::CreateOrderRequest { address: "x".repeat(70_000), ..order(42, 1, 1) };
    let refused = client(&shop).await.create_order(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    assert_eq!(shop.footprint().await, (0, 0));
}

#[tokio::test]
async fn calls_are_counted_by_their_outcome() {
    let shop = open().await;
    let mut client = client(&shop).await;
    client.create_order(order(42, 1, 1)).await.unwrap();
    client.create_order(order(42, 999, 1)).await.unwrap_err();
    let numbers = shop.client.get("/metrics").await.text;
    for class in ["2xx", "4xx"] {
        let line = format!(
            "doos_http_requests_total{{route=\"/order.v1.OrderService/CreateOrder\",method=\"POST\",status=\"{class}\"}} 1\n"
        );
        assert!(numbers.contains(&line), "{line}");
    }
}
