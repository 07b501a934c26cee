//! Commands that need no running node, or speak to one: backup, journal, schema, dead letters.

use anyhow::{Context, Result, bail};
use doos_adapter_embedded::{Layout, Running, Store};
use doos_adapter_mysql::Databases;
use doos_app::Principal;
use doos_app::actions::{Asked, Plan};
use doos_domain::action::Deed;
use doos_domain::ids::MessageId;
use doos_journal::{Disk as _, RealDisk};
use doos_ports::action_log::ActionLog;
use doos_ports::clock::Clock;
use doos_ports::inbox::{DeadLetter, Inbox, Progress, Waiting};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::server_file::ServerFile;
use crate::{http_client, token};

/// How many letters one listing shows.
const LISTED_MAX: usize = 1_000;

/// Copies the store, the secrets and the stand-ins' books. Returns the cut.
pub fn backup(config: &Config, target: &Path) -> Result<u64> {
    if config.database.is_cluster() {
        bail!(
            "a cluster's orders lie in its databases: back them up with the server's own tools (mariadb-backup, \
             mysqldump --single-transaction --source-data), see docs/operations/cluster.md"
        );
    }
    let report = doos_adapter_embedded::backup(&config.data_dir, target, config.store)?;
    copy_if_there(&config.data_dir.join("secrets.json"), &target.join("secrets.json"))?;
    let (outside, copy) = (config.data_dir.join("outside"), target.join("outside"));
    if outside.is_dir() {
        fs::create_dir_all(&copy)?;
        for entry in fs::read_dir(outside)? {
            let entry = entry?;
            copy_if_there(&entry.path(), &copy.join(entry.file_name()))?;
        }
    }
    Ok(report.cut.0)
}

fn copy_if_there(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        // `copy` keeps the permissions, which matter for secrets.
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
        fs::File::open(to)?.sync_all()?;
    }
    Ok(())
}

/// What an inspection of the journal saw.
#[derive(Debug, Serialize)]
pub struct Inspected {
    #[serde(skip)]
    pub text: String,
    pub sound: bool,
    pub segments: u64,
    pub groups: u64,
    pub records: u64,
    /// Segments in which something does not hold.
    pub damaged: Vec<String>,
    /// The segment into which a running server is writing a group right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub being_written: Option<String>,
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.sound {
            let (count, of, names) = (self.damaged.len(), self.segments, self.damaged.join(", "));
            return write!(f, "DAMAGED: {count} of {of} segments: {names}");
        }
        write!(f, "sound: {} segments, {} groups, {} records", self.segments, self.groups, self.records)?;
        match &self.being_written {
            Some(name) => write!(f, "; a group is being written to {name}"),
            None => Ok(()),
        }
    }
}

pub fn inspect_journal(config: &Config, segments: &[String]) -> Result<Inspected> {
    if config.database.is_cluster() {
        bail!("a cluster keeps no journal: its orders lie in its databases");
    }
    let dir = Layout::of(&config.data_dir).journal_dir;
    if !dir.is_dir() {
        bail!("there is no journal in {}", config.data_dir.display());
    }
    let disk = RealDisk::open(&dir).context("the journal cannot be opened")?;
    // Asked for first: whoever writes now wrote before the look as well.
    let is_running = ServerFile::read_running(&config.data_dir).is_some();
    let mut text = String::new();
    let totals = doos_journal::inspect(&disk, (!segments.is_empty()).then_some(segments), &mut text)?;
    let newest = disk.list()?.into_iter().filter(|name| name.ends_with(".seg")).max();
    let (mut damaged, mut being_written) = (Vec::new(), None);
    for (name, is_unfinished) in flawed_segments(&text) {
        // Only a server that runs excuses a group that is not whole: without one it was cut short, or damaged later.
        if is_unfinished && is_running && newest.as_deref() == Some(name) {
            being_written = Some(name.to_owned());
        } else {
            damaged.push(name.to_owned());
        }
    }
    anyhow::ensure!(
        damaged.len() + being_written.iter().len() == usize::try_from(totals.flawed_segments)?,
        "the inspection counts other flaws than it shows"
    );
    let (segments, groups, records) = (totals.segments, totals.groups, totals.records);
    Ok(Inspected { text, sound: damaged.is_empty(), segments, groups, records, damaged, being_written })
}

/// The segments marked bad, and whether all that is wrong is an unfinished last group.
fn flawed_segments(text: &str) -> Vec<(&str, bool)> {
    let mut flawed = Vec::new();
    for block in text.split("segment ").skip(1) {
        let bad = block.lines().filter(|line| line.starts_with("  BAD ")).count();
        let is_unfinished = bad == 1 && block.contains("\n  nothing valid behind it");
        if bad > 0 {
            flawed.push((block.lines().next().unwrap_or_default(), is_unfinished));
        }
    }
    flawed
}

/// Dead letters, wherever they can be had: from the running server, else from the store or the cluster's databases.
pub enum Letters {
    Server { at: SocketAddr, bearer: String },
    Store(Stored),
}

/// What letters lie in.
pub struct Stored {
    inbox: Arc<dyn Inbox>,
    actions: Arc<dyn ActionLog>,
    /// An embedded store, opened for this.
    running: Option<Box<Running>>,
}

impl Letters {
    pub async fn open(config: &Config) -> Result<Self> {
        if let Some(server) = ServerFile::read_running(&config.data_dir) {
            let operator = token::operator("doos-dlq".to_owned())?;
            let bearer = format!("Bearer {}", token::issue(config, &operator, 60)?);
            return Ok(Self::Server { at: server.listen, bearer });
        }
        if config.database.is_cluster() {
            let clock = Arc::new(SystemClock::start());
            let databases = Databases::new(config.database.options(), clock).context("the databases' addresses")?;
            let engines = databases.open().await.context("cannot open the databases")?;
            return Ok(Self::Store(Stored { inbox: engines.inbox, actions: engines.actions, running: None }));
        }
        // Opening would make a store where there is none, and a new one has no letters.
        doos_adapter_embedded::Books::open(&config.data_dir)
            .with_context(|| format!("{} holds no store", config.data_dir.display()))?;
        let store = Store::open_dir(&config.data_dir, config.store).context("the store cannot be opened")?;
        let running = Box::new(store.spawn()?);
        let (inbox, actions) = (running.store.inbox(), running.store.actions());
        Ok(Self::Store(Stored { inbox, actions, running: Some(running) }))
    }

    pub async fn list(&self) -> Result<Value> {
        match self {
            Self::Server { .. } => self.ask("GET", "/v1/admin/dead-letters?page_size=100").await,
            Self::Store(stored) => {
                let letters = stored.inbox.dead_letters(None, LISTED_MAX).await?;
                Ok(json!({ "dead_letters": letters }))
            }
        }
    }

    pub async fn show(&self, id: &str) -> Result<Value> {
        match self {
            Self::Server { .. } => self.ask("GET", &path_of(id, "")).await,
            Self::Store(stored) => Ok(serde_json::to_value(find(stored, id).await?)?),
        }
    }

    pub async fn replay(&self, id: &str) -> Result<Value> {
        match self {
            Self::Server { .. } => self.ask("POST", &path_of(id, ":replay")).await,
            Self::Store(stored) => {
                let letter = find(stored, id).await?;
                let waiting = Waiting {
                    message: letter.message.clone(),
                    sequence: letter.sequence,
                    tries: 0,
                    next_at: SystemClock::start().now(),
                    cause: "replayed from the command line".to_owned(),
                };
                settle(stored, &letter, Deed::ReplayDeadLetter, vec![waiting]).await
            }
        }
    }

    pub async fn discard(&self, id: &str) -> Result<Value> {
        match self {
            Self::Server { .. } => self.ask("POST", &path_of(id, ":discard")).await,
            Self::Store(stored) => {
                let letter = find(stored, id).await?;
                settle(stored, &letter, Deed::DiscardDeadLetter, Vec::new()).await
            }
        }
    }

    pub async fn close(self) -> Result<()> {
        if let Self::Store(Stored { running: Some(running), .. }) = self {
            tokio::task::spawn_blocking(move || running.stop()).await?;
        }
        Ok(())
    }

    async fn ask(&self, method: &str, path: &str) -> Result<Value> {
        let Self::Server { at, bearer } = self else { bail!("there is no server to ask") };
        let headers = [("authorization", bearer.as_str())];
        let reply = if method == "GET" {
            http_client::get(*at, path, &headers).await?
        } else {
            http_client::post(*at, path, &headers, Vec::new()).await?
        };
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        if reply.status >= 300 {
            bail!("{}: {}", body["code"].as_str().unwrap_or("unknown"), body["detail"].as_str().unwrap_or_default());
        }
        Ok(body)
    }
}

async fn find(stored: &Stored, id: &str) -> Result<DeadLetter> {
    let letter = stored.inbox.dead_letter(&MessageId::from_text(id)).await?;
    letter.with_context(|| format!("there is no dead letter `{id}`"))
}

/// Does what an operator asked for on the command line, written down like everything that operators do.
pub(crate) async fn recorded<T>(
    log: &dyn ActionLog,
    plan: Plan,
    work: impl Future<Output = doos_app::Result<T>>,
) -> doos_app::Result<T> {
    let asked = Asked::from(Principal::Operator("command-line".to_owned()));
    doos_app::actions::recorded(log, &SystemClock::start(), &asked, plan, work).await
}

async fn settle(stored: &Stored, letter: &DeadLetter, deed: Deed, wait: Vec<Waiting>) -> Result<Value> {
    let mut progress = Progress::new(letter.consumer);
    progress.settled.push(letter.message.id.clone());
    progress.wait = wait;
    let storing = async { Ok(stored.inbox.store(progress).await?) };
    recorded(&*stored.actions, Plan::new(deed, &letter.message.id), storing).await?;
    Ok(serde_json::to_value(letter)?)
}

/// Message ids carry `/` and `.`; both travel encoded.
fn path_of(id: &str, verb: &str) -> String {
    let mut path = "/v1/admin/dead-letters/".to_owned();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte == b'_' {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path + verb
}

/// One line a letter.
pub fn letters_text(told: &Value) -> String {
    let Some(letters) = told["dead_letters"].as_array() else { return letter_line(told) };
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    letters.iter().map(letter_line).collect::<Vec<_>>().join("\n")
}

pub fn letter_line(letter: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // The server names a letter by its message; the store's own form has the message with its id inside.
    let id = if letter["id"].is_string() { text(&letter["id"]) } else { text(&letter["message"]["id"]) };
    format!("{id}  {}  tries {}  {}", text(&letter["consumer"]), letter["tries"], text(&letter["cause"]))
}
