//! A broker of a test's own, to be killed and stopped while everybody else goes on using the shared one.
//!
//! What holds: the test that started it takes it away again, folder and process; what a test that was killed left behind
//! is taken away by the next one. Only the jars are shared with the engines of `scripts/services.sh`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine;

const NAMED: &str = "broker-of-";

pub struct Broker {
    folder: PathBuf,
    ports: [u16; 2],
}

impl Broker {
    /// None where there is no broker to be had; that was said already by whoever looked for the shared one.
    pub fn start() -> Option<Self> {
        engine::address()?;
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
        take_away_what_was_left(home);
        let folder = home.join(format!("{NAMED}{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let shared = engine::shared_folder();
        std::fs::create_dir_all(shared.join("jars")).unwrap();
        std::os::unix::fs::symlink(shared.join("jars"), folder.join("jars")).unwrap();
        let broker = Self { folder, ports: free_ports() };
        broker.tell("start");
        Some(broker)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// One of the script's commands.
    pub fn tell(&self, verb: &str) {
        let said = script(&self.folder).args([verb, "kafka"]).envs(self.port_variables()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(said.status.success(), "{verb}: {}{}", text(&said.stdout), text(&said.stderr));
    }

    fn port_variables(&self) -> [(&'static str, String); 2] {
        let [broker, controller] = self.ports;
        [("DOOS_PORT_KAFKA", broker.to_string()), ("DOOS_PORT_KAFKA_CONTROLLER", controller.to_string())]
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        take_away(&self.folder);
    }
}

fn script(folder: &Path) -> Command {
    let mut script = engine::services();
    script.env("DOOS_SERVICES_DIR", folder);
    script
}

/// Best effort, also while a failed test is being unwound: what stays is taken away by the next one.
fn take_away(folder: &Path) {
    // A broker that was killed half way through its start may be stopped for a while, and ends all the same.
    if script(folder).args(["reset", "kafka"]).output().is_ok_and(|said| said.status.success()) {
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn take_away_what_was_left(home: &Path) {
    for entry in std::fs::read_dir(home).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(owner) = name.strip_prefix(NAMED) else { continue };
        if !Path::new("/proc").join(owner).exists() {
            take_away(&entry.path());
        }
    }
}

/// Two ports that nobody listens on. Both are held until both are known, so that they differ.
fn free_ports() -> [u16; 2] {
    let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
