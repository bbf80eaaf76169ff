//! Why a text is no number, or may not be the one that was meant, in words for people.

use std::fmt;

use super::characters::named;
use super::numbering::Code;

/// Why a text is not taken for a telephone number, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing but white space and invisible characters.
    #[error("is empty")]
    Empty,
    /// Longer than any number.
    #[error("is too long for a telephone number")]
    Long,
    /// A national number, and nobody said of which country.
    #[error("begins with 0: write it with its country code, or set provider.default_region (for instance \"GB\")")]
    National,
    /// A leading 0 that leads nowhere in the region, or not to the digits that follow it.
    #[error("begins with 0, and is no number of provider.default_region: write it with its country code, such as +447700900123")]
    OtherNational,
    /// A plus, and then a 0.
    #[error("has a 0 after its plus, and no country code begins with 0: write it as +447700900123")]
    PlusZero,
    /// Too short or too long.
    #[error("has {0} digits: a number has 7 to 15, country code included")]
    Length(usize),
    /// What a spreadsheet shows of a long number.
    #[error(
        "is how a spreadsheet shows a long number, and its last digits are lost: format the column as text and enter the numbers again, since a new format alone does not restore them"
    )]
    Shortened,
    /// Digits after a point: dropping the point would make it somebody else's number.
    #[error("is a decimal number, as spreadsheets and programs make them: write it as +447700900123")]
    Decimal,
    /// A date: the wrong column, perhaps.
    #[error("is a date, not a telephone number: is it the right column?")]
    Date,
    /// The address of a computer: the wrong column, perhaps.
    #[error("is an IP address, not a telephone number: is it the right column?")]
    DottedQuad,
    /// A tab or a line break: whatever comes after it is another field, or another number.
    #[error("has {} in it: write one number alone, such as +447700900123", named_at(*.0, *.1))]
    Control(char, usize),
    /// An extension, a second number, or only a mark between groups: who can tell?
    #[error("has a / in it, which may part two numbers: write each by itself, such as +447700900123")]
    Slash,
    /// Digits after what is a number already.
    #[error("has more digits after a whole number: write one number alone, without an extension, such as +447700900123")]
    Further,
    /// A zero in brackets that cannot be dropped.
    #[error("has a (0) that is no national 0 after its country code: write it as it is dialled from abroad, such as +447700900123")]
    Zero,
    /// A letter or a mark that no number has, or not there.
    #[error("is not a telephone number: it has {}; write it as +447700900123", named_at(*.0, *.1))]
    Character(char, usize),
    /// Marks alone.
    #[error("is not a telephone number: it has no digits; write it as +447700900123")]
    NoDigits,
}

/// Why a number that was read may not be the one that was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It begins with the code of no country.
    NoCountry,
    /// It is longer than the numbers of its country.
    TooLong {
        /// The country, by its two letters.
        region: &'static str,
        /// Digits after the country code.
        digits: usize,
        /// Digits after the country code at most.
        most: u32,
    },
    /// It is shorter than the numbers of its country.
    TooShort {
        /// The country, by its two letters.
        region: &'static str,
        /// Digits after the country code.
        digits: usize,
        /// Digits after the country code at least.
        least: u32,
    },
    /// No number of its country has its length, or begins as it does.
    NotInPlan {
        /// The country, by its two letters.
        region: &'static str,
    },
    /// It was read as a national number, and begins as none is known to.
    Unknown {
        /// The region, by its two letters.
        region: &'static str,
    },
    /// With a 0 before it, it would be a number of the region.
    LostZero {
        /// The region, by its two letters.
        region: &'static str,
    },
}

impl Doubt {
    pub(super) fn of(code: &Code, national: &str) -> Option<Self> {
        if code.fits(national) {
            return None;
        }
        let (region, lengths, digits) = (code.region(national), code.lengths(), national.len());
        let (least, most) = (lengths.trailing_zeros(), 31 - lengths.leading_zeros().min(31));
        Some(match digits {
            _ if digits > most as usize => Self::TooLong { region, digits, most },
            _ if digits < least as usize => Self::TooShort { region, digits, least },
            _ => Self::NotInPlan { region },
        })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCountry => f.write_str("does not start with the code of any country"),
            Self::TooLong { region, digits, most } => {
                write!(f, "is too long for {region}: {digits} digits after the country code, and the longest numbers there have {most}")
            }
            Self::TooShort { region, digits, least } => {
                write!(f, "is too short for {region}: {digits} digits after the country code, and the shortest numbers there have {least}")
            }
            Self::NotInPlan { region } => write!(f, "does not match the numbers of {region}, by its length or by its first digits"),
            Self::Unknown { region } => {
                write!(f, "was read as a national number of {region}, but no known number there starts with these digits")
            }
            Self::LostZero { region } => write!(f, "may be a number of {region} that has lost its leading 0"),
        }
    }
}

fn named_at(c: char, at: usize) -> String {
    format!("{} at position {at}", named(c))
}
