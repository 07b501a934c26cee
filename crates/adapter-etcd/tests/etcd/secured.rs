//! An etcd of the test's own that asks who is there.

use doos_adapter_etcd::Options;
use doos_ports::registry::Error;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::engine::{self, By, within};

struct Etcd {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Etcd {
    /// From where the services keep theirs, or from the path.
    fn start(extra: &[&str]) -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join(".services/bin/etcd");
        let program = if own.exists() { own.as_os_str() } else { "etcd".as_ref() };
        let dir = tempfile::tempdir().unwrap();
        let (client, peer) = (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
        let child = Command::new(program)
            .args(["--name", "own", "--log-level", "error", "--logger", "zap", "--data-dir"])
            .arg(dir.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("own={peer}")])
            .args(extra)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address: client, _dir: dir }
    }

    async fn started(&self) {
        let host = self.address.trim_start_matches("http://").to_owned();
        let up = async {
            while tokio::net::TcpStream::connect(&host).await.is_err() {
                tokio::time::sleep(engine::TICK).await;
            }
        };
        within("etcd", up).await;
        // It listens before it has elected itself.
        let registry = engine::open(&self.options());
        within("etcd", registry.acquire("started")).await.unwrap();
        registry.close().await;
    }

    fn options(&self) -> Options {
        Options { endpoints: self.address.clone(), lease_ttl_s: 2, ..Options::default() }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_user_with_a_password_is_let_in_and_stays_in_when_its_token_ends() {
    engine::run(async |_| {
        // The shortest life that a token of this etcd can have between two uses.
        let etcd = Etcd::start(&["--auth-token-ttl", "1"]);
        etcd.started().await;
        let by = By::on(&etcd.address);
        tokio::task::spawn_blocking(move || {
            by.ask("auth/user/add", r#"{"name":"root","password":"123-456"}"#);
            by.ask("auth/role/add", r#"{"name":"root"}"#);
            by.ask("auth/user/grant", r#"{"user":"root","role":"root"}"#);
            by.ask("auth/enable", "{}");
        })
        .await
        .unwrap();
        let files = tempfile::tempdir().unwrap();
        let password = |text: &str| {
            let file = files.path().join(text.trim());
            std::fs::write(&file, text).unwrap();
            Options { user: Some("root".to_owned()), password_file: Some(file), ..etcd.options() }
        };

        let right = engine::open(&password("123-456\n"));
        let lease = within("a name", right.acquire("gate")).await.unwrap();
        right.announce(&["order"], "10.0.0.1:8080");
        engine::seen(&right, |view| view.owner("gate").is_some()).await;
        // While nothing is asked but the lease, tokens end.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(lease.is_sure());
        right.set_value("log.level", Some("debug"), None).await.unwrap();
        engine::seen(&right, |view| view.values.contains_key("log.level")).await;

        for wrong in [password("654-321\n"), etcd.options()] {
            let registry = engine::open(&wrong);
            let refused = registry.try_acquire("other").await;
            assert!(
                matches!(refused, Err(Error::Engine(doos_ports::Error::Unavailable { .. }))),
                "{:?}",
                refused.err()
            );
        }
    });
}
