//! Many orders in one call: placed over a stream, or moved as a group.
//!
//! What holds: a bounded number of elements is worked on at a time, and the stream is read no further meanwhile; a
//! refused element ends neither the stream nor its neighbours. When the node stops, what was read is finished and
//! answered, and the stream ends with a reason to go on elsewhere.

use doos_app::order::{Moved, Steer, Terms, Verb};
use doos_app::{Error, Principal};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt as _};
use std::sync::Arc;
use tonic::{Status, Streaming};

use super::service::{Call, Orders, fingerprint, key};
use super::{convert, refusal};
use crate::problem::{Problem, Result};
use crate::proto::order_v1 as pb;

const UPDATE: &str = "/order.v1.OrderService/UpdateOrderStatus";
const CLIENT_REF_CHARS_MAX: usize = 255;
const REASON_CHARS_MAX: usize = 200;
/// Moves of one group that are decided at a time; more would only meet in the same group of the store.
const MOVES_AT_ONCE: usize = 64;
/// Room for the number of a change behind the group's key.
const GROUP_KEY_CHARS_MAX: usize = 240;

type Answers = BoxStream<'static, Result<pb::CreateOrdersResponse, Status>>;

/// Places the orders of a stream; answers come as the orders become durable.
pub fn create(orders: Orders, call: Call, elements: Streaming<pb::CreateOrdersRequest>) -> Answers {
    let at_once = orders.state.options.bulk_in_flight_max;
    let start = Bulk { orders, call, elements: Some(elements), in_flight: FuturesUnordered::new(), at_once, end: None };
    futures::stream::unfold(start, |mut bulk| async {
        let answer = bulk.next().await?;
        Some((answer, bulk))
    })
    .boxed()
}

struct Bulk<F> {
    orders: Orders,
    call: Call,
    /// `None` once nothing more is read.
    elements: Option<Streaming<pb::CreateOrdersRequest>>,
    in_flight: FuturesUnordered<F>,
    at_once: usize,
    /// What the stream ends with, after the answers.
    end: Option<Status>,
}

impl Bulk<futures::future::BoxFuture<'static, pb::CreateOrdersResponse>> {
    async fn next(&mut self) -> Option<Result<pb::CreateOrdersResponse, Status>> {
        loop {
            if self.elements.is_none() && self.in_flight.is_empty() {
                return self.end.take().map(Err);
            }
            let has_room = self.in_flight.len() < self.at_once;
            let reads = self.elements.as_mut().filter(|_| has_room);
            let is_reading = reads.is_some();
            let element = async {
                match reads {
                    Some(elements) => elements.message().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(answer) = self.in_flight.next() => return Some(Ok(answer)),
                () = self.orders.state.stop.cancelled(), if is_reading => {
                    let stopping = Problem::new("unavailable", "the node is stopping").retry_after(1);
                    self.close(Some(refusal::status(&stopping)));
                }
                element = element => match element {
                    Ok(Some(element)) => self.start(element),
                    Ok(None) => self.close(None),
                    Err(status) => self.close(Some(status)),
                },
            }
        }
    }

    fn close(&mut self, end: Option<Status>) {
        self.elements = None;
        self.end = end;
    }

    fn start(&mut self, element: pb::CreateOrdersRequest) {
        let (orders, call) = (self.orders.clone(), self.call.clone());
        self.in_flight.push(Box::pin(place(orders, call, element)));
    }
}

async fn place(orders: Orders, call: Call, element: pb::CreateOrdersRequest) -> pb::CreateOrdersResponse {
    use pb::create_orders_response::Outcome;
    let client_ref = element.client_ref.clone();
    let outcome = match place_one(&orders, call, element).await {
        Ok(order_id) => Outcome::OrderId(order_id),
        Err(problem) => Outcome::Problem(refusal::element(&problem)),
    };
    pb::CreateOrdersResponse { client_ref, outcome: Some(outcome) }
}

async fn place_one(orders: &Orders, call: Call, element: pb::CreateOrdersRequest) -> Result<i64> {
    if element.client_ref.chars().count() > CLIENT_REF_CHARS_MAX {
        let detail = format!("has at most {CLIENT_REF_CHARS_MAX} characters");
        return Err(Problem::invalid_at("#/client_ref", detail));
    }
    let order = element.order.ok_or_else(|| Problem::invalid_at("#/order", "is missing"))?;
    // Each element counts like a call of its own.
    orders.state.limits.admit_any()?;
    orders.state.limits.admit_principal(&call.principal)?;
    orders.state.shed()?;
    let call = Call { key: convert::text(element.idempotency_key), ..call };
    Ok(orders.place(&call, order).await?.order.id)
}

/// Moves a group of orders; one result for each change, in their order.
pub async fn update(
    orders: &Orders,
    call: &Call,
    changes: Vec<pb::OrderStatusChange>,
) -> Result<Vec<pb::OrderStatusResult>> {
    if !matches!(call.principal, Principal::Service(_)) {
        return Err(Error::Forbidden("this needs a service's token").into());
    }
    let most = orders.state.options.bulk_changes_max;
    if changes.len() > most {
        return Err(Problem::new("bulk_too_large", format!("a group has at most {most} changes")));
    }
    if call.key.as_ref().is_some_and(|key| key.len() > GROUP_KEY_CHARS_MAX) {
        return Err(Error::KeyInvalid.into());
    }
    let moves = changes.into_iter().enumerate().map(|(index, change)| move_one(orders, call, index, change));
    Ok(futures::stream::iter(moves).buffered(MOVES_AT_ONCE).collect().await)
}

async fn move_one(orders: &Orders, call: &Call, index: usize, change: pb::OrderStatusChange) -> pb::OrderStatusResult {
    use pb::order_status_result::Outcome;
    let order_id = change.order_id;
    let outcome = match try_move(orders, call, index, change).await {
        Ok(version) => Outcome::Version(version),
        Err(problem) => Outcome::Problem(refusal::element(&problem)),
    };
    pb::OrderStatusResult { order_id, outcome: Some(outcome) }
}

async fn try_move(orders: &Orders, call: &Call, index: usize, change: pb::OrderStatusChange) -> Result<i64> {
    // Under the group's key each change has its own, and with it its own answer.
    let key_text = call.key.as_ref().map(|key| format!("{key}#{index}"));
    let key = key(key_text.as_deref(), call.principal.scope(), fingerprint(UPDATE, &change))?;
    let expected_version = match change.expected_version {
        Some(version) => Some(
            u32::try_from(version)
                .map_err(|_| Problem::invalid_at("#/expected_version", "is not a version an order can have"))?,
        ),
        None => None,
    };
    if change.reason.chars().count() > REASON_CHARS_MAX || change.reason.chars().any(char::is_control) {
        let detail = format!("expected at most {REASON_CHARS_MAX} visible characters");
        return Err(Problem::invalid_at("#/reason", detail));
    }
    let steer = Steer {
        principal: call.principal.clone(),
        order_id: convert::order_id(change.order_id)?,
        verb: verb(&change.status)?,
        key,
        trace: Some(call.traceparent.clone()),
        render: convert::stored,
    };
    let terms = Terms { expected_version, reason: convert::text(change.reason) };
    let app = Arc::clone(&orders.state.app);
    match orders.state.finish(async move { app.steer_on(steer, &terms).await }).await? {
        Moved::Now { order, .. } => Ok(i64::from(order.version)),
        Moved::Before(answer) => Ok(convert::from_stored(&answer.body)?.version),
    }
}

/// The move that leads to a state; some states are only ever reached from inside.
fn verb(status: &str) -> Result<Verb> {
    use doos_domain::order::Status as To;
    match convert::status(status)? {
        To::Cancelled => Ok(Verb::Cancel),
        To::Paid => Ok(Verb::Pay),
        To::Shipped => Ok(Verb::Ship { tracking: None }),
        To::Delivered => Ok(Verb::Deliver),
        To::Returned => Ok(Verb::Return),
        to @ (To::Pending | To::Confirmed | To::ShipFailed) => {
            Err(Error::IllegalMove(format!("no caller can make an order {to}")).into())
        }
    }
}
