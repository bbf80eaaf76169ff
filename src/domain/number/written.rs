//! Extracting the dialled digits from a text: marks and invisible characters are dropped, and texts that are not phone
//! numbers are refused.

use super::characters::{is_break, is_invisible, plain};
use super::numbering;
use super::refused::NumberError;

/// The length of a group of digits that cannot be part of a number: it is a complete number, or most of one.
const WHOLE: usize = 10;
/// The largest number of characters in which a number is written.
const LONGEST: usize = 200;

/// The content of a text that may be a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Whether it begins with a plus.
    pub(super) plus: bool,
    /// All digits, without a `(0)` that applies only within the country.
    pub(super) digits: String,
}

/// A character in its plainest form, and its position in the text, counted from 1.
type Place = (char, usize);

impl Written {
    pub(super) fn of(text: &str) -> Result<Self, NumberError> {
        if text.len() > 4 * LONGEST {
            return Err(NumberError::Long);
        }
        let places: Vec<Place> = (1..).zip(text.chars()).filter(|(_, c)| !is_invisible(*c)).map(|(at, c)| (plain(c), at)).collect();
        let places = without_wrapping(trimmed(&places));
        if places.is_empty() {
            return Err(NumberError::Empty);
        }
        let line: String = places.iter().map(|(c, _)| *c).collect();
        refuse_what_is_more_than_a_number(&line, places)?;
        let (plus, rest) = match line.strip_prefix('+').or_else(|| line.strip_prefix("(+")) {
            Some(rest) => (true, rest.trim_start()),
            None => (false, &*line),
        };
        // A minus, or a second plus.
        let begins_well = |c: &Place| matches!(c.0, '(' | '0'..='9');
        let start = &places[places.len() - rest.chars().count()..];
        if let Some(wrong) = start.first().filter(|c| !begins_well(c)).or_else(|| start.iter().find(|(c, _)| *c == '+')) {
            return Err(NumberError::Character(wrong.0, wrong.1));
        }
        Ok(Self { plus, digits: dialled(plus, rest)? })
    }
}

fn trimmed(mut places: &[Place]) -> &[Place] {
    let is_blank = |c: char| c == ' ' || is_break(c);
    while let [(c, _), rest @ ..] = places
        && is_blank(*c)
    {
        places = rest;
    }
    while let [rest @ .., (c, _)] = places
        && is_blank(*c)
    {
        places = rest;
    }
    places
}

/// Removes what keeps a number as text in a spreadsheet (`="447700900123"`, `'+447700900123`), and quotation marks
/// around the whole text.
fn without_wrapping(places: &[Place]) -> &[Place] {
    const MARKS: [char; 15] = [
        '"', '\'', '`', '\u{b4}', '\u{2b9}', '\u{2bb}', '\u{2bc}', '\u{2018}', '\u{2019}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}',
        '\u{2032}', '\u{ff07}',
    ];
    let mut inner = places;
    if let [('=', _), rest @ ..] = inner {
        inner = trimmed(rest);
    }
    if let [(mark, _), rest @ ..] = inner
        && MARKS.contains(mark)
    {
        inner = rest;
        match inner {
            [rest @ .., (last, _)] if MARKS.contains(last) => inner = rest,
            // Only an apostrophe may stand alone.
            _ if matches!(mark, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}') => return places,
            _ => {}
        }
    }
    // If the content is not a number, it is reported as written.
    let inner = trimmed(inner);
    if matches!(inner, [('+' | '(' | '0'..='9', _), ..]) { inner } else { places }
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Refuses texts whose digits alone would be another number than the intended one.
fn refuse_what_is_more_than_a_number(line: &str, places: &[Place]) -> Result<(), NumberError> {
    if let Some((c, at)) = places.iter().find(|(c, _)| is_break(*c)) {
        return Err(NumberError::Control(*c, *at));
    }
    if is_shortened(line) {
        return Err(NumberError::Shortened);
    }
    if is_date(line) {
        return Err(NumberError::Date);
    }
    if is_dotted_quad(line) {
        return Err(NumberError::DottedQuad);
    }
    // Includes extensions (`x12`, `#12`) and lists.
    if let Some((c, at)) = places.iter().find(|(c, _)| !matches!(c, '0'..='9' | '+' | '/' | '-' | '.' | '(' | ')' | ' ')) {
        return Err(NumberError::Character(*c, *at));
    }
    if !line.contains(|c: char| c.is_ascii_digit()) {
        return Err(NumberError::NoDigits);
    }
    if line.contains('/') {
        return Err(NumberError::Slash);
    }
    if is_decimal(line) {
        return Err(NumberError::Decimal);
    }
    let groups = line.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
    if groups.skip_while(|group| group.len() < WHOLE).nth(1).is_some() {
        return Err(NumberError::Further);
    }
    Ok(())
}

/// `4.47701E+11`: the remainder of a number that a spreadsheet treated as numeric, in any language.
fn is_shortened(line: &str) -> bool {
    let compact: String = line.chars().filter(|c| *c != ' ').collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_e = |c: char| matches!(c, 'e' | 'E' | '\u{415}' | '\u{435}');
    let Some(at) = compact.find(|c: char| is_e(c) || matches!(c, 'x' | 'X' | '*' | '\u{d7}')) else { return false };
    let (factor, rest) = compact.split_at(at);
    let power = rest.trim_start_matches(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '-'));
    let is_power = match rest.starts_with(is_e) {
        true => is_number(power.strip_prefix(['+', '-']).unwrap_or(power)),
        // `4.47 x 10^11`; `x101` is an extension.
        false => power.strip_prefix("10").is_some_and(|exponent| exponent.starts_with(|c: char| !c.is_ascii_digit())),
    };
    let factor = factor.strip_prefix(['+', '-']).unwrap_or(factor);
    is_power
        && match factor.split_once(['.', ',', '\u{66b}']) {
            Some((whole, fraction)) => is_number(whole) && (fraction.is_empty() || is_number(fraction)),
            None => is_number(factor) && factor.len() < WHOLE,
        }
}

/// The groups of digits, each with the characters before the next one.
fn groups(line: &str) -> Vec<(&str, &str)> {
    let (mut found, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (group, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (marks, more) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        found.push((group, marks));
        rest = more;
    }
    found
}

/// Whether it is a date: `2026-11-25`, `25.11.2026` or `11/25/2026`, possibly with a time.
fn is_date(line: &str) -> bool {
    let groups = groups(line);
    let [(first, one), (second, other), (third, _), more @ ..] = &*groups else { return false };
    let is_between = |marks: &str| marks.bytes().all(|b| matches!(b, b'-' | b'.' | b'/' | b' '));
    // Four or more groups may be a phone number, unless the first three are clearly a date.
    if !is_between(one) || !is_between(other) || !more.is_empty() && (one != other || one.trim().is_empty()) {
        return false;
    }
    let is_year = |text: &str| text.len() == 4 && matches!(&text[..2], "19" | "20");
    let is_day = |a: &str, b: &str| match (a.parse::<u8>(), b.parse::<u8>()) {
        (Ok(a @ 1..=31), Ok(b @ 1..=31)) => a <= 12 || b <= 12,
        _ => false,
    };
    is_year(first) && is_day(second, third) || is_year(third) && is_day(first, second)
}

/// Whether it is an IP address such as `192.168.100.12`. Numbers may be padded with zeros only if all are.
fn is_dotted_quad(line: &str) -> bool {
    let groups: Vec<&str> = line.split('.').collect();
    let is_byte = |group: &&str| group.len() <= 3 && group.bytes().all(|b| b.is_ascii_digit()) && group.parse::<u8>().is_ok();
    let is_plain = |group: &&str| group.len() == 1 || !group.starts_with('0');
    groups.len() == 4 && groups.iter().all(is_byte) && (groups.iter().all(is_plain) || groups.iter().all(|group| group.len() == 3))
}

/// Whether it is a number that a spreadsheet or a program treated as numeric: `447700900123.0`, `447 700 900 123.25`.
/// Several dots, or one between short groups (`07700.900123`), also occur in phone numbers.
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

/// The dialled digits: all of them, without a `(0)` that applies only within the country.
fn dialled(plus: bool, text: &str) -> Result<String, NumberError> {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let Some((before, after)) = text.split_once("(0)") else { return Ok(digits_of(&text)) };
    let before = digits_of(before);
    if after.contains("(0)") {
        return Err(NumberError::Zero);
    }
    // At the beginning it is the national 0 itself; without it, an area code would be taken for a country code.
    if before.is_empty() && !plus {
        return Ok(format!("0{}", digits_of(after)));
    }
    let code = if plus { &*before } else { before.strip_prefix("00").unwrap_or(&before) };
    let has_zero = |code: &numbering::Code| code.plans.iter().any(|plan| plan.metadata.national_prefix() == Some("0"));
    // Italian numbers keep their 0 in international format, because it is part of the number.
    match numbering::split(code) {
        Some((code, "")) if has_zero(code) => Ok(before + &digits_of(after)),
        _ => Err(NumberError::Zero),
    }
}
