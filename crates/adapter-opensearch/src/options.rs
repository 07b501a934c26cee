//! Where the search engine is, how its indices are made, and the bounds of every request. Every number has its unit in
//! its name.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where to ask, each `http://HOST:PORT`; one that is away is passed over. Empty: there is no search engine.
    pub nodes: Vec<String>,
    /// Empty: no user is named.
    pub user: String,
    #[serde(skip_serializing)]
    pub password: SecretString,
    /// Holds the password; read by whoever reads the configuration. Empty: there is none.
    pub password_file: PathBuf,
    /// Begins the name of everything that is made there: `doos` gives the alias `doos-orders`.
    pub prefix: String,
    /// Of an index that is made anew.
    pub shards: u32,
    /// Copies of each shard, for an index that is made anew. Left out: one where there is more than one node.
    pub copies: Option<u32>,
    /// How old what is found may be at most, apart from the lag of the feed.
    pub refresh_interval_ms: u64,
    /// Makes every group findable before it counts as stored. For tests: it costs the engine a segment a group.
    pub refresh_at_once: bool,
    /// Documents and bytes of one bulk request.
    pub bulk_len_max: usize,
    pub bulk_bytes_max: usize,
    pub reply_bytes_max: usize,
    /// Requests under way, beyond which the next one is refused as busy.
    pub requests_max: usize,
    pub connect_timeout_ms: u64,
    pub request_timeout_ms: u64,
    /// How long a search may take inside the engine.
    pub search_timeout_ms: u64,
    /// So long a node that could not be reached is not asked again.
    pub away_pause_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            user: String::new(),
            password: SecretString::default(),
            password_file: PathBuf::new(),
            prefix: "doos".to_owned(),
            shards: 1,
            copies: None,
            refresh_interval_ms: 1_000,
            refresh_at_once: false,
            bulk_len_max: 1_000,
            bulk_bytes_max: 4 << 20,
            reply_bytes_max: 16 << 20,
            requests_max: 64,
            connect_timeout_ms: 1_000,
            request_timeout_ms: 10_000,
            search_timeout_ms: 5_000,
            away_pause_ms: 200,
        }
    }
}

impl Options {
    pub(crate) const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}
