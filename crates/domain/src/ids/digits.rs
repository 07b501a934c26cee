//! Numbers in decimal, put together on the stack: ids are written a dozen times for each order, and the general
//! formatter costs more than all else about them.

const LEN_MAX: usize = 20;

pub struct Digits {
    bytes: [u8; LEN_MAX],
    from: usize,
}

impl Digits {
    pub fn of(number: u64) -> Self {
        let mut digits = Self { bytes: [b'0'; LEN_MAX], from: LEN_MAX };
        let mut left = number;
        loop {
            digits.from -= 1;
            digits.bytes[digits.from] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                return digits;
            }
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.from..]).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_what_the_formatter_makes_of_it(some in any::<u64>(), small in 0_u64..1_000) {
            for number in [some, small, 0, u64::MAX] {
                let written = Digits::of(number);
                prop_assert_eq!(written.as_str(), number.to_string());
            }
        }
    }
}
