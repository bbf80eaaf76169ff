//! Deciding what digits mean: an international number, a number of the region, or one with another country's code.

use phonenumber::country;

use super::numbering::{self, Code, Plan};
use super::refused::{Doubt, NumberError};
use super::written::Written;
use crate::domain::msisdn::Msisdn;

/// A number and how it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The number.
    pub number: Msisdn,
    /// How the text was interpreted.
    pub how: How,
    /// Why the number may not be the intended one.
    pub doubtful: Option<Doubt>,
}

/// How a text was interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With a plus or the prefix for calls abroad.
    International,
    /// Without a plus, but with the country code of the region.
    OwnCountryCode,
    /// As dialled within the region.
    National,
    /// Without a plus, with the code of another country.
    WithoutPlus,
}

/// Reads numbers as people write them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberReader {
    region: Option<country::Id>,
}

impl NumberReader {
    /// Creates a reader. Numbers without a country code are read as numbers of `region` (`provider.default_region`).
    pub fn new(region: Option<country::Id>) -> Self {
        Self { region }
    }

    /// Reads a number. With a plus, or the region's prefix for calls abroad, it is international. Otherwise it is, in
    /// this order of preference: a number of the region with its country code, one as dialled within the region, or one
    /// with another country's code. A leading 0 needs a region. Spaces, hyphens, dots and brackets between groups are
    /// ignored, and so are invisible characters and the marks with which spreadsheets keep numbers as text.
    ///
    /// It is enough that the number is *possible*, because numbering plans change, and test numbers are "not valid". A
    /// number that is impossible for its country is accepted as doubtful.
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
            // No country code begins with 0.
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

/// Reads a number with its country code.
fn international(digits: &str, how: How) -> Result<Read, NumberError> {
    match numbering::split(digits) {
        Some((code, national)) => belonging(code, code.without_trunk_prefix(national), how),
        None => Ok(Read { doubtful: Some(Doubt::NoCountry), ..number(digits, how)? }),
    }
}

/// Reads the number of a country without the code.
fn belonging(code: &'static Code, national: &str, how: How) -> Result<Read, NumberError> {
    let read = number(&format!("{}{national}", code.digits), how)?;
    Ok(Read { doubtful: Doubt::of(code, national), ..read })
}

fn number(digits: &str, how: How) -> Result<Read, NumberError> {
    let number = Msisdn::from_wire(digits).ok_or(NumberError::Length(digits.len()))?;
    Ok(Read { number, how, doubtful: None })
}

/// Reads digits without a plus or a leading 0 if a region is set: the region takes precedence, as in libphonenumber.
fn in_region(code: &'static Code, plan: &'static Plan, digits: &str) -> Result<Read, NumberError> {
    let own = digits.strip_prefix(&*code.digits).map(|national| code.without_trunk_prefix(national));
    let abroad = numbering::split(digits).filter(|(other, _)| other.digits != code.digits);
    // No fixed line has 12 or more digits after the country code: 447700900123 is always British, although a pattern of
    // the German plan would allow it.
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
    // The number has no known use in the region, but it may belong to a new area or be a test number.
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
    // If the 0 is part of the number, as in Italy, a spreadsheet that drops it turns it into a foreign number.
    let lost = code.is_valid(&format!("0{digits}")).then_some(Doubt::LostZero { region: plan.region() });
    Ok(Read { doubtful: lost.or(read.doubtful), ..read })
}

/// Reads digits with a leading 0 as dialled in a region. The library's result is used only if it kept the digits
/// unchanged: it drops carrier and area codes, and takes many sequences for the prefix for calls abroad.
fn with_leading_zero(region: country::Id, digits: &str) -> Result<Read, NumberError> {
    let (code, plan) = numbering::of_region(region.as_ref()).ok_or(NumberError::OtherNational)?;
    if let Some(from_abroad) = plan.after_prefix_abroad(digits) {
        return match from_abroad.starts_with('0') {
            true => Err(NumberError::OtherNational),
            false => international(from_abroad, How::International),
        };
    }
    // The usual case, and much faster than the library.
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
        // The 0 stays, as in Italy: then it must be a number of that country.
        Some("") => code.is_valid(national),
        Some(prefix) => plan.metadata.national_prefix() == Some(prefix),
        None => false,
    };
    if parsed.code().source() != country::Source::Default || !is_as_written {
        return Err(NumberError::OtherNational);
    }
    belonging(code, national, How::National)
}
