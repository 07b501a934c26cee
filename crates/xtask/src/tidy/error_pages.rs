//! Every stable error code has a page with remedies, and every page belongs to a code.
//!
//! The codes are read out of the table in `crates/app/src/error_codes.rs`, a constant array of tuples whose first
//! element is the code. The page is `docs/errors/CODE.md`, and its first line names the code.

use std::collections::BTreeMap;

use super::{Violation, text_of};
use crate::repository::TrackedFile;

const TABLE: &str = "crates/app/src/error_codes.rs";
const PAGES: &str = "docs/errors/";
/// The list of pages, which is no page of a code.
const INDEX: &str = "README";

/// Codes without a page, pages without a code, and pages that speak of another code.
pub fn check(files: &[TrackedFile]) -> Vec<Violation> {
    let pages: BTreeMap<&str, &str> = files.iter().filter_map(page).collect();
    let table = text_of(files, TABLE);
    let codes: BTreeMap<&str, usize> = table.map(codes).unwrap_or_default().into_iter().collect();
    if table.is_some() && codes.is_empty() {
        return vec![Violation::new(TABLE, 0, "no code found: each stands in a tuple, `(\"some_code\", …)`")];
    }
    let mut violations = Vec::new();
    for (code, line) in codes.iter().filter(|(code, _)| !pages.contains_key(**code)) {
        violations.push(Violation::new(TABLE, *line, format!("`{code}` has no page {PAGES}{code}.md")));
    }
    for (name, text) in pages {
        let path = format!("{PAGES}{name}.md");
        if !codes.contains_key(name) {
            violations.push(Violation::new(&path, 0, format!("`{name}` is no code of {TABLE}")));
        }
        if !text.lines().next().is_some_and(|line| line.starts_with('#') && line.contains(name)) {
            violations.push(Violation::new(&path, 1, format!("the first line must be a heading with `{name}`")));
        }
    }
    violations
}

fn page(file: &TrackedFile) -> Option<(&str, &str)> {
    let name = file.path.strip_prefix(PAGES)?.strip_suffix(".md")?;
    (name != INDEX).then_some((name, file.text.as_deref().unwrap_or_default()))
}

/// The first string of each tuple above the tests, on the tuple's line or, as rustfmt breaks long ones, on the next.
fn codes(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut opened = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let element = line.strip_prefix('(').or_else(|| opened.then_some(line)).and_then(|rest| rest.strip_prefix('"'));
        let code = element.and_then(|rest| rest.split_once('"')).map(|(code, _)| code);
        found.extend(code.filter(|code| is_code(code)).map(|code| (code, index + 1)));
        opened = line == "(";
    }
    found
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    const TWO_CODES: &str = "pub const CODES: &[(&str, u16)] = &[\n    (\"out_of_stock\", 409),\n    (\n        \"not_found\",\n        404,\n    ),\n];\n#[cfg(test)]\nmod tests {\n    (\"not_a_code\", 1)\n}\n";

    #[test]
    fn codes_are_read_from_short_and_broken_tuples_above_the_tests() {
        assert_eq!(codes(TWO_CODES), [("out_of_stock", 2), ("not_found", 4)]);
    }

    #[test]
    fn a_page_for_each_code_passes() {
        let files = tree(&[
            (TABLE, TWO_CODES),
            ("docs/errors/README.md", "# All codes"),
            ("docs/errors/out_of_stock.md", "# `out_of_stock`"),
            ("docs/errors/not_found.md", "# not_found"),
        ]);
        assert_eq!(check(&files), []);
    }

    #[test]
    fn a_code_without_a_page_is_refused_at_its_line() {
        let found = check(&tree(&[(TABLE, TWO_CODES), ("docs/errors/out_of_stock.md", "# out_of_stock")]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), (TABLE, 4));
    }

    #[test]
    fn a_page_without_a_code_is_refused_also_when_there_is_no_table() {
        assert_eq!(check(&tree(&[("docs/errors/stale.md", "# stale")])).len(), 1);
    }

    #[test]
    fn a_page_that_names_another_code_is_refused() {
        let table = "(\"a\", 1)";
        assert_eq!(check(&tree(&[(TABLE, table), ("docs/errors/a.md", "# b")]))[0].line, 1);
        assert_eq!(check(&tree(&[(TABLE, table), ("docs/errors/a.md", "")])).len(), 1);
    }

    #[test]
    fn a_table_in_which_no_code_is_found_is_refused() {
        assert_eq!(check(&tree(&[(TABLE, "pub enum Code {}")])).len(), 1);
    }
}
