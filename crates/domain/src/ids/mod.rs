//! Typed ids and what can be read off them.
//!
//! An order id alone finds its shard (by its bucket) and its month (by its time):
//! `41 bits ms since 2026 | 10 bucket | 6 worker | 6 sequence`. User and product ids are small plain sequences.
//! Ids are strings in JSON, because JavaScript loses integers above 2^53; numbers are accepted too when read back.

mod generator;

pub use generator::{Exhausted, Generator};

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;
use std::{fmt, str::FromStr};

use crate::time::Timestamp;

/// 2026-01-01T00:00:00Z, where the order ids' clock starts.
pub const EPOCH_MILLIS: i64 = 1_767_225_600_000;
pub const BUCKET_COUNT: u16 = 1024;
pub const WORKER_COUNT: u8 = 64;
const BUCKET_BITS: u32 = 10;
const WORKER_BITS: u32 = 6;
const SEQUENCE_BITS: u32 = 6;
const TIME_SHIFT: u32 = BUCKET_BITS + WORKER_BITS + SEQUENCE_BITS;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a {kind}: expected a whole number from 1 to 9223372036854775807")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// `None` for zero and for what does not fit a signed 64-bit column.
            pub const fn new(number: u64) -> Option<Self> {
                if number == 0 || number > i64::MAX as u64 { None } else { Some(Self(number)) }
            }

            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(itoa::Buffer::new().format(self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { kind: $kind, text: text.chars().take(40).collect() };
                if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(invalid());
                }
                text.parse().ok().and_then(Self::new).ok_or_else(invalid)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(itoa::Buffer::new().format(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Digital;

                impl Visitor<'_> for Digital {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a {} in digits", $kind)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Digital)
            }
        }
    };
}

numeric_id!(
    /// An order, for ever; see the module header for what its bits say.
    OrderId,
    "order id"
);
numeric_id!(UserId, "user id");
numeric_id!(
    /// A product, which is also the stock-keeping unit.
    ProductId,
    "product id"
);

/// One of the 1,024 slices that users and their orders are spread over; shards own buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl UserId {
    pub const fn bucket(self) -> Bucket {
        Bucket((self.0 % BUCKET_COUNT as u64) as u16)
    }
}

impl OrderId {
    pub const fn bucket(self) -> Bucket {
        Bucket(((self.0 >> (WORKER_BITS + SEQUENCE_BITS)) % BUCKET_COUNT as u64) as u16)
    }

    pub const fn worker(self) -> u8 {
        ((self.0 >> SEQUENCE_BITS) % WORKER_COUNT as u64) as u8
    }

    /// The millisecond the id was issued for; may run up to a second ahead of the clock.
    pub const fn issued_at(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> TIME_SHIFT) as i64 + EPOCH_MILLIS)
    }

    /// The smallest id that could have been issued at `at`: a bound for scans by time.
    pub const fn floor_at(at: Timestamp) -> u64 {
        let elapsed = at.as_millis() - EPOCH_MILLIS;
        if elapsed <= 0 { 0 } else { (elapsed as u64) << TIME_SHIFT }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// One try to pay an order; also the key under which the provider knows it.
    AttemptId
);
text_id!(RefundId);
text_id!(ReturnId);
text_id!(
    /// One message between contexts; the same event always gets the same id.
    MessageId
);
text_id!(
    /// One entry of the log of actions; later ones sort behind earlier ones.
    ActionId
);

impl ActionId {
    /// Of its time, the age of its process, and a random number; all have the same length, so that they sort as their
    /// times do. Within a millisecond the age keeps one process's actions in their order.
    pub fn made(at: Timestamp, age: Duration, random: u64) -> Self {
        let (millis, micros) = (at.as_millis().max(0), age.as_micros() & 0xff_ffff_ffff);
        Self(format!("act_{millis:012x}{micros:010x}{:06x}", random & 0xff_ffff))
    }
}

impl AttemptId {
    pub fn nth(order: OrderId, number: u32) -> Self {
        Self(format!("pay_{order}_{number}"))
    }
}

impl RefundId {
    pub fn nth(order: OrderId, number: usize) -> Self {
        Self(format!("ref_{order}_{number}"))
    }
}

impl ReturnId {
    pub fn of(order: OrderId) -> Self {
        Self(format!("ret_{order}"))
    }
}
