//! Configuration: defaults, then a YAML file, then environment (`DOOS_…`), then flags; the later wins.
//!
//! What holds: unknown keys are refused; every value knows where it came from; secrets are never printed. A
//! configuration that would lose data, or open the door to anybody in profile prod, is refused at start with the fix
//! named ([`Config::check`]).

mod check;
mod cluster;
mod environment;
mod gate;
mod printing;
mod redis;

pub use cluster::{Database, Peer, Shard};
pub use gate::Gate;
pub use printing::flatten;
pub use redis::Redis;

use figment::Figment;
use figment::providers::{Format, Serialized, Yaml};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A laptop: no token needed on loopback, secrets made at first start.
    #[default]
    Dev,
    /// Everything must be set and safe, or the node does not start.
    Prod,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub profile: Profile,
    /// Empty: the platform's own place for a user's data.
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// Roles to run; empty runs all.
    pub roles: Vec<String>,
    pub server: Server,
    pub auth: Auth,
    pub payment: Payment,
    pub shipping: Shipping,
    pub demo: Demo,
    pub log: Log,
    pub tracing: Tracing,
    /// Limits of the use cases.
    pub limits: doos_app::Options,
    pub gateway: doos_gateway::Options,
    pub store: doos_adapter_embedded::Options,
    pub projections: doos_adapter_embedded::ProjectionOptions,
    /// How long a stopping node waits for calls in flight.
    pub drain_ms: u64,
    pub database: Database,
    pub gate: Gate,
    pub redis: Redis,
    /// Orders kept for reading, in a cluster's gateways.
    pub cache: doos_adapter_cache::Options,
    /// Without nodes a cluster has no search.
    pub opensearch: doos_adapter_opensearch::Options,
    pub kafka: doos_adapter_kafka::Options,
    pub etcd: doos_adapter_etcd::Options,
    pub peer: Peer,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::Dev,
            data_dir: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            roles: Vec::new(),
            server: Server::default(),
            auth: Auth::default(),
            payment: Payment::default(),
            shipping: Shipping::default(),
            demo: Demo::default(),
            log: Log::default(),
            tracing: Tracing::default(),
            limits: doos_app::Options::default(),
            gateway: doos_gateway::Options::default(),
            store: doos_adapter_embedded::Options::default(),
            projections: doos_adapter_embedded::ProjectionOptions::default(),
            drain_ms: 10_000,
            database: Database::default(),
            gate: Gate::default(),
            redis: Redis::default(),
            cache: doos_adapter_cache::Options::default(),
            opensearch: doos_adapter_opensearch::Options::default(),
            kafka: doos_adapter_kafka::Options::default(),
            etcd: doos_adapter_etcd::Options { endpoints: String::new(), ..Default::default() },
            peer: Peer::default(),
        }
    }
}

/// Further ports beside `listen`; 0 means none. The names are those of the source documents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    pub http_port: u16,
    pub grpc_port: u16,
    /// Metrics and health on a port of their own.
    pub admin_port: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Whether a call without a token is refused. Always so in profile prod, and off loopback.
    pub require: bool,
    /// Signs and verifies bearer tokens. Empty in profile dev: made at first start and kept in the data directory.
    #[serde(skip_serializing)]
    pub token_secret: Option<SecretString>,
    pub token_secret_file: PathBuf,
    pub token_ttl_s: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self { require: false, token_secret: None, token_secret_file: PathBuf::new(), token_ttl_s: 900 }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Payment {
    /// Signs and verifies the provider's callbacks.
    #[serde(skip_serializing)]
    pub callback_secret: Option<SecretString>,
    pub callback_secret_file: PathBuf,
    pub provider: Provider,
    /// Where the built-in provider sends its callbacks; empty: to this node itself. A node without the role gateway
    /// names one that has it.
    pub callback_to: Option<SocketAddr>,
}

/// How the built-in payment provider behaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    pub latency_ms: u64,
    pub decline_per_mille: u32,
    /// Calls without a clear answer; in half of them the deed was done.
    pub unclear_per_mille: u32,
    pub outage: bool,
    pub callback_delay_ms: u64,
    pub callback_repeats: u32,
    pub callback_reorder_within_ms: u64,
    /// Deeds accompanied by a callback with a false signature.
    pub forge_per_mille: u32,
    /// Deeds accompanied by a truly signed callback that is wrong all the same.
    pub mistake_per_mille: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shipping {
    pub carrier: Carrier,
}

/// How the built-in carrier behaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Carrier {
    pub latency_ms: u64,
    pub fail_per_mille: u32,
    pub outage: bool,
    /// From shipment to delivery; 0: never by itself.
    pub deliver_after_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Demo {
    /// Put the demo catalogue into an empty store. Never done in profile prod.
    pub seed: bool,
    /// Pay and deliver by itself.
    pub life: bool,
}

impl Default for Demo {
    fn default() -> Self {
        Self { seed: true, life: false }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A filter such as `info` or `info,doos_app=debug`.
    pub level: String,
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// Where spans go by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Empty: nowhere.
    pub otlp_endpoint: String,
    /// Share of traces kept when the caller did not decide, 0 to 1.
    pub sample_ratio: f64,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { otlp_endpoint: String::new(), sample_ratio: 0.1 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the configuration file {0} cannot be read")]
    File(PathBuf),
    #[error("the configuration is not usable: {0}")]
    Invalid(String),
    #[error("{key}: {problem}. Fix: {fix}")]
    Refused { key: &'static str, problem: String, fix: &'static str },
}

/// What the command line may set.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub file: Option<PathBuf>,
    /// Key paths and values, such as `("auth.require", true)`.
    pub values: Vec<(&'static str, serde_json::Value)>,
}

pub struct Loaded {
    pub config: Config,
    figment: Figment,
}

pub fn load(flags: &Flags) -> Result<Loaded, Error> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &flags.file {
        if !file.is_file() {
            return Err(Error::File(file.clone()));
        }
        figment = figment.merge(Yaml::file_exact(file));
    }
    figment = environment::merge(figment);
    for (key, value) in &flags.values {
        figment = figment.merge(Serialized::global(key, value));
    }
    let mut config: Config = figment.extract().map_err(environment::unusable)?;
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = default_data_dir()?;
    }
    read_secret_file(&mut config.auth.token_secret, &config.auth.token_secret_file)?;
    read_secret_file(&mut config.payment.callback_secret, &config.payment.callback_secret_file)?;
    let mut password = None;
    read_secret_file(&mut password, &config.database.password_file)?;
    if let Some(password) = password {
        config.database.fill_in(&password);
    }
    let mut password = None;
    read_secret_file(&mut password, &config.opensearch.password_file)?;
    if let Some(password) = password {
        config.opensearch.password = password;
    }
    read_secret_file(&mut config.redis.password, &config.redis.password_file)?;
    Ok(Loaded { config, figment })
}

fn default_data_dir() -> Result<PathBuf, Error> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(strategy.data_dir().join("doos"))
}

fn read_secret_file(secret: &mut Option<SecretString>, file: &Path) -> Result<(), Error> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(file).map_err(|_| Error::File(file.to_owned()))?;
    *secret = Some(SecretString::from(text.trim().to_owned()));
    Ok(())
}
