//! What is refused at start, each with its fix.

use secrecy::{ExposeSecret, SecretString};

use super::{Config, Error, Gate, Profile};

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

    /// A node has a store of its own, or all the engines of a cluster.
    fn check_engines(&self) -> Result<(), Error> {
        let refuse = |key, problem: &str, fix| Err(Error::Refused { key, problem: problem.to_owned(), fix });
        if !self.opensearch.nodes.is_empty() && !self.database.is_cluster() {
            return refuse(
                "opensearch.nodes",
                "the embedded store has its own search, and orders that you expect in the engine would not be there",
                "give database.shards too, or remove the key",
            );
        }
        if self.redis.is_there()
            && let Err(error) = self.redis.options()
        {
            return Err(Error::Refused {
                key: "redis.addr",
                problem: error.to_string(),
                fix: "write it as HOST:PORT, redis://HOST:PORT/DB, redis-sentinel://HOST:PORT,HOST:PORT/MASTER or \
                      redis-cluster://HOST:PORT,HOST:PORT, and put the password into redis.password_file",
            });
        }
        if !self.database.is_cluster() {
            if self.redis.is_there() {
                return refuse(
                    "redis.addr",
                    "there is a Redis but no order shard; a node on the embedded store keeps everything itself and \
                     would not use it",
                    "give database.shards too, or remove the key",
                );
            }
            if self.gate != Gate::Memory {
                return Err(Error::Refused {
                    key: "gate",
                    problem: format!(
                        "`{}` is a gate of clusters; a node on the embedded store owns its stock alone and keeps the \
                         gate in memory",
                        self.gate.name()
                    ),
                    fix: "give database.shards too, or set it to memory",
                });
            }
        }
        if self.gate.needs_redis() && !self.redis.is_there() {
            return Err(Error::Refused {
                key: "gate",
                problem: format!("`{}` is kept in Redis, and there is none", self.gate.name()),
                fix: "give redis.addr, or set it to memory",
            });
        }
        if !self.database.is_cluster() {
            return match self.kafka.brokers.is_empty() {
                true => Ok(()),
                false => refuse(
                    "kafka.brokers",
                    "there is a broker but no order shard; the embedded store is its own bus, and orders that you expect \
                     on the broker would not be there",
                    "give database.shards too, or remove the key",
                ),
            };
        }
        if self.kafka.brokers.is_empty() {
            return refuse(
                "kafka.brokers",
                "orders would be stored and never carried on: the order shards need a broker",
                "give the brokers' addresses, such as [\"127.0.0.1:9092\"]",
            );
        }
        if self.database.writers_per_shard == 0 || self.database.connections_max == 0 {
            return refuse(
                "database.writers_per_shard",
                "nobody could write",
                "set it and connections_max to 1 or more",
            );
        }
        if !(0..self.database.poll_after_ms).contains(&self.database.mark_after_ms) {
            return refuse(
                "database.mark_after_ms",
                "a message would be polled and published once more before it is written down that it was",
                "choose 0 or more, and less than database.poll_after_ms",
            );
        }
        Ok(())
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
