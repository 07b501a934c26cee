//! Money: an integer of minor units with its currency. No floating point, no silent rounding, no silent overflow.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The currencies the system can charge in, each with its ISO 4217 number of decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    Cny,
    Usd,
    Eur,
    Gbp,
    Hkd,
    Jpy,
    Krw,
    Kwd,
}

impl Currency {
    pub const ALL: [Self; 8] = [Self::Cny, Self::Usd, Self::Eur, Self::Gbp, Self::Hkd, Self::Jpy, Self::Krw, Self::Kwd];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Cny => "CNY",
            Self::Usd => "USD",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Hkd => "HKD",
            Self::Jpy => "JPY",
            Self::Krw => "KRW",
            Self::Kwd => "KWD",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code() == code)
    }

    /// Digits after the decimal point.
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Jpy | Self::Krw => 0,
            Self::Kwd => 3,
            _ => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    pub amount_minor: i64,
    pub currency: Currency,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("amounts in {left} and {right} cannot be added")]
    MixedCurrencies { left: &'static str, right: &'static str },
    #[error("the amount is too large to compute with")]
    Overflow,
    #[error("`{0}` is not an exact decimal amount")]
    NotADecimal(String),
    #[error("`{text}` has more decimals than {currency} knows")]
    TooPrecise { text: String, currency: &'static str },
}

impl Money {
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    pub fn checked_add(self, other: Self) -> Result<Self, Error> {
        if self.currency != other.currency {
            return Err(Error::MixedCurrencies { left: self.currency.code(), right: other.currency.code() });
        }
        let amount_minor = self.amount_minor.checked_add(other.amount_minor).ok_or(Error::Overflow)?;
        Ok(Self { amount_minor, ..self })
    }

    pub fn checked_times(self, quantity: u32) -> Result<Self, Error> {
        let amount_minor = self.amount_minor.checked_mul(i64::from(quantity)).ok_or(Error::Overflow)?;
        Ok(Self { amount_minor, ..self })
    }

    /// Reads an exact decimal such as `99.99`, `99.990` or `100`; refuses exponents, signs and lost digits.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, Error> {
        let not_a_decimal = || Error::NotADecimal(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') || text.len() > 40 {
            return Err(not_a_decimal());
        }
        let kept = fraction.trim_end_matches('0');
        let decimals = currency.decimals() as usize;
        if kept.len() > decimals {
            return Err(Error::TooPrecise { text: text.to_owned(), currency: currency.code() });
        }
        let amount = format!("{whole}{kept:0<decimals$}").parse::<i64>().map_err(|_| Error::Overflow)?;
        Ok(Self::new(amount, currency))
    }
}

/// The decimal form, without the currency: `199.98`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        if decimals == 0 {
            return write!(f, "{}", self.amount_minor);
        }
        let unit = 10_u64.pow(decimals);
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let amount = self.amount_minor.unsigned_abs();
        write!(f, "{sign}{}.{:0width$}", amount / unit, amount % unit, width = decimals as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_exactly() {
        for (text, currency, minor) in [
            ("99.99", Currency::Cny, 9999),
            ("99.9", Currency::Cny, 9990),
            ("99.990", Currency::Cny, 9999),
            ("100", Currency::Cny, 10000),
            ("100", Currency::Jpy, 100),
            ("0.001", Currency::Kwd, 1),
            ("92233720368547758.07", Currency::Cny, i64::MAX),
        ] {
            assert_eq!(Money::parse_decimal(text, currency), Ok(Money::new(minor, currency)), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_exact_decimal_is_refused() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e2", "1.999", "NaN", "1_000", " 1", "0x10", "92233720368547758.08"]
        {
            assert!(Money::parse_decimal(text, Currency::Cny).is_err(), "{text}");
        }
    }

    #[test]
    fn the_decimal_form_reads_back() {
        for minor in [0, 1, 99, 100, 12345, i64::MAX] {
            for currency in Currency::ALL {
                let money = Money::new(minor, currency);
                assert_eq!(Money::parse_decimal(&money.to_string(), currency), Ok(money));
            }
        }
        assert_eq!(Money::new(-5, Currency::Cny).to_string(), "-0.05");
    }
}
