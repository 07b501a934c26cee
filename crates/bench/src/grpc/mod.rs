//! Loads over gRPC: one call an order, or orders in streams.
//!
//! What holds: as over HTTP, every request is counted once and every promise is noted; a thread has its own runtime and
//! its own HTTP/2 connections. The client is the generated one, so it costs more than the lean client over HTTP does.

mod bulk;
mod unary;

use anyhow::{Context, Result};
use doos_gateway::proto::order_v1::order_service_client::OrderServiceClient;
use doos_gateway::proto::order_v1::{CreateOrderRequest, OrderItem};
use futures::future::try_join_all;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::Code;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::clock::Clock;
use crate::load::Tally;
use crate::notes::{Acknowledged, Notes};
use crate::work::Products;

const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// HTTP/2 connections of each thread.
const CHANNELS: usize = 2;

/// A load over gRPC, always closed.
#[derive(Clone)]
pub struct Calls {
    pub target: SocketAddr,
    pub token: Option<String>,
    /// Calls, or streams, at once.
    pub at_once: usize,
    pub threads: usize,
    pub seconds: f64,
    pub count_max: Option<u64>,
    pub products: Arc<Products>,
    pub last_user: Arc<AtomicU64>,
    /// Off for a server whose answers are not orders.
    pub notes_orders: bool,
}

/// What the threads of a load share.
struct Shared {
    calls: Calls,
    clock: Clock,
    taken: AtomicU64,
    authorization: Option<MetadataValue<Ascii>>,
}

type Client = OrderServiceClient<Channel>;

impl Calls {
    /// One call an order.
    pub fn place(&self) -> Result<(Tally, Notes)> {
        self.run(async |shared: &Shared, client, seed| Ok(unary::drive(shared, client, seed).await))
    }

    /// Orders in streams.
    pub fn place_in_bulk(&self) -> Result<(Tally, Notes)> {
        self.run(bulk::drive)
    }

    fn run(
        &self,
        drive: impl AsyncFn(&Shared, Client, u64) -> Result<(Tally, Notes)> + Sync,
    ) -> Result<(Tally, Notes)> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}").parse());
        let authorization = bearer.transpose().context("the token cannot be sent")?;
        let shared = Shared { calls: self.clone(), clock: Clock::start(), taken: AtomicU64::new(0), authorization };
        let lanes = self.threads.clamp(1, self.at_once.max(1));
        let lane = |number: usize| -> Result<Vec<(Tally, Notes)>> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut clients = Vec::new();
                for _ in 0..CHANNELS {
                    clients.push(connect(self.target).await?);
                }
                let own = (number..self.at_once).step_by(lanes);
                try_join_all(own.map(|call| drive(&shared, clients[call / lanes % CHANNELS].clone(), call as u64)))
                    .await
            })
        };
        let results = std::thread::scope(|scope| {
            let lane = &lane;
            let started: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
            started.into_iter().map(|lane| lane.join().expect("a lane does not panic")).collect::<Vec<_>>()
        });
        let (mut tally, mut notes) = (Tally::default(), Notes::default());
        for result in results {
            for (one_tally, one_notes) in result? {
                tally.merge(&one_tally);
                notes.merge(one_notes);
            }
        }
        Ok((tally, notes))
    }
}

impl Shared {
    /// Whether one more order may be sent.
    fn is_open(&self) -> bool {
        self.is_in_time() && self.taken.fetch_add(1, Ordering::Relaxed) < self.calls.count_max.unwrap_or(u64::MAX)
    }

    fn is_in_time(&self) -> bool {
        self.clock.seconds() < self.calls.seconds
    }

    fn next_order(&self, random: &mut fastrand::Rng) -> Acknowledged {
        let user_id = self.calls.last_user.fetch_add(1, Ordering::Relaxed) + 1;
        Acknowledged { order_id: 0, user_id, product_id: self.calls.products.pick(random.f64()) }
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    /// Notes an acknowledged order, unless the server is a bare one.
    fn acknowledged(&self, order: Acknowledged, notes: &mut Notes) {
        if self.calls.notes_orders {
            notes.acknowledged.push(order);
        }
    }
}

/// Told to come later.
fn is_shed(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted)
}

fn message_of(order: Acknowledged) -> CreateOrderRequest {
    let item = OrderItem { product_id: order.product_id as i64, count: 1, ..OrderItem::default() };
    CreateOrderRequest {
        user_id: order.user_id as i64,
        items: vec![item],
        address: "1 Harbour Street".to_owned(),
        ..CreateOrderRequest::default()
    }
}

async fn connect(target: SocketAddr) -> Result<Client> {
    let endpoint = Endpoint::from_shared(format!("http://{target}"))?.tcp_nodelay(true).connect_timeout(CALL_DEADLINE);
    Ok(OrderServiceClient::new(endpoint.connect().await.context("no gRPC connection")?))
}
