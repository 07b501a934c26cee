//! What a node of a cluster stands on: its databases, with settings and tables, and whether the others can be reached.
//!
//! What holds: nothing is changed, no topic and no table made.

use anyhow::Context;
use doos_adapter_mysql::Databases;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use super::Finding;
use crate::clock::SystemClock;
use crate::config::Config;

const REACH_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![databases(config)];
    let brokers = config.kafka.brokers.iter().map(String::as_str);
    findings.push(reach("broker", brokers, "start it; orders are taken meanwhile and confirmed when it is back"));
    let members = config.etcd.endpoints.split(',').map(str::trim).filter(|member| !member.is_empty());
    let members: Vec<&str> = members.map(|member| member.split("://").last().unwrap_or(member)).collect();
    findings.push(match members.as_slice() {
        [] => Finding::warning(
            "registry",
            "etcd.endpoints is empty: this process believes to be alone",
            "name etcd's members before a second process is started",
        ),
        members => reach("registry", members.iter().copied(), "start etcd; no process starts without it"),
    });
    findings
}

fn databases(config: &Config) -> Finding {
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // Only looked at here, whatever a start would do.
            let options = doos_adapter_mysql::Options { migrate: false, ..config.database.options() };
            let databases = Databases::new(options, Arc::new(SystemClock::start())).context("the addresses")?;
            databases.open().await?;
            let standings = databases.standing().await?;
            anyhow::Ok(standings.len())
        })
    };
    match look() {
        Ok(count) => Finding::good("databases", format!("{count}: settings are right, tables are up to date")),
        Err(error) => Finding::bad(
            "databases",
            format!("{error:#}"),
            "change what the line above names; old tables: `doos migrate up`",
        ),
    }
}

/// Good if any of the addresses takes a connection: clients go on from one to the next.
fn reach<'a>(subject: &'static str, addresses: impl Iterator<Item = &'a str>, fix: &'static str) -> Finding {
    let (mut there, mut away) = (Vec::new(), Vec::new());
    for address in addresses {
        let found = address.to_socket_addrs().into_iter().flatten();
        let answers = found.into_iter().any(|at| TcpStream::connect_timeout(&at, REACH_WITHIN).is_ok());
        if answers { there.push(address) } else { away.push(address) }
    }
    match (there.as_slice(), away.as_slice()) {
        (there, []) => Finding::good(subject, format!("{} can be reached", there.join(", "))),
        ([], away) => Finding::bad(subject, format!("{} cannot be reached", away.join(", ")), fix),
        (there, away) => {
            let found = format!("{} can be reached, {} cannot", there.join(", "), away.join(", "));
            Finding::warning(subject, found, fix)
        }
    }
}
