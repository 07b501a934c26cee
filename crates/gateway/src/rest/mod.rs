//! The REST interface: one table of routes, and the answers they have in common.
//!
//! What holds: every route stands in [`table`], with what it is called in the OpenAPI document; a test compares the
//! two. Unknown paths and wrong methods are problems like every other refusal.

pub mod admin;
pub mod console;
pub mod dead_letters;
mod hot;
pub mod operations;
pub mod orders;
pub mod pages;
pub mod payments;
pub mod products;
pub mod session;
pub mod statistics;
pub mod stock;
pub mod stream;

use axum::Router;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use axum::routing::{MethodRouter, get, post};
use doos_domain::answer::Answer;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use hot::Hot;

use crate::assets;
use crate::problem::Problem;
use crate::state::State;

pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What `Allow` says of a thing that is read, and of a move.
pub const READABLE: &str = "GET,HEAD";
const POSTED: &str = "POST";

/// A route's template, under which its requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(pub &'static str);

impl Route {
    pub const UNKNOWN: Self = Self("unknown");
    const FILES: Self = Self("files");
}

pub struct Entry {
    pub route: Route,
    methods: MethodRouter<Arc<State>>,
    /// Method and path of each operation in the OpenAPI document.
    pub documented: &'static [(&'static str, &'static str)],
}

fn entry(
    template: &'static str,
    methods: MethodRouter<Arc<State>>,
    documented: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry { route: Route(template), methods, documented }
}

/// Every route but the static files.
pub fn table() -> Vec<Entry> {
    let mut entries = business();
    entries.extend(back_office());
    entries.extend(statistics_table());
    entries.extend(operations_table());
    entries.extend([
        entry("/openapi.json", get(pages::openapi), &[("get", "/openapi.json")]),
        entry("/docs/errors/{code}", get(pages::error_page), &[("get", "/docs/errors/{code}")]),
    ]);
    entries
}

fn business() -> Vec<Entry> {
    vec![
        entry(orders::ALL, get(orders::list).post(orders::place), &[("get", "/v1/orders"), ("post", "/v1/orders")]),
        entry("/orders", get(pages::orders).post(orders::place), &[("get", "/orders"), ("post", "/orders")]),
        entry("/v1/order/create", post(orders::place), &[("post", "/v1/order/create")]),
        entry(
            orders::ONE,
            get(orders::read).post(orders::steer),
            &[
                ("get", "/v1/orders/{order_id}"),
                ("post", "/v1/orders/{order_id}:cancel"),
                ("post", "/v1/orders/{order_id}:pay"),
                ("post", "/v1/orders/{order_id}:ship"),
                ("post", "/v1/orders/{order_id}:deliver"),
                ("post", "/v1/orders/{order_id}:return"),
            ],
        ),
        entry("/orders/{order_id}", get(pages::order), &[("get", "/orders/{order_id}")]),
        entry("/v1/orders/{order_id}/history", get(orders::history), &[("get", "/v1/orders/{order_id}/history")]),
        entry("/v1/stream", get(stream::stream), &[("get", "/v1/stream")]),
        entry(
            "/v1/products",
            get(products::list).post(products::create),
            &[("get", "/v1/products"), ("post", "/v1/products")],
        ),
        entry(
            "/v1/products/{product_id}",
            get(products::read).patch(products::update),
            &[("get", "/v1/products/{product_id}"), ("patch", "/v1/products/{product_id}")],
        ),
        entry(
            "/v1/stock/{product_id}",
            get(stock::read).post(stock::adjust),
            &[
                ("get", "/v1/stock/{product_id}"),
                ("post", "/v1/stock/{product_id}:receive"),
                ("post", "/v1/stock/{product_id}:write-off"),
            ],
        ),
        entry(
            "/v1/stock/{product_id}/movements",
            get(stock::movements),
            &[("get", "/v1/stock/{product_id}/movements")],
        ),
        entry("/v1/users/me", get(session::me), &[("get", "/v1/users/me")]),
        entry("/v1/auth/login", post(session::log_in), &[("post", "/v1/auth/login")]),
        entry("/v1/auth/logout", post(session::log_out), &[("post", "/v1/auth/logout")]),
        entry("/v1/payments/callback", post(payments::callback), &[("post", "/v1/payments/callback")]),
    ]
}

fn back_office() -> Vec<Entry> {
    vec![
        entry(
            "/v1/admin/orders/{order_id}/messages",
            get(admin::messages),
            &[("get", "/v1/admin/orders/{order_id}/messages")],
        ),
        entry("/v1/admin/dead-letters", get(dead_letters::list), &[("get", "/v1/admin/dead-letters")]),
        entry(
            "/v1/admin/dead-letters:replay",
            post(dead_letters::replay_many),
            &[("post", "/v1/admin/dead-letters:replay")],
        ),
        entry(
            "/v1/admin/dead-letters:discard",
            post(dead_letters::discard_many),
            &[("post", "/v1/admin/dead-letters:discard")],
        ),
        entry(
            // Ids contain slashes.
            "/v1/admin/dead-letters/{*id}",
            get(dead_letters::read).post(dead_letters::settle),
            &[
                ("get", "/v1/admin/dead-letters/{id}"),
                ("post", "/v1/admin/dead-letters/{id}:replay"),
                ("post", "/v1/admin/dead-letters/{id}:discard"),
            ],
        ),
        entry(
            "/v1/admin/orders/{order_id}/ledger",
            get(console::ledger),
            &[("get", "/v1/admin/orders/{order_id}/ledger")],
        ),
        entry("/v1/admin/search", get(console::search), &[("get", "/v1/admin/search")]),
        entry("/v1/admin/system", get(console::system), &[("get", "/v1/admin/system")]),
        entry("/v1/admin/projections:rebuild", post(console::rebuild), &[("post", "/v1/admin/projections:rebuild")]),
        entry("/v1/admin/projections:compare", post(console::compare), &[("post", "/v1/admin/projections:compare")]),
        entry("/v1/admin/actions", get(admin::actions), &[("get", "/v1/admin/actions")]),
        entry("/v1/admin/audit", get(admin::audit), &[("get", "/v1/admin/audit")]),
        entry("/v1/admin/audit:repair", post(admin::repair), &[("post", "/v1/admin/audit:repair")]),
    ]
}

fn statistics_table() -> Vec<Entry> {
    vec![
        entry("/v1/stats/sales", get(statistics::sales), &[("get", "/v1/stats/sales")]),
        entry("/v1/stats/top-products", get(statistics::top_products), &[("get", "/v1/stats/top-products")]),
        entry("/v1/stats/funnel", get(statistics::funnel), &[("get", "/v1/stats/funnel")]),
        entry("/v1/stats/summary", get(statistics::summary), &[("get", "/v1/stats/summary")]),
        entry("/v1/stats/now", get(statistics::now), &[("get", "/v1/stats/now")]),
        entry("/v1/stats/stock-alarms", get(statistics::stock_alarms), &[("get", "/v1/stats/stock-alarms")]),
    ]
}

fn operations_table() -> Vec<Entry> {
    vec![
        entry("/livez", get(operations::livez), &[("get", "/livez")]),
        entry("/readyz", get(operations::readyz), &[("get", "/readyz")]),
        entry("/metrics", get(operations::metrics), &[("get", "/metrics")]),
    ]
}

/// Every route under which requests are counted, with each of its methods.
pub fn routes() -> impl Iterator<Item = (Route, &'static str)> {
    let of_table = table().into_iter().flat_map(|entry| {
        let methods: BTreeSet<&'static str> = entry.documented.iter().map(|(method, _)| counted(method)).collect();
        methods.into_iter().map(move |method| (entry.route, method))
    });
    of_table.chain([(Route::FILES, "GET")])
}

fn counted(method: &str) -> &'static str {
    match method {
        "get" => "GET",
        "patch" => "PATCH",
        _ => "POST",
    }
}

/// Everything of the main port but gRPC.
pub fn router(state: &Arc<State>) -> Router {
    let files = assets::paths().map(|path| (path, Route::FILES, get(pages::file)));
    let pages = assets::page_routes().iter().map(|path| (*path, Route::FILES, get(pages::page)));
    let answered = table().into_iter().map(|entry| (entry.route.0, entry.route, entry.methods));
    finish(state, answered.chain(files).chain(pages))
}

/// Only what whoever runs the node looks at.
pub fn operations_router(state: &Arc<State>) -> Router {
    finish(state, operations_table().into_iter().map(|entry| (entry.route.0, entry.route, entry.methods)))
}

fn finish(
    state: &Arc<State>,
    entries: impl Iterator<Item = (&'static str, Route, MethodRouter<Arc<State>>)>,
) -> Router {
    let mut router = Router::new();
    for (path, route, methods) in entries {
        let tagged = axum::middleware::map_response(move |mut response: axum::response::Response| async move {
            response.extensions_mut().insert(route);
            response
        });
        router = router.route(path, methods.layer(tagged));
    }
    router
        .fallback(|uri: Uri| async move {
            Problem::new("not_found", format!("there is nothing at {}", shortened(uri.path())))
        })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .with_state(Arc::clone(state))
}

pub fn method_not_allowed() -> Problem {
    Problem::new("method_not_allowed", "this path does not know that method")
}

/// The same of a path whose last part is told apart by us and not by the router, which says the rest itself.
pub fn allowed_is(methods: &'static str) -> Problem {
    method_not_allowed().header(ALLOW, HeaderValue::from_static(methods))
}

/// Refuses to read `ID:VERB`, where the verb is one of these: it can be posted only.
pub fn refuse_to_read_a_move(target: &str, verbs: &[&str]) -> Result<(), Problem> {
    match split_verb(target) {
        Some((_, verb)) if verbs.contains(&verb) => Err(allowed_is(POSTED)),
        _ => Ok(()),
    }
}

fn shortened(path: &str) -> String {
    path.chars().take(128).collect()
}

/// `ID:VERB` at the end of a path.
pub fn split_verb(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|(_, verb)| !verb.is_empty())
}

pub fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The stored answer, as it was given the first time.
pub fn replayed(answer: Answer) -> Response<Body> {
    #[derive(Deserialize)]
    struct About {
        order_id: Option<String>,
        version: Option<u32>,
    }
    let about: Option<About> = serde_json::from_str(&answer.body).ok();
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = json(status, answer.body);
    let headers = response.headers_mut();
    headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    if let Some(About { order_id: Some(id), version }) = about {
        set(headers, LOCATION, (status == StatusCode::CREATED).then(|| format!("/v1/orders/{id}")));
        set(headers, ETAG, version.map(|version| format!("\"{version}\"")));
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}
