//! Where things lie in etcd, and in what form. Under the prefix:
//!
//! | key | value | bound to a lease |
//! |---|---|---|
//! | `/instances/NAME` | who is announced, JSON | yes |
//! | `/leases/NAME` | the holder, JSON | yes |
//! | `/values/NAME` | the text | no |
//! | `/numbers/NN` | who had this worker number last, JSON | no |
//!
//! An operator may read all of it, change what is under `values`, and delete what is under `leases` to take a name from
//! its holder. A key there that is bound to no lease keeps everybody away from that name.

use doos_domain::time::Timestamp;
use doos_ports::registry::Instance;
use serde::{Deserialize, Serialize};

/// The name of a worker number's lease begins with it.
const WORKER: &str = "worker/";

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

/// What a key under the prefix is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'key> {
    Instance(&'key str),
    Lease(&'key str),
    Value(&'key str),
    Number(&'key str),
}

#[derive(Serialize, Deserialize)]
struct Announced {
    roles: Vec<String>,
    address: String,
    started_at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Holding {
    instance: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn key(&self, kind: &str, name: &str) -> Vec<u8> {
        format!("{}/{kind}/{name}", self.prefix).into_bytes()
    }

    pub fn instance(&self, name: &str) -> Vec<u8> {
        self.key("instances", name)
    }

    pub fn lease(&self, name: &str) -> Vec<u8> {
        self.key("leases", name)
    }

    pub fn value(&self, name: &str) -> Vec<u8> {
        self.key("values", name)
    }

    pub fn number(&self, number: u8) -> Vec<u8> {
        self.key("numbers", &format!("{number:02}"))
    }

    /// Everything.
    pub fn all(&self) -> Range {
        Range::of(format!("{}/", self.prefix).into_bytes())
    }

    pub fn numbers(&self) -> Range {
        Range::of(self.key("numbers", ""))
    }

    pub fn worker_leases(&self) -> Range {
        Range::of(self.lease(WORKER))
    }

    /// None for what nobody here has written.
    pub fn subject<'key>(&self, key: &'key [u8]) -> Option<Subject<'key>> {
        let key = std::str::from_utf8(key).ok()?;
        let (kind, name) = key.strip_prefix(&self.prefix)?.strip_prefix('/')?.split_once('/')?;
        match kind {
            "instances" => Some(Subject::Instance(name)),
            "leases" => Some(Subject::Lease(name)),
            "values" => Some(Subject::Value(name)),
            "numbers" => Some(Subject::Number(name)),
            _ => None,
        }
    }
}

/// All keys that begin alike.
pub(crate) struct Range {
    pub key: Vec<u8>,
    pub end: Vec<u8>,
}

impl Range {
    /// `key` ends with a '/', so the first key behind the range ends with the next character.
    fn of(key: Vec<u8>) -> Self {
        let mut end = key.clone();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Self { key, end }
    }
}

pub(crate) fn worker_lease(number: u8) -> String {
    format!("{WORKER}{number:02}")
}

fn json<T: Serialize>(what: &T) -> Vec<u8> {
    serde_json::to_vec(what).expect("strings and numbers can be written as JSON")
}

pub(crate) fn announced(instance: &Instance) -> Vec<u8> {
    let (roles, address) = (instance.roles.clone(), instance.address.clone());
    json(&Announced { roles, address, started_at_ms: instance.started_at.as_millis() })
}

pub(crate) fn instance_of(name: &str, value: &[u8]) -> Option<Instance> {
    let Announced { roles, address, started_at_ms } = serde_json::from_slice(value).ok()?;
    Some(Instance { name: name.to_owned(), roles, address, started_at: Timestamp::from_millis(started_at_ms) })
}

pub(crate) fn holding(instance: &str) -> Vec<u8> {
    json(&Holding { instance: instance.to_owned() })
}

/// Nobody, where an operator has put something of his own there.
pub(crate) fn holder_of(value: &[u8]) -> String {
    serde_json::from_slice(value).map(|Holding { instance }| instance).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_what_it_is_about() {
        let keys = Keys::new("/shop/a");
        assert_eq!(keys.subject(&keys.instance("x")), Some(Subject::Instance("x")));
        assert_eq!(keys.subject(&keys.lease("worker/07")), Some(Subject::Lease("worker/07")));
        assert_eq!(keys.subject(&keys.value("limits/rate")), Some(Subject::Value("limits/rate")));
        assert_eq!(keys.subject(&keys.number(7)), Some(Subject::Number("07")));
        for foreign in ["/shop/ab/values/x", "/shop/a/other/x", "/shop/a", "/shop/a/values", ""] {
            assert_eq!(keys.subject(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(keys.subject(b"/shop/a/values/\xff"), None);
    }

    #[test]
    fn a_range_holds_what_begins_alike_and_nothing_else() {
        let keys = Keys::new("/shop");
        let holds = |key: &[u8]| (keys.all().key.as_slice()..keys.all().end.as_slice()).contains(&key);
        assert!(holds(&keys.value("x")) && holds(&keys.instance("\u{10ffff}")));
        assert!(!holds(b"/shop2/values/x") && !holds(b"/shop") && !holds(b"/shoq/values/x"));
    }

    #[test]
    fn what_is_announced_is_read_again() {
        let instance = Instance {
            name: "a".to_owned(),
            roles: vec!["order".to_owned()],
            address: "10.0.0.1:80".to_owned(),
            started_at: Timestamp::from_millis(1_790_000_000_123),
        };
        assert_eq!(instance_of("a", &announced(&instance)), Some(instance));
        assert_eq!(instance_of("a", b"{"), None);
        assert_eq!(holder_of(&holding("a")), "a");
        assert_eq!(holder_of(b"maintenance"), "");
    }
}
