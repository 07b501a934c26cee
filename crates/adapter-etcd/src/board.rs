//! What is known of the registry: the view, and by which lease and since when each name is held. Pure.
//!
//! What holds: it is the state of etcd at one revision; a list replaces it, the events after the list move it on. The
//! view's version grows only when what can be seen has changed.

use doos_ports::registry::{Holder, Value, View};
use std::collections::BTreeMap;

use crate::keys::{self, Keys, Subject};
use crate::wire::{Event, KeyValue};

/// A revision, which etcd writes with a sign and never uses it.
pub(crate) fn number(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}

/// A name that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub fence: i64,
    pub lease: i64,
}

#[derive(Debug)]
pub(crate) struct Board {
    keys: Keys,
    revision: i64,
    holdings: BTreeMap<String, Holding>,
    view: View,
}

impl Board {
    pub fn new(keys: Keys) -> Self {
        Self { keys, revision: 0, holdings: BTreeMap::new(), view: View::default() }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn holdings(&self) -> &BTreeMap<String, Holding> {
        &self.holdings
    }

    /// Everything as it was at a revision. An etcd that has lost its data begins again with a lower one.
    pub fn replace(&mut self, revision: i64, listed: Vec<KeyValue>) -> bool {
        let before = std::mem::take(&mut self.view);
        self.view = View { version: before.version, is_current: true, ..View::default() };
        self.holdings.clear();
        self.revision = revision;
        for kv in listed {
            self.put(kv);
        }
        self.changed_from(&before)
    }

    /// The events of a watch, in their order.
    pub fn apply(&mut self, events: Vec<Event>) -> bool {
        let before = self.view.clone();
        for event in events {
            let Some(kv) = event.kv else { continue };
            self.revision = self.revision.max(kv.mod_revision);
            if event.kind == Event::DELETED { self.remove(&kv.key) } else { self.put(kv) }
        }
        self.changed_from(&before)
    }

    /// The engine is away: what is known stays, and says so.
    pub fn set_stale(&mut self) -> bool {
        let was_current = std::mem::replace(&mut self.view.is_current, false);
        self.view.version += u64::from(was_current);
        was_current
    }

    /// Whether somebody else has the name by now, or nobody: it was got at `fence`. What is older than that knows nothing.
    pub fn contradicts(&self, name: &str, fence: i64) -> bool {
        self.knows(fence) && self.holdings.get(name).is_none_or(|holding| holding.fence != fence)
    }

    /// Whether it shows everything that happened up to a revision.
    pub fn knows(&self, revision: i64) -> bool {
        self.view.is_current && self.revision >= revision
    }

    fn changed_from(&mut self, before: &View) -> bool {
        let changed = self.view != *before;
        self.view.version += u64::from(changed);
        changed
    }

    fn put(&mut self, kv: KeyValue) {
        match self.keys.subject(&kv.key) {
            Some(Subject::Instance(name)) => {
                if let Some(instance) = keys::instance_of(name, &kv.value) {
                    self.view.instances.insert(name.to_owned(), instance);
                } else {
                    tracing::warn!(name, "a process is announced in a form that cannot be read; it is passed over");
                    self.view.instances.remove(name);
                }
            }
            Some(Subject::Lease(name)) => {
                let holding = Holding { fence: kv.create_revision, lease: kv.lease };
                let holder = Holder { instance: keys::holder_of(&kv.value), fence: number(kv.create_revision) };
                self.holdings.insert(name.to_owned(), holding);
                self.view.holders.insert(name.to_owned(), holder);
            }
            Some(Subject::Value(name)) => match String::from_utf8(kv.value) {
                Ok(text) => {
                    let value = Value { text, version: number(kv.mod_revision) };
                    self.view.values.insert(name.to_owned(), value);
                }
                // What was there before goes on, as after any other value that cannot be used.
                Err(_) => tracing::warn!(name, "a live value is no text; it is passed over"),
            },
            Some(Subject::Number(_)) | None => {}
        }
    }

    fn remove(&mut self, key: &[u8]) {
        match self.keys.subject(key) {
            Some(Subject::Instance(name)) => {
                self.view.instances.remove(name);
            }
            Some(Subject::Lease(name)) => {
                self.holdings.remove(name);
                self.view.holders.remove(name);
            }
            Some(Subject::Value(name)) => {
                self.view.values.remove(name);
            }
            Some(Subject::Number(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Keys::new("/doos"))
    }

    fn kv(key: &str, value: &str, revision: i64) -> KeyValue {
        let (key, value) = (format!("/doos/{key}").into_bytes(), value.as_bytes().to_vec());
        KeyValue { key, value, create_revision: revision, mod_revision: revision, lease: 9 }
    }

    fn put(kv: KeyValue) -> Event {
        Event { kind: 0, kv: Some(kv) }
    }

    fn deleted(key: &str, revision: i64) -> Event {
        Event { kind: Event::DELETED, kv: Some(kv(key, "", revision)) }
    }

    #[test]
    fn the_version_grows_with_what_can_be_seen_only() {
        let mut board = board();
        assert!(board.replace(5, vec![kv("values/a", "1", 5)]));
        let version = board.view().version;
        assert!(!board.apply(vec![put(kv("numbers/07", "x", 6)), put(kv("other/x", "x", 7))]));
        assert!(!board.replace(7, vec![kv("values/a", "1", 5)]), "the same again");
        assert_eq!(board.view().version, version);
        assert!(board.apply(vec![put(kv("values/a", "1", 8))]), "its version is new");
        assert!(board.view().version > version);
    }

    #[test]
    fn a_list_forgets_what_is_not_in_it() {
        let mut board = board();
        board.replace(5, vec![kv("values/a", "1", 5), kv("leases/gate", "{}", 5)]);
        board.replace(9, vec![kv("values/b", "2", 8)]);
        assert!(board.holdings().is_empty() && board.view().holders.is_empty());
        assert_eq!(board.view().values.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_stale_view_keeps_everything_and_says_so_once() {
        let mut board = board();
        board.replace(5, vec![kv("values/a", "1", 5)]);
        let version = board.view().version;
        assert!(board.set_stale() && !board.set_stale());
        assert_eq!((board.view().version, board.view().is_current), (version + 1, false));
        assert_eq!(board.view().values.len(), 1);
        assert!(board.replace(5, vec![kv("values/a", "1", 5)]), "it is current again");
    }

    #[test]
    fn a_name_is_contradicted_by_a_later_look_only() {
        let mut board = board();
        board.replace(5, vec![]);
        assert!(!board.contradicts("gate", 6), "the look is older than the name");
        board.apply(vec![put(kv("leases/gate", "{}", 6))]);
        assert!(!board.contradicts("gate", 6));
        board.apply(vec![deleted("leases/gate", 7)]);
        assert!(board.contradicts("gate", 6), "it was taken away");
        board.apply(vec![put(kv("leases/gate", "{}", 8))]);
        assert!(board.contradicts("gate", 6), "somebody newer has it");
        board.set_stale();
        assert!(!board.contradicts("gate", 6), "what is stale says nothing");
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let mut board = board();
        board.replace(5, vec![kv("values/a", "1", 5)]);
        let mut spoilt = kv("values/a", "", 6);
        spoilt.value = vec![0xff];
        board.apply(vec![put(spoilt), put(kv("instances/x", "{", 7)), Event { kind: 0, kv: None }]);
        assert_eq!(board.view().values["a"].text, "1");
        assert!(board.view().instances.is_empty());
    }
}
