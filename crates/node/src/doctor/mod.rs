//! `doos doctor`: looks at the machine and the configuration the way an operator would before going live.
//!
//! What holds: it changes nothing that is stored; a probe file of its own it removes. Every finding that is not good
//! names its fix.

mod cluster;

use doos_adapter_embedded::Books;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::{ids_ahead_ms, wall_now};
use crate::config::{Config, Profile};
use crate::server_file::ServerFile;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Good,
    Warning,
    Bad,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub level: Level,
    pub subject: &'static str,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
}

impl Finding {
    fn good(subject: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Good, subject, found: found.into(), fix: None }
    }

    fn warning(subject: &'static str, found: impl Into<String>, fix: &'static str) -> Self {
        Self { level: Level::Warning, subject, found: found.into(), fix: Some(fix) }
    }

    fn bad(subject: &'static str, found: impl Into<String>, fix: &'static str) -> Self {
        Self { level: Level::Bad, subject, found: found.into(), fix: Some(fix) }
    }

    pub fn is_bad(&self) -> bool {
        self.level == Level::Bad
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Good => "ok  ",
            Level::Warning => "warn",
            Level::Bad => "BAD ",
        };
        write!(f, "{mark} {:<14} {}", self.subject, self.found)?;
        match self.fix {
            Some(fix) => write!(f, "\n     {:<14} fix: {fix}", ""),
            None => Ok(()),
        }
    }
}

pub fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match config.check() {
        Ok(()) => Finding::good("configuration", format!("profile {:?}", config.profile).to_lowercase()),
        Err(error) => Finding::bad("configuration", error.to_string(), "change what the line above names"),
    });
    findings.extend(examine_disk(&config.data_dir));
    findings.push(examine_clock());
    if config.database.is_cluster() {
        findings.extend(cluster::examine(config));
    } else {
        findings.extend(examine_ids(&config.data_dir));
    }
    findings.push(examine_open_files());
    findings.push(examine_port(config));
    findings.extend(insecurities(config));
    findings
}

/// What anybody could misuse as this node is configured; also shown when it starts.
pub fn insecurities(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !config.tokens_required() {
        findings.push(Finding::warning(
            "access",
            "calls without a token act as a demo principal that reads everything",
            "start with --require-auth, or in profile prod",
        ));
    }
    if !config.listen.ip().is_loopback() {
        findings.push(Finding::warning(
            "transport",
            format!("{} takes plain HTTP from outside this machine", config.listen),
            "listen on loopback behind a proxy that ends TLS",
        ));
    }
    if config.profile == Profile::Dev {
        findings.push(Finding::warning(
            "secrets",
            "made by this node and kept in its data directory",
            "in profile prod give auth.token_secret and payment.callback_secret",
        ));
    }
    findings.push(Finding::warning(
        "payment",
        "the built-in payment provider takes no real money, and the built-in carrier no real parcels",
        "none in this release: adapters for real ones come with it",
    ));
    findings
}

fn examine_disk(data_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Before the first start the directory is not there; the disk is that of the nearest one above it.
    let Some(data_dir) = data_dir.ancestors().find(|dir| dir.is_dir()) else {
        let found = format!("no part of {} exists", data_dir.display());
        return vec![Finding::bad("data directory", found, "choose another with --data-dir")];
    };
    findings.push(match sync_times(data_dir) {
        Err(error) => Finding::bad("disk", format!("a synced write failed: {error}"), "look at the disk"),
        Ok(times) => {
            let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
            let found = format!("a synced 4 KiB write takes {median:.1?} (worst of {}: {worst:.1?})", times.len());
            if median > Duration::from_millis(20) {
                Finding::warning(
                    "disk",
                    found,
                    "use a disk that syncs faster; every group of orders waits for one sync",
                )
            } else {
                Finding::good("disk", found)
            }
        }
    });
    if let Ok(space) = rustix::fs::statvfs(data_dir) {
        let free_bytes = space.f_bavail * space.f_frsize;
        let used = 100 - 100 * space.f_bavail / space.f_blocks.max(1);
        let found = format!("{:.1} GiB free, {used} % used", free_bytes as f64 / f64::from(1 << 30));
        findings.push(if used >= 90 || free_bytes < 1 << 30 {
            Finding::bad("disk space", found, "free some, or move the data directory")
        } else {
            Finding::good("disk space", found)
        });
    }
    findings
}

#[expect(clippy::disallowed_methods, reason = "measuring the disk needs the real clock")]
fn sync_times(data_dir: &Path) -> std::io::Result<Vec<Duration>> {
    let path = data_dir.join(format!("doctor-{}.probe", std::process::id()));
    let measured = (|| {
        let mut file = fs::File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..50 {
            let started = Instant::now();
            file.write_all(&[7; 4096])?;
            file.sync_data()?;
            times.push(started.elapsed());
        }
        times.sort();
        Ok(times)
    })();
    fs::remove_file(&path)?;
    measured
}

#[expect(clippy::disallowed_methods, reason = "the clock is what is examined")]
fn examine_clock() -> Finding {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    if ms < doos_domain::ids::EPOCH_MILLIS {
        return Finding::bad("clock", "it stands before 2026", "set the clock; order ids carry the time");
    }
    Finding::good("clock", format!("{} s since 1970", ms / 1_000))
}

/// Nothing before the first start.
fn examine_ids(data_dir: &Path) -> Option<Finding> {
    let mark = match Books::open(data_dir).and_then(|books| books.id_mark()) {
        Ok(mark) => mark?,
        Err(doos_adapter_embedded::Error::Io { .. }) => return None,
        Err(error) => return Some(Finding::bad("order ids", error.to_string(), "see whether the store starts")),
    };
    Some(match ids_ahead_ms(Some(mark), wall_now()) {
        None => Finding::good("order ids", "not ahead of the clock"),
        Some(ahead_ms) => Finding::warning(
            "order ids",
            format!("issued {} h ahead of the clock", ahead_ms / 3_600_000),
            "if the clock is right now, nothing: they stay unique and in order, and time catches up; otherwise set it",
        ),
    })
}

fn examine_open_files() -> Finding {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).and_then(|word| word.parse::<u64>().ok());
    match soft {
        Some(soft) if soft < 4_096 => Finding::warning(
            "open files",
            format!("at most {soft}"),
            "raise the limit (ulimit -n 65536) to serve thousands of connections",
        ),
        Some(soft) => Finding::good("open files", format!("at most {soft}")),
        None => Finding::good("open files", "no limit could be read"),
    }
}

fn examine_port(config: &Config) -> Finding {
    if let Some(server) = ServerFile::read_running(&config.data_dir) {
        return Finding::good(
            "port",
            format!("this data directory is served on {} (pid {})", server.listen, server.pid),
        );
    }
    match TcpListener::bind(config.listen) {
        Ok(_) => Finding::good("port", format!("{} is free", config.listen)),
        Err(error) => {
            Finding::bad("port", format!("{} cannot be taken: {error}", config.listen), "choose another with --listen")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doos_adapter_embedded::{Options, Store, fold_dir};

    #[tokio::test]
    async fn ids_that_run_days_ahead_of_the_clock_are_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        assert!(examine_ids(dir.path()).is_none(), "there is no store yet");
        for (days, expected) in [(0, Level::Good), (9, Level::Warning)] {
            let running = Store::open_dir(dir.path(), Options::default()).unwrap().spawn().unwrap();
            let marks = running.store.id_marks();
            let tenure = marks.take(1).await.unwrap();
            let ahead = crate::clock::wall_now().plus_millis(days * 86_400_000);
            marks.raise(tenure, ahead).await.unwrap();
            running.stop();
            assert!(fold_dir(dir.path(), Options::default()).unwrap());
            let finding = examine_ids(dir.path()).unwrap();
            assert_eq!(finding.level, expected, "{finding}");
        }
    }
}
