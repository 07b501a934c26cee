//! Where a reader stands: a place in one shard's binlog, and one place per shard.
//!
//! What holds: a position of the feed is the sum of its places, each counted as if every binlog file had 4 GiB. So it
//! grows along every path of reading, needs nothing stored, and two that are equal on the way from one to the other are
//! the same place. What must never happen: a sum taken back to places. Only a [`Token`] carries those.

use std::fmt;
use std::str::FromStr;

/// After this byte of this file. Files are told apart by the number in their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: u32,
    pub offset: u32,
}

impl Place {
    pub const START_OF_FILE: u32 = 4;
    /// Further than any server will get.
    pub const NEVER: Self = Self { file: u32::MAX, offset: u32::MAX };

    pub const fn linear(self) -> u64 {
        ((self.file as u64) << 32) | self.offset as u64
    }

    /// The upper half and the lower half, each on its own.
    pub const fn from_linear(linear: u64) -> Self {
        Self { file: (linear >> 32) as u32, offset: linear as u32 }
    }

    /// How many bytes at least lie between here and there.
    pub const fn bytes_to(self, there: Self) -> u64 {
        if there.file > self.file { there.offset as u64 } else { there.linear().saturating_sub(self.linear()) }
    }
}

/// A place in each shard, by the number of the shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(pub Vec<Place>);

impl Places {
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|place| place.linear()).sum()
    }

    /// Nothing before `other` is left to be read from here.
    pub fn reaches(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine >= theirs)
    }

    pub fn earlier(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| *mine.min(theirs)).collect())
    }

    pub fn later(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| *mine.max(theirs)).collect())
    }
}

/// A position that outlives the process: the places, and what position they had in the process that gave it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub process: u64,
    pub position: u64,
    pub places: Places,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b1-{:x}-{}", self.process, self.position)?;
        self.places.0.iter().try_for_each(|place| write!(f, "-{}_{}", place.file, place.offset))
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        if parts.next() != Some("b1") {
            return Err(());
        }
        let process = parts.next().and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(())?;
        let position = parts.next().and_then(|part| part.parse().ok()).ok_or(())?;
        let place = |part: &str| {
            let (file, offset) = part.split_once('_')?;
            Some(Place { file: file.parse().ok()?, offset: offset.parse().ok()? })
        };
        let places = parts.map(place).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty()).ok_or(())?;
        Ok(Self { process, position, places: Places(places) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: u32, offset: u32) -> Place {
        Place { file, offset }
    }

    #[test]
    fn a_sum_grows_with_every_step_of_any_shard() {
        let steps = [
            [place(1, 4), place(7, 4)],
            [place(1, 900), place(7, 4)],
            [place(1, 900), place(7, u32::MAX)],
            [place(1, 900), place(8, 4)],
            [place(2, 4), place(8, 4)],
        ];
        assert!(steps.windows(2).all(|pair| Places(pair[0].to_vec()).sum() < Places(pair[1].to_vec()).sum()));
    }

    #[test]
    fn a_token_is_read_back_as_it_was_and_nothing_else_is_one() {
        let token = Token { process: u64::MAX, position: 17, places: Places(vec![place(1, 4), place(20, 333)]) };
        assert_eq!(token.to_string(), "b1-ffffffffffffffff-17-1_4-20_333");
        assert_eq!(token.to_string().parse(), Ok(token));
        for text in ["", "17", "b1", "b1-1-2", "b1-1-2-", "b1-1-2-3", "b2-1-2-3_4", "b1-1-2-3_4294967296", "b1-1--3_4"]
        {
            assert_eq!(text.parse::<Token>(), Err(()), "{text}");
        }
    }
}
