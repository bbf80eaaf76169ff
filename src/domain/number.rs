//! Reading telephone numbers as people write them, and only where it is plain which number is meant: a message to the
//! wrong person cannot be called back, a refused text can be written again.

use phonenumber::country;
use phonenumber::metadata::{DATABASE, Metadata};

use super::msisdn::Msisdn;

/// No group of digits within a number is as long: such a group is a whole number, or most of one.
const WHOLE: usize = 10;

/// Why a text is not taken for a telephone number, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// A national number, and nobody said of which country.
    #[error("begins with 0: write it with its country code, or set provider.default_region (for instance \"GB\")")]
    National,
    /// A leading 0 that leads nowhere in the region, or not to the digits that follow it.
    #[error("begins with 0, and is no number of provider.default_region: write it with its country code, such as +447700900123")]
    OtherNational,
    /// Too short or too long.
    #[error("has {0} digits: a number has 7 to 15, country code included")]
    Length(usize),
    /// Digits after a point: dropping the point would make it somebody else's number.
    #[error("is a decimal number, as spreadsheets and programs make them: write it as +447700900123")]
    Decimal,
    /// A tab or a line break: whatever comes after it is another field, or another number.
    #[error("has a tab, a line break or the like in it: write one number alone, such as +447700900123")]
    Control,
    /// An extension, a second number, or only a mark between groups: who can tell?
    #[error("has a / in it, which may part two numbers: write each by itself, such as +447700900123")]
    Slash,
    /// Digits after what is a number already.
    #[error("has more digits after a whole number: write one number alone, without an extension, such as +447700900123")]
    Further,
    /// A zero in brackets that cannot be dropped.
    #[error("has a (0) that is no national 0 after its country code: write it as it is dialled from abroad, such as +447700900123")]
    Zero,
    /// Letters or the like.
    #[error("is not a telephone number: write it as +447700900123")]
    NotANumber,
}

/// Reads numbers as people write them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberReader {
    region: Option<country::Id>,
}

impl NumberReader {
    /// `region`: the country in which numbers with a leading 0 are read (`provider.default_region`).
    pub fn new(region: Option<country::Id>) -> Self {
        Self { region }
    }

    /// Reads a number with or without a plus; with a leading 0 where a region is set. Spaces, hyphens, dots and brackets
    /// between its groups are no matter. Its digits are the ones that were written, save a national 0 (with a region, or
    /// as `(0)` after the country code) and the 00 that leads abroad.
    ///
    /// *Possible* is enough: numbering plans change, and test numbers are "not valid" (pitfalls.md, "Phone numbers").
    ///
    /// # Errors
    /// Says what is wrong, without repeating the text.
    pub fn read(&self, text: &str) -> Result<Msisdn, NumberError> {
        if let Some(number) = Msisdn::from_wire(text) {
            return Ok(number);
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        refuse_what_is_more_than_a_number(text)?;
        let (plus, rest) = match text.strip_prefix('+').or_else(|| text.strip_prefix("(+")) {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        // A minus, or a second plus.
        if rest.contains('+') || !rest.starts_with(|c: char| c == '(' || c.is_ascii_digit()) {
            return Err(NumberError::NotANumber);
        }
        let digits = dialled(plus, rest)?;
        if !digits.starts_with('0') {
            return Msisdn::from_wire(&digits).ok_or(NumberError::Length(digits.len()));
        }
        // No country code begins with 0, so +0… is no number.
        if plus {
            return Err(NumberError::NotANumber);
        }
        national(self.region.ok_or(NumberError::National)?, &digits)
    }
}

/// Marks between the groups of a number.
fn is_mark(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')') || c.is_whitespace()
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Refuses texts whose digits alone would be another number than the one that is meant.
fn refuse_what_is_more_than_a_number(text: &str) -> Result<(), NumberError> {
    if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(NumberError::Control);
    }
    // Extensions (`x12`, `#12`), lists and digits of other scripts among them.
    if !text.contains(|c: char| c.is_ascii_digit())
        || text.contains(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '/') && !is_mark(c))
    {
        return Err(NumberError::NotANumber);
    }
    if text.contains('/') {
        return Err(NumberError::Slash);
    }
    if is_decimal(text) {
        return Err(NumberError::Decimal);
    }
    let groups = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
    if groups.skip_while(|group| group.len() < WHOLE).nth(1).is_some() {
        return Err(NumberError::Further);
    }
    Ok(())
}

/// `447700900123.0`, `447 700 900 123.25`: a number that went through a spreadsheet or a program as one to reckon with.
/// Several dots, or one between short groups (`07700.900123`), stand in telephone numbers too.
fn is_decimal(text: &str) -> bool {
    let Some((whole, fraction)) = text.split_once('.') else { return false };
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let digits = digits_of(whole).len();
    let plain = whole.trim_start_matches(['+', '-']);
    let is_plain = plain.len() == digits;
    fraction.len() <= 2 || digits >= WHOLE || is_plain && digits >= 7 || plain == "0"
}

/// The digits that are dialled: all of them, without a `(0)` that is only for those who dial within the country.
fn dialled(plus: bool, text: &str) -> Result<String, NumberError> {
    let Some((before, after)) = text.split_once("(0)") else { return Ok(digits_of(text)) };
    let before = digits_of(before);
    if after.contains("(0)") {
        return Err(NumberError::Zero);
    }
    // At the front it is the national 0 itself: dropped, an area code would be taken for a country's.
    if before.is_empty() && !plus {
        return Ok(format!("0{}", digits_of(after)));
    }
    let code = if plus { &*before } else { before.strip_prefix("00").unwrap_or(&before) };
    let countries = code.parse().ok().and_then(|code: u16| DATABASE.by_code(&code)).unwrap_or_default();
    // Italian numbers begin with a 0 from abroad too: without it they would be others.
    if code.starts_with('0') || !countries.iter().any(|country| country.national_prefix() == Some("0")) {
        return Err(NumberError::Zero);
    }
    Ok(before + &digits_of(after))
}

/// Reads digits with a leading 0 as they are dialled in a region. What the library makes of them is believed only where
/// it left the digits as they are: it drops carriers and area codes, and takes much for a prefix that leads abroad.
fn national(region: country::Id, digits: &str) -> Result<Msisdn, NumberError> {
    let country = DATABASE.by_id(region.as_ref()).ok_or(NumberError::OtherNational)?;
    if let Some(from_abroad) = after_prefix_abroad(country, digits) {
        return Msisdn::from_wire(from_abroad).ok_or(NumberError::Length(from_abroad.len()));
    }
    let parsed = phonenumber::parse(Some(region), digits).map_err(|_| NumberError::OtherNational)?;
    let e164 = parsed.format().mode(phonenumber::Mode::E164).to_string();
    let e164 = e164.strip_prefix('+').unwrap_or(&e164);
    let within = e164.strip_prefix(&country.country_code().to_string()).ok_or(NumberError::OtherNational)?;
    let is_as_written = match digits.strip_suffix(within) {
        Some("0") => true,
        // It stays, as in Italy: then it must be a number of that country.
        Some("") => parsed.is_valid(),
        Some(prefix) => country.national_prefix() == Some(prefix),
        None => false,
    };
    if parsed.code().source() != country::Source::Default || !is_as_written {
        return Err(NumberError::OtherNational);
    }
    Msisdn::from_wire(e164).ok_or(NumberError::Length(e164.len()))
}

/// What follows the prefix that leads abroad: 00, or where that is another, the one there is. Where a carrier is part of
/// it (`00x`, as in Singapore), 0044… might be either, and is nothing.
fn after_prefix_abroad<'a>(country: &Metadata, digits: &'a str) -> Option<&'a str> {
    let pattern = country.international_prefix()?;
    let found = pattern.find(digits).filter(|found| found.start() == 0)?;
    let is_plain = ["00", pattern.as_str()].contains(&found.as_str()) || country.preferred_international_prefix() == Some(found.as_str());
    is_plain.then(|| &digits[found.end()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(region: &str) -> NumberReader {
        NumberReader::new(region.parse().ok())
    }

    fn wire(digits: &str) -> Result<Msisdn, NumberError> {
        Ok(Msisdn::from_wire(digits).expect("a number"))
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let expected = wire("447700900123");
        let accepted = [
            "+447700900123",
            "447700900123",
            "+44 7700 900-123",
            " 44 7700 900123 ",
            "+44 (0)7700 900123",
            "+44(0)7700900123",
            "44 (0) 7700 900123",
            "(+44) 7700 900123",
            "+44 (7700) 900\u{a0}123",
            "+44.7700900123",
            "44.7700.900.123",
            "+44 7700900123",
            "\t447700900123\r\n",
        ];
        for text in accepted {
            assert_eq!(NumberReader::default().read(text), expected, "{text}");
            assert_eq!(of("GB").read(text), expected, "{text}");
        }
        for text in [
            "07700 900123",
            "07700900123",
            "07700-900-123",
            "07700.900.123",
            "07700.900123",
            "00447700900123",
            "(07700) 900123",
            "(0)7700 900123",
            "(0) 7700 900 123",
            "00 44 (0)7700 900123",
        ] {
            assert_eq!(of("GB").read(text), expected, "{text}");
            assert_eq!(NumberReader::default().read(text), Err(NumberError::National), "{text}");
        }
    }

    #[test]
    fn the_providers_own_test_numbers_are_accepted() {
        for text in ["+441111111111", "442222222222", "+15005550006"] {
            assert!(of("GB").read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_named_as_such() {
        let read = |text| NumberReader::default().read(text);
        assert_eq!(read(""), Err(NumberError::Empty));
        assert_eq!(read("  "), Err(NumberError::Empty));
        assert_eq!(read("123456"), Err(NumberError::Length(6)));
        assert_eq!(read("1234567890123456"), Err(NumberError::Length(16)));
        assert_eq!(read("44.7700.900000"), wire("447700900000"));
        for text in ["+44770090012x", "++447700900123", "+", "()", "+0447700900123", "+(0)7700900123x", "-447700900123", "٤٤٧٧٠٠٩٠٠١٢٣"]
        {
            assert_eq!(read(text), Err(NumberError::NotANumber), "{text}");
        }
    }

    #[test]
    fn what_is_more_than_a_number_reaches_nobody_else() {
        use NumberError::{Control, Decimal, Further, NotANumber, Slash};
        for (text, wrong) in [
            ("447700900123\t34", Control),
            ("447700900123\n447700900124", Control),
            ("4477009\u{2028}00124", Control),
            ("447700900124 7", Further),
            ("+447700900124 (7)", Further),
            ("+4930123456 447", Further),
            ("447700900123.123.45", Further),
            ("+49 30 123456/7", Slash),
            ("+442079460018/19", Slash),
            ("447700900123.0", Decimal),
            (" +447700900123.00", Decimal),
            ("447700900123.123", Decimal),
            ("447 700 900 123.25", Decimal),
            ("447 700 900 123.000", Decimal),
            ("0.447700900123", Decimal),
            ("44770090012.3", Decimal),
            ("447700900123x12", NotANumber),
            ("447700900123 ext. 12", NotANumber),
            ("447700900123#12", NotANumber),
            ("447700900123,12", NotANumber),
            ("447700900123;12", NotANumber),
            ("+447700900123 +447700900124", Further),
            ("+4477009 +00124", NotANumber),
            ("4.477E+11", NotANumber),
            ("44770090012３", NotANumber),
            ("+447700\u{200b}900123", NotANumber),
        ] {
            for reader in [NumberReader::default(), of("GB")] {
                assert_eq!(reader.read(text), Err(wrong.clone()), "{text}");
            }
        }
    }

    #[test]
    fn a_zero_in_brackets_is_dropped_only_after_a_country_code_that_has_one() {
        // Dropped at the front, the area code would be a country's: +1 711234567.
        assert_eq!(of("DE").read("(0) 171 1234567"), wire("491711234567"));
        for text in
            ["+39 (0)6 12345678", "+44 7700 (0)900123", "447700900123 (0)", "+(0)7700 900123", "(0)(0)7700 900123", "+1 (0)2025550123"]
        {
            let refused = of("GB").read(text);
            assert!(matches!(refused, Err(NumberError::Zero | NumberError::Further)), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_leading_zero_is_read_only_where_the_digits_stay_as_they_are() {
        for (region, text, expected) in [
            ("IT", "06 1234 5678", "390612345678"),
            ("HU", "06 30 123 4567", "36301234567"),
            ("GB", "0039 06 1234 5678", "390612345678"), // the 0 is Italian: it stays
            ("US", "011 44 7700 900123", "447700900123"),
            ("AU", "0011 44 7700 900123", "447700900123"),
            ("FR", "06 12 34 56 78", "33612345678"),
        ] {
            assert_eq!(of(region).read(text), wire(expected), "{region} {text}");
        }
        for (region, text) in [
            ("SG", "0044 7700 900123"), // 004 leads abroad there: +47 is Norway
            ("TH", "0044 7700 900123"),
            ("US", "07700 900123"),
            ("US", "0044 7700 900123"),
            ("BR", "0 21 11 91234 5678"), // a carrier, and the number
        ] {
            assert_eq!(of(region).read(text), Err(NumberError::OtherNational), "{region} {text}");
        }
    }

    /// Texts of what people write in numbers, and some of what they should not.
    fn written() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            6 => "[0-9]{1,4}",
            1 => "[0-9]{5,13}",
            3 => "[ .()-]",
            1 => prop::sample::select(vec!["(0)", "+", "00", "44", "\t", "/", "x", ",", "\u{a0}", "٤"]).prop_map(str::to_owned),
        ];
        (prop::sample::select(vec!["", "+", "0", "00", "(0)", "+44 (0)", "44", "+39"]), prop::collection::vec(piece, 1..7))
            .prop_map(|(front, pieces)| front.to_owned() + &pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_accepted_has_the_digits_that_were_written(
            text in written(), region in prop::sample::select(vec!["", "GB", "DE", "IT", "US", "SG", "BR", "AR", "HK", "KR", "AU", "HU", "BY"])
        ) {
            let Ok(number) = of(region).read(&text) else { return Ok(()) };
            let number = number.digits().to_string();
            let all = digits_of(&text);
            let shorter = text.replacen("(0)", "", 1);
            let mut may_be = vec![all.clone()];
            if !digits_of(shorter.split('(').next().unwrap_or_default()).is_empty() {
                may_be.push(digits_of(&shorter));
            }
            if let Some(country) = DATABASE.by_id(region).filter(|_| !text.starts_with('+')) {
                let code = country.country_code().to_string();
                for digits in may_be.clone() {
                    may_be.extend(["00", "011", "0011"].iter().filter_map(|abroad| digits.strip_prefix(abroad)).map(str::to_owned));
                    if digits.starts_with('0') {
                        may_be.push(format!("{code}{digits}"));
                        may_be.extend(["0", country.national_prefix().unwrap_or("0")].iter().filter_map(|prefix| digits.strip_prefix(prefix)).map(|rest| format!("{code}{rest}")));
                    }
                }
            }
            prop_assert!(may_be.contains(&number), "{text:?} in {region:?} was read as {number}, and may be {may_be:?}");
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,30}") {
            let _ = of("GB").read(&text);
        }

        #[test]
        fn what_is_shown_is_read_again(digits in 1_000_000u64..=999_999_999_999_999) {
            let number = Msisdn::from_digits(digits).expect("in range");
            prop_assert_eq!(of("GB").read(&number.to_string()), Ok(number));
        }

        #[test]
        fn further_digits_or_a_second_number_are_refused(digits in 1_000_000_000u64..=999_999_999_999_999, more in 0u64..10_000_000_000, mark in "[ .()/,;#x\t-]{1,3}") {
            let text = format!("{digits}{mark}{more}");
            prop_assert!(of("GB").read(&text).is_err(), "{}", text);
        }
    }
}
