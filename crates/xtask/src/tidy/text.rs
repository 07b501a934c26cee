//! Rules over one file's text: its header, its size, and the words that must not be in it.
//!
//! The banned words are put together with `concat!`, so that this file passes its own rule without an exemption.

use super::Violation;
use crate::repository::FILE_SIZE_MAX_BYTES;

/// Words that promise work instead of doing it; matched as whole words, in capitals only.
const BANNED_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];

/// Code that is not there, and tests that do not run; matched anywhere.
const BANNED_CODE: &[&str] = &[concat!("todo", "!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];

/// The first directories of one machine's paths.
const BANNED_ROOTS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Every Rust file says at its door what it is for.
pub fn module_header(path: &str, text: &str) -> Option<Violation> {
    let first = text.lines().next().unwrap_or_default();
    let missing = path.ends_with(".rs") && !first.starts_with("//!");
    missing.then(|| {
        Violation::new(path, 1, "starts without `//!`: say what the file is for and what must never happen in it")
    })
}

/// A large file belongs into a release, a generator or a download, not into the history.
pub fn size(path: &str, size_bytes: u64) -> Option<Violation> {
    (size_bytes > FILE_SIZE_MAX_BYTES).then(|| {
        Violation::new(path, 0, format!("{size_bytes} bytes, more than {FILE_SIZE_MAX_BYTES}: generate or shrink it"))
    })
}

/// No promises, no holes, no skipped tests, no paths of somebody's machine.
pub fn banned_words(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut refuse = |what: &str, advice: &str| {
            violations.push(Violation::new(path, index + 1, format!("`{what}`: {advice}")));
        };
        for word in BANNED_WORDS.iter().filter(|word| contains_word(line, word)) {
            refuse(word, "do it now or open an issue");
        }
        for code in BANNED_CODE.iter().filter(|code| line.contains(**code)) {
            refuse(code, "write it, or take it out");
        }
        for root in BANNED_ROOTS.iter().filter(|root| starts_path(line, root)) {
            refuse(root, "a path of one machine: make it relative");
        }
    }
    violations
}

fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// True when `root` begins an absolute path, and is not the inside of a longer one or of a URL.
fn starts_path(line: &str, root: &str) -> bool {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*' | '~' | '/');
    line.match_indices(root).any(|(start, _)| !line[..start].chars().next_back().is_some_and(is_inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_file_without_a_header_is_refused() {
        assert!(module_header("src/a.rs", "use std::fmt;\n//! late\n").is_some());
        assert!(module_header("src/a.rs", "").is_some());
        assert!(module_header("tests/a.rs", "// only a comment\n").is_some());
        assert!(module_header("src/a.rs", "//! What it is for.\n").is_none());
        assert!(module_header("README.md", "# no Rust\n").is_none());
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
        assert!(size("a.bin", FILE_SIZE_MAX_BYTES + 1).is_some());
        assert!(size("a.bin", FILE_SIZE_MAX_BYTES).is_none());
    }

    #[test]
    fn every_banned_word_is_found_with_its_line() {
        for word in BANNED_WORDS.iter().chain(BANNED_CODE) {
            let found = banned_words("a.rs", &format!("fine\n// {word}: later\n"));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2, "{word}");
        }
    }

    #[test]
    fn a_banned_word_inside_another_word_is_no_violation() {
        let harmless = format!("mktemp {0}{0} {1}S _{1}", BANNED_WORDS[2], BANNED_WORDS[0]);
        assert_eq!(banned_words("a.sh", &harmless), []);
    }

    #[test]
    fn a_path_of_one_machine_is_refused_and_a_relative_one_is_not() {
        for root in BANNED_ROOTS {
            assert_eq!(banned_words("a.md", &format!("see `{root}main`")).len(), 1, "{root}");
            assert_eq!(banned_words("a.md", &format!("cd {root}main")).len(), 1, "{root}");
            assert_eq!(banned_words("a.md", &format!("crates{root}a https://b.c{root}d")), [], "{root}");
        }
    }
}
