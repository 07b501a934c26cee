//! Every dependency comes from the public registry: no git checkout and no other index in Cargo.lock.
//!
//! `cargo deny` says the same where it is installed; this rule needs nothing installed.

use super::{Violation, text_of};
use crate::repository::TrackedFile;

const LOCK: &str = "Cargo.lock";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every package that comes from elsewhere.
pub fn check(files: &[TrackedFile]) -> Vec<Violation> {
    let Some(text) = text_of(files, LOCK) else {
        return vec![Violation::new(LOCK, 0, "is missing: the binary's dependencies are pinned by it")];
    };
    let sources =
        text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, line.strip_prefix("source = ")?)));
    sources
        .filter(|(_, source)| source.trim_matches('"') != REGISTRY)
        .map(|(line, source)| Violation::new(LOCK, line, format!("{source} is not the public registry")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn a_package_of_the_registry_passes_and_any_other_is_refused() {
        let lock = format!("[[package]]\nname = \"a\"\nsource = \"{REGISTRY}\"\n");
        assert_eq!(check(&tree(&[(LOCK, &lock)])), []);
        let forked = format!("{lock}[[package]]\nname = \"b\"\nsource = \"git+https://example.org/b#1\"\n");
        assert_eq!(check(&tree(&[(LOCK, &forked)]))[0].line, 6);
    }

    #[test]
    fn a_missing_lock_is_refused() {
        assert_eq!(check(&[]).len(), 1);
    }
}
