//! Phone numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phone number in E.164: 7 to 15 digits, the first of which is not zero. Displayed with a plus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msisdn(u64);

/// The smallest number with 7 digits and the largest with 15.
const SMALLEST: u64 = 1_000_000;
const LARGEST: u64 = 999_999_999_999_999;

impl Msisdn {
    /// A number from its digits; `None` if it is not a valid E.164 number.
    pub fn from_digits(digits: u64) -> Option<Self> {
        (SMALLEST..=LARGEST).contains(&digits).then_some(Self(digits))
    }

    /// The digits, without a plus.
    pub fn digits(self) -> u64 {
        self.0
    }

    /// Reads digits with or without a plus, and nothing else: the provider's format.
    pub fn from_wire(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text).as_bytes();
        if !(7..=15).contains(&digits.len()) || digits[0] == b'0' {
            return None;
        }
        let mut number = 0u64;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
        }
        Some(Self(number))
    }

    /// The number with all but the last three digits hidden, for logs.
    pub fn masked(self) -> String {
        format!("…{:03}", self.0 % 1000)
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Masked, because debug output ends up in logs.
impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Msisdn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Msisdn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::from_wire(&text).ok_or_else(|| serde::de::Error::custom("not an E.164 number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_masked_where_it_might_be_logged() {
        let number = Msisdn::from_wire("447700900123").expect("a number");
        assert_eq!(format!("{number:?}"), "…123");
        assert_eq!(number.to_string(), "+447700900123");
    }

    #[test]
    fn the_format_of_the_provider_is_7_to_15_digits_of_which_the_first_is_no_zero() {
        for (text, digits) in
            [("1000000", Some(1_000_000)), ("+441111111111", Some(441_111_111_111)), ("999999999999999", Some(999_999_999_999_999))]
        {
            assert_eq!(Msisdn::from_wire(text).map(Msisdn::digits), digits, "{text}");
        }
        for text in ["", "+", "100000", "1000000000000000", "0447700900", "+0447700900", "44 7700900123", "++447700900123", "44770090012x"]
        {
            assert_eq!(Msisdn::from_wire(text), None, "{text}");
        }
    }
}
