//! `doos bench`: measures this binary, or a running server, and checks the books afterwards.

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum, value_parser};
use doos_bench::options as bounds;
use doos_bench::{Children, Options, Report, Scenario, Target};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

use super::bench_gates::{self, Gates};
use crate::cli::{Global, Output};
use crate::say;

#[derive(Args)]
#[command(
    after_long_help = "Without a scenario all of them are run. A comparison alternates between this system and its yardstick, \
    round by round, and shows the median; a ratio is the median of the rounds' ratios.\n\n\
    Closed loop: each connection sends its next request when it has its answer. With --rate the arrivals are fixed in \
    advance and latencies count from the moment at which a request should have been sent, so that a stall counts for \
    everybody it made wait; yardsticks are then left out.\n\n\
    A server is started for the run, on a temporary directory (below --data-dir, if it is given: its disk is the one \
    that is measured) and a free port of loopback, and its books are checked afterwards: every acknowledged order is \
    there, none twice, nothing oversold, the audit balances. A wrong book ends with exit code 1.\n\n\
    Examples:\n  doos bench                             everything, about nine minutes\n  \
    doos bench place hot --seconds 10      two scenarios\n  \
    doos bench place --rate 5000           at 5,000 arrivals a second\n  \
    doos bench growth --orders 1000000     what more orders in the store cost\n  \
    doos bench read --url http://127.0.0.1:8080 --token \"$(doos token --operator bench)\""
)]
pub struct Bench {
    /// What to measure, in this order; everything by default
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<Named>,
    #[command(subcommand)]
    part: Option<Part>,
    /// Load a running server instead; it keeps the products and orders of the run
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<String>,
    /// An operator's token for --url
    #[arg(long, requires = "url", env = "DOOS_BENCH_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Connections of the load, or calls at once over gRPC
    #[arg(long, default_value_t = Options::default().connections, value_parser = within(bounds::CONNECTIONS))]
    connections: u64,
    /// Further connections that are open while orders are read and do nothing
    #[arg(long, default_value = "0", value_parser = within(bounds::IDLE))]
    idle: u64,
    /// Threads of the load; by default one a core, four at most
    #[arg(long, value_parser = within(bounds::THREADS))]
    threads: Option<u64>,
    /// How long each round puts its load on
    #[arg(long, visible_alias = "duration", default_value_t = Options::default().seconds, value_parser = within(bounds::SECONDS))]
    seconds: u64,
    /// How long `life` and `delivered` keep their load up, and `overload` its flood
    #[arg(long, default_value_t = Options::default().long_seconds, value_parser = within(bounds::SECONDS))]
    long_seconds: u64,
    /// End a round after so many requests, if its seconds are not over before
    #[arg(long, value_parser = within(bounds::COUNT))]
    count: Option<u64>,
    /// Requests a second, at times fixed in advance (open loop)
    #[arg(long, value_parser = within(bounds::RATE))]
    rate: Option<u64>,
    /// Rounds of each comparison
    #[arg(long, default_value_t = Options::default().rounds, value_parser = within(bounds::ROUNDS))]
    rounds: u64,
    /// Products that orders are spread over
    #[arg(long, default_value_t = Options::default().products, value_parser = within(bounds::PRODUCTS))]
    products: u64,
    /// How many orders `growth` lets the store grow to
    #[arg(long, default_value_t = Options::default().orders, value_parser = within(bounds::ORDERS))]
    orders: u64,
    /// Measure this system alone
    #[arg(long)]
    no_yardsticks: bool,
    /// Write the result as JSON into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write bench.json, bench.md and the charts into this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Part {
    /// All stock gates side by side on the engines of a cluster
    Gates(Gates),
    /// One of the bare servers of a run
    #[command(hide = true, subcommand)]
    Yardstick(Yardstick),
}

#[derive(Subcommand)]
enum Yardstick {
    /// Bare axum
    Http {
        /// The bytes that a read is answered with
        #[arg(long)]
        answer: Option<PathBuf>,
    },
    /// Bare tonic
    Grpc,
}

/// A scenario as a value of the command line.
#[derive(Clone, Copy)]
struct Named(Scenario);

impl ValueEnum for Named {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Named; Scenario::ALL.len()] = {
            let mut all = [Named(Scenario::ALL[0]); Scenario::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = Named(Scenario::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.describe()))
    }
}

fn within(range: RangeInclusive<u64>) -> clap::builder::RangedU64ValueParser {
    value_parser!(u64).range(range)
}

pub fn bench(global: &Global, bench: Bench) -> Result<ExitCode> {
    match bench.part {
        Some(Part::Gates(asked)) => return bench_gates::gates(global, asked),
        Some(Part::Yardstick(yardstick)) => return serve_yardstick(global, yardstick),
        None => {}
    }
    if global.config.is_some() {
        bail!(
            "doos bench starts its own server with the defaults; start a configured one yourself and name it with --url"
        );
    }
    if bench.url.is_some() && global.data_dir.is_some() {
        bail!("--data-dir is where a server of its own keeps its orders; with --url there is none");
    }
    let (json, report_dir) = (bench.json.clone(), bench.report.clone());
    let report = run(options(global, bench)?)?;
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if let Some(dir) = report_dir {
        doos_bench::write(&report, &dir)?;
    }
    match global.output {
        Output::Json => say::json(&report)?,
        Output::Text => say::text(doos_bench::table(&report).trim_end())?,
    }
    Ok(if report.integrity.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn options(global: &Global, bench: Bench) -> Result<Options> {
    let target = bench.url.map(|url| Target::parse(&url, bench.token)).transpose()?;
    let scenarios = if bench.scenarios.is_empty() {
        Scenario::ALL.to_vec()
    } else {
        bench.scenarios.into_iter().map(|Named(scenario)| scenario).collect()
    };
    if let Some(dir) = &global.data_dir {
        std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    Ok(Options {
        scenarios,
        program: std::env::current_exe().context("where this program is cannot be told")?,
        directory: global.data_dir.clone(),
        target,
        connections: bench.connections,
        idle: bench.idle,
        threads: bench.threads.unwrap_or_else(|| Options::default().threads),
        seconds: bench.seconds,
        long_seconds: bench.long_seconds,
        count: bench.count,
        rate_per_s: bench.rate,
        rounds: bench.rounds,
        products: bench.products,
        orders: bench.orders,
        yardsticks: !bench.no_yardsticks,
        command: typed(),
    })
}

/// The command as it was typed, without the token.
fn typed() -> String {
    let mut hides_next = false;
    let words = std::env::args().skip(1).map(|word| {
        let hidden = std::mem::replace(&mut hides_next, word == "--token");
        if hidden || word.starts_with("--token=") { "(token)".to_owned() } else { word }
    });
    std::iter::once("doos".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A signal kills the servers of the run; its loads then end, and everything temporary is removed.
fn run(options: Options) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let children = Children::default();
        let running = {
            let children = children.clone();
            tokio::task::spawn_blocking(move || doos_bench::run(&options, &children))
        };
        tokio::pin!(running);
        tokio::select! {
            outcome = &mut running => return outcome?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        children.kill();
        // It fails now, for want of a server.
        let _ = running.await?;
        bail!("stopped before its end; nothing was measured")
    })
}

fn serve_yardstick(global: &Global, yardstick: Yardstick) -> Result<ExitCode> {
    let listen = global.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match yardstick {
            Yardstick::Http { answer } => {
                let answer = answer.map(std::fs::read).transpose()?.unwrap_or_else(|| b"{}".to_vec());
                doos_bench::serve_http(listen, answer).await
            }
            Yardstick::Grpc => doos_bench::serve_grpc(listen).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
