//! `doos projections`: statistics and search compared with the orders, and filled anew, by the running server.
//!
//! What holds: whoever runs the command asks the server of its own data directory, which is any node of a cluster; that
//! one asks the shards and the read models themselves. A rebuilding that was begun goes on without the command.

use anyhow::{Context, Result, bail};
use doos_ports::clock::Clock as _;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::server_file::ServerFile;
use crate::{http_client, token};

/// Longer than a rebuilding and a comparison may take.
const TOKEN_TTL_S: u64 = 24 * 60 * 60;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// For a comparison of all orders.
const COMPARED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// The read models, by way of the server that has them.
pub struct ReadModels {
    at: SocketAddr,
    bearer: String,
}

impl ReadModels {
    pub fn of(config: &Config) -> Result<Self> {
        let Some(server) = ServerFile::read_running(&config.data_dir) else {
            bail!(
                "no server runs on {}: start one, or name the data directory of a running node with --data-dir",
                config.data_dir.display()
            );
        };
        let operator = token::operator("doos-projections".to_owned())?;
        let bearer = format!("Bearer {}", token::issue(config, &operator, TOKEN_TTL_S)?);
        Ok(Self { at: server.listen, bearer })
    }

    /// Fills all of them anew and waits until they hold every order, for so long at most; then compares.
    pub async fn rebuild(&self, within: Duration) -> Result<Value> {
        self.ask("POST", "/v1/admin/projections:rebuild", Duration::from_secs(30)).await?;
        let clock = SystemClock::start();
        while self.is_filling().await? {
            if clock.monotonic() >= within {
                bail!("they are still being filled after {} s, and go on; /v1/stats/now tells", within.as_secs());
            }
            clock.sleep(LOOK_EVERY).await;
        }
        self.compare().await
    }

    pub async fn compare(&self) -> Result<Value> {
        self.ask("POST", "/v1/admin/projections:compare", COMPARED_WITHIN).await
    }

    async fn is_filling(&self) -> Result<bool> {
        let system = self.ask("GET", "/v1/admin/system", Duration::from_secs(30)).await?;
        let projections = system["projections"].as_array().context("the server does not tell of its read models")?;
        Ok(projections.iter().any(|projection| projection["filling"] != false))
    }

    async fn ask(&self, method: &str, path: &str, within: Duration) -> Result<Value> {
        let headers = [("authorization", self.bearer.as_str())];
        let reply = http_client::send_within(method, self.at, path, &headers, Vec::new(), within).await?;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        if reply.status >= 300 {
            bail!("{}: {}", body["code"].as_str().unwrap_or("unknown"), body["detail"].as_str().unwrap_or_default());
        }
        Ok(body)
    }
}

/// One line a read model, and what is different.
pub fn comparison_text(told: &Value) -> String {
    let mut text = String::new();
    for projection in told["projections"].as_array().into_iter().flatten() {
        let (name, held, orders) = (projection["name"].as_str(), &projection["held"], &projection["orders"]);
        let verdict = if projection["equal"] == true { "equal" } else { "DIFFERENT" };
        let sums = match projection["sums"].as_str() {
            Some("none") => String::new(),
            Some("moving") => ", sums not compared: orders have changed meanwhile".to_owned(),
            _ => format!(", {} sums, {} different", projection["sums_compared"], projection["sums_different"]),
        };
        let filling = if projection["filling"] == true { ", being filled" } else { "" };
        let name = name.unwrap_or_default();
        let _ = writeln!(text, "{name:<10} {verdict}  {held} of {orders} orders{sums}{filling}");
        for kind in ["missing", "behind", "ahead", "surplus"] {
            if projection[kind] != 0 {
                let _ = writeln!(text, "  {kind}: {}", projection[kind]);
            }
        }
        let named = ["order_ids", "differences"].map(|list| projection[list].as_array().cloned().unwrap_or_default());
        for one in named.into_iter().flatten() {
            let _ = writeln!(text, "  {}", one.as_str().unwrap_or_default());
        }
    }
    text + if told["equal"] == true { "equal to the orders" } else { "NOT equal to the orders" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_told_with_the_orders_it_is_about() {
        let told = json!({ "equal": false, "projections": [
            { "name": "search", "equal": false, "filling": false, "orders": 3, "held": 2, "missing": 1, "behind": 0,
              "ahead": 0, "surplus": 0, "sums": "none", "order_ids": ["77"], "differences": [] },
            { "name": "statistics", "equal": true, "filling": false, "orders": 3, "held": 3, "missing": 0, "behind": 0,
              "ahead": 0, "surplus": 0, "sums": "equal", "sums_compared": 9, "sums_different": 0, "order_ids": [],
              "differences": [] },
        ]});
        let text = comparison_text(&told);
        assert!(text.contains("search     DIFFERENT  2 of 3 orders\n  missing: 1\n  77\n"), "{text}");
        assert!(text.contains("statistics equal  3 of 3 orders, 9 sums, 0 different"), "{text}");
        assert!(text.ends_with("NOT equal to the orders"), "{text}");
    }
}
