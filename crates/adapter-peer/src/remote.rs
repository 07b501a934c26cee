//! The gate in another process. Calls to hold that arrive while a group is on its way are the next group.

use async_trait::async_trait;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, HoldError, Level, StockGate};
use doos_ports::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::proto::doos_internal_v1 as pb;
use crate::{ENGINE, TOKEN, convert};
use pb::stock_gate_client::StockGateClient;

#[derive(Clone, Debug)]
pub struct RemoteOptions {
    pub connect_timeout: Duration,
    /// After this a call counts as lost.
    pub call_timeout: Duration,
    /// Calls to hold that wait for their group; more are refused as busy.
    pub queue_len_max: usize,
    pub group_len_max: usize,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(1_000),
            call_timeout: Duration::from_millis(2_000),
            queue_len_max: 4_096,
            group_len_max: 256,
        }
    }
}

type Outcome = Result<Option<u64>, HoldError>;

pub struct RemoteGate {
    client: StockGateClient<Channel>,
    token: MetadataValue<Ascii>,
    options: RemoteOptions,
    queue: Mutex<VecDeque<(Hold, oneshot::Sender<Outcome>)>>,
    /// Held by whoever sends a group.
    sending: tokio::sync::Mutex<()>,
}

impl RemoteGate {
    /// `address`: host and port. Connects with the first call, and again whenever the connection was lost.
    pub fn new(address: &str, token: &SecretString, options: RemoteOptions) -> Result<Self> {
        let broken = |cause: String| Error::Broken { engine: ENGINE, cause };
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| broken(error.to_string()))?
            .connect_timeout(options.connect_timeout)
            .timeout(options.call_timeout)
            .tcp_nodelay(true);
        let token = token.expose_secret().parse().map_err(|_| broken("the token is no header".to_owned()))?;
        let client = StockGateClient::new(endpoint.connect_lazy());
        Ok(Self { client, token, options, queue: Mutex::default(), sending: tokio::sync::Mutex::default() })
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<(Hold, oneshot::Sender<Outcome>)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(TOKEN, self.token.clone());
        request
    }

    /// Sends what is at the head of the queue and tells each its outcome.
    async fn send_group(&self) {
        let group: Vec<_> = {
            let mut queue = self.queue();
            let len = queue.len().min(self.options.group_len_max);
            queue.drain(..len).collect()
        };
        if group.is_empty() {
            return;
        }
        let (holds, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let count = holds.len();
        let message = pb::HoldRequest { holds: holds.into_iter().map(convert::hold_to).collect() };
        let outcomes: Vec<Outcome> = match self.client.clone().hold(self.request(message)).await {
            Ok(reply) => reply.into_inner().outcomes.into_iter().map(convert::outcome_from).collect(),
            Err(status) => vec![Err(failed(&status).into()); count],
        };
        let missing = || Err(Error::Broken { engine: ENGINE, cause: "an answer too few".to_owned() }.into());
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(missing));
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A caller that has gone does not mind.
            let _ = reply.send(outcome);
        }
    }
}

/// Whatever was lost on the way, the gate can only have held more than its callers know.
fn failed(status: &Status) -> Error {
    let cause = format!("{}: {}", status.code(), status.message());
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted => {
            Error::Unavailable { engine: ENGINE, cause }
        }
        Code::ResourceExhausted => Error::Busy { engine: ENGINE },
        _ => Error::Broken { engine: ENGINE, cause },
    }
}

#[async_trait]
impl StockGate for RemoteGate {
    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.hold_in_epoch(hold).await.map(drop)
    }

    async fn hold_in_epoch(&self, hold: Hold) -> Result<Option<u64>, HoldError> {
        let (reply, mut outcome) = oneshot::channel();
        {
            let mut queue = self.queue();
            if queue.len() >= self.options.queue_len_max {
                return Err(Error::Busy { engine: ENGINE }.into());
            }
            queue.push_back((hold, reply));
        }
        // Whoever gets the turn sends for all who wait; the others only wait for their outcome.
        loop {
            tokio::select! {
                biased;
                outcome = &mut outcome => {
                    let lost = || Error::Unavailable { engine: ENGINE, cause: "the group was given up".to_owned() };
                    return outcome.unwrap_or_else(|_| Err(lost().into()));
                }
                _turn = self.sending.lock() => self.send_group().await,
            }
        }
    }

    async fn release(&self, order_id: OrderId) -> Result<()> {
        let request = self.request(pb::ReleaseRequest { order_id: order_id.get() });
        self.client.clone().release(request).await.map(drop).map_err(|status| failed(&status))
    }

    async fn decided(&self, rows: Vec<StockRow>, orders: Vec<OrderId>) -> Result<()> {
        let rows = rows.into_iter().map(convert::row_to).collect();
        let orders = orders.into_iter().map(OrderId::get).collect();
        let request = self.request(pb::DecidedRequest { rows, orders });
        self.client.clone().decided(request).await.map(drop).map_err(|status| failed(&status))
    }

    async fn level(&self, product_id: ProductId) -> Result<Option<Level>> {
        Ok(self.levels(&[product_id]).await?.into_iter().next().flatten())
    }

    async fn levels(&self, products: &[ProductId]) -> Result<Vec<Option<Level>>> {
        let products = products.iter().map(|product| product.get()).collect();
        let reply = self.client.clone().levels(self.request(pb::LevelsRequest { products })).await;
        let levels = reply.map_err(|status| failed(&status))?.into_inner().levels;
        Ok(levels.into_iter().map(|level| level.level.map(convert::level_from)).collect())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<Hold>> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let request = self.request(pb::OverdueRequest { now_ms: now.as_millis(), limit });
        let reply = self.client.clone().overdue(request).await.map_err(|status| failed(&status))?;
        reply.into_inner().holds.into_iter().map(convert::hold_from).collect()
    }

    async fn postpone(&self, order_id: OrderId, deadline: Timestamp) -> Result<()> {
        let request = self.request(pb::PostponeRequest { order_id: order_id.get(), deadline_ms: deadline.as_millis() });
        self.client.clone().postpone(request).await.map(drop).map_err(|status| failed(&status))
    }

    async fn hold_count(&self) -> Result<usize> {
        let reply = self.client.clone().count(self.request(pb::CountRequest {})).await;
        let holds = reply.map_err(|status| failed(&status))?.into_inner().holds;
        Ok(usize::try_from(holds).unwrap_or(usize::MAX))
    }

    async fn rebuild(&self, _rows: Vec<StockRow>, _holds: Vec<Hold>) -> Result<()> {
        Err(Error::Broken { engine: ENGINE, cause: "a gate is rebuilt by its owner".to_owned() })
    }
}
