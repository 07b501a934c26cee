//! A contribution in a few bytes: what is kept of each order, so that it can be taken back.
//!
//! Numbers are written seven bits a byte, small ones first; minutes and amounts that may be negative are folded so that
//! small ones stay short. An unsold order takes about ten bytes, one of two lines about twenty-five.

use super::{Contribution, Refunded, Sale, SoldLine};
use crate::ids::ProductId;
use crate::money::Currency;
use crate::order::Status;

const FORM: u64 = 1;

pub fn contribution_to_bytes(counted: &Contribution) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    put(&mut bytes, FORM);
    put(&mut bytes, u64::from(counted.version));
    put(&mut bytes, u64::from(counted.status.number()));
    bytes.extend_from_slice(counted.currency.code().as_bytes());
    put_signed(&mut bytes, counted.placed_minute);
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match &counted.sale {
        None => put(&mut bytes, 0),
        Some(sale) => {
            // One more, so that a sale without lines is no missing sale.
            put(&mut bytes, count(sale.lines.len()) + 1);
            put_signed(&mut bytes, sale.minute.wrapping_sub(counted.placed_minute));
            put_signed(&mut bytes, sale.amount_minor);
            for line in &sale.lines {
                put(&mut bytes, line.product_id.get());
                put_signed(&mut bytes, line.units);
                put_signed(&mut bytes, line.amount_minor);
            }
        }
    }
    put(&mut bytes, count(counted.refunds.len()));
    for refund in &counted.refunds {
        put_signed(&mut bytes, refund.minute.wrapping_sub(counted.placed_minute));
        put_signed(&mut bytes, refund.amount_minor);
    }
    bytes
}

/// `None` if these bytes are not a contribution.
pub fn contribution_from_bytes(bytes: &[u8]) -> Option<Contribution> {
    let rest = &mut &bytes[..];
    if take(rest)? != FORM {
        return None;
    }
    let version = u32::try_from(take(rest)?).ok()?;
    let status = Status::from_number(u8::try_from(take(rest)?).ok()?)?;
    let (code, after) = rest.split_at_checked(3)?;
    *rest = after;
    let currency = Currency::from_code(std::str::from_utf8(code).ok()?)?;
    let placed_minute = take_signed(rest)?;
    let sale = match take(rest)? {
        0 => None,
        lines => Some(take_sale(rest, lines - 1, placed_minute)?),
    };
    let mut refunds = Vec::new();
    for _ in 0..take(rest)? {
        let minute = placed_minute.wrapping_add(take_signed(rest)?);
        refunds.push(Refunded { minute, amount_minor: take_signed(rest)? });
    }
    rest.is_empty().then_some(Contribution { version, status, currency, placed_minute, sale, refunds })
}

fn take_sale(rest: &mut &[u8], lines_len: u64, placed_minute: i64) -> Option<Sale> {
    let minute = placed_minute.wrapping_add(take_signed(rest)?);
    let amount_minor = take_signed(rest)?;
    let mut lines = Vec::new();
    for _ in 0..lines_len {
        let product_id = ProductId::new(take(rest)?)?;
        lines.push(SoldLine { product_id, units: take_signed(rest)?, amount_minor: take_signed(rest)? });
    }
    Some(Sale { minute, amount_minor, lines })
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// 0, -1, 1, -2 … become 0, 1, 2, 3 …
fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn take_signed(rest: &mut &[u8]) -> Option<i64> {
    let folded = take(rest)?;
    Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = SoldLine> {
        (1..i64::MAX as u64, any::<i64>(), any::<i64>()).prop_map(|(product, units, amount_minor)| SoldLine {
            product_id: ProductId::new(product).unwrap(),
            units,
            amount_minor,
        })
    }

    fn contribution() -> impl Strategy<Value = Contribution> {
        let sale = (any::<i64>(), any::<i64>(), proptest::collection::vec(line(), 0..4))
            .prop_map(|(minute, amount_minor, lines)| Sale { minute, amount_minor, lines });
        let refund = (any::<i64>(), any::<i64>()).prop_map(|(minute, amount_minor)| Refunded { minute, amount_minor });
        let refunds = proptest::collection::vec(refund, 0..3);
        (any::<u32>(), 0..8_usize, 0..8_usize, any::<i64>(), proptest::option::of(sale), refunds).prop_map(
            |(version, status, currency, placed_minute, sale, refunds)| Contribution {
                version,
                status: Status::ALL[status],
                currency: Currency::ALL[currency],
                placed_minute,
                sale,
                refunds,
            },
        )
    }

    proptest! {
        #[test]
        fn bytes_give_back_what_they_were_made_of(counted in contribution()) {
            let bytes = contribution_to_bytes(&counted);
            prop_assert_eq!(contribution_from_bytes(&bytes), Some(counted));
            prop_assert_eq!(contribution_from_bytes(&bytes[..bytes.len() - 1]), None, "cut short");
        }
    }

    #[test]
    fn a_contribution_of_every_day_is_small() {
        let line =
            |product: u64| SoldLine { product_id: ProductId::new(product).unwrap(), units: 2, amount_minor: 19_998 };
        let counted = Contribution {
            version: 6,
            status: Status::Delivered,
            currency: Currency::Cny,
            placed_minute: 29_900_000,
            sale: Some(Sale { minute: 29_900_002, amount_minor: 39_996, lines: vec![line(101), line(102)] }),
            refunds: Vec::new(),
        };
        assert!(contribution_to_bytes(&counted).len() <= 28, "{}", contribution_to_bytes(&counted).len());
        assert!(contribution_to_bytes(&Contribution { sale: None, ..counted }).len() <= 12);
    }
}
