//! The calls of `OrderService` that answer once, and the stream of changes.

use doos_app::Principal;
use doos_app::keys::Key;
use doos_app::order::{Moved, PlaceOrder, Placed, Steer, Verb};
use futures::stream::{BoxStream, StreamExt as _};
use prost::Message;
use std::sync::Arc;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};

use super::{bulk, convert, refusal};
use crate::live::{Audience, Listener};
use crate::metrics::Opened;
use crate::payload::IDEMPOTENCY_KEY;
use crate::problem::{Problem, Result};
use crate::proto::order_v1 as pb;
use crate::proto::order_v1::order_service_server::OrderService;
use crate::state::{Caller, Scope, State};
use crate::{paging, rest};

/// Every way to place an order has one key space: a repeat may come by another call.
pub const CREATE: &str = "/order.v1.OrderService/CreateOrder";
const CANCEL: &str = "/order.v1.OrderService/CancelOrder";

#[derive(Clone)]
pub struct Orders {
    pub state: Arc<State>,
}

/// Who calls, within which trace, under which key.
#[derive(Clone)]
pub struct Call {
    pub principal: Principal,
    pub traceparent: String,
    pub key: Option<String>,
}

/// An order, and whether this is the stored answer to an earlier call.
pub struct Told {
    pub order: pb::Order,
    pub replayed: bool,
}

impl Orders {
    pub const fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    pub async fn place(&self, call: &Call, request: pb::CreateOrderRequest) -> Result<Told> {
        let fingerprint = fingerprint(CREATE, &request);
        let user_id = call.principal.acting_for(convert::user(request.user_id)?)?;
        let place = PlaceOrder {
            user_id,
            actor: call.principal.actor(user_id),
            lines: convert::lines(&request.items, &self.state.app)?,
            address: convert::text(request.address),
            coupon: convert::text(request.coupon),
            key: key(call.key.as_deref(), user_id.to_string(), fingerprint)?,
            trace: Some(call.traceparent.clone()),
            render: convert::stored,
        };
        let app = Arc::clone(&self.state.app);
        match self.state.finish(async move { app.place(place).await }).await? {
            Placed::Now(order, _) => Ok(Told { order: convert::order(&order), replayed: false }),
            Placed::Before(answer) => Ok(Told { order: convert::from_stored(&answer.body)?, replayed: true }),
        }
    }

    async fn cancel(&self, call: Call, request: pb::CancelOrderRequest) -> Result<Told> {
        let key = key(call.key.as_deref(), call.principal.scope(), fingerprint(CANCEL, &request))?;
        let steer = Steer {
            order_id: convert::order_id(request.order_id)?,
            principal: call.principal,
            verb: Verb::Cancel,
            key,
            trace: Some(call.traceparent),
            render: convert::stored,
        };
        let app = Arc::clone(&self.state.app);
        match self.state.finish(async move { app.steer(steer).await }).await? {
            Moved::Now { order, .. } => Ok(Told { order: convert::order(&order), replayed: false }),
            Moved::Before(answer) => Ok(Told { order: convert::from_stored(&answer.body)?, replayed: true }),
        }
    }

    async fn detail(&self, call: Call, request: pb::GetOrderDetailRequest) -> Result<pb::GetOrderDetailResponse> {
        let order = self.state.app.read_order(&call.principal, convert::order_id(request.order_id)?).await?;
        Ok(pb::GetOrderDetailResponse { order: Some(convert::order_with_history(&order)) })
    }

    async fn list(&self, call: Call, request: pb::GetOrdersRequest) -> Result<pb::GetOrdersResponse> {
        let user_id = convert::user(request.user_id)?;
        let statuses = match request.status.as_str() {
            "" => Vec::new(),
            name => vec![convert::status(name)?],
        };
        let asked = (request.page_size != 0).then(|| request.page_size.to_string());
        let size = paging::size(asked.as_deref(), &self.state.options)?;
        let of_user = user_id.map_or_else(String::new, |user| user.to_string());
        let filter = paging::fingerprint(&["orders", &of_user, &request.status]);
        let before = paging::after(&request.page_token, filter)?;
        let page = self.state.app.list_orders(&call.principal, user_id, statuses, before, size).await?;
        Ok(pb::GetOrdersResponse {
            orders: page.orders.iter().map(|order| convert::order(order)).collect(),
            next_page_token: page.next.map_or_else(String::new, |next| paging::token(&next.to_string(), filter)),
        })
    }

    async fn watch(&self, call: Call, request: pb::WatchOrdersRequest) -> Result<Watch> {
        let named = convert::user(request.user_id)?;
        let audience = match (&call.principal, named) {
            (Principal::Customer(_), named) => Audience::User(call.principal.acting_for(named)?),
            (_, Some(user)) => Audience::User(user),
            (_, None) => Audience::Everybody,
        };
        let after = match request.resume_token.as_str() {
            "" => None,
            token => Some(self.state.hub.resume(token).await?),
        };
        let open = rest::stream::enter(&self.state)?;
        let listener = self.state.hub.listen(audience, after).await?;
        Ok(Watch { state: Arc::clone(&self.state), listener, _open: open })
    }
}

/// One open stream of changes.
struct Watch {
    state: Arc<State>,
    listener: Listener,
    _open: Opened,
}

impl Watch {
    /// The next event, or the refusal the stream ends with: whoever resumes misses nothing.
    async fn next(&mut self) -> Result<pb::WatchOrdersResponse> {
        let away = |detail: &str| Problem::new("unavailable", detail).retry_after(1);
        tokio::select! {
            biased;
            () = self.state.stop.cancelled() => Err(away("the node is stopping; resume after the last token")),
            changed = self.listener.next() => match changed.map_err(doos_app::Error::from)? {
                Some(changed) => Ok(pb::WatchOrdersResponse {
                    order: Some(convert::order(&changed.order)),
                    resume_token: self.state.hub.token(changed.position),
                }),
                None => Err(away("the stream could not keep up; resume after the last token")),
            },
        }
    }

    fn into_stream(self) -> BoxStream<'static, Result<pb::WatchOrdersResponse, Status>> {
        let events = futures::stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(event) => Some((Ok(event), Some(watch))),
                Err(problem) => Some((Err(refusal::status(&problem)), None)),
            }
        });
        events.boxed()
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    type WatchOrdersStream = BoxStream<'static, Result<pb::WatchOrdersResponse, Status>>;
    type CreateOrdersStream = BoxStream<'static, Result<pb::CreateOrdersResponse, Status>>;

    async fn create_order(
        &self,
        request: Request<pb::CreateOrderRequest>,
    ) -> Result<Response<pb::CreateOrderResponse>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        let told = self.place(&call, request).await.map_err(|problem| refusal::status(&problem))?;
        Ok(marked(convert::created(told.order), told.replayed))
    }

    async fn get_order_detail(
        &self,
        request: Request<pb::GetOrderDetailRequest>,
    ) -> Result<Response<pb::GetOrderDetailResponse>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        self.detail(call, request).await.map(Response::new).map_err(|problem| refusal::status(&problem))
    }

    async fn get_orders(
        &self,
        request: Request<pb::GetOrdersRequest>,
    ) -> Result<Response<pb::GetOrdersResponse>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        self.list(call, request).await.map(Response::new).map_err(|problem| refusal::status(&problem))
    }

    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::CancelOrderResponse>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        let told = self.cancel(call, request).await.map_err(|problem| refusal::status(&problem))?;
        Ok(marked(pb::CancelOrderResponse { order: Some(told.order) }, told.replayed))
    }

    async fn watch_orders(
        &self,
        request: Request<pb::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        let watch = self.watch(call, request).await.map_err(|problem| refusal::status(&problem))?;
        Ok(Response::new(watch.into_stream()))
    }

    async fn create_orders(
        &self,
        request: Request<tonic::Streaming<pb::CreateOrdersRequest>>,
    ) -> Result<Response<Self::CreateOrdersStream>, Status> {
        let (call, elements) = split(request).map_err(|problem| refusal::status(&problem))?;
        Ok(Response::new(bulk::create(self.clone(), call, elements)))
    }

    async fn update_order_status(
        &self,
        request: Request<pb::UpdateOrderStatusRequest>,
    ) -> Result<Response<pb::UpdateOrderStatusResponse>, Status> {
        let (call, request) = split(request).map_err(|problem| refusal::status(&problem))?;
        let results = bulk::update(self, &call, request.changes).await.map_err(|problem| refusal::status(&problem))?;
        Ok(Response::new(pb::UpdateOrderStatusResponse { results }))
    }
}

fn split<T>(request: Request<T>) -> Result<(Call, T)> {
    let lost = || Problem::new("internal", "the call lost its scope");
    let (metadata, extensions, message) = request.into_parts();
    let Caller(principal) = extensions.get::<Caller>().cloned().ok_or_else(lost)?;
    let scope = extensions.get::<Arc<Scope>>().ok_or_else(lost)?;
    let key = sent_key(&metadata)?;
    Ok((Call { principal, traceparent: scope.traceparent.clone(), key }, message))
}

fn sent_key(metadata: &MetadataMap) -> Result<Option<String>> {
    let invalid = || Problem::from(doos_app::Error::KeyInvalid);
    let mut sent = metadata.get_all(IDEMPOTENCY_KEY).iter();
    let key = sent.next().map(|value| value.to_str().map(str::to_owned).map_err(|_| invalid())).transpose()?;
    if sent.next().is_some() { Err(invalid()) } else { Ok(key) }
}

/// The encoded message stands for the body: fields in the order of their numbers, defaults left out.
pub fn fingerprint(path: &str, message: &impl Message) -> u64 {
    paging::fingerprint_bytes([path.as_bytes(), &message.encode_to_vec()])
}

pub fn key(sent: Option<&str>, scope: String, fingerprint: u64) -> Result<Option<Key>> {
    Ok(sent.map(|sent| Key::try_new(scope, sent, fingerprint)).transpose()?)
}

fn marked<T>(message: T, replayed: bool) -> Response<T> {
    let mut response = Response::new(message);
    if replayed {
        response.metadata_mut().insert("idempotent-replayed", MetadataValue::from_static("true"));
    }
    response
}
