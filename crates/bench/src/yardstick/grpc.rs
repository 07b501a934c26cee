//! A bare tonic server of the same contract: answers an order with as many fields as ours, and keeps nothing.

use anyhow::Result;
use doos_gateway::proto::order_v1 as pb;
use doos_gateway::proto::order_v1::order_service_server::{OrderService, OrderServiceServer};
use futures::stream::{BoxStream, StreamExt};
use std::net::SocketAddr;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const ORDER_ID: i64 = 117_490_635_044_462_592;

struct Bare;

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OrderService for Bare {
    async fn create_order(&self, request: Request<pb::CreateOrderRequest>) -> Answered<pb::CreateOrderResponse> {
        let status = "pending".to_owned();
        let order = Some(order_of(request.into_inner()));
        Ok(Response::new(pb::CreateOrderResponse { order_id: ORDER_ID, status, order }))
    }

    type CreateOrdersStream = BoxStream<'static, Result<pb::CreateOrdersResponse, Status>>;

    async fn create_orders(
        &self,
        elements: Request<Streaming<pb::CreateOrdersRequest>>,
    ) -> Answered<Self::CreateOrdersStream> {
        let answers = elements.into_inner().map(|element| {
            let client_ref = element?.client_ref;
            let outcome = Some(pb::create_orders_response::Outcome::OrderId(ORDER_ID));
            Ok(pb::CreateOrdersResponse { client_ref, outcome })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn get_order_detail(&self, _: Request<pb::GetOrderDetailRequest>) -> Answered<pb::GetOrderDetailResponse> {
        Err(nothing_else())
    }

    async fn get_orders(&self, _: Request<pb::GetOrdersRequest>) -> Answered<pb::GetOrdersResponse> {
        Err(nothing_else())
    }

    async fn cancel_order(&self, _: Request<pb::CancelOrderRequest>) -> Answered<pb::CancelOrderResponse> {
        Err(nothing_else())
    }

    type WatchOrdersStream = BoxStream<'static, Result<pb::WatchOrdersResponse, Status>>;

    async fn watch_orders(&self, _: Request<pb::WatchOrdersRequest>) -> Answered<Self::WatchOrdersStream> {
        Err(nothing_else())
    }

    async fn update_order_status(
        &self,
        _: Request<pb::UpdateOrderStatusRequest>,
    ) -> Answered<pb::UpdateOrderStatusResponse> {
        Err(nothing_else())
    }
}

fn nothing_else() -> Status {
    Status::unimplemented("a yardstick only takes orders")
}

fn order_of(request: pb::CreateOrderRequest) -> pb::Order {
    let line = |item: &pb::OrderItem| pb::OrderLine {
        product_id: item.product_id,
        count: item.count,
        unit_price_minor: 9_999,
    };
    pb::Order {
        id: ORDER_ID,
        user_id: request.user_id,
        status: "pending".to_owned(),
        version: 1,
        total_minor: 9_999,
        currency: "CNY".to_owned(),
        lines: request.items.iter().map(line).collect(),
        address: request.address,
        created_at_ms: 1_767_225_600_000,
        updated_at_ms: 1_767_225_600_000,
        ..pb::Order::default()
    }
}

/// Serves until it is killed.
pub async fn serve(listen: SocketAddr) -> Result<()> {
    let listener = super::listen(listen).await?;
    let routes = Server::builder().tcp_nodelay(true).add_service(OrderServiceServer::new(Bare));
    routes.serve_with_incoming(TcpListenerStream::new(listener)).await?;
    Ok(())
}
