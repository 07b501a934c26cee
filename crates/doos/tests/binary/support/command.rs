//! Running `doos` as a command and reading what it says.

use serde_json::Value;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// The binary, with none of the caller's own settings in its environment. `DOOS_TEST_BINARY` names another one, such as
/// a release build; who is not a test has to.
pub fn doos() -> Command {
    let built = option_env!("CARGO_BIN_EXE_doos").map(OsString::from);
    let binary = std::env::var_os("DOOS_TEST_BINARY").or(built).expect("DOOS_TEST_BINARY names the program");
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOOS_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Standard output, if the exit code was the expected one.
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub fn expect_json(self, code: i32) -> Value {
        let text = self.expect(code);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// Runs `doos ARGUMENTS --data-dir DATA` to its end.
pub async fn run(data: &Path, arguments: &[&str]) -> Said {
    run_with(data, &[], arguments).await
}

pub async fn run_with(data: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = doos();
    command.args(arguments).arg("--data-dir").arg(data).envs(settings.iter().copied());
    let output = tokio::time::timeout(super::wait::PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("`doos {arguments:?}` does not end")).unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs it with a reader that is gone before the first word, and tells how it ended and what it complained of.
pub async fn run_unheard(data: &Path, arguments: &[&str]) -> Said {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = doos();
    command.args(arguments).arg("--data-dir").arg(data).stdout(Stdio::from(writer)).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output();
    let output = tokio::time::timeout(super::wait::PATIENCE, output).await;
    let output = output.unwrap_or_else(|_| panic!("`doos {arguments:?}` does not end")).unwrap();
    Said {
        code: output.status.code(),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A bearer token, such as for `["--user", "42"]`.
pub async fn token(data: &Path, who: [&str; 2]) -> String {
    let said = run(data, &["token", who[0], who[1]]).await.expect(0);
    said.trim_end().to_owned()
}
