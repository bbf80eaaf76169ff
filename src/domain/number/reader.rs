//! Which number digits are: international, of the region, or with another country's code.

use phonenumber::country;

use super::numbering::{self, Code, Plan};
use super::refused::{Doubt, NumberError};
use super::written::Written;
use crate::domain::msisdn::Msisdn;

/// A number that was read, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The number.
    pub number: Msisdn,
    /// What the text was taken for.
    pub how: How,
    /// Why it may not be the number that was meant.
    pub doubtful: Option<Doubt>,
}

/// What a text was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A plus or the prefix that leads abroad stands before it.
    International,
    /// It begins with the country code of the region.
    OwnCountryCode,
    /// As it is dialled within the region.
    National,
    /// With the code of another country, but without a plus.
    WithoutPlus,
}

/// Reads numbers as people write them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberReader {
    region: Option<country::Id>,
}

impl NumberReader {
    /// `region`: the country in which numbers without a country code are read (`provider.default_region`).
    pub fn new(region: Option<country::Id>) -> Self {
        Self { region }
    }

    /// Reads a number. With a plus, or the prefix that leads abroad from the region, it is international. Without one it
    /// is, in this order: a number of the region with its country code, one as it is dialled within the region, one with
    /// another country's code. A leading 0 needs a region. Spaces, hyphens, dots and brackets between its groups do not
    /// matter, nor do invisible characters and the marks by which spreadsheets keep numbers as texts.
    ///
    /// *Possible* is enough: numbering plans change, and test numbers are "not valid". What is impossible for its
    /// country is read, and doubtful.
    ///
    /// # Errors
    /// Says what is wrong and what to do, without repeating the text.
    pub fn read(&self, text: &str) -> Result<Read, NumberError> {
        if let Some(digits) = text.strip_prefix('+')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && Msisdn::from_wire(digits).is_some()
        {
            return international(digits, How::International);
        }
        let written = Written::of(text)?;
        match (written.plus, written.digits.starts_with('0')) {
            // No country code begins with 0, so +0… is no number.
            (true, true) => Err(NumberError::PlusZero),
            (true, false) => international(&written.digits, How::International),
            (false, true) => with_leading_zero(self.region.ok_or(NumberError::National)?, &written.digits),
            (false, false) => match self.region.and_then(|region| numbering::of_region(region.as_ref())) {
                Some((code, plan)) => in_region(code, plan, &written.digits),
                None => international(&written.digits, How::WithoutPlus),
            },
        }
    }
}

/// A number with its country code.
fn international(digits: &str, how: How) -> Result<Read, NumberError> {
    match numbering::split(digits) {
        Some((code, national)) => belonging(code, code.without_trunk_prefix(national), how),
        None => Ok(Read { doubtful: Some(Doubt::NoCountry), ..number(digits, how)? }),
    }
}

/// A number of a country, without the code.
fn belonging(code: &'static Code, national: &str, how: How) -> Result<Read, NumberError> {
    let read = number(&format!("{}{national}", code.digits), how)?;
    Ok(Read { doubtful: Doubt::of(code, national), ..read })
}

fn number(digits: &str, how: How) -> Result<Read, NumberError> {
    let number = Msisdn::from_wire(digits).ok_or(NumberError::Length(digits.len()))?;
    Ok(Read { number, how, doubtful: None })
}

/// Digits that begin neither with a plus nor with a 0, where a region is set: the region comes first, as for libphonenumber.
fn in_region(code: &'static Code, plan: &'static Plan, digits: &str) -> Result<Read, NumberError> {
    let own = digits.strip_prefix(&*code.digits).map(|national| code.without_trunk_prefix(national));
    let abroad = numbering::split(digits).filter(|(other, _)| other.digits != code.digits);
    // No fixed line has 12 digits and more after the country code: 447700900123 is British everywhere, though a pattern
    // of the German plan has room for it.
    let fits_abroad = || abroad.is_some_and(|(other, rest)| other.fits(other.without_trunk_prefix(rest)));
    let is_whole = |national: &str| national.len() >= 12 && !code.is_no_fixed_line(national) && fits_abroad();
    let dialled_within = plan.dialled_within(digits);
    let is_possible = |national: &str| (7..=15).contains(&(code.digits.len() + national.len()));
    let national = || dialled_within.into_iter().flatten().filter(|national| is_possible(national) && !is_whole(national));
    if let Some(own) = own.filter(|own| code.is_valid(own)) {
        return belonging(code, own, How::OwnCountryCode);
    }
    if let Some(national) = national().find(|national| code.is_valid(national)) {
        return belonging(code, national, How::National);
    }
    if let Some(own) = own.filter(|own| code.fits(own)) {
        return belonging(code, own, How::OwnCountryCode);
    }
    // Not known to be in use anywhere in the region, but so may be a new area or a test number.
    let is_known_abroad = abroad.is_some_and(|(other, rest)| other.is_line(rest));
    if let Some(national) = national().find(|national| !is_known_abroad && code.fits(national)) {
        let read = belonging(code, national, How::National)?;
        let unknown = (!code.has_begun(national)).then_some(Doubt::Unknown { region: plan.region() });
        return Ok(Read { doubtful: read.doubtful.or(unknown), ..read });
    }
    if let Some(own) = own {
        return belonging(code, own, How::OwnCountryCode);
    }
    let read = international(digits, How::WithoutPlus)?;
    // Where the 0 is part of the number, as in Italy, a spreadsheet that drops it makes it a foreign one.
    let lost = code.is_valid(&format!("0{digits}")).then_some(Doubt::LostZero { region: plan.region() });
    Ok(Read { doubtful: lost.or(read.doubtful), ..read })
}

/// Reads digits with a leading 0 as they are dialled in a region. What the library makes of them is believed only where
/// it left the digits as they are: it drops carriers and area codes, and takes much for a prefix that leads abroad.
fn with_leading_zero(region: country::Id, digits: &str) -> Result<Read, NumberError> {
    let (code, plan) = numbering::of_region(region.as_ref()).ok_or(NumberError::OtherNational)?;
    if let Some(from_abroad) = plan.after_prefix_abroad(digits) {
        return match from_abroad.starts_with('0') {
            true => Err(NumberError::OtherNational),
            false => international(from_abroad, How::International),
        };
    }
    // As nearly always, and much faster than the library.
    if plan.metadata.national_prefix() == Some("0")
        && plan.metadata.national_prefix_transform_rule().is_none()
        && let Some(national) = digits.strip_prefix('0').filter(|national| !code.fits(digits) && plan.fits(national))
    {
        return belonging(code, national, How::National);
    }
    let parsed = phonenumber::parse(Some(region), digits).map_err(|_| NumberError::OtherNational)?;
    let e164 = parsed.format().mode(phonenumber::Mode::E164).to_string();
    let national = e164.strip_prefix('+').and_then(|e164| e164.strip_prefix(&*code.digits)).ok_or(NumberError::OtherNational)?;
    let is_as_written = match digits.strip_suffix(national) {
        Some("0") => true,
        // It stays, as in Italy: then it must be a number of that country.
        Some("") => code.is_valid(national),
        Some(prefix) => plan.metadata.national_prefix() == Some(prefix),
        None => false,
    };
    if parsed.code().source() != country::Source::Default || !is_as_written {
        return Err(NumberError::OtherNational);
    }
    belonging(code, national, How::National)
}
