//! Where MariaDB and MySQL differ.
//!
//! MariaDB takes any number of rows of one prepared statement in one packet. MySQL does not, and is given statements of
//! many rows instead, in a few fixed sizes, so that the same prepared ones serve again and again.
//!
//! What holds for both: one type per column in a group of rows; `VALUES(column)` for the row that was to be inserted;
//! `LOCK IN SHARE MODE`.

use mysql_async::Value;

use crate::session::Statement;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    MariaDb,
    MySql,
}

/// Rows of one statement on MySQL.
const BATCHES: [usize; 4] = [256, 64, 8, 1];

impl Dialect {
    pub fn of(version: &str) -> Self {
        if version.contains("MariaDB") { Self::MariaDb } else { Self::MySql }
    }
}

/// Cuts rows into statements of the fixed sizes, largest first.
pub(crate) fn batches(statement: &Statement, rows: Vec<Vec<Value>>) -> Vec<(String, Vec<Value>)> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    let mut batches = Vec::new();
    for size in BATCHES {
        while left >= size {
            let params = rows.by_ref().take(size).flatten().collect();
            batches.push((statement.for_rows(size), params));
            left -= size;
        }
    }
    batches
}

/// A list of values for `IN (…)`, written out; never empty, or the statement would not parse.
pub(crate) fn list<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> String {
    let written: Vec<String> = values.into_iter().map(|value| value.into().as_sql(false)).collect();
    if written.is_empty() { "NULL".to_owned() } else { written.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_a_few_fixed_sizes_and_none_is_lost() {
        let statement = Statement { head: "INSERT INTO t (a, b)", columns: 2, tail: "" };
        let rows: Vec<Vec<Value>> = (0..333_u64).map(|number| vec![number.into(), "x".into()]).collect();
        let batches = batches(&statement, rows.clone());
        let sizes: Vec<usize> = batches.iter().map(|(_, params)| params.len() / 2).collect();
        assert_eq!(sizes, [256, 64, 8, 1, 1, 1, 1, 1]);
        let written: Vec<Value> = batches.into_iter().flat_map(|(_, params)| params).collect();
        assert_eq!(written, rows.concat());
    }

    #[test]
    fn a_list_quotes_what_could_end_it() {
        assert_eq!(list(["it's", "a\\b"]), r"'it\'s','a\\b'");
        assert_eq!(list([1_u64, 2]), "1,2");
        assert_eq!(list(Vec::<u64>::new()), "NULL");
    }

    #[test]
    fn servers_are_told_apart_by_their_version() {
        assert_eq!(Dialect::of("10.11.19-MariaDB-0+deb12u1-log"), Dialect::MariaDb);
        assert_eq!(Dialect::of("8.0.39"), Dialect::MySql);
    }
}
