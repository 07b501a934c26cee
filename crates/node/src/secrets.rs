//! Secrets of a dev node: made at first start, kept in the data directory, readable by its owner only.
//!
//! Profile prod never comes here; its secrets are given, or the node does not start.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::config::{Config, Profile};

const FILE: &str = "secrets.json";

pub struct Secrets {
    pub token: SecretString,
    pub callback: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    token_secret: String,
    callback_secret: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("secrets.json in the data directory cannot be read or written")]
    Io(#[from] io::Error),
    #[error("secrets.json in the data directory is not what this program wrote; remove it to make new secrets")]
    Unreadable,
    #[error("profile prod makes no secrets: give auth.token_secret and payment.callback_secret")]
    Missing,
}

impl Secrets {
    /// The configured secrets; in profile dev, made once for what is not configured.
    pub fn of(config: &Config) -> Result<Self, Error> {
        let given = (config.auth.token_secret.clone(), config.payment.callback_secret.clone());
        if let (Some(token), Some(callback)) = given {
            return Ok(Self { token, callback });
        }
        if config.profile == Profile::Prod {
            return Err(Error::Missing);
        }
        let made = read_or_make(&config.data_dir)?;
        Ok(Self {
            token: given.0.unwrap_or_else(|| SecretString::from(made.token_secret)),
            callback: given.1.unwrap_or_else(|| SecretString::from(made.callback_secret)),
        })
    }
}

fn read_or_make(data_dir: &Path) -> Result<Stored, Error> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|_| Error::Unreadable),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error.into()),
    }
}

fn make(path: &Path) -> Result<Stored, Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let stored = Stored { token_secret: random_hex()?, callback_secret: random_hex()? };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Written whole before it gets its name, so that two first starts at once agree on one of them.
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(serde_json::to_string_pretty(&stored).map_err(io::Error::from)?.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => {
            let text = fs::read_to_string(path)?;
            serde_json::from_str(&text).map_err(|_| Error::Unreadable)
        }
    }
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
