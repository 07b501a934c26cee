//! Rules over the documents: decision records have numbers of their own, and relative links lead somewhere.
//!
//! A link is looked for outside of code fences and code spans, inline (`[text](target)`) or defined
//! (`[name]: target`). Addresses with a scheme and anchors within the page are not followed.

use std::collections::BTreeMap;

use super::Violation;
use crate::repository::TrackedFile;

const ADR: &str = "docs/adr/";

/// `docs/adr/NNNN-words.md`, each number once.
pub fn adr_numbers(files: &[TrackedFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for file in files {
        let Some(name) = file.path.strip_prefix(ADR).filter(|name| *name != "README.md") else {
            continue;
        };
        match adr_number(name) {
            None => violations.push(Violation::new(&file.path, 0, "a decision record is named NNNN-some-words.md")),
            Some(number) => {
                if let Some(other) = taken.insert(number, &file.path) {
                    violations.push(Violation::new(&file.path, 0, format!("number {number} is taken by {other}")));
                }
            }
        }
    }
    violations
}

fn adr_number(name: &str) -> Option<&str> {
    let (number, words) = name.strip_suffix(".md")?.split_once('-')?;
    (number.len() == 4 && number.chars().all(|c| c.is_ascii_digit()) && !words.is_empty()).then_some(number)
}

/// Every relative link of a Markdown file leads to a file or directory of the repository.
pub fn links(path: &str, text: &str, files: &[TrackedFile]) -> Vec<Violation> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let mut violations = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            continue;
        }
        for target in targets(&without_code_spans(line)) {
            if !resolves(path, &target, files) {
                violations.push(Violation::new(path, index + 1, format!("the link to {target} leads nowhere")));
            }
        }
    }
    violations
}

/// Blanks what stands between two backticks.
fn without_code_spans(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    let closed = pieces.len() % 2 == 1;
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| if index % 2 == 1 && (closed || index + 1 < pieces.len()) { " " } else { piece })
        .collect()
}

fn targets(line: &str) -> Vec<String> {
    let inline = line.match_indices("](").map(|(start, _)| {
        let rest = &line[start + 2..];
        &rest[..rest.find(')').unwrap_or(rest.len())]
    });
    let defined = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline
        .chain(defined)
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>').to_owned())
        .collect()
}

fn resolves(path: &str, target: &str, files: &[TrackedFile]) -> bool {
    let target = target.split(['#', '?']).next().unwrap_or_default();
    if target.is_empty() || has_scheme(target) {
        return true;
    }
    let Some(resolved) = join(path, target) else {
        return false;
    };
    let directory = format!("{resolved}/");
    resolved.is_empty() || files.iter().any(|file| file.path == resolved || file.path.starts_with(&directory))
}

fn has_scheme(target: &str) -> bool {
    target
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+'))
}

/// The target seen from the root; None when it leads out of the repository.
fn join(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    fn dead_links(path: &str, text: &str) -> usize {
        let files = tree(&[("README.md", ""), ("docs/TESTING.md", ""), ("docs/adr/0001-journal.md", "")]);
        links(path, text, &files).len()
    }

    #[test]
    fn two_records_with_one_number_are_refused() {
        let found =
            adr_numbers(&tree(&[("docs/adr/0001-a.md", ""), ("docs/adr/0001-b.md", ""), ("docs/adr/0002-c.md", "")]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "docs/adr/0001-b.md");
    }

    #[test]
    fn a_record_without_a_number_is_refused_and_the_list_of_records_is_not() {
        for name in ["journal.md", "1-journal.md", "00001-journal.md", "0001.md", "0001-journal.txt"] {
            assert_eq!(adr_numbers(&tree(&[(&format!("docs/adr/{name}"), "")])).len(), 1, "{name}");
        }
        assert_eq!(adr_numbers(&tree(&[("docs/adr/README.md", ""), ("docs/adr/0001-journal.md", "")])), []);
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert_eq!(
            dead_links("README.md", "[a](docs/TESTING.md) [b](docs/TESTING.md#part) [c](docs/adr/) [d](./docs)"),
            0
        );
        assert_eq!(dead_links("docs/TESTING.md", "[a](../README.md \"title\") [b](adr/0001-journal.md) [c](#part)"), 0);
        assert_eq!(dead_links("README.md", "[a](https://example.org/x) <b@c.d> [e](mailto:b@c.d)"), 0);
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        assert_eq!(dead_links("README.md", "[a](TESTING.md) and [b](docs/TEST)"), 2);
        assert_eq!(dead_links("README.md", "[a](../elsewhere.md)"), 1);
        assert_eq!(dead_links("README.md", "[a](/etc/hosts)"), 1);
        assert_eq!(dead_links("README.md", "see [a]\n\n[a]: gone.md"), 1);
        assert_eq!(dead_links("README.md", "`code` [a](gone.md) `code`"), 1);
    }

    #[test]
    fn what_looks_like_a_link_in_code_is_none() {
        assert_eq!(dead_links("README.md", "`[a](gone.md)`\n```\n[a](gone.md)\n```\n"), 0);
        assert_eq!(dead_links("src/a.rs", "[a](gone.md)"), 0);
    }
}
