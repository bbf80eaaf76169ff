//! Finding a phone number in a text, and removing it.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::msisdn::Msisdn;

/// The largest number of separators between two digits of a number, as in `+44 (0)7700 - 900123`.
const BETWEEN: usize = 3;

/// The characters that people write between the digits of a number: spaces and hyphens of all kinds, dots and brackets.
const SEPARATORS: [&str; 12] = [" ", "-", ".", "(", ")", "\t", "\u{a0}", "\u{202f}", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}"];

/// Whether one of the texts contains the number.
pub fn is_in<'t>(texts: impl IntoIterator<Item = &'t str>, number: Msisdn) -> bool {
    let digits = number.digits().to_string();
    texts.into_iter().any(|text| !places(text.as_bytes(), digits.as_bytes()).is_empty())
}

/// The text with the digits of the number replaced, however they are grouped; `None` if the text does not contain the
/// number. A longer sequence of digits is another number.
pub fn without(text: &str, number: Msisdn) -> Option<String> {
    let digits = number.digits().to_string();
    let mut bytes = text.as_bytes().to_vec();
    let found = places(&bytes, digits.as_bytes());
    found.iter().for_each(|place| cross_out(&mut bytes[place.clone()]));
    if found.is_empty() { None } else { String::from_utf8(bytes).ok() }
}

/// Like [`without`] for a body. JSON remains valid JSON of the same length, so that its other content can still be
/// read.
pub fn body_without(body: &[u8], number: Msisdn) -> Option<Vec<u8>> {
    let digits = number.digits().to_string();
    let found = places(body, digits.as_bytes());
    if found.is_empty() {
        return None;
    }
    let strings = serde_json::from_slice::<IgnoredAny>(body).is_ok().then(|| strings(body));
    let mut bytes = body.to_vec();
    for place in found {
        let is_bare = strings.as_ref().is_some_and(|strings| !strings.iter().any(|string| string.contains(&place.start)));
        if is_bare {
            // Replaces a JSON number as a whole, with the characters before and after the digits.
            let part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            let start = place.start - bytes[..place.start].iter().rev().take_while(part).count();
            let end = place.end + bytes[place.end..].iter().take_while(part).count();
            bytes[start..end].fill(b'x');
            (bytes[start], bytes[end - 1]) = (b'"', b'"');
        } else {
            cross_out(&mut bytes[place]);
        }
    }
    Some(bytes)
}

fn cross_out(place: &mut [u8]) {
    place.iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(|byte| *byte = b'x');
}

/// The positions of the digits, if they form a number of their own or follow `00`.
fn places(text: &[u8], digits: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match end_of(&text[at..], digits) {
            Some(length) if is_beginning(&text[..at]) && !text.get(at + length).is_some_and(u8::is_ascii_digit) => {
                found.push(at..at + length);
                at += length;
            }
            _ => at += 1,
        }
    }
    found
}

/// The length of the digits at the beginning of the text, including the separators between them.
fn end_of(text: &[u8], digits: &[u8]) -> Option<usize> {
    let mut at = 0;
    for (index, digit) in digits.iter().enumerate() {
        if index > 0 {
            for _ in 0..BETWEEN {
                at += separator(&text[at..]);
            }
        }
        if text.get(at) != Some(digit) {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// The length in bytes of the separator at the beginning of the text, or 0.
fn separator(text: &[u8]) -> usize {
    SEPARATORS.iter().find(|separator| text.starts_with(separator.as_bytes())).map_or(0, |separator| separator.len())
}

/// Whether a number may begin after this text. The digits of an escaped character (`\u00a0`) are not part of a number.
fn is_beginning(before: &[u8]) -> bool {
    let escape = (2..=6).find(|length| before.len().checked_sub(*length).is_some_and(|at| before[at..].starts_with(b"\\u")));
    if let Some(length) = escape {
        return length == 6;
    }
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits == 0 || &before[before.len() - digits..] == b"00"
}

/// The positions of the strings in a JSON text.
fn strings(text: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut start, mut escaped) = (Vec::new(), None, false);
    for (at, byte) in text.iter().enumerate() {
        match (start, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(from), b'"') => {
                found.push(from..at);
                start = None;
            }
            (None, b'"') => start = Some(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> Msisdn {
        Msisdn::from_digits(447_700_900_123).expect("a number")
    }

    #[test]
    fn a_number_is_found_however_its_digits_are_grouped() {
        for (text, expected) in [
            ("+447700900123", "+xxxxxxxxxxxx"),
            ("msg-447700900123", "msg-xxxxxxxxxxxx"),
            ("call 00447700900123!", "call 00xxxxxxxxxxxx!"),
            ("+44 7700 900123, 22", "+xx xxxx xxxxxx, 22"),
            ("+44 (77) 00-900.123", "+xx (xx) xx-xxx.xxx"),
            ("+44\u{a0}7700\u{2011}900123", "+xx\u{a0}xxxx\u{2011}xxxxxx"),
            ("447700900123 447700900123", "xxxxxxxxxxxx xxxxxxxxxxxx"),
            ("22 447700900123", "22 xxxxxxxxxxxx"),
            ("\\u00a0447700900123", "\\u00a0xxxxxxxxxxxx"),
        ] {
            assert_eq!(without(text, number()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn somebody_elses_number_stays() {
        for text in ["4477009001234", "1447700900123", "44 7700 9001234", "447700900124", "44:7700900123", "44    7700900123", ""] {
            assert_eq!(without(text, number()), None, "{text}");
        }
    }

    #[test]
    fn json_stays_json_of_the_same_length() {
        let body = r#"[{"destination": 447700900123, "a": "to \"447700900123\", 5"}, {"destination": 447700900124}]"#;
        let left = String::from_utf8(body_without(body.as_bytes(), number()).expect("found")).expect("text");
        assert_eq!(left, r#"[{"destination": "xxxxxxxxxx", "a": "to \"xxxxxxxxxxxx\", 5"}, {"destination": 447700900124}]"#);
        assert_eq!(left.len(), body.len());
        for number_like in ["447700900123.0", "-447700900123", "0.447700900123", "447700900123e0"] {
            let body = format!(r#"[{{"destination":{number_like}}},{{"destination":"+447700900999"}}]"#);
            let left = body_without(body.as_bytes(), number()).expect("found");
            assert!(serde_json::from_slice::<IgnoredAny>(&left).is_ok() && left.len() == body.len(), "{number_like}");
        }
        // A text that is not JSON has no strings.
        assert_eq!(body_without(b"{447700900123", number()).expect("found"), b"{xxxxxxxxxxxx");
        assert_eq!(body_without(b"{447700900124", number()), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_mentions_it_no_more(before in "[ 0-9a-z.+-]{0,6}", after in "[ 0-9a-z.+-]{0,6}") {
            let text = format!("{before}447700900123{after}");
            if let Some(left) = without(&text, number()) {
                proptest::prop_assert_eq!(without(&left, number()), None);
                proptest::prop_assert_eq!(left.len(), text.len());
            }
        }
    }
}
