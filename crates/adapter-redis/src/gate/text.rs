//! How the gate's facts are written in Redis, where all is text.
//!
//! | what | as |
//! |---|---|
//! | order | 20 digits, so that equal deadlines come in the order of the ids |
//! | row | `version free held received written_off sold` |
//! | hold | `product:qty,product:qty`, a line's end, the answer key or nothing |
//! | answer key | `BYTES:` of the scope, the scope, the key |

use doos_domain::answer::AnswerKey;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::{Hold, Level};
use std::collections::BTreeMap;

use crate::link::Failure;

/// The largest whole number that a script and a score hold exactly.
const EXACT_MAX: i64 = 1 << 53;

/// Lines of one product are one demand.
pub fn merged(lines: &[Demand]) -> BTreeMap<ProductId, i64> {
    let mut demands = BTreeMap::new();
    for line in lines {
        *demands.entry(line.product_id).or_insert(0) += i64::from(line.qty);
    }
    demands
}

pub fn order(order: OrderId) -> String {
    format!("{:020}", order.get())
}

pub fn read_order(text: &str) -> Option<OrderId> {
    OrderId::new(text.parse().ok()?)
}

/// A deadline further away than a score can tell is as good as none.
pub fn deadline(at: Timestamp) -> String {
    at.as_millis().clamp(-EXACT_MAX, EXACT_MAX).to_string()
}

pub fn lines(lines: &[Demand]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("{}:{}", line.product_id, line.qty)).collect();
    lines.join(",")
}

pub fn key(AnswerKey { scope, key }: &AnswerKey) -> String {
    format!("{}:{scope}{key}", scope.len())
}

fn read_key(text: &str) -> Option<AnswerKey> {
    let (bytes, rest) = text.split_once(':')?;
    let (scope, key) = rest.split_at_checked(bytes.parse().ok()?)?;
    Some(AnswerKey { scope: scope.to_owned(), key: key.to_owned() })
}

pub fn hold(hold: &Hold) -> String {
    format!("{}\n{}", lines(&hold.lines), hold.key.as_ref().map(key).unwrap_or_default())
}

fn read_lines(text: &str) -> Option<Vec<Demand>> {
    let lines = text.split(',').filter(|line| !line.is_empty()).map(|line| {
        let (product, qty) = line.split_once(':')?;
        Some(Demand { product_id: product.parse().ok()?, qty: qty.parse().ok()? })
    });
    lines.collect()
}

/// Order, deadline and hold, as `overdue.lua` tells them.
pub fn read_hold(told: &[String]) -> Result<Hold, Failure> {
    let broken = || Failure::Broken(format!("a hold cannot be read: {told:?}"));
    let [order, deadline, hold] = told else { return Err(broken()) };
    let read = || {
        let (lines, key) = hold.split_once('\n')?;
        let key = if key.is_empty() { None } else { Some(read_key(key)?) };
        let deadline = Timestamp::from_millis(deadline.parse().ok()?);
        Some(Hold { order_id: read_order(order)?, lines: read_lines(lines)?, key, deadline })
    };
    read().ok_or_else(broken)
}

pub fn row(row: &StockRow) -> String {
    let StockRow { version, free, held, received, written_off, sold, .. } = row;
    format!("{version} {free} {held} {received} {written_off} {sold}")
}

/// Row and undecided pieces of a product, as `levels.lua` tells them.
pub fn level(told: &[Option<String>]) -> Result<Option<Level>, Failure> {
    let broken = || Failure::Broken(format!("a level cannot be read: {told:?}"));
    let [row, undecided] = told else { return Err(broken()) };
    let Some(row) = row else { return Ok(None) };
    let numbers: Option<Vec<i64>> = row.split(' ').map(|number| number.parse().ok()).collect();
    let Some(&[_, ledger_free, ledger_held, received, written_off, sold]) = numbers.as_deref() else {
        return Err(broken());
    };
    let undecided: i64 = undecided.as_deref().unwrap_or("0").parse().map_err(|_| broken())?;
    let free = (ledger_free - undecided).max(0);
    Ok(Some(Level { received, written_off, free, held: ledger_free + ledger_held - free, sold }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(product: u64, qty: u32) -> Demand {
        Demand { product_id: ProductId::new(product).unwrap(), qty }
    }

    #[test]
    fn a_hold_is_read_as_it_was_written_whatever_its_key() {
        let order_id = OrderId::new(i64::MAX.unsigned_abs()).unwrap();
        let key = |scope: &str, key: &str| Some(AnswerKey { scope: scope.to_owned(), key: key.to_owned() });
        for key in [None, key("customer:1", "k"), key("", ""), key("1:ü", "a\nb:1"), key("x", "7:7")] {
            let lines = vec![demand(1, 2), demand(7, 1), demand(1, u32::MAX)];
            let hold = Hold { order_id, lines, key, deadline: Timestamp::from_millis(-5) };
            let told = [order(hold.order_id), deadline(hold.deadline), super::hold(&hold)];
            assert_eq!(read_hold(&told).unwrap(), hold);
        }
    }

    #[test]
    fn two_keys_are_never_written_alike() {
        let key = |scope: &str, key: &str| super::key(&AnswerKey { scope: scope.to_owned(), key: key.to_owned() });
        assert_ne!(key("a", "bc"), key("ab", "c"));
        assert_ne!(key("1", "1:1"), key("11", ":1"));
    }

    #[test]
    fn what_nobody_wrote_is_not_read() {
        let texts = |texts: [&str; 3]| texts.map(str::to_owned);
        for wrong in [["x", "1", "1:1\n"], ["1", "1", "1:1"], ["1", "1", "1\n"], ["1", "1", "1:1\n9:k"]] {
            assert!(read_hold(&texts(wrong)).is_err(), "{wrong:?}");
        }
        assert!(level(&[Some("1 2".to_owned()), None]).is_err());
        assert_eq!(level(&[None, Some("3".to_owned())]).unwrap(), None);
    }
}
