//! A row of `t_order` in the binlog becomes an order again.
//!
//! What holds: columns are found by name, so their order does not matter. A table that is not the one this program
//! knows, a column more or less, is refused in words that name the column: a value put into the wrong field would be
//! believed by every read model.

use doos_adapter_mysql::{order_columns, order_of_values};
use doos_domain::order::Order;
use mysql_async::Value;
use mysql_async::binlog::events::{OptionalMetaExtractor, TableMapEvent};
use mysql_async::binlog::row::BinlogRow;
use mysql_async::binlog::value::BinlogValue;

use crate::error::Fault;

/// In the table, and of no use to an order.
const UNREAD_COLUMNS: &[&str] = &["bucket", "quote"];

/// Where in a row the values of an order stand.
#[derive(Clone, Debug)]
pub(crate) struct Columns([usize; 12]);

impl Columns {
    pub fn of(table: &TableMapEvent<'_>) -> Result<Self, Fault> {
        let metadata = OptionalMetaExtractor::new(table.iter_optional_meta()).map_err(unreadable)?;
        let names: Vec<String> = metadata
            .iter_column_name()
            .map(|name| name.map(|name| name.name().into_owned()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        if names.is_empty() {
            let cause = "the binlog does not name the columns of t_order: set `binlog_row_metadata = FULL`";
            return Err(Fault::Broken(cause.to_owned()));
        }
        if names.len() as u64 != table.columns_count() {
            return Err(Fault::Broken(format!(
                "t_order has {} columns, and names for {}",
                table.columns_count(),
                names.len()
            )));
        }
        Self::find(&names)
    }

    fn find(names: &[String]) -> Result<Self, Fault> {
        let mut places = [0; 12];
        for (place, wanted) in places.iter_mut().zip(order_columns()) {
            let found = names.iter().position(|name| name == wanted);
            *place = found.ok_or_else(|| Fault::Broken(format!("t_order has no column `{wanted}` any more")))?;
        }
        let is_known = |name: &str| order_columns().any(|known| known == name) || UNREAD_COLUMNS.contains(&name);
        match names.iter().find(|name| !is_known(name)) {
            Some(name) => Err(Fault::Broken(format!("t_order has a column `{name}` that this program does not know"))),
            None => Ok(Self(places)),
        }
    }

    pub fn order(&self, mut row: BinlogRow) -> Result<Order, Fault> {
        let mut values = [const { Value::NULL }; 12];
        for (value, place) in values.iter_mut().zip(self.0) {
            let found = row.take(place);
            *value = match found {
                Some(BinlogValue::Value(value)) => value,
                Some(other) => Value::try_from(other).map_err(unreadable)?,
                None => {
                    return Err(Fault::Broken("a row without all columns: set `binlog_row_image = FULL`".to_owned()));
                }
            };
        }
        order_of_values(values).map_err(Fault::Broken)
    }
}

pub(crate) fn unreadable(error: impl std::fmt::Display) -> Fault {
    Fault::Broken(format!("a binlog event cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        order_columns().chain(UNREAD_COLUMNS.iter().copied()).map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_wherever_they_stand() {
        let mut names = names();
        names.reverse();
        let Columns(places) = Columns::find(&names).unwrap();
        let found: Vec<&str> = places.iter().map(|place| names[*place].as_str()).collect();
        assert_eq!(found, order_columns().collect::<Vec<_>>());
    }

    #[test]
    fn a_column_more_or_less_is_refused_by_its_name() {
        let mut more = names();
        more.push("gift".to_owned());
        assert!(Columns::find(&more).unwrap_err().to_string().contains("`gift`"));
        let less: Vec<String> = names().into_iter().filter(|name| name != "detail").collect();
        assert!(Columns::find(&less).unwrap_err().to_string().contains("`detail`"));
    }
}
