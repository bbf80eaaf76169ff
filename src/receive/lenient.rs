//! Reading malformed bodies as far as possible: bytes that are not UTF-8, raw control characters, half surrogate pairs
//! and wrong escapes affect only the field that contains them, and one element of an array does not affect the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use super::shape::{Info, Reading};
use crate::loose::Loose;

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Turns almost-JSON into JSON. U+FFFD replaces invalid characters; a raw control character is escaped inside a string,
/// and counts as a space between strings.
pub(super) fn repaired(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut repaired = String::with_capacity(text.len() + 64);
    let (mut rest, mut in_string) = (&*text, false);
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        match next {
            '"' => {
                in_string = !in_string;
                repaired.push(next);
            }
            '\\' if in_string => {
                let (said, of) = escape(rest);
                repaired.push_str(said);
                length = of;
            }
            '\0'..' ' if in_string => repaired.push_str(&format!("\\u{:04x}", u32::from(next))),
            '\0'..' ' => repaired.push(' '),
            _ => repaired.push(next),
        }
        rest = &rest[length..];
    }
    repaired
}

/// The escape at the beginning of a text, repaired if necessary, and its length in the text.
fn escape(text: &str) -> (&str, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (&text[..12], 12),
        (Some(0xd800..0xe000), _) => ("\\ufffd", 6),
        (Some(_), _) => (&text[..6], 6),
        (None, _) if text[1..].starts_with(['"', '\\', '/', 'b', 'f', 'n', 'r', 't']) => (&text[..2], 2),
        (None, _) => ("\\\\", 1), // not an escape: a plain backslash
    }
}

/// A part of a body without leading and trailing spaces and control characters.
pub(super) fn trimmed(body: &[u8], part: Range<usize>) -> Range<usize> {
    let is_blank = |byte: &&u8| **byte <= b' ';
    let start = part.start + body[part.clone()].iter().take_while(is_blank).count();
    start..part.end.max(start) - body[start..part.end].iter().rev().take_while(is_blank).count()
}

/// The positions of the elements of an array, found only by brackets, commas and quotation marks, up to the point where
/// it is cut off. What follows the array counts as one more element.
pub(super) fn elements(body: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut depth, mut in_string, mut start, mut at) = (Vec::new(), 0usize, false, 0, 0);
    let mut add = |range: Range<usize>| found.extend(Some(trimmed(body, range)).filter(|range| !range.is_empty()));
    while let Some(byte) = body.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
            }
            b',' if depth == 1 => {
                add(start..at);
                start = at + 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    add(start..at);
                    start = at + 1;
                    break;
                }
            }
            _ => {}
        }
        at += 1;
    }
    add(start..body.len());
    found
}

impl<'a> Reading<'a> {
    /// Reads an object field by field, so that an invalid field (for instance a number that is out of range) does not
    /// affect the others.
    ///
    /// # Errors
    /// If it is not an object.
    /// It is no object.
    pub fn field_by_field(text: &'a str) -> Result<Self, serde_json::Error> {
        let fields: Fields<'a> = serde_json::from_str(text)?;
        let info = match fields.get("receiptInfo").map(|raw| serde_json::from_str::<Fields<'a>>(raw.get())) {
            Some(Ok(fields)) => Info { code: field(&fields, "code"), description: field(&fields, "description"), plain: false },
            _ => Info::default(),
        };
        Ok(Self {
            destination: field(&fields, "destination"),
            delivered: field(&fields, "delivered"),
            batchuuid: field(&fields, "batchuuid"),
            messageuuid: field(&fields, "messageuuid"),
            info,
            plain: false,
        })
    }
}

fn field<'a>(fields: &Fields<'a>, name: &str) -> Loose<'a> {
    fields.get(name).map_or(Loose::Absent, |raw| serde_json::from_str(raw.get()).unwrap_or(Loose::Other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_repaired_and_what_is_whole_stays() {
        for (body, expected) in [
            (
                &br#"{"a":"b\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","c":[1,true]}"#[..],
                r#"{"a":"b\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","c":[1,true]}"#,
            ),
            (b"\"Num\xe9ro\"", "\"Num\u{fffd}ro\""),
            (b"\"refus\xc3\"", "\"refus\u{fffd}\""),
            (b"\"a\n\t\x1b\0b\"\n\0", r#""a\u000a\u0009\u001b\u0000b"  "#),
            (br#""\ud83d""#, r#""\ufffd""#),
            (br#""\uDE00 \ud83d\ud83d\ude00 \\ud83d""#, r#""\ufffd \ufffd\ud83d\ude00 \\ud83d""#),
            (br#""C:\q \x41 \u12 \u+123 \'""#, r#""C:\\q \\x41 \\u12 \\u+123 \\'""#),
            (b"\"a\\\nb\"", r#""a\\\u000ab""#),
            (b"\"a\\\xff\"", "\"a\\\\\u{fffd}\""),
            (b"\"a\\", "\"a\\\\"),
        ] {
            assert_eq!(repaired(body), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn elements_of_an_array_are_found_whatever_is_in_them() {
        let found = |body: &'static [u8]| elements(body).into_iter().map(|range| &body[range]).collect::<Vec<_>>();
        assert_eq!(found(b"[1, {\"a\":[1,2]} ,\"],\\\",\" ]"), [&b"1"[..], b"{\"a\":[1,2]}", b"\"],\\\",\""]);
        assert_eq!(found(b"[{\"a\": ,},\xff,,]\n"), [&b"{\"a\": ,}"[..], b"\xff"]);
        assert_eq!(found(b"[{},{\"a\":\"b"), [&b"{}"[..], b"{\"a\":\"b"]);
        assert_eq!(found(b"[{}] more"), [&b"{}"[..], b"more"]);
        assert_eq!(found(b"[\"\\"), [b"\"\\"]);
        assert_eq!(found(b"["), [b""; 0]);
    }
}
