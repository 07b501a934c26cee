//! Reading the rows of the small contexts, merged from tail and database.

use serde::de::DeserializeOwned;
use std::cmp::Reverse;
use std::collections::HashSet;

use crate::database::Reading;
use crate::error::{Error, Result};
use crate::locks::read;
use crate::reading::{ROUNDS_MAX, journal_json, overtaken};
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::tail::{DocEntry, DocValue, Tail};

fn parse<T: DeserializeOwned>(table: Table, json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| Error::Row { what: format!("a row of {}", table.layout().name), found: error.to_string() })
}

type Folded = Vec<(u64, Key, String)>;

impl Shared {
    pub fn doc<T: DeserializeOwned>(&self, table: Table, key: &Key) -> Result<Option<T>> {
        for _ in 0..ROUNDS_MAX {
            let entry = read(&self.tail).doc(table, key).cloned();
            let json = match entry {
                None => self.pool.read(|rows| rows.doc(table, key))?,
                Some(DocEntry { value: DocValue::Deleted, .. }) => None,
                Some(DocEntry { value: DocValue::Whole(json), .. }) => return parse(table, &json).map(Some),
                Some(DocEntry { value: DocValue::InJournal, position, .. }) => match journal_json(self, position)? {
                    Some(json) => Some(json),
                    None => continue,
                },
            };
            return json.map(|json| parse(table, &json)).transpose();
        }
        Err(overtaken(format!("a row of {}", table.layout().name)))
    }

    /// All rows of a table, in the order they were last written.
    pub fn docs_of<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<T>> {
        self.merged(table, |tail| tail.docs_of(table), |rows| rows.docs_of(table))
    }

    /// Rows whose first key column is that text, in the order they were last written.
    pub fn docs_beginning<T: DeserializeOwned>(&self, table: Table, first: &str) -> Result<Vec<T>> {
        let prefix = Key::text(first);
        self.merged(table, |tail| tail.docs_beginning(table, &prefix), |rows| rows.docs_beginning(table, first))
    }

    pub fn docs_owned<T: DeserializeOwned>(&self, table: Table, owner: u64) -> Result<Vec<T>> {
        self.merged(table, |tail| tail.docs_owned(table, owner), |rows| rows.docs_owned(table, owner))
    }

    /// The latest rows of an owner with their positions, newest first; only those written before a position.
    pub fn newest_owned<T: DeserializeOwned>(
        &self,
        table: Table,
        owner: u64,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, T)>> {
        let before = before.unwrap_or(u64::MAX);
        let earlier = |tail: &Tail| {
            let mut owned = tail.docs_owned(table, owner);
            owned.retain(|(_, entry)| entry.position < before);
            owned.sort_unstable_by_key(|(_, entry)| Reverse(entry.position));
            owned.truncate(limit);
            owned
        };
        let mut rows = self.positioned(table, earlier, |rows| rows.newest_owned(table, owner, before, limit))?;
        rows.reverse();
        rows.truncate(limit);
        Ok(rows)
    }

    /// The rows with the highest text keys below `before`, in no order; at most `limit` from each side of the fold.
    pub fn docs_before<T: DeserializeOwned>(&self, table: Table, before: Option<&str>, limit: usize) -> Result<Vec<T>> {
        let end = before.map(Key::text);
        self.merged(
            table,
            |tail| tail.docs_before(table, end.as_ref(), limit),
            |rows| rows.docs_before(table, before, limit),
        )
    }

    fn merged<T: DeserializeOwned>(
        &self,
        table: Table,
        of_tail: impl FnOnce(&Tail) -> Vec<(Key, DocEntry)>,
        of_database: impl FnOnce(&Reading<'_>) -> Result<Folded>,
    ) -> Result<Vec<T>> {
        let positioned = self.positioned(table, of_tail, of_database)?;
        Ok(positioned.into_iter().map(|(_, value)| value).collect())
    }

    /// Rows of both sides of the fold with their positions, in the order they were last written.
    fn positioned<T: DeserializeOwned>(
        &self,
        table: Table,
        of_tail: impl FnOnce(&Tail) -> Vec<(Key, DocEntry)>,
        of_database: impl FnOnce(&Reading<'_>) -> Result<Folded>,
    ) -> Result<Vec<(u64, T)>> {
        // While this is held nothing leaves the tail, so its word on a key stays the last.
        let _gate = read(&self.fold_gate);
        let unfolded = of_tail(&read(&self.tail));
        let folded = self.pool.read(of_database)?;
        let newer: HashSet<&Key> = unfolded.iter().map(|(key, _)| key).collect();
        let mut positioned: Vec<(u64, T)> = Vec::with_capacity(folded.len() + unfolded.len());
        for (position, key, json) in folded {
            // Written again after the tail was looked at: the folded row is what stood at that instant.
            if !newer.contains(&key) {
                positioned.push((position, parse(table, &json)?));
            }
        }
        for (_, entry) in &unfolded {
            let value = match &entry.value {
                DocValue::Deleted => None,
                DocValue::Whole(json) => Some(parse(table, json)?),
                DocValue::InJournal => {
                    journal_json(self, entry.position)?.map(|json| parse(table, &json)).transpose()?
                }
            };
            positioned.extend(value.map(|value| (entry.position, value)));
        }
        positioned.sort_by_key(|(position, _)| *position);
        Ok(positioned)
    }
}
