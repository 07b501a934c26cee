//! `doos bench gates`: the stock gates side by side, on engines that run.

use anyhow::Result;
use clap::{Args, value_parser};
use doos_bench::gates::{self, GatesOptions};
use doos_bench::options as bounds;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Global, Output};
use crate::say;

#[derive(Args)]
#[command(
    after_long_help = "Each gate is loaded on one hot product and on spread ones, first with plenty for --seconds, then with 200 \
    pieces that everybody wants until told that they are gone. Every piece must be given once, no refusal for stock may \
    be wrong, and every hold must come back: a wrong count ends with exit code 1. A gate whose engine is missing is \
    named as NOT RUN.\n\n\
    SQL gates make the database doos_bench_gates on the server and leave it there; Redis keeps keys of that prefix.\n\n\
    Examples:\n  eval \"$(scripts/services.sh env)\" && doos bench gates\n  \
    doos bench gates --redis 127.0.0.1:6379 --mysql mysql://doos:PASSWORD@127.0.0.1:3308 --seconds 5"
)]
pub struct Gates {
    /// Server of the SQL gates; by default that of DOOS_TEST_MYSQL_INVENTORY
    #[arg(long, value_name = "mysql://USER:PASSWORD@HOST:PORT", env = "DOOS_BENCH_MYSQL", hide_env_values = true)]
    mysql: Option<String>,
    /// Redis of the gate in Redis and of the distributed lock; by default that of DOOS_TEST_REDIS
    #[arg(long, value_name = "ADDRESS", env = "DOOS_BENCH_REDIS", hide_env_values = true)]
    redis: Option<String>,
    /// Calls at once
    #[arg(long, default_value = "64", value_parser = value_parser!(u64).range(bounds::CONNECTIONS))]
    callers: u64,
    /// Products that holds are spread over
    #[arg(long, default_value = "64", value_parser = value_parser!(u64).range(bounds::PRODUCTS))]
    products: u64,
    /// How long each gate is loaded in each place
    #[arg(long, default_value = "2", value_parser = value_parser!(u64).range(bounds::SECONDS))]
    seconds: u64,
}

pub fn gates(global: &Global, asked: Gates) -> Result<ExitCode> {
    let of_services = |name: &str| std::env::var(name).ok().filter(|address| !address.is_empty());
    let options = GatesOptions {
        mysql: asked.mysql.or_else(|| of_services("DOOS_TEST_MYSQL_INVENTORY")),
        redis: asked.redis.or_else(|| of_services("DOOS_TEST_REDIS")),
        callers: asked.callers,
        products: asked.products,
        time: Duration::from_secs(asked.seconds),
        command: format!(
            "doos bench gates --callers {} --products {} --seconds {}",
            asked.callers, asked.products, asked.seconds
        ),
    };
    let report = gates::run(&options)?;
    match global.output {
        Output::Json => say::json(&report)?,
        Output::Text => say::text(gates::table(&report).trim_end())?,
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
