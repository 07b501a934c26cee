//! `server.json` in the data directory: where the running server listens, for the commands beside it.
//!
//! It is a hint, not a lock (the journal has the lock): one left behind by a crash names a process that is gone.

use doos_adapter_embedded::SCHEMA_NEWEST;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const FILE: &str = "server.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerFile {
    pub listen: SocketAddr,
    pub pid: u32,
    /// The newest form of the store that it can read; 0 from a program that did not say.
    #[serde(default)]
    pub store_schema: i64,
}

impl ServerFile {
    pub fn write(data_dir: &Path, listen: SocketAddr) -> io::Result<()> {
        let text = serde_json::to_string(&Self { listen, pid: std::process::id(), store_schema: SCHEMA_NEWEST })?;
        let draft = data_dir.join(format!("{FILE}.tmp"));
        fs::write(&draft, text)?;
        fs::rename(draft, path(data_dir))
    }

    /// The server that runs on this data directory, if there is one.
    pub fn read_running(data_dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(path(data_dir)).ok()?;
        let server: Self = serde_json::from_str(&text).ok()?;
        Path::new("/proc").join(server.pid.to_string()).exists().then_some(server)
    }

    pub fn remove(data_dir: &Path) {
        // Gone already is as good as removed.
        let _ = fs::remove_file(path(data_dir));
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}
