//! The two calls that nearly all traffic consists of, taken to their handlers past the router.
//!
//! What holds: it is what the table's own handler does that answers, under the table's own route; all that is left out is
//! the way there, which costs as much as reading an order does. Whatever is not plainly one of the two takes the usual way.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{Method, Response, Uri};
use axum::response::IntoResponse;
use std::sync::Arc;

use super::{Route, orders};
use crate::payload::Payload;
use crate::problem::Result;
use crate::state::{Caller, State, Traceparent};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hot {
    Place,
    Read,
}

impl Hot {
    pub fn of(request: &Request) -> Option<Self> {
        match *request.method() {
            Method::POST if request.uri().path() == orders::ALL => Some(Self::Place),
            Method::GET => order_id(request.uri()).map(|_| Self::Read),
            _ => None,
        }
    }

    pub const fn route(self) -> Route {
        match self {
            Self::Place => Route(orders::ALL),
            Self::Read => Route(orders::ONE),
        }
    }

    pub async fn answer(self, request: Request, state: &Arc<State>) -> Response<Body> {
        let answered = match self {
            Self::Place => place(request, state).await,
            Self::Read => read(request, state).await,
        };
        answered.into_response()
    }
}

/// In the order in which the handler's arguments are made: nobody's body is read who is not let in.
async fn place(request: Request, state: &Arc<State>) -> Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    let Caller(principal) = Caller::from_request_parts(&mut parts, state).await?;
    let Traceparent(trace) = Traceparent::from_request_parts(&mut parts, state).await?;
    let payload = Payload::from_request(Request::from_parts(parts, body), state).await?;
    orders::place_for(state, &principal, trace, &payload).await
}

async fn read(request: Request, state: &Arc<State>) -> Result<Response<Body>> {
    let (mut parts, _) = request.into_parts();
    let Caller(principal) = Caller::from_request_parts(&mut parts, state).await?;
    let id = order_id(&parts.uri).unwrap_or_default();
    orders::read_for(state, &principal, id, &parts.headers).await
}

/// Digits alone: nothing to be decoded, and no verb behind them.
fn order_id(uri: &Uri) -> Option<&str> {
    let id = uri.path().strip_prefix(orders::ALL)?.strip_prefix('/')?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_what_is_plainly_one_of_the_two_is_taken_past_the_router() {
        let of = |method, path| {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            Hot::of(&request)
        };
        assert_eq!(of(Method::POST, "/v1/orders"), Some(Hot::Place));
        assert_eq!(of(Method::GET, "/v1/orders/42?x=1"), Some(Hot::Read));
        for path in ["/v1/orders", "/v1/orders/", "/v1/orders/42:pay", "/v1/orders/4%32", "/v1/orders/42/history"] {
            assert_eq!(of(Method::GET, path), None, "{path}");
        }
        for path in ["/v1/orders/42", "/v1/orders/", "/orders", "/v1/ordersx"] {
            assert_eq!(of(Method::POST, path), None, "{path}");
        }
        assert_eq!(of(Method::HEAD, "/v1/orders/42"), None);
    }

    #[test]
    fn both_are_counted_under_routes_of_the_table() {
        let table: BTreeSet<&str> = super::super::table().iter().map(|entry| entry.route.0).collect();
        assert!([Hot::Place, Hot::Read].iter().all(|hot| table.contains(hot.route().0)));
    }
}
