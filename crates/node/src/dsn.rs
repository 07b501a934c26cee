//! Data source names in the form the source documents use: `user:password@tcp(host:port)/database?option=value`.
//!
//! The password never appears in `Debug`, `Display` or a serialised configuration.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dsn {
    pub user: String,
    pub password: SecretString,
    pub host: String,
    pub port: u16,
    pub database: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a DSN looks like user:password@tcp(host:3306)/database; {0}")]
pub struct Invalid(&'static str);

impl TryFrom<String> for Dsn {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let (credentials, rest) = text.rsplit_once("@tcp(").ok_or(Invalid("`@tcp(` is missing"))?;
        let (address, rest) = rest.split_once(")/").ok_or(Invalid("`)/` is missing after the address"))?;
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "3306"));
        let database = rest.split('?').next().unwrap_or_default();
        if user.is_empty() || host.is_empty() || database.is_empty() {
            return Err(Invalid("user, host and database must be there"));
        }
        Ok(Self {
            user: user.to_owned(),
            password: SecretString::from(password.to_owned()),
            host: host.to_owned(),
            port: port.parse().map_err(|_| Invalid("the port is not a number from 0 to 65535"))?,
            database: database.to_owned(),
        })
    }
}

impl Dsn {
    /// As the drivers take it. It holds the password.
    pub fn url(&self) -> String {
        let (user, password) = (encoded(&self.user), encoded(self.password.expose_secret()));
        format!("mysql://{user}:{password}@{}:{}/{}", self.host, self.port, encoded(&self.database))
    }
}

/// Everything but letters, digits and a few signs, percent-encoded.
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***@tcp({}:{})/{}", self.user, self.host, self.port, self.database)
    }
}

impl From<Dsn> for String {
    fn from(dsn: Dsn) -> Self {
        dsn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_source_documents_is_read() {
        let dsn = Dsn::try_from("root:p@ss:w@tcp(localhost:3307)/doos_order_1?parseTime=true".to_owned()).unwrap();
        assert_eq!((dsn.user.as_str(), dsn.host.as_str(), dsn.port), ("root", "localhost", 3307));
        assert_eq!((dsn.database.as_str(), dsn.password.expose_secret()), ("doos_order_1", "p@ss:w"));
        assert_eq!(dsn.to_string(), "root:***@tcp(localhost:3307)/doos_order_1");
        assert!(!format!("{dsn:?}").contains("p@ss"));
    }

    #[test]
    fn an_address_for_the_driver_keeps_every_sign_of_the_password() {
        let dsn = Dsn::try_from("doos:a@b/c:d%?#ü@tcp(db-1:3307)/doos_order_1".to_owned()).unwrap();
        assert_eq!(dsn.url(), "mysql://doos:a%40b%2Fc%3Ad%25%3F%23%C3%BC@db-1:3307/doos_order_1");
    }

    #[test]
    fn what_is_not_a_dsn_is_refused_with_the_reason() {
        for text in ["", "root@localhost/db", "root:x@tcp(host:99999)/db", "root:x@tcp(host:1)/", "@tcp(h:1)/d"] {
            assert!(Dsn::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
