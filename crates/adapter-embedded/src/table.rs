//! The tables of the small contexts, described once: their columns for the database, their keys for the journal.
//!
//! A row of a small context is a *doc*: a key, an optional owner (the order, product or user it is found by as well)
//! and a JSON value. Keys carry their columns in binary, so that neither the folder nor the tail parses JSON.
//!
//! What must never happen: a number given to another table, or a key's columns changed. Stored journals outlive
//! releases; only add.

use rusqlite::types::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Table {
    StockRow = 1,
    Decision = 2,
    Movement = 3,
    Product = 4,
    UserName = 5,
    Money = 6,
    Shipment = 7,
    Waiting = 8,
    DeadLetter = 9,
    Progress = 10,
    IdMark = 11,
    Counter = 12,
    Action = 13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Number(&'static str),
    Text(&'static str),
}

impl Column {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Text(name) => name,
        }
    }
}

/// The owner's column, if the table has one beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    None,
    Column(&'static str),
    /// One of the key's columns.
    InKey(&'static str),
}

impl Owner {
    pub const fn column(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Column(name) | Self::InKey(name) => Some(name),
        }
    }
}

pub(crate) struct Layout {
    pub name: &'static str,
    pub key: &'static [Column],
    pub owner: Owner,
    /// Whether unfolded values stay in memory whole; otherwise they are read from the journal when asked for.
    pub kept_whole: bool,
}

impl Table {
    pub const ALL: [Self; 13] = [
        Self::StockRow,
        Self::Decision,
        Self::Movement,
        Self::Product,
        Self::UserName,
        Self::Money,
        Self::Shipment,
        Self::Waiting,
        Self::DeadLetter,
        Self::Progress,
        Self::IdMark,
        Self::Counter,
        Self::Action,
    ];

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }

    pub const fn layout(self) -> Layout {
        use Column::{Number, Text};
        let (name, key, owner, kept_whole): (_, &'static [Column], _, _) = match self {
            Self::StockRow => ("stock_row", &[Number("product_id")], Owner::None, true),
            Self::Decision => ("stock_decision", &[Number("order_id")], Owner::None, false),
            Self::Movement => (
                "stock_movement",
                &[Text("reference"), Text("kind"), Number("product_id")],
                Owner::InKey("product_id"),
                false,
            ),
            Self::Product => ("product", &[Number("product_id")], Owner::None, true),
            Self::UserName => ("user_name", &[Text("name")], Owner::Column("user_id"), true),
            Self::Money => ("money_entry", &[Text("reference"), Text("kind")], Owner::Column("order_id"), false),
            Self::Shipment => ("shipment", &[Number("order_id")], Owner::None, false),
            Self::Waiting => {
                ("inbox_waiting", &[Text("consumer"), Text("message_id")], Owner::Column("order_id"), false)
            }
            Self::DeadLetter => ("dead_letter", &[Text("message_id")], Owner::Column("order_id"), false),
            Self::Progress => ("progress", &[Text("consumer")], Owner::None, true),
            Self::IdMark => ("id_mark", &[Number("worker")], Owner::None, true),
            Self::Counter => ("counter", &[Text("name")], Owner::None, true),
            Self::Action => ("action", &[Text("action_id")], Owner::None, false),
        };
        Layout { name, key, owner, kept_whole }
    }
}

/// A doc's key in its binary form: numbers as eight bytes, texts with their length before them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Box<[u8]>);

impl Key {
    pub fn number(number: u64) -> Self {
        Self(Box::new(number.to_be_bytes()))
    }

    pub fn text(text: &str) -> Self {
        Self(Box::default()).and_text(text)
    }

    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        let mut bytes = self.0.into_vec();
        let length = u32::try_from(text.len()).expect("a key's text is far shorter than 4 GiB");
        bytes.extend(length.to_be_bytes());
        bytes.extend(text.as_bytes());
        Self(bytes.into())
    }

    #[must_use]
    pub fn and_number(self, number: u64) -> Self {
        let mut bytes = self.0.into_vec();
        bytes.extend(number.to_be_bytes());
        Self(bytes.into())
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The number, of a key that is one.
    pub fn as_number(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.0.as_ref().try_into().ok()?))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The columns' values, or `None` if the bytes are not a key of that table.
    pub fn values(&self, columns: &[Column]) -> Option<Vec<Value>> {
        let mut rest: &[u8] = &self.0;
        let mut values = Vec::with_capacity(columns.len() + 1);
        for column in columns {
            match column {
                Column::Number(_) => {
                    let (number, after) = rest.split_first_chunk::<8>()?;
                    values.push(Value::Integer(i64::try_from(u64::from_be_bytes(*number)).ok()?));
                    rest = after;
                }
                Column::Text(_) => {
                    let (length, after) = rest.split_first_chunk::<4>()?;
                    let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
                    values.push(Value::Text(String::from_utf8(text.to_vec()).ok()?));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_columns_back() {
        let key = Key::text("a\0b").and_text("deduct").and_number(7);
        let values = key.values(Table::Movement.layout().key).unwrap();
        assert_eq!(values, [Value::Text("a\0b".into()), Value::Text("deduct".into()), Value::Integer(7)]);
        assert_eq!(key.values(Table::Money.layout().key), None, "bytes are left over");
        assert_eq!(Key::number(7).values(Table::Money.layout().key), None, "bytes are missing");
    }

    #[test]
    fn every_table_is_found_by_its_number_and_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Table::ALL.iter().map(|table| table.layout().name).collect();
        assert_eq!(names.len(), Table::ALL.len());
        for table in Table::ALL {
            assert_eq!(Table::from_number(table as u8), Some(table));
        }
        assert_eq!(Table::from_number(0), None);
    }
}
