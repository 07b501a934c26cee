//! Who am I, log in, log out: what a browser needs, since it cannot send a bearer token with a WebSocket.
//!
//! What holds: a log-in answers with a cookie that holds a token and counts like a bearer's. By a token anybody may log
//! in; by name alone only a caller who is the demo principal anyway, so the name opens nothing that was shut.
//!
//! What must never happen: a token in a body or a log.

use axum::body::Body;
use axum::extract::State as FromState;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use doos_app::Principal;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::set_cookie;
use crate::json::{self, Faults};
use crate::options::Profile;
use crate::payload::Payload;
use crate::problem::{Problem, Result};
use crate::state::{Caller, Scope, State};
use crate::view::session::MeView;
use crate::{rest, view};

const TOKEN_BYTES_MAX: usize = 4 << 10;

/// How somebody says who they are.
enum LogIn {
    Token(String),
    User(String),
    Operator(String),
}

pub async fn me(
    FromState(state): FromState<Arc<State>>,
    Caller(principal): Caller,
    axum::Extension(scope): axum::Extension<Arc<Scope>>,
) -> Response<Body> {
    answer(&state, &principal, &scope)
}

pub async fn log_in(
    FromState(state): FromState<Arc<State>>,
    uri: Uri,
    axum::Extension(scope): axum::Extension<Arc<Scope>>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response<Body>> {
    state.limits.admit_any()?;
    state.admit_stranger(&headers, &scope).await?;
    state.auth.check_own_page(&headers, &uri)?;
    let now = state.app.ports.clock.now();
    let (principal, token, ttl) = match read_body(&payload.body)? {
        LogIn::Token(token) => {
            let bearer = state.auth.verify(&token, now)?;
            let left_ms = u64::try_from(bearer.expires_at.millis_since(now)).unwrap_or(0);
            (bearer.principal, token, Duration::from_millis(left_ms))
        }
        LogIn::User(user) => {
            state.auth.check_demo(&headers, &uri, scope.is_local)?;
            let user_id = state.app.resolve_user(&user, state.unknown_names()).await?;
            issue(&state, Principal::Customer(user_id))?
        }
        LogIn::Operator(name) => {
            state.auth.check_demo(&headers, &uri, scope.is_local)?;
            issue(&state, Principal::Operator(name))?
        }
    };
    let mut response = answer(&state, &principal, &scope);
    put_cookie(&mut response, &state, Some(&token), ttl);
    Ok(response)
}

pub async fn log_out(FromState(state): FromState<Arc<State>>, uri: Uri, headers: HeaderMap) -> Result<Response<Body>> {
    state.limits.admit_any()?;
    state.auth.check_own_page(&headers, &uri)?;
    state.auth.end_session(&headers, &uri, state.app.ports.clock.now());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    put_cookie(&mut response, &state, None, Duration::ZERO);
    Ok(response)
}

fn read_body(body: &[u8]) -> Result<LogIn> {
    let mut faults = Faults::default();
    let mut object = json::parse(body, &mut faults)?;
    let mut text = |name| object.take(name).and_then(|value| value.string(&mut faults));
    let given = (text("token"), text("user"), text("operator"));
    object.finish(&mut faults);
    faults.check()?;
    match given {
        (Some(token), None, None) if token.len() <= TOKEN_BYTES_MAX => Ok(LogIn::Token(token)),
        (Some(_), None, None) => Err(Problem::invalid_at("#/token", "is no token")),
        (None, Some(user), None) => Ok(LogIn::User(user)),
        (None, None, Some(operator)) => Ok(LogIn::Operator(operator)),
        _ => Err(Problem::invalid_at("#", "log in by exactly one of `token`, `user` and `operator`")),
    }
}

fn issue(state: &State, principal: Principal) -> Result<(Principal, String, Duration)> {
    let clock = &state.app.ports.clock;
    let ttl = Duration::from_secs(state.options.session_ttl_s);
    let token = state.auth.issue(&principal, clock.now(), ttl, clock.random());
    let token = token.map_err(|error| Problem::new("invalid_request", error.to_string()))?;
    Ok((principal, token, ttl))
}

fn answer(state: &State, principal: &Principal, scope: &Scope) -> Response<Body> {
    let me = MeView::of(principal, state.options.profile, scope.is_local);
    let mut response = rest::json(StatusCode::OK, view::to_json(&me));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn put_cookie(response: &mut Response<Body>, state: &State, token: Option<&str>, ttl: Duration) {
    let cookie = set_cookie(token, ttl, state.options.profile == Profile::Prod);
    let mut value = HeaderValue::try_from(cookie).expect("a token is letters, digits and dots");
    value.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, value);
}
