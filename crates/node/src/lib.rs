//! One node: reads the configuration, builds the engines, the application, the roles and the gateway from it, and ends
//! them in the right order. The one place where adapters are named.
//!
//! What holds: nothing is served before the store is open, the gate is rebuilt and the roles run; a stopping node
//! first takes no more calls, then finishes those in flight, then its roles, then its store.
//!
//! What must never happen: a rule of the trade in here, or a second place that knows an adapter.
//!
//! Where to read next: [`config`], then `start.rs`; [`offline`] for the commands beside a running server.

pub mod archive;
pub mod audit;
mod callbacks;
mod clock;
pub mod config;
pub mod doctor;
pub mod dsn;
mod engines;
mod gate;
mod gateway;
mod http_client;
mod leased;
pub mod live;
pub mod migrate;
mod no_search;
pub mod offline;
mod peers;
pub mod read_models;
mod secrets;
mod seed;
mod server_file;
pub mod shards;
mod standins;
mod start;
pub mod telemetry;
pub mod token;

pub use start::Node;

/// The interface description, as `/openapi.json` serves it.
pub fn openapi_json() -> String {
    doos_gateway::openapi_json()
}

/// What an error code means and what to do about it.
#[derive(Debug, serde::Serialize)]
pub struct Explained {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Markdown.
    pub page: &'static str,
}

pub fn explain(code: &str) -> Option<Explained> {
    let (code, status, title) = *doos_app::error_codes::ALL.iter().find(|(known, ..)| *known == code)?;
    Some(Explained { code, status, title, page: doos_gateway::error_page(code)? })
}

pub fn error_codes() -> Vec<&'static str> {
    doos_app::error_codes::ALL.iter().map(|(code, ..)| *code).collect()
}
