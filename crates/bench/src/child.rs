//! Servers of a run's own: the same binary again, as child processes on free ports of loopback.
//!
//! What holds: a child ends with the run, however the run ends: it is killed when its owner goes, or when the run is
//! told to stop; a yardstick also ends when its parent is gone.
//!
//! What must never happen: a child with the caller's own settings or data, or one that is told of another's.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::api::Api;
use crate::clock::Clock;

const START_DEADLINE_S: f64 = 60.0;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The processes of a run; whoever stops the run kills them through this, and from then on there are no new ones.
#[derive(Clone)]
pub struct Children {
    /// None when they have been killed.
    processes: Arc<Mutex<Option<Vec<Process>>>>,
}

impl Default for Children {
    fn default() -> Self {
        Self { processes: Arc::new(Mutex::new(Some(Vec::new()))) }
    }
}

impl Children {
    pub fn kill(&self) {
        let processes = self.lock().take();
        processes.into_iter().flatten().for_each(end);
    }

    /// Starts it, unless the run has been stopped.
    fn start(&self, command: &mut Command) -> Result<Child> {
        let mut processes = self.lock();
        let processes = processes.as_mut().context("the run was stopped")?;
        let mut process = command.spawn().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
        let child = Child { pid: process.id(), said: process.stdout.take() };
        processes.push(process);
        Ok(child)
    }

    /// Ends one process before the run is over, as a power cut would.
    pub fn stop(&self, pid: u32) {
        let ending = self.lock().as_mut().and_then(|processes| {
            let place = processes.iter().position(|process| process.id() == pid)?;
            Some(processes.swap_remove(place))
        });
        ending.into_iter().for_each(end);
    }

    /// How the process ended, if it did.
    fn ended(&self, pid: u32) -> Result<Option<ExitStatus>> {
        let mut processes = self.lock();
        let processes = processes.as_mut().context("the run was stopped")?;
        let process = processes.iter_mut().find(|process| process.id() == pid).context("a process of this run")?;
        Ok(process.try_wait()?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Process>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Child {
    pid: u32,
    said: Option<ChildStdout>,
}

fn end(mut process: Process) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

/// Kills the children when the run is over.
pub struct Guard(pub Children);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// A server of the run's own.
pub struct Doos {
    pub address: SocketAddr,
    pub token: String,
    pub pid: u32,
    pub data_dir: PathBuf,
    /// From its start until it took orders.
    pub start_ms: f64,
}

/// A bare server.
#[derive(Clone, Copy)]
pub struct Bare {
    pub address: SocketAddr,
    pub pid: u32,
}

/// Starts the system on a directory below `dir`, which is empty the first time, and waits until it takes orders.
/// `environment` is all of the caller's surroundings that it is given beside those that are not ours.
pub fn start_doos(children: &Children, program: &Path, dir: &Path, environment: &[(String, String)]) -> Result<Doos> {
    let data_dir = dir.join("data");
    let log = dir.join("server.log");
    let mut command = clean(program);
    command.args(["serve", "--empty", "--profile", "dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let clock = Clock::start();
    let pid = children.start(&mut command)?.pid;
    let address = loop {
        if let Some(address) = address_of(&data_dir, pid)
            && Api::new(address, None).call("GET", "/readyz", None).is_ok_and(|reply| reply.status == 200)
        {
            break address;
        }
        if let Some(status) = children.ended(pid)? {
            bail!("the server ended with {status}:\n{}", last_lines(&log));
        }
        ensure!(clock.seconds() < START_DEADLINE_S, "the server does not get ready:\n{}", last_lines(&log));
        std::thread::sleep(LOOK_EVERY);
    };
    let start_ms = clock.now_ns() as f64 / 1e6;
    let mut command = clean(program);
    command.args(["token", "--operator", "bench", "--ttl-s", "86400", "--data-dir"]).arg(&data_dir);
    let said = command.output().context("no token could be had")?;
    let token = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if !said.status.success() || token.is_empty() {
        bail!("no token could be had: {}", String::from_utf8_lossy(&said.stderr));
    }
    Ok(Doos { address, token, pid, data_dir, start_ms })
}

/// Starts one of the bare servers and waits until it says where it listens.
pub fn start_yardstick(children: &Children, program: &Path, arguments: &[&str]) -> Result<Bare> {
    let mut command = clean(program);
    command.args(["bench", "yardstick"]).args(arguments).args(["--listen", "127.0.0.1:0"]);
    // Its standard input closes when this process ends, and it ends with that.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let Child { pid, said } = children.start(&mut command)?;
    let said = said.context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    let address =
        line.trim().strip_prefix("listening on http://").context("the yardstick does not say where it listens")?;
    Ok(Bare { address: address.parse()?, pid })
}

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOOS_")) {
        command.env_remove(name);
    }
    command
}

fn address_of(data_dir: &Path, pid: u32) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(data_dir.join("server.json")).ok()?;
    let found: Value = serde_json::from_str(&text).ok()?;
    if found["pid"] == pid { found["listen"].as_str()?.parse().ok() } else { None }
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
