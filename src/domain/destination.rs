//! Destinations: telephone numbers, and what became of a message to one.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BatchState;

/// A telephone number in E.164: 7 to 15 digits, the first not a zero. Shown with a plus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msisdn(u64);

/// The smallest and the largest number with 7 and with 15 digits.
const SMALLEST: u64 = 1_000_000;
const LARGEST: u64 = 999_999_999_999_999;

impl Msisdn {
    /// From the digits as one number.
    pub fn from_digits(digits: u64) -> Option<Self> {
        (SMALLEST..=LARGEST).contains(&digits).then_some(Self(digits))
    }

    /// The digits as one number.
    pub fn digits(self) -> u64 {
        self.0
    }

    /// Reads digits with or without a plus, and nothing else: the form of the wire.
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

    /// With all but the last three digits hidden, for logs.
    pub fn masked(self) -> String {
        format!("…{:03}", self.0 % 1000)
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Masked: what is printed for debugging ends up in logs.
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

/// Why a text is not taken for a telephone number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// A national number, and nobody said of which country.
    #[error("begins with 0: write it with its country code, or set provider.default_region (for instance \"GB\")")]
    National,
    /// Too short or too long.
    #[error("has {0} digits: a number has 7 to 15, country code included")]
    Length(usize),
    /// Digits after a point: dropping the point would make it somebody else's number.
    #[error("is a decimal number, as spreadsheets and programs make them: write it as +447700900123")]
    Decimal,
    /// Letters or the like.
    #[error("is not a telephone number: write it as +447700900123")]
    NotANumber,
}

/// Reads numbers as people write them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberReader {
    region: Option<phonenumber::country::Id>,
}

impl NumberReader {
    /// `region`: the country in which numbers with a leading 0 are read (`provider.default_region`).
    pub fn new(region: Option<phonenumber::country::Id>) -> Self {
        Self { region }
    }

    /// Reads a number with or without a plus; with a leading 0 where a region is set; white space,
    /// hyphens, dots and brackets are no matter. *Possible* is enough: numbering plans change, and
    /// test numbers are "not valid" (pitfalls.md, "Phone numbers").
    ///
    /// # Errors
    /// Says what is wrong, without repeating the text.
    pub fn read(&self, text: &str) -> Result<Msisdn, NumberError> {
        if let Some(number) = Msisdn::from_wire(text) {
            return Ok(number);
        }
        if is_decimal(text.trim()) {
            return Err(NumberError::Decimal);
        }
        // "+44 (0)7700 900123": the zero in brackets is only for those who dial within the country.
        let bare: String = text
            .replace("(0)", "")
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | '(' | ')' | '/' | '\u{a0}'))
            .collect();
        if bare.is_empty() {
            return Err(NumberError::Empty);
        }
        let digits = bare.strip_prefix('+').unwrap_or(&bare);
        // No country code begins with 0, so +0… is no number either.
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || bare.starts_with("+0") {
            return Err(NumberError::NotANumber);
        }
        if bare.starts_with('0') {
            let region = self.region.ok_or(NumberError::National)?;
            let parsed = phonenumber::parse(Some(region), &bare).map_err(|_| NumberError::NotANumber)?;
            let e164 = parsed.format().mode(phonenumber::Mode::E164).to_string();
            return Msisdn::from_wire(&e164).ok_or(NumberError::Length(e164.len().saturating_sub(1)));
        }
        Msisdn::from_wire(&bare).ok_or(NumberError::Length(digits.len()))
    }
}

/// `447700900123.0`: a number that went through a spreadsheet or a program as one to reckon with. Dots between the groups
/// of a telephone number are something else.
fn is_decimal(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(whole, rest)| {
        let digits = whole.trim_start_matches(['+', '-']);
        let rest_is = |wanted: fn(u8) -> bool| !rest.is_empty() && rest.bytes().all(wanted);
        (rest_is(|b| b == b'0') || rest.len() <= 2 && rest_is(|b| b.is_ascii_digit()))
            && digits.len() >= 7
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// What the receipts of a destination say together. Ordered: the later one wins over the earlier,
/// whatever came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Said {
    /// There is no receipt.
    #[default]
    Nothing,
    /// At least one failure, and no delivery.
    Failed,
    /// At least one delivery: delivered for good.
    Delivered,
}

impl Said {
    /// What is said once one more receipt is in.
    #[must_use]
    pub fn after(self, delivered: bool) -> Self {
        self.max(if delivered { Self::Delivered } else { Self::Failed })
    }
}

/// What a set of receipts says: a function of the set, never of its order or of repetitions.
pub fn fold(delivered: impl IntoIterator<Item = bool>) -> Said {
    delivered.into_iter().fold(Said::Nothing, Said::after)
}

/// What became of the message to one number (contract, "Destination states").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DestinationState {
    /// The provider does not have the batch yet, or is not known to.
    Queued,
    /// The provider has it; no receipt yet.
    Submitted,
    /// A receipt says delivered.
    Delivered,
    /// Receipts say failed, and none says delivered.
    Failed,
    /// No receipt came in time; one that comes late still counts.
    Expired,
    /// Cancelled with its batch.
    Cancelled,
    /// Rejected with its batch.
    Rejected,
    /// Part of a dry run that the provider accepted.
    Validated,
}

impl DestinationState {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Queued, Self::Submitted, Self::Delivered, Self::Failed, Self::Expired, Self::Cancelled, Self::Rejected, Self::Validated];

    /// The state of a destination: what its receipts say; where they say nothing, its batch's word.
    pub fn of(said: Said, batch: BatchState) -> Self {
        match said {
            Said::Delivered => Self::Delivered,
            Said::Failed => Self::Failed,
            Said::Nothing => match batch {
                BatchState::Queued | BatchState::Submitting | BatchState::Unconfirmed => Self::Queued,
                BatchState::Submitted | BatchState::Scheduled => Self::Submitted,
                BatchState::Complete => Self::Expired,
                BatchState::Rejected => Self::Rejected,
                BatchState::Cancelled => Self::Cancelled,
                BatchState::Validated => Self::Validated,
            },
        }
    }

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitted => "submitted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Validated => "validated",
        }
    }
}

impl fmt::Display for DestinationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for DestinationState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gb() -> NumberReader {
        NumberReader::new("GB".parse().ok())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let expected = Msisdn::from_wire("447700900123");
        for text in ["+447700900123", "447700900123", "+44 7700 900-123", " 44 7700 900123 ", "+44 (0)7700 900123"] {
            assert_eq!(NumberReader::default().read(text).ok(), expected, "{text}");
        }
        for text in ["07700 900123", "07700900123", "00447700900123", "(07700) 900123"] {
            assert_eq!(gb().read(text).ok(), expected, "{text}");
            assert_eq!(NumberReader::default().read(text), Err(NumberError::National), "{text}");
        }
    }

    #[test]
    fn the_providers_own_test_numbers_are_accepted() {
        for text in ["+441111111111", "442222222222", "+15005550006"] {
            assert!(gb().read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_named_as_such() {
        let read = |text| NumberReader::default().read(text);
        assert_eq!(read(""), Err(NumberError::Empty));
        assert_eq!(read("  "), Err(NumberError::Empty));
        assert_eq!(read("123456"), Err(NumberError::Length(6)));
        assert_eq!(read("1234567890123456"), Err(NumberError::Length(16)));
        assert_eq!(read("+44770090012x"), Err(NumberError::NotANumber));
        assert_eq!(read("447700900123.0"), Err(NumberError::Decimal));
        assert_eq!(read(" +447700900123.00"), Err(NumberError::Decimal));
        assert_eq!(read("44.7700.900000").ok(), Msisdn::from_wire("447700900000"));
        assert_eq!(read("++447700900123"), Err(NumberError::NotANumber));
        assert_eq!(read("+"), Err(NumberError::NotANumber));
        assert_eq!(read("+0447700900123"), Err(NumberError::NotANumber));
        assert_eq!(read("٤٤٧٧٠٠٩٠٠١٢٣"), Err(NumberError::NotANumber));
    }

    #[test]
    fn a_number_is_masked_where_it_might_be_logged() {
        let number = Msisdn::from_wire("447700900123").expect("a number");
        assert_eq!(format!("{number:?}"), "…123");
        assert_eq!(number.to_string(), "+447700900123");
    }

    proptest! {
        #[test]
        fn the_state_does_not_depend_on_order_or_repetition(
            receipts in prop::collection::vec(any::<bool>(), 0..8), seed in any::<u64>(), copies in 1usize..4
        ) {
            let mut shuffled: Vec<bool> = receipts.iter().copied().cycle().take(receipts.len() * copies).collect();
            let mut state = seed | 1;
            for i in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, (state >> 33) as usize % (i + 1));
            }
            prop_assert_eq!(fold(receipts.iter().copied()), fold(shuffled));
            let expected = if receipts.contains(&true) { Said::Delivered }
                else if receipts.is_empty() { Said::Nothing } else { Said::Failed };
            prop_assert_eq!(fold(receipts), expected);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,30}") {
            let _ = gb().read(&text);
        }

        #[test]
        fn what_is_shown_is_read_again(digits in SMALLEST..=LARGEST) {
            let number = Msisdn::from_digits(digits).expect("in range");
            prop_assert_eq!(gb().read(&number.to_string()), Ok(number));
        }
    }
}
