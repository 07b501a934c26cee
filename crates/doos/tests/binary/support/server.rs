//! A running `doos`: started on a free port, stopped or killed, and started again on the same data.

use serde_json::Value;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};

use super::Place;
use super::client::Client;
use super::command::{self, Said};
use super::wait::{PATIENCE, until};

/// How a server is to be started. Says nothing about whether it runs.
pub struct Setup {
    verb: Option<&'static str>,
    listen: SocketAddr,
    place: Place,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
}

impl Setup {
    pub fn new() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { verb: Some("serve"), listen, place: Place::new(), arguments: Vec::new(), settings: Vec::new() }
    }

    /// As somebody starts it who has read nothing: without a verb.
    pub fn bare() -> Self {
        Self { verb: None, ..Self::new() }
    }

    /// At each start, instead of a free port.
    pub fn listening_on(self, listen: SocketAddr) -> Self {
        Self { listen, ..self }
    }

    /// A further argument of `doos serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A key of the configuration, such as `LIMITS__UNPAID_DEADLINE_MS`.
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((format!("DOOS_{key}"), value.to_string()));
        self
    }

    pub async fn start(self) -> Server {
        let mut server = Server { running: None, setup: self };
        server.start().await;
        server
    }

    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("server.log")
    }

    pub fn banner(&self) -> PathBuf {
        self.place.path().join("banner.txt")
    }

    fn command(&self) -> Command {
        let mut command = command::doos();
        command.args(self.verb).arg("--listen").arg(self.listen.to_string()).args(&self.arguments);
        command.arg("--data-dir").arg(self.data());
        // A busy machine must not be taken for a busy shop; shedding has its own tests, at the gateway.
        command.env("DOOS_LIMITS__QUEUE_AGE_MAX_MS", "20000");
        command.envs(self.settings.iter().map(|(key, value)| (key, value)));
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.stdout(File::create(self.banner()).unwrap()).stderr(Stdio::from(log));
        command
    }
}

pub struct Server {
    // Before its place, so that the process is gone when the directory is removed.
    running: Option<Running>,
    pub setup: Setup,
}

struct Running {
    child: Child,
    listen: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that outlives its test would hold the directory of nobody.
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            std::thread::yield_now();
        }
    }
}

impl Server {
    /// Starts on the data that is there, and waits until it takes work.
    pub async fn start(&mut self) {
        let child = self.spawn();
        self.await_ready(child).await;
    }

    /// Only lets it run: it may never become ready.
    pub fn spawn(&self) -> Child {
        assert!(self.running.is_none(), "it runs already");
        self.setup.command().spawn().unwrap()
    }

    pub async fn await_ready(&mut self, mut child: Child) {
        let pid = child.id().unwrap();
        let file = self.data().join("server.json");
        let listen = until("server.json names the new process", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.last_log());
            }
            let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
            let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if found["pid"] != pid { Err(text) } else { Ok(found["listen"].as_str().unwrap().to_owned()) }
        });
        let listen = listen.await.parse().unwrap();
        self.running = Some(Running { child, listen });
        let client = self.client();
        until("/readyz says ready", async || match client.get("/readyz").try_send().await {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(other),
        })
        .await;
        // Printed last, once everything runs.
        until("the banner is printed", async || {
            let banner = self.banner();
            if banner.contains("http://") { Ok(()) } else { Err(banner) }
        })
        .await;
    }

    pub fn data(&self) -> PathBuf {
        self.setup.data()
    }

    pub fn listen(&self) -> SocketAddr {
        self.running.as_ref().expect("the server runs").listen
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().and_then(|running| running.child.id()).expect("the server runs")
    }

    pub fn client(&self) -> Client {
        Client::new(self.listen())
    }

    pub async fn operator(&self) -> Client {
        self.client().with_token(command::token(&self.data(), ["--operator", "amy"]).await)
    }

    pub async fn run(&self, arguments: &[&str]) -> Said {
        let settings: Vec<_> = self.setup.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        command::run_with(&self.data(), &settings, arguments).await
    }

    /// `kill -9`: nothing in the process gets a chance to do anything.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        running.child.kill().await.unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the server runs");
        terminate(running.child.id().unwrap()).await;
        let ended = tokio::time::timeout(PATIENCE, running.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not stop:\n{}", self.last_log())).unwrap()
    }

    pub async fn restart(&mut self) {
        let status = self.stop().await;
        assert_eq!(status.code(), Some(0), "{}", self.last_log());
        self.start().await;
    }

    /// From the next start on.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        let key = format!("DOOS_{key}");
        self.setup.settings.retain(|(known, _)| *known != key);
        self.setup.settings.push((key, value.to_string()));
    }

    /// From the next start on.
    pub fn clear_arguments(&mut self) {
        self.setup.arguments.clear();
    }

    pub fn banner(&self) -> String {
        std::fs::read_to_string(self.setup.banner()).unwrap()
    }

    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Of all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.log()).unwrap_or_default()
    }

    pub fn last_log(&self) -> String {
        last_lines(&self.setup.log())
    }
}

/// Asks a process to end.
pub async fn terminate(pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await.unwrap();
    assert!(sent.success());
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
