//! Servers of a test's own, to be stopped, emptied and promoted as it likes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{not_run, root};

/// The server's program, where there is one.
pub fn program() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let own = root().join(".services/bin/redis-server");
    let found =
        std::env::split_paths(&paths).map(|path| path.join("redis-server")).chain([own]).find(|path| path.exists());
    if found.is_none() {
        not_run("no redis-server to start: run `scripts/services.sh start redis` once");
    }
    found
}

pub struct Server {
    process: Child,
    pub port: u16,
    directory: PathBuf,
    options: Vec<String>,
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts one that keeps what it is told, as the shared one does.
    pub async fn start(options: &[&str]) -> Option<Self> {
        let (port, number) = (free_port(), super::prefix());
        let directory = std::env::temp_dir().join(number);
        std::fs::create_dir_all(&directory).unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = launch(port, &directory, &options)?;
        let server = Self { process, port, directory, options };
        server.answers().await;
        Some(server)
    }

    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The same port and the same data.
    pub async fn start_again(&mut self) {
        self.process = launch(self.port, &self.directory, &self.options).unwrap();
        self.answers().await;
    }

    pub async fn say<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_say(words).await.unwrap()
    }

    async fn try_say<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.address())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut cmd = redis::cmd(words[0]);
        cmd.arg(&words[1..]).query_async(&mut connection).await
    }

    async fn answers(&self) {
        self.wait("it to answer", &["PING"], |said| said.contains("PONG")).await;
    }

    /// Asks until it says what it is to say.
    pub async fn wait(&self, what: &str, words: &[&str], is_it: impl Fn(&str) -> bool) {
        let wait = async {
            loop {
                match self.try_say::<redis::Value>(words).await {
                    Ok(said) if is_it(&format!("{said:?}")) => return,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("waited for {what}"));
    }
}

fn launch(port: u16, directory: &Path, options: &[String]) -> Option<Child> {
    let conf = directory.join("conf");
    let mut lines = format!("bind 127.0.0.1\nport {port}\ndir {}\n", directory.display());
    for option in options {
        lines += option;
        lines += "\n";
    }
    std::fs::write(&conf, lines).unwrap();
    let mut command = Command::new(program()?);
    command.arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
    if options.iter().any(|option| option.starts_with("sentinel ")) {
        command.arg("--sentinel");
    }
    Some(command.spawn().unwrap())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
