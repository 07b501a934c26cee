//! What an owner can choose about the registry. Every number has its unit in its name and its default here.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Where etcd is, what lies there under which prefix, and how long a silent process is believed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Addresses of etcd's members, `http://host:port` or `https://host:port`, separated by commas.
    pub endpoints: String,
    /// Begins every key. Installations that share an etcd have one each.
    pub prefix: String,

    /// How long after its last sign of life a process loses its names and is found no more: take-overs take this long. A
    /// pause beyond it costs the process its names. etcd itself takes at least 2.
    pub lease_ttl_s: u32,
    /// For one question to one member.
    pub call_timeout_ms: u32,
    pub connect_timeout_ms: u32,
    /// Longest wait between two attempts while nobody answers.
    pub reconnect_max_ms: u32,

    /// Where etcd asks for it; the password is the first line of the file.
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    /// For `https`, PEM: whom to believe, and who we are where etcd asks for that.
    pub ca_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: "http://127.0.0.1:2379".to_owned(),
            prefix: "/doos".to_owned(),
            lease_ttl_s: 5,
            // Two unanswered questions to two members, and there is still time to ask a third before the lease ends.
            call_timeout_ms: 1_000,
            connect_timeout_ms: 500,
            reconnect_max_ms: 1_000,
            user: None,
            password_file: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
        }
    }
}

impl Options {
    /// What is wrong with them, for a person.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.prefix.starts_with('/') || self.prefix.len() < 2 || self.prefix.ends_with('/') {
            return Err(format!("the prefix {:?} must begin with a '/' and not end with one", self.prefix));
        }
        if !(2..=3_600).contains(&self.lease_ttl_s) {
            return Err(format!("lease_ttl_s is {}; it must be 2 to 3600", self.lease_ttl_s));
        }
        if self.call_timeout_ms == 0 || u64::from(self.call_timeout_ms) * 2 > u64::from(self.lease_ttl_s) * 1_000 {
            return Err("call_timeout_ms must be above 0 and at most half of the lease".to_owned());
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err("certificate_file and key_file go together".to_owned());
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("user and password_file go together".to_owned());
        }
        Ok(())
    }

    pub(crate) const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms as u64)
    }

    pub(crate) const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right() {
        Options::default().check().unwrap();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let wrong: [fn(&mut Options); 9] = [
            |options| options.prefix = "doos".to_owned(),
            |options| options.prefix = "/".to_owned(),
            |options| options.prefix = "/doos/".to_owned(),
            |options| options.lease_ttl_s = 1,
            |options| options.lease_ttl_s = 3_601,
            |options| options.call_timeout_ms = 0,
            |options| options.call_timeout_ms = 2_501,
            |options| options.user = Some("doos".to_owned()),
            |options| options.key_file = Some("key.pem".into()),
        ];
        for (case, spoil) in wrong.iter().enumerate() {
            let mut options = Options::default();
            spoil(&mut options);
            assert!(options.check().is_err(), "case {case}");
        }
    }
}
