//! What a run is asked to do, and the bounds of it: a load has an end, and a machine is not brought down by mistake.

use anyhow::{Context, Result, ensure};
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::scenario::Scenario;

pub const CONNECTIONS: RangeInclusive<u64> = 1..=10_000;
pub const IDLE: RangeInclusive<u64> = 0..=20_000;
pub const SECONDS: RangeInclusive<u64> = 1..=3_600;
pub const COUNT: RangeInclusive<u64> = 1..=10_000_000;
pub const RATE: RangeInclusive<u64> = 1..=1_000_000;
pub const ROUNDS: RangeInclusive<u64> = 1..=9;
pub const ORDERS: RangeInclusive<u64> = 10_000..=100_000_000;
pub const PRODUCTS: RangeInclusive<u64> = 1..=10_000;
pub const THREADS: RangeInclusive<u64> = 1..=64;

/// A load of more threads than this would take the cores away from the server that it measures.
const THREADS_USUAL_MAX: u64 = 4;
/// Files that a run opens besides its connections.
const OTHER_FILES: u64 = 100;

#[derive(Clone, Debug)]
pub struct Options {
    pub scenarios: Vec<Scenario>,
    /// The binary that is started as the server and as the bare servers.
    pub program: PathBuf,
    /// Where the run's own temporary directory is made; its disk is the one that is measured.
    pub directory: Option<PathBuf>,
    /// A running server, instead of one of the run's own.
    pub target: Option<Target>,
    pub connections: u64,
    /// Connections that are opened before and do nothing.
    pub idle: u64,
    pub threads: u64,
    pub seconds: u64,
    /// Of the two scenarios that need time: sustained load, overload.
    pub long_seconds: u64,
    pub count: Option<u64>,
    pub rate_per_s: Option<u64>,
    pub rounds: u64,
    pub products: u64,
    /// How far `growth` lets the store grow.
    pub orders: u64,
    pub yardsticks: bool,
    /// As it was typed, for the report.
    pub command: String,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub token: String,
}

impl Target {
    pub fn parse(url: &str, token: Option<String>) -> Result<Self> {
        let rest =
            url.strip_prefix("http://").with_context(|| format!("{url}: only http://HOST:PORT can be loaded"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(!rest.contains('/'), "{url}: name the server alone, without a path");
        let mut found = rest.to_socket_addrs().with_context(|| format!("{url}: not HOST:PORT"))?;
        let address = found.next().with_context(|| format!("{url}: the name leads nowhere"))?;
        let token = token.context("--url needs --token, an operator's: `doos token --operator bench`")?;
        ensure!(token.bytes().all(|byte| byte.is_ascii_graphic()), "the token has characters that no token has");
        Ok(Self { address, token })
    }
}

impl Default for Options {
    /// What is measured where nothing else was asked for; the program is the one that runs.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Self {
            scenarios: Scenario::ALL.to_vec(),
            program: std::env::current_exe().unwrap_or_default(),
            directory: None,
            target: None,
            connections: 64,
            idle: 0,
            threads: cores.min(THREADS_USUAL_MAX),
            seconds: 3,
            long_seconds: 30,
            count: None,
            rate_per_s: None,
            rounds: 3,
            products: 64,
            orders: 100_000,
            yardsticks: true,
            command: String::new(),
        }
    }
}

impl Options {
    pub fn check(&self) -> Result<()> {
        for (name, value, range) in [
            ("--connections", self.connections, CONNECTIONS),
            ("--idle", self.idle, IDLE),
            ("--seconds", self.seconds, SECONDS),
            ("--long-seconds", self.long_seconds, SECONDS),
            ("--count", self.count.unwrap_or(1), COUNT),
            ("--rate", self.rate_per_s.unwrap_or(1), RATE),
            ("--rounds", self.rounds, ROUNDS),
            ("--orders", self.orders, ORDERS),
            ("--products", self.products, PRODUCTS),
            ("--threads", self.threads, THREADS),
        ] {
            ensure!(range.contains(&value), "{name} {value} is not within {} to {}", range.start(), range.end());
        }
        ensure!(!self.scenarios.is_empty(), "no scenario is named");
        let files = files_for(self.connections + self.idle);
        if let Some(limit) = open_files_max()
            && files > limit
        {
            anyhow::bail!(
                "{files} open files are needed and {limit} allowed: raise `ulimit -n`, or open fewer connections"
            );
        }
        Ok(())
    }
}

/// Files that this many connections need, of each end.
pub fn files_for(connections: u64) -> u64 {
    connections + OTHER_FILES
}

/// The soft limit of this process, where the kernel tells it.
pub fn open_files_max() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { scenarios: vec![Scenario::Place], ..Options::default() }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_its_name_and_bounds() {
        assert!(options().check().is_ok());
        for (broken, words) in [
            (Options { connections: 0, ..options() }, "--connections 0 is not within 1 to 10000"),
            (Options { seconds: 3_601, ..options() }, "--seconds 3601"),
            (Options { count: Some(0), ..options() }, "--count 0"),
            (Options { rate_per_s: Some(2_000_000), ..options() }, "--rate 2000000"),
            (Options { scenarios: Vec::new(), ..options() }, "no scenario"),
        ] {
            let error = broken.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_target_is_a_plain_http_server_with_a_token() {
        let token = || Some("t".to_owned());
        let target = Target::parse("http://127.0.0.1:8080/", token()).unwrap();
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        for (url, token) in [
            ("https://127.0.0.1:8080", token()),
            ("127.0.0.1:8080", token()),
            ("http://127.0.0.1:8080/v1/orders", token()),
            ("http://127.0.0.1", token()),
            ("http://127.0.0.1:8080", None),
            ("http://127.0.0.1:8080", Some("two\r\nlines".to_owned())),
        ] {
            assert!(Target::parse(url, token).is_err(), "{url}");
        }
    }
}
