//! What a body says, read leniently: one receipt, or an array of them, with every field of whatever type it came in.

use std::ops::Range;

use serde_json::value::RawValue;

use super::shape::Reading;
use crate::domain::{Identifier, Msisdn, Receipt, ReceiptCode};
use crate::loose::Loose;
use crate::store::Item;

/// Reads a body: one receipt, or an array of them. Of what cannot be understood, it says where it stands.
pub fn read(body: &[u8]) -> Vec<Item> {
    let not_understood = |reason: String| vec![Item::NotUnderstood { reason, at: 0..body.len() }];
    let at = |text: &str| {
        let start = text.as_ptr().addr() - body.as_ptr().addr();
        start..start + text.len()
    };
    let Ok(text) = std::str::from_utf8(body) else { return not_understood("it is not UTF-8".into()) };
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('[') {
        return vec![read_one(text, at(text))];
    }
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(elements) => elements.into_iter().map(|element| read_one(element.get(), at(element.get()))).collect(),
        Err(error) => not_understood(format!("it is not JSON: {}", place(&error))),
    }
}

fn read_one(text: &str, at: Range<usize>) -> Item {
    let not_understood = |reason: &str| Item::NotUnderstood { reason: reason.to_owned(), at: at.clone() };
    let mended;
    let read: Reading<'_> = match serde_json::from_str(text) {
        Ok(read) => read,
        Err(error) if error.is_data() => return not_understood("it is not a JSON object"),
        Err(error) => {
            mended = with_whole_characters(text);
            match mended.as_deref().and_then(|mended| serde_json::from_str(mended).ok()) {
                Some(read) => Reading { plain: false, ..read },
                None => return not_understood(&format!("it is not JSON: {}", place(&error))),
            }
        }
    };
    let mut plain = read.plain;
    let destination = match &read.destination {
        Loose::Text(text) => {
            plain &= text.starts_with('+');
            Msisdn::from_wire(text.trim())
        }
        Loose::Number(digits) => {
            plain = false;
            Msisdn::from_digits(*digits)
        }
        Loose::Absent => return not_understood("it has no `destination`"),
        _ => None,
    };
    let Some(destination) = destination else { return not_understood("its `destination` is not a telephone number") };
    let delivered = match read.delivered {
        Loose::Flag(delivered) => delivered,
        Loose::Absent => return not_understood("it has no `delivered`"),
        _ => return not_understood("its `delivered` is neither true nor false"),
    };
    let mut identifier = |loose: Loose<'_>| match loose {
        Loose::Text(text) => {
            let identifier = Identifier::from(&*text);
            plain &= !matches!(identifier, Identifier::Uuid(_)) || !text.bytes().any(|b| b.is_ascii_uppercase());
            Some(identifier)
        }
        Loose::Absent => None,
        _ => {
            plain = false;
            None
        }
    };
    let (batchuuid, message_id) = (identifier(read.batchuuid), identifier(read.messageuuid));
    let code = match read.info.code {
        Loose::Text(code) => Some(ReceiptCode::new(code)),
        Loose::Number(code) => {
            plain = false;
            Some(ReceiptCode::new(code.to_string()))
        }
        Loose::Absent => None,
        _ => {
            plain = false;
            None
        }
    };
    let description = match read.info.description {
        Loose::Text(description) => Some(description.into_owned()),
        Loose::Absent => None,
        _ => {
            plain = false;
            None
        }
    };
    let body = (!(plain && read.info.plain)).then(|| text.to_owned());
    Item::Understood(Receipt { destination, delivered, code, description, message_id, batchuuid, body })
}

/// Half a character (`\ud83d` alone), as is left of a text that was cut to a length, makes JSON unreadable, and must not
/// cost the receipt. `None`: there is none in it.
fn with_whole_characters(text: &str) -> Option<String> {
    let escaped = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut mended, mut any, mut at) = (String::with_capacity(text.len()), false, 0);
    while let Some(found) = text[at..].find('\\') {
        let start = at + found;
        mended.push_str(&text[at..start]);
        let length = match (escaped(start), escaped(start + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => 0,
            (Some(_), _) => 6,
            // Whatever else is escaped, a backslash too, is one character.
            (None, _) => 1 + text[start + 1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(if length == 0 { "\\ufffd" } else { &text[start..start + length] });
        any |= length == 0;
        at = start + if length == 0 { 6 } else { length };
    }
    mended.push_str(&text[at..]);
    any.then_some(mended)
}

/// Where in the body, in words that quote nothing of it.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = r#"{"destination": "+441111111111", "delivered": true,
        "batchuuid": "ea5b64d8-4267-4ffa-937d-2ba0c4f031f3", "messageuuid": "6a96a54d-596f-403a-bcd6-6a07fd985f93",
        "receiptInfo": {"code": "00", "description": "Successful"}}"#;

    fn receipt(text: &str) -> Receipt {
        match read(text.as_bytes()).remove(0) {
            Item::Understood(receipt) => receipt,
            Item::NotUnderstood { reason, .. } => unreachable!("{reason}: {text}"),
        }
    }

    fn reasons(text: &[u8]) -> Vec<String> {
        read(text)
            .into_iter()
            .map(|item| match item {
                Item::NotUnderstood { reason, .. } => reason,
                Item::Understood(_) => "understood".into(),
            })
            .collect()
    }

    #[test]
    fn the_documented_receipt_is_read_and_needs_no_copy_of_its_body() {
        let read = receipt(DOCUMENTED);
        assert_eq!(read.destination.to_string(), "+441111111111");
        assert!(read.delivered);
        assert_eq!(read.code.as_ref().map(ReceiptCode::as_str), Some("00"));
        assert_eq!(read.description.as_deref(), Some("Successful"));
        assert_eq!(read.body, None);
        assert_eq!(receipt(&read.to_callback()), read);
    }

    #[test]
    fn what_the_fields_cannot_hold_is_kept_with_the_body() {
        for text in [
            r#"{"destination":"441111111111","delivered":false}"#,
            r#"{"destination":441111111111,"delivered":false}"#,
            r#"{"destination":"+441111111111","delivered":false,"channel":"rcs"}"#,
            r#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"code":22}}"#,
            r#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"code":"22","more":[1,{"a":2}]}}"#,
            r#"{"destination":"+441111111111","delivered":false,"receiptInfo":"22"}"#,
            r#"{"destination":"+441111111111","delivered":false,"messageuuid":7}"#,
            r#"{"destination":"+441111111111","delivered":false,"batchuuid":"EA5B64D8-4267-4FFA-937D-2BA0C4F031F3"}"#,
        ] {
            let read = receipt(text);
            assert_eq!(read.destination.to_string(), "+441111111111", "{text}");
            assert_eq!(read.body.as_deref(), Some(text));
        }
        assert_eq!(receipt(r#"{"destination":"+441111111111","delivered":true,"receiptInfo":null}"#).body, None);
    }

    #[test]
    fn half_a_character_costs_no_receipt() {
        for (half, read_as) in [
            (r"cut \ud83d", "cut \u{fffd}"),
            (r"\uDE00 cut", "\u{fffd} cut"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
            (r"\\ud83d \ud83d\n", "\\ud83d \u{fffd}\n"),
        ] {
            let text =
                format!(r#"{{"destination":"+441111111111","delivered":false,"receiptInfo":{{"code":"22","description":"{half}"}}}}"#);
            let read = receipt(&text);
            assert_eq!((read.description.as_deref(), read.body.as_deref()), (Some(read_as), Some(&*text)));
        }
        let broken = r#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"description":"\ud83d"}"#;
        assert!(reasons(broken.as_bytes())[0].starts_with("it is not JSON"));
        assert!(reasons(br#"{"a":"\ud83d\"#)[0].starts_with("it is not JSON"));
    }

    #[test]
    fn an_array_is_read_element_by_element() {
        let array = format!(r#"[{DOCUMENTED}, 7, {{"delivered":true}}, {DOCUMENTED}]"#);
        assert_eq!(reasons(array.as_bytes()), ["understood", "it is not a JSON object", "it has no `destination`", "understood"]);
        assert!(read(b"[]").is_empty());
    }

    #[test]
    fn what_is_not_understood_is_named_and_kept_whole() {
        for (body, reason) in [
            (&b""[..], "it is not JSON: line 1, column 0"),
            (b"hello", "it is not JSON: line 1, column 1"),
            (b"\xff\xfe", "it is not UTF-8"),
            (b"null", "it is not a JSON object"),
            (b"\"x\"", "it is not a JSON object"),
            (b"[1,", "it is not JSON: line 1, column 3"),
            (br#"{"delivered":true}"#, "it has no `destination`"),
            (br#"{"destination":"+441111111111"}"#, "it has no `delivered`"),
            (br#"{"destination":"+441111111111","delivered":"true"}"#, "its `delivered` is neither true nor false"),
            (br#"{"destination":"mum","delivered":true}"#, "its `destination` is not a telephone number"),
            (br#"{"destination":-5,"delivered":true}"#, "its `destination` is not a telephone number"),
            (br#"{"destination":"+441111111111","delivered":true"#, "it is not JSON: line 1, column 47"),
        ] {
            assert_eq!(reasons(body), [reason], "{}", String::from_utf8_lossy(body));
            let Item::NotUnderstood { at, .. } = read(body).remove(0) else { unreachable!() };
            assert_eq!(&body[at], body);
        }
    }

    #[test]
    fn what_is_not_understood_in_an_array_is_found_in_the_body() {
        let body = "\u{feff} [ 1, {\"destination\":\"+441111111111\",\"delivered\":true} ,\"ü\" ]".as_bytes();
        let found: Vec<&[u8]> = read(body)
            .into_iter()
            .filter_map(|item| match item {
                Item::NotUnderstood { at, .. } => Some(&body[at]),
                Item::Understood(_) => None,
            })
            .collect();
        assert_eq!(found, [b"1".as_slice(), "\"ü\"".as_bytes()]);
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!(r#"{{"destination":"+441111111111","delivered":true,"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let _ = read(deep.as_bytes());
        let _ = read("[".repeat(200_000).as_bytes());
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
