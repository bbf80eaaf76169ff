//! Why a text is not a number, or may not be the intended one, in words for people.

use std::fmt;

use super::characters::named;
use super::numbering::Code;

/// Why a text is not accepted as a phone number, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It consists only of white space and invisible characters.
    #[error("is empty")]
    Empty,
    /// It is longer than any number.
    #[error("is too long for a telephone number")]
    Long,
    /// It is a national number, and no region is set.
    #[error("begins with 0: write it with its country code, or set provider.default_region (for instance \"GB\")")]
    National,
    /// Its leading 0 is not valid in the region, or not before these digits.
    #[error("begins with 0, but is not a number of provider.default_region: write it with its country code, such as +447700900123")]
    OtherNational,
    /// It has a 0 after the plus.
    #[error("has a 0 after the plus, but no country code begins with 0: write it as +447700900123")]
    PlusZero,
    /// It is too short or too long.
    #[error("has {0} digits: a number has 7 to 15, country code included")]
    Length(usize),
    /// It is a long number as a spreadsheet displays it.
    #[error(
        "is how a spreadsheet shows a long number, and its last digits are lost: format the column as text and enter the numbers again, since a new format alone does not restore them"
    )]
    Shortened,
    /// It has digits after a point; dropping the point would give another number.
    #[error("is a decimal number, as spreadsheets and programs produce them: write it as +447700900123")]
    Decimal,
    /// It is a date, possibly from the wrong column.
    #[error("is a date, not a telephone number: is it the right column?")]
    Date,
    /// It is an IP address, possibly from the wrong column.
    #[error("is an IP address, not a telephone number: is it the right column?")]
    DottedQuad,
    /// It contains a tab or a line break, and what follows is another field or another number.
    #[error("contains {}: write a single number, such as +447700900123", named_at(*.0, *.1))]
    Control(char, usize),
    /// It contains a slash, before an extension or a second number, or just between groups.
    #[error("contains a /, which may separate two numbers: write each by itself, such as +447700900123")]
    Slash,
    /// It has more digits after a complete number.
    #[error("has more digits after a complete number: write a single number without an extension, such as +447700900123")]
    Further,
    /// It has a zero in brackets that cannot be dropped.
    #[error("has a (0) that is not a national 0 after the country code: write it as dialled from abroad, such as +447700900123")]
    Zero,
    /// It contains a character that does not belong in a number, or not in that place.
    #[error("is not a telephone number: it has {}; write it as +447700900123", named_at(*.0, *.1))]
    Character(char, usize),
    /// It consists only of marks.
    #[error("is not a telephone number: it has no digits; write it as +447700900123")]
    NoDigits,
}

/// Why a number may not be the intended one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It has no known country code.
    NoCountry,
    /// It is longer than the numbers of its country.
    TooLong {
        /// The country, as its two-letter code.
        region: &'static str,
        /// Digits after the country code.
        digits: usize,
        /// The largest number of digits after the country code.
        most: u32,
    },
    /// It is shorter than the numbers of its country.
    TooShort {
        /// The country, as its two-letter code.
        region: &'static str,
        /// Digits after the country code.
        digits: usize,
        /// The smallest number of digits after the country code.
        least: u32,
    },
    /// No number of its country has its length or its beginning.
    NotInPlan {
        /// The country, as its two-letter code.
        region: &'static str,
    },
    /// It was read as a national number, but no known number begins like this.
    Unknown {
        /// The region, as its two-letter code.
        region: &'static str,
    },
    /// With a 0 before it, it would be a number of the region.
    LostZero {
        /// The region, as its two-letter code.
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
