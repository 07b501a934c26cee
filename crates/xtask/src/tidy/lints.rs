//! Clippy takes the nearest `clippy.toml` whole and merges nothing, so a crate's own file must repeat the root's bans.
//!
//! Compared line by line: each entry of the root's file stands on a line of its own, and so it does in the repeat.

use super::{Violation, text_of};
use crate::repository::TrackedFile;

const ROOT: &str = "clippy.toml";

/// The one crate that must have a file of its own: purity is checked by it.
const STRICT: &str = "crates/domain/clippy.toml";

/// Every line of the root's file that a crate's own file forgets.
pub fn check(files: &[TrackedFile]) -> Vec<Violation> {
    let mut violations: Vec<_> = [ROOT, STRICT]
        .into_iter()
        .filter(|path| text_of(files, path).is_none())
        .map(|path| Violation::new(path, 0, "is missing: the bans of clippy are in it"))
        .collect();
    let root = text_of(files, ROOT).unwrap_or_default();
    for file in files.iter().filter(|file| file.path.ends_with("/clippy.toml")) {
        let own: Vec<&str> = entries(file.text.as_deref().unwrap_or_default()).collect();
        let forgotten = entries(root).filter(|entry| !own.contains(entry));
        violations.extend(
            forgotten.map(|entry| Violation::new(&file.path, 0, format!("must repeat the root's line: {entry}"))),
        );
    }
    violations
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    const BAN: &str = "  { path = \"std::time::Instant::now\" },\n";

    #[test]
    fn a_file_that_repeats_the_root_and_adds_its_own_passes() {
        let strict = format!("# why\n{BAN}  {{ path = \"more\" }},\n");
        assert_eq!(check(&tree(&[(ROOT, BAN), (STRICT, &strict)])), []);
    }

    #[test]
    fn a_forgotten_ban_is_refused_in_any_crate() {
        assert_eq!(check(&tree(&[(ROOT, BAN), (STRICT, "")])).len(), 1);
        assert_eq!(check(&tree(&[(ROOT, BAN), (STRICT, BAN), ("crates/a/clippy.toml", "")])).len(), 1);
    }

    #[test]
    fn a_ban_that_is_only_a_comment_is_forgotten() {
        assert_eq!(check(&tree(&[(ROOT, BAN), (STRICT, &format!("# {BAN}"))])).len(), 1);
    }

    #[test]
    fn a_missing_file_is_refused() {
        assert_eq!(check(&tree(&[(ROOT, BAN)])).len(), 1);
        assert_eq!(check(&[]).len(), 2);
    }
}
