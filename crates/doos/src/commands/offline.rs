//! Commands that look at a data directory, beside a running server or without one.

use anyhow::{Context, Result, bail};
use doos_node::config::Loaded;
use doos_node::migrate;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Journal, Migrate, Output, Token};
use crate::say;

pub fn token(loaded: &Loaded, token: Token, output: Output) -> Result<ExitCode> {
    let ttl_s = token.ttl_s.unwrap_or(loaded.config.auth.token_ttl_s);
    let principal = match (token.who.user, token.who.service, token.who.operator) {
        (Some(user), ..) => doos_node::token::customer(user)?,
        (_, Some(service), _) => doos_node::token::service(service)?,
        (.., Some(operator)) => doos_node::token::operator(operator)?,
        _ => bail!("name a user, a service or an operator"),
    };
    let token = doos_node::token::issue(&loaded.config, &principal, ttl_s)?;
    say::either(output, &json!({ "token": token }), &token)?;
    Ok(ExitCode::SUCCESS)
}

pub fn doctor(loaded: &Loaded, output: Output) -> Result<ExitCode> {
    let findings = doos_node::doctor::examine(&loaded.config);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    say::either(output, &findings, lines.join("\n"))?;
    let bad = findings.iter().any(|finding| finding.is_bad());
    Ok(if bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

pub fn audit(loaded: &Loaded, repair: bool, output: Output) -> Result<ExitCode> {
    let report = if repair {
        doos_node::audit::repair(&loaded.config).context("the books cannot be repaired")?
    } else {
        doos_node::audit::run(&loaded.config).context("the books cannot be read")?
    };
    say::either(output, &report, &report)?;
    Ok(if report.balances() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub fn backup(loaded: &Loaded, dir: &Path, output: Output) -> Result<ExitCode> {
    let cut = doos_node::offline::backup(&loaded.config, dir).context("the backup was not made")?;
    let words = format!("backed up to {} at journal position {cut}; start from it with --data-dir", dir.display());
    say::either(output, &json!({ "directory": dir, "position": cut }), words)?;
    Ok(ExitCode::SUCCESS)
}

pub fn migrate(loaded: &Loaded, verb: Migrate, output: Output) -> Result<ExitCode> {
    let verb = match verb {
        Migrate::Up => migrate::Verb::Up,
        Migrate::Plan | Migrate::Status => migrate::Verb::Plan,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let migration = runtime.block_on(migrate::run(&loaded.config, verb))?;
    say::either(output, &migration, &migration)?;
    Ok(if migration.is_done() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub fn journal(loaded: &Loaded, verb: Journal, output: Output) -> Result<ExitCode> {
    let Journal::Inspect { segments } = verb;
    let inspected = doos_node::offline::inspect_journal(&loaded.config, &segments)?;
    say::either(output, &inspected, &inspected)?;
    Ok(if inspected.sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub fn explain(code: &str, output: Output) -> Result<ExitCode> {
    let Some(explained) = doos_node::explain(code) else {
        bail!("there is no error code `{code}`; the codes are: {}", doos_node::error_codes().join(", "));
    };
    say::either(output, &explained, explained.page)?;
    Ok(ExitCode::SUCCESS)
}
