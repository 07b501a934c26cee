//! Commands that look at a data directory, beside a running server or without one.

use anyhow::{Context, Result, bail};
use doos_node::config::Loaded;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Journal, Output, Token};

pub fn token(loaded: &Loaded, token: Token) -> Result<ExitCode> {
    let ttl_s = token.ttl_s.unwrap_or(loaded.config.auth.token_ttl_s);
    let principal = match (token.who.user, token.who.service, token.who.operator) {
        (Some(user), ..) => doos_node::token::customer(user)?,
        (_, Some(service), _) => doos_node::token::service(service)?,
        (.., Some(operator)) => doos_node::token::operator(operator)?,
        _ => bail!("name a user, a service or an operator"),
    };
    println!("{}", doos_node::token::issue(&loaded.config, &principal, ttl_s)?);
    Ok(ExitCode::SUCCESS)
}

pub fn doctor(loaded: &Loaded, output: Output) -> Result<ExitCode> {
    let findings = doos_node::doctor::examine(&loaded.config);
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for finding in &findings {
            println!("{finding}");
        }
    }
    let bad = findings.iter().any(|finding| finding.is_bad());
    Ok(if bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

pub fn audit(loaded: &Loaded, repair: bool, output: Output) -> Result<ExitCode> {
    let report = if repair {
        doos_node::audit::repair(&loaded.config).context("the books cannot be repaired")?
    } else {
        doos_node::audit::run(&loaded.config).context("the books cannot be read")?
    };
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.balances() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub fn backup(loaded: &Loaded, dir: &Path) -> Result<ExitCode> {
    let cut = doos_node::offline::backup(&loaded.config, dir).context("the backup was not made")?;
    println!("backed up to {} at journal position {cut}; start from it with --data-dir", dir.display());
    Ok(ExitCode::SUCCESS)
}

pub fn journal(loaded: &Loaded, verb: Journal) -> Result<ExitCode> {
    let Journal::Inspect { segments } = verb;
    print!("{}", doos_node::offline::inspect_journal(&loaded.config, &segments)?);
    Ok(ExitCode::SUCCESS)
}

pub fn explain(code: &str) -> Result<ExitCode> {
    let Some(page) = doos_node::explain(code) else {
        bail!("there is no error code `{code}`; the codes are: {}", doos_node::error_codes().join(", "));
    };
    println!("{page}");
    Ok(ExitCode::SUCCESS)
}
