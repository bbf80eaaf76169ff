//! Statistics on how the numbers of a list were read.

use std::collections::BTreeMap;

use super::reader::{How, Read};
use crate::domain::msisdn::Msisdn;

/// Counts the numbers of a list that were read as national numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Their number, repetitions included.
    pub national: u64,
    /// The first of them: the text, and the number it was read as.
    pub example: Option<(String, Msisdn)>,
}

impl Tally {
    /// Counts a number.
    pub fn note(&mut self, text: &str, read: &Read) {
        if read.how == How::National {
            self.national += 1;
            self.example.get_or_insert_with(|| (text.trim().to_owned(), read.number));
        }
    }
}

/// How many of these numbers go to each country; see [`Msisdn::country`].
pub fn countries(numbers: &[Msisdn]) -> BTreeMap<&'static str, u64> {
    let mut countries = BTreeMap::new();
    for number in numbers {
        *countries.entry(number.country()).or_default() += 1;
    }
    countries
}
