//! The other end: this process's own gate, for the others.

use doos_ports::Error;
use doos_ports::stock_gate::StockGate;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tokio::sync::watch;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::proto::doos_internal_v1 as pb;
use crate::seat::{Owner, Seat};
use crate::{TOKEN, convert};
use pb::stock_gate_server::{StockGate as Contract, StockGateServer};

/// Longest list in one call; peers send less.
const LIST_LEN_MAX: usize = 100_000;

/// Serves the gate of `seat` to whoever knows the token, as long as it is this process's own.
pub fn service(seat: &Seat, token: SecretString) -> InterceptedService<StockGateServer<OwnGate>, Doorkeeper> {
    let limited = StockGateServer::new(OwnGate(seat.subscribe())).max_decoding_message_size(16 << 20);
    InterceptedService::new(limited, Doorkeeper(Arc::new(token)))
}

/// Lets in who knows the cluster's token.
#[derive(Clone)]
pub struct Doorkeeper(Arc<SecretString>);

impl Interceptor for Doorkeeper {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let said = request.metadata().get(TOKEN).map(|said| said.as_bytes()).unwrap_or_default();
        if is_same(said, self.0.expose_secret().as_bytes()) {
            return Ok(request);
        }
        Err(Status::unauthenticated("this is for processes of the cluster"))
    }
}

/// Takes as long for a wrong token as for a right one.
fn is_same(said: &[u8], token: &[u8]) -> bool {
    said.len() == token.len()
        && said.iter().zip(token).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
}

pub struct OwnGate(watch::Receiver<Owner>);

impl OwnGate {
    fn gate(&self) -> Result<Arc<dyn StockGate>, Status> {
        Seat::own(&self.0).ok_or_else(|| Status::unavailable("this process does not own the gate"))
    }
}

fn status(error: Error) -> Status {
    match error {
        Error::Busy { .. } => Status::resource_exhausted(error.to_string()),
        error if error.is_worth_a_retry() => Status::unavailable(error.to_string()),
        error => Status::internal(error.to_string()),
    }
}

fn bounded<T>(list: Vec<T>) -> Result<Vec<T>, Status> {
    if list.len() > LIST_LEN_MAX {
        return Err(Status::invalid_argument(format!("a list has at most {LIST_LEN_MAX} entries")));
    }
    Ok(list)
}

fn read<T, F>(list: Vec<T>, from: impl Fn(T) -> doos_ports::Result<F>) -> Result<Vec<F>, Status> {
    bounded(list)?.into_iter().map(from).collect::<doos_ports::Result<_>>().map_err(status)
}

#[tonic::async_trait]
impl Contract for OwnGate {
    async fn hold(&self, request: Request<pb::HoldRequest>) -> Result<Response<pb::HoldReply>, Status> {
        let gate = self.gate()?;
        let mut outcomes = Vec::new();
        for hold in read(request.into_inner().holds, convert::hold_from)? {
            outcomes.push(convert::outcome_to(gate.hold_in_epoch(hold).await).map_err(status)?);
        }
        Ok(Response::new(pb::HoldReply { outcomes }))
    }

    async fn release(&self, request: Request<pb::ReleaseRequest>) -> Result<Response<pb::Done>, Status> {
        let order = convert::order_from(request.into_inner().order_id).map_err(status)?;
        self.gate()?.release(order).await.map_err(status)?;
        Ok(Response::new(pb::Done {}))
    }

    async fn decided(&self, request: Request<pb::DecidedRequest>) -> Result<Response<pb::Done>, Status> {
        let pb::DecidedRequest { rows, orders } = request.into_inner();
        let (rows, orders) = (read(rows, convert::row_from)?, read(orders, convert::order_from)?);
        self.gate()?.decided(rows, orders).await.map_err(status)?;
        Ok(Response::new(pb::Done {}))
    }

    async fn levels(&self, request: Request<pb::LevelsRequest>) -> Result<Response<pb::LevelsReply>, Status> {
        let products = read(request.into_inner().products, convert::product_from)?;
        let levels = self.gate()?.levels(&products).await.map_err(status)?;
        let levels = levels.into_iter().map(|level| pb::MaybeLevel { level: level.map(convert::level_to) });
        Ok(Response::new(pb::LevelsReply { levels: levels.collect() }))
    }

    async fn overdue(&self, request: Request<pb::OverdueRequest>) -> Result<Response<pb::OverdueReply>, Status> {
        let pb::OverdueRequest { now_ms, limit } = request.into_inner();
        let limit = usize::try_from(limit).unwrap_or(LIST_LEN_MAX).min(LIST_LEN_MAX);
        let now = doos_domain::time::Timestamp::from_millis(now_ms);
        let holds = self.gate()?.overdue(now, limit).await.map_err(status)?;
        Ok(Response::new(pb::OverdueReply { holds: holds.into_iter().map(convert::hold_to).collect() }))
    }

    async fn postpone(&self, request: Request<pb::PostponeRequest>) -> Result<Response<pb::Done>, Status> {
        let pb::PostponeRequest { order_id, deadline_ms } = request.into_inner();
        let order = convert::order_from(order_id).map_err(status)?;
        let deadline = doos_domain::time::Timestamp::from_millis(deadline_ms);
        self.gate()?.postpone(order, deadline).await.map_err(status)?;
        Ok(Response::new(pb::Done {}))
    }

    async fn count(&self, _: Request<pb::CountRequest>) -> Result<Response<pb::CountReply>, Status> {
        let holds = self.gate()?.hold_count().await.map_err(status)?;
        Ok(Response::new(pb::CountReply { holds: holds as u64 }))
    }
}
