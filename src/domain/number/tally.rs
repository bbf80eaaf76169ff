//! How the numbers of a list were read, added up for people.

use std::collections::BTreeMap;

use super::reader::{How, Read};
use crate::domain::msisdn::Msisdn;

/// How many numbers of a list were read as national ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many, repetitions among them.
    pub national: u64,
    /// The first of them, as it was written, and what it was read as.
    pub example: Option<(String, Msisdn)>,
}

impl Tally {
    /// Counts a number that was read.
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
