//! Configuration: defaults, then a YAML file, then environment (`DOOS_…`), then flags; the later wins.
//!
//! What holds: unknown keys are refused; every value knows where it came from; secrets are never printed. A
//! configuration that would lose data, or open the door to anybody in profile prod, is refused at start with the fix
//! named ([`Config::check`]).

use figment::providers::{Env, Format, Serialized, Yaml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Provider as _};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::dsn::Dsn;

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
    pub redis: Redis,
    pub kafka: Kafka,
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
            redis: Redis::default(),
            kafka: Kafka::default(),
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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    pub shards: Vec<Shard>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    pub dsn: Dsn,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    pub addr: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    pub brokers: Vec<String>,
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
    let environment = Env::prefixed("DOOS_").split("__");
    let metadata = environment.metadata();
    let words = words(environment.iter().map(|(key, text)| (key.into_string(), text)));
    figment = figment.merge(environment);
    for (key, text) in words {
        figment = figment.merge(Word { key, text, metadata: metadata.clone() });
    }
    for (key, value) in &flags.values {
        figment = figment.merge(Serialized::global(key, value));
    }
    let mut config: Config = figment.extract().map_err(unusable)?;
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = default_data_dir()?;
    }
    read_secret_file(&mut config.auth.token_secret, &config.auth.token_secret_file)?;
    read_secret_file(&mut config.payment.callback_secret, &config.payment.callback_secret_file)?;
    Ok(Loaded { config, figment })
}

/// Keys whose values must never be shown, not even in a complaint about them.
const SECRETS: [&str; 2] = ["auth.token_secret", "payment.callback_secret"];

/// What is text by its key and would be read as something else by its looks: `0123` is no number in a secret.
fn words(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let defaults = serde_json::to_value(Config::default()).expect("a configuration is plain values");
    let mut keys: Vec<String> = SECRETS.map(str::to_owned).into();
    flatten("", &defaults, &mut |key, value| {
        if value.is_string() {
            keys.push(key.to_owned());
        }
    });
    let looks_like_text = |text: &str| matches!(text.parse(), Ok(figment::value::Value::String(..)));
    variables.filter(|(key, text)| keys.contains(key) && !looks_like_text(text)).collect()
}

/// One variable of the environment, taken as it stands.
struct Word {
    key: String,
    text: String,
    metadata: Metadata,
}

impl figment::Provider for Word {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::Result<Map<figment::Profile, Dict>> {
        let nested = figment::util::nest(&self.key, self.text.trim().into()).into_dict().unwrap_or_default();
        Ok(figment::Profile::Default.collect(nested))
    }
}

/// Says what is wrong, but never with a secret in it.
fn unusable(error: figment::Error) -> Error {
    let told = error.into_iter().map(|error| {
        let key = error.path.join(".");
        match SECRETS.contains(&key.as_str()) {
            true => format!("{key} must be text; put it into quotes"),
            false => error.to_string(),
        }
    });
    Error::Invalid(told.collect::<Vec<_>>().join("; "))
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

/// Secrets that documents, examples and scanners know.
const WELL_KNOWN: [&str; 8] =
    ["root123", "admin", "password", "secret", "changeme", "change-me", "0123456789abcdef", "doos"];

impl Config {
    /// Refuses what would lose data or stand open, naming the fix.
    pub fn check(&self) -> Result<(), Error> {
        self.check_engines()?;
        self.limits_make_sense()?;
        self.gateway_options().check().map_err(|error| Error::Invalid(error.to_string()))?;
        if self.profile == Profile::Prod {
            check_secret("auth.token_secret", self.auth.token_secret.as_ref())?;
            check_secret("payment.callback_secret", self.payment.callback_secret.as_ref())?;
            let text = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
            if text(&self.auth.token_secret) == text(&self.payment.callback_secret) {
                return Err(Error::Refused {
                    key: "payment.callback_secret",
                    problem: "it is the same as auth.token_secret, so the payment provider could make tokens"
                        .to_owned(),
                    fix: "give each key a secret of its own",
                });
            }
            if self.demo.life {
                return Err(Error::Refused {
                    key: "demo.life",
                    problem: "orders would be paid by nobody".to_owned(),
                    fix: "leave it out in profile prod",
                });
            }
        }
        Ok(())
    }

    /// Whether a call without a token is refused: anything but dev on loopback.
    pub fn tokens_required(&self) -> bool {
        self.auth.require || self.profile == Profile::Prod || !self.listen.ip().is_loopback()
    }

    /// The gateway's options with what this node decides for it.
    pub fn gateway_options(&self) -> doos_gateway::Options {
        let profile = match self.profile {
            Profile::Prod => doos_gateway::Profile::Prod,
            Profile::Dev => doos_gateway::Profile::Dev,
        };
        doos_gateway::Options {
            profile,
            require_auth: self.tokens_required(),
            drain_timeout_ms: self.drain_ms,
            ..self.gateway.clone()
        }
    }

    fn check_engines(&self) -> Result<(), Error> {
        let wanted = [
            ("database.shards", !self.database.shards.is_empty()),
            ("redis.addr", !self.redis.addr.is_empty()),
            ("kafka.brokers", !self.kafka.brokers.is_empty()),
        ];
        match wanted.into_iter().find(|(_, wanted)| *wanted) {
            Some((key, _)) => Err(Error::Refused {
                key,
                problem: "this release runs on its embedded store only; an engine named here would not be used, and \
                          orders you expect there would be somewhere else"
                    .to_owned(),
                fix: "remove the key, or wait for the release that runs on these engines",
            }),
            None => Ok(()),
        }
    }

    fn limits_make_sense(&self) -> Result<(), Error> {
        let refuse = |key, problem: &str, fix| Err(Error::Refused { key, problem: problem.to_owned(), fix });
        if self.limits.worker > 63 {
            return refuse("limits.worker", "worker numbers have six bits", "choose 0 to 63");
        }
        let limits = &self.limits;
        let at_least_one = [
            ("limits.order_queue_len_max", limits.order_queue_len_max as u64),
            ("limits.order_group_len_max", limits.order_group_len_max as u64),
            ("limits.order_group_bytes_max", limits.order_group_bytes_max as u64),
            ("limits.order_lines_max", limits.order_lines_max as u64),
            ("limits.line_quantity_max", u64::from(limits.line_quantity_max)),
            ("limits.message_pull_len_max", limits.message_pull_len_max as u64),
            ("limits.payment_calls_max", limits.payment_calls_max as u64),
            ("limits.carrier_calls_max", limits.carrier_calls_max as u64),
            ("limits.conflict_tries_max", u64::from(limits.conflict_tries_max)),
            ("limits.feed_group_len_max", limits.feed_group_len_max as u64),
        ];
        if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return refuse(key, "nothing could ever get through", "set it to at least 1");
        }
        if !(0.0..=1.0).contains(&self.tracing.sample_ratio) {
            return refuse("tracing.sample_ratio", "a share lies between 0 and 1", "choose 0 to 1");
        }
        if self.limits.unpaid_deadline_ms < 1_000 {
            return refuse(
                "limits.unpaid_deadline_ms",
                "orders would end before they can be paid",
                "set it to 1000 or more",
            );
        }
        if !crate::token::TTL_S.contains(&self.auth.token_ttl_s) {
            return refuse("auth.token_ttl_s", "a token lasts from a second to a year", "choose 1 to 31536000");
        }
        if let Some(unknown) = self.roles.iter().find(|role| !known_role(role)) {
            return Err(Error::Refused {
                key: "roles",
                problem: format!("there is no role `{unknown}`"),
                fix: "choose among gateway, order, inventory, payment, shipping, relay, timeouts, deliveries, cdc, id-keeper",
            });
        }
        Ok(())
    }
}

fn known_role(role: &str) -> bool {
    role == "gateway" || doos_roles::ALL.contains(&role)
}

fn check_secret(key: &'static str, secret: Option<&SecretString>) -> Result<(), Error> {
    let refuse = |problem: &str| {
        Err(Error::Refused {
            key,
            problem: problem.to_owned(),
            fix: "make one with `openssl rand -hex 32` and give it by environment or by the key's `_file` twin",
        })
    };
    let Some(secret) = secret else { return refuse("the secret is missing") };
    let text = secret.expose_secret().to_lowercase();
    if text.len() < 32 {
        return refuse("the secret is shorter than 32 characters");
    }
    let distinct = text.bytes().collect::<std::collections::BTreeSet<_>>().len();
    if distinct < 8 || WELL_KNOWN.iter().any(|known| text.contains(known)) {
        return refuse("the secret is well known or too regular");
    }
    Ok(())
}

impl Loaded {
    /// Every value with where it came from: `key = value  # origin`.
    pub fn print(&self) -> String {
        let line = |(key, value, origin): &(String, serde_json::Value, String)| format!("{key} = {value}  # {origin}");
        self.entries().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The same by key.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(key, value, origin)| (key, serde_json::json!({ "value": value, "origin": origin }));
        self.entries().into_iter().map(entry).collect::<serde_json::Map<_, _>>().into()
    }

    /// Key, value and origin; of a secret only whether it is set.
    fn entries(&self) -> Vec<(String, serde_json::Value, String)> {
        let mut tree = serde_json::to_value(&self.config).expect("a configuration is plain values");
        for key in ["token_secret", "callback_secret"] {
            let set = match key {
                "token_secret" => self.config.auth.token_secret.is_some(),
                _ => self.config.payment.callback_secret.is_some(),
            };
            let section = if key == "token_secret" { "auth" } else { "payment" };
            tree[section][key] = serde_json::Value::from(if set { "(set, not shown)" } else { "(not set)" });
        }
        let mut entries = Vec::new();
        flatten("", &tree, &mut |key, value| entries.push((key.to_owned(), value.clone(), self.origin(key))));
        entries
    }

    fn origin(&self, key: &str) -> String {
        let Some(metadata) = self.figment.find_metadata(key) else { return "default".to_owned() };
        let name = metadata.name.to_string();
        if name.contains("doos_node::config::Config") {
            return "default".to_owned();
        }
        match &metadata.source {
            Some(source) if name.contains("YAML") => format!("file {source}"),
            _ if name.contains("environment") => format!("environment DOOS_{}", key.replace('.', "__").to_uppercase()),
            _ => "flag".to_owned(),
        }
    }
}

/// Visits every leaf of a tree of values with its dotted path; lists are leaves.
pub fn flatten(prefix: &str, value: &serde_json::Value, visit: &mut impl FnMut(&str, &serde_json::Value)) {
    let serde_json::Value::Object(fields) = value else { return visit(prefix, value) };
    for (name, field) in fields {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&key, field, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text_by_its_key_is_taken_as_it_stands() {
        let given = [
            ("auth.token_secret", "00000000000012345678901234567890"),
            ("payment.callback_secret", "true"),
            ("data_dir", "2026"),
            ("log.level", "info"),
            ("auth.token_ttl_s", "60"),
        ];
        let given = given.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let found = words(given.clone().into_iter());
        assert_eq!(found, given[..3]);
        let word = Word { key: found[0].0.clone(), text: found[0].1.clone(), metadata: Metadata::default() };
        let read: Config = Figment::from(Serialized::defaults(Config::default())).merge(word).extract().unwrap();
        assert_eq!(read.auth.token_secret.unwrap().expose_secret(), given[0].1);
    }

    #[test]
    fn a_secret_of_the_wrong_kind_is_refused_without_being_shown() {
        let given = Serialized::global("auth.token_secret", 4_711_u32);
        let figment = Figment::from(Serialized::defaults(Config::default())).merge(given);
        let told = unusable(figment.extract::<Config>().unwrap_err()).to_string();
        assert!(told.contains("auth.token_secret") && !told.contains("4711"), "{told}");
    }
}
