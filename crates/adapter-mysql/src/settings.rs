//! What a server must be set to before orders are entrusted to it.
//!
//! A commit must be on disk when it returns, and the binlog must say everything about every change, or acknowledged
//! orders could vanish and the change feed would miss some. A wrong setting is refused at start, with the line for the
//! server's configuration that puts it right.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::database::Database;
use crate::error::Error;
use crate::options::Options;

/// One wrong setting and its fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub setting: String,
    pub found: String,
    pub fix: String,
    pub reason: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: set `{}` ({})", self.setting, self.found, self.fix, self.reason)
    }
}

/// Names in the order of preference (servers differ), the values that are right, the fix, and why.
type Rule = (&'static [&'static str], &'static [&'static str], &'static str, &'static str);

const RULES: &[Rule] = &[
    (
        &["innodb_flush_log_at_trx_commit"],
        &["1"],
        "innodb_flush_log_at_trx_commit = 1",
        "a commit must be on disk when it returns",
    ),
    (&["sync_binlog"], &["1"], "sync_binlog = 1", "the binlog must not lose what was committed"),
    (&["log_bin"], &["ON", "1"], "log_bin = binlog", "the change feed reads the binlog"),
    (&["binlog_format"], &["ROW"], "binlog_format = ROW", "the change feed reads rows, not statements"),
    (&["binlog_row_image"], &["FULL"], "binlog_row_image = FULL", "the change feed needs all columns"),
    (
        &["binlog_row_metadata"],
        &["FULL"],
        "binlog_row_metadata = FULL",
        "the change feed needs names and signs of columns",
    ),
    (
        &["transaction_isolation", "tx_isolation"],
        &["READ-COMMITTED"],
        "transaction_isolation = READ-COMMITTED",
        "groups lock what they read, and nothing between",
    ),
];

/// Settings of one dialect only; right when the server does not know them.
const RULES_IF_KNOWN: &[Rule] = &[
    (&["log_bin_compress"], &["OFF", "0"], "log_bin_compress = OFF", "compressed events cannot be read"),
    (
        &["binlog_transaction_compression"],
        &["OFF", "0"],
        "binlog_transaction_compression = OFF",
        "compressed events cannot be read",
    ),
    (&["innodb_doublewrite"], &["ON", "1"], "innodb_doublewrite = ON", "a torn page must be recoverable"),
];

/// Everything that is wrong with these settings.
pub fn check(settings: &BTreeMap<String, String>, packet_bytes_min: u64) -> Vec<Wrong> {
    let found = |names: &[&'static str]| -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| settings.get(*name).map(|value| (*name, value.as_str())))
    };
    let mut wrong = Vec::new();
    let mut refuse = |setting: &str, found: &str, fix: &str, reason| {
        let found = if found.is_empty() { "not set" } else { found };
        wrong.push(Wrong { setting: setting.to_owned(), found: found.to_owned(), fix: fix.to_owned(), reason });
    };
    for (rules, if_known) in [(RULES, false), (RULES_IF_KNOWN, true)] {
        for (names, right, fix, reason) in rules {
            match found(names) {
                Some((_, value)) if right.iter().any(|right| value.eq_ignore_ascii_case(right)) => {}
                Some((name, value)) => refuse(name, value, fix, reason),
                None if if_known => {}
                None => refuse(names[0], "", fix, reason),
            }
        }
    }
    let zone = found(&["time_zone"]).map_or("", |(_, value)| value);
    let zone = if zone == "SYSTEM" { found(&["system_time_zone"]).map_or("", |(_, value)| value) } else { zone };
    if !["+00:00", "UTC", "Etc/UTC", "GMT"].contains(&zone) {
        refuse("time_zone", zone, "default_time_zone = '+00:00'", "dates shown by the server must be those we store");
    }
    let packet = found(&["max_allowed_packet"]).map_or("", |(_, value)| value);
    if packet.parse::<u64>().map_or(true, |bytes| bytes < packet_bytes_min) {
        let fix = format!("max_allowed_packet = {packet_bytes_min}");
        refuse("max_allowed_packet", packet, &fix, "a group of orders is one packet");
    }
    wrong
}

/// Asks the server, and refuses it if anything is wrong.
pub(crate) async fn check_server(database: &Arc<Database>, options: &Options) -> Result<(), Error> {
    let rows: Vec<(String, String)> = database
        .read_text("the server's settings", "SHOW GLOBAL VARIABLES")
        .await
        .map_err(|fault| Error::Database { database: database.name.clone(), cause: fault.to_string() })?;
    let settings = rows.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let wrong = check(&settings, options.packet_bytes_min);
    if wrong.is_empty() { Ok(()) } else { Err(Error::Settings { database: database.name.clone(), wrong }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> BTreeMap<String, String> {
        let settings = [
            ("innodb_flush_log_at_trx_commit", "1"),
            ("sync_binlog", "1"),
            ("log_bin", "ON"),
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("binlog_row_metadata", "FULL"),
            ("tx_isolation", "READ-COMMITTED"),
            ("time_zone", "SYSTEM"),
            ("system_time_zone", "UTC"),
            ("max_allowed_packet", "67108864"),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_server_set_up_as_needed_passes() {
        assert_eq!(check(&right(), 16 << 20), []);
        let mut settings = right();
        settings.remove("tx_isolation");
        settings.insert("transaction_isolation".to_owned(), "read-committed".to_owned());
        settings.insert("time_zone".to_owned(), "+00:00".to_owned());
        settings.insert("system_time_zone".to_owned(), "CET".to_owned());
        assert_eq!(check(&settings, 16 << 20), []);
    }

    #[test]
    fn every_wrong_setting_is_refused_with_its_fix() {
        for (name, value) in [
            ("innodb_flush_log_at_trx_commit", "2"),
            ("sync_binlog", "0"),
            ("log_bin", "OFF"),
            ("binlog_format", "MIXED"),
            ("binlog_row_image", "MINIMAL"),
            ("binlog_row_metadata", "NO_LOG"),
            ("tx_isolation", "REPEATABLE-READ"),
            ("system_time_zone", "CET"),
            ("max_allowed_packet", "1048576"),
            ("log_bin_compress", "ON"),
            ("binlog_transaction_compression", "ON"),
            ("innodb_doublewrite", "OFF"),
        ] {
            let mut settings = right();
            settings.insert(name.to_owned(), value.to_owned());
            let wrong = check(&settings, 16 << 20);
            assert_eq!(wrong.len(), 1, "{name}: {wrong:?}");
            assert!(wrong[0].fix.contains(" = "), "{}", wrong[0]);
        }
    }

    #[test]
    fn a_setting_that_is_not_there_is_wrong() {
        for name in right().keys().filter(|name| *name != "system_time_zone") {
            let mut settings = right();
            settings.remove(name);
            assert_eq!(check(&settings, 16 << 20).len(), 1, "{name}");
        }
    }
}
