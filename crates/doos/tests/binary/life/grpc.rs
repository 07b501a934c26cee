//! The gRPC contract of the first source document, on the same port as everything else.

use doos_gateway::proto::order_v1::order_service_client::OrderServiceClient;
use doos_gateway::proto::order_v1::{
    CreateOrderRequest, CreateOrdersRequest, GetOrderDetailRequest, OrderItem, create_orders_response,
};
use std::collections::BTreeSet;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::server::{Server, Setup};
use crate::support::shop;
use crate::support::wait::PATIENCE;

async fn connect(server: &Server) -> OrderServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", server.listen())).unwrap().timeout(PATIENCE);
    OrderServiceClient::new(endpoint.connect().await.unwrap())
}

fn order_of(user_id: i64, product_id: i64, count: i32) -> CreateOrderRequest {
    let item = OrderItem { product_id, count, ..OrderItem::default() };
    CreateOrderRequest {
        user_id,
        items: vec![item],
        address: "Long Street 7".to_owned(),
        ..CreateOrderRequest::default()
    }
}

#[tokio::test]
async fn an_order_created_over_grpc_is_read_over_both() {
    let server = Setup::new().start().await;
    let mut grpc = connect(&server).await;
    let created = grpc.create_order(order_of(42, 101, 2)).await.unwrap().into_inner();
    assert_eq!(created.status, "pending");
    let detail =
        grpc.get_order_detail(GetOrderDetailRequest { order_id: created.order_id }).await.unwrap().into_inner();
    let order = detail.order.unwrap();
    assert_eq!((order.user_id, order.total_minor, order.currency.as_str()), (42, 19_998, "CNY"));
    let read = shop::read(&server.client(), &created.order_id.to_string()).await;
    assert_eq!(read["address"], "Long Street 7");
}

#[tokio::test]
async fn a_key_is_kept_over_grpc_and_a_refusal_carries_its_code() {
    let server = Setup::new().start().await;
    let mut grpc = connect(&server).await;
    let keyed = || {
        let mut request = Request::new(order_of(42, 101, 2));
        request.metadata_mut().insert("idempotency-key", "k-1".parse().unwrap());
        request
    };
    let first = grpc.create_order(keyed()).await.unwrap().into_inner();
    let again = grpc.create_order(keyed()).await.unwrap().into_inner();
    assert_eq!(first.order_id, again.order_id);
    assert_eq!(shop::list(&server.client(), Some("42")).await.len(), 1);
    let refused = grpc.create_order(order_of(42, 999_999, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    assert_eq!(refused.metadata().get("problem-code").unwrap(), "product_unknown");
}

#[tokio::test]
async fn a_stream_of_orders_is_answered_element_by_element() {
    let server = Setup::new().start().await;
    let mut grpc = connect(&server).await;
    let requests = (0..300).map(|number| CreateOrdersRequest {
        client_ref: number.to_string(),
        idempotency_key: String::new(),
        // One in a hundred asks for what is not there; its neighbours are not refused with it.
        order: Some(order_of(42, if number % 100 == 99 { 999_999 } else { 101 }, 1)),
    });
    let mut answers = grpc.create_orders(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let (mut refs, mut refused) = (BTreeSet::new(), 0);
    while let Some(answer) = answers.message().await.unwrap() {
        refs.insert(answer.client_ref);
        match answer.outcome.unwrap() {
            create_orders_response::Outcome::OrderId(_) => {}
            create_orders_response::Outcome::Problem(problem) => {
                assert_eq!(problem.code, "product_unknown");
                refused += 1;
            }
        }
    }
    assert_eq!((refs.len(), refused), (300, 3));
    assert_eq!(shop::list(&server.client(), Some("42")).await.len(), 297);
}
