//! The content of a body: one receipt or an array of receipts, whose fields may have any type.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::{elements, repaired, trimmed};
use super::shape::Reading;
use crate::domain::{Identifier, Item, LARGEST_RECEIPT_BODY, Msisdn, Receipt, ReceiptCode};
use crate::loose::Loose;

/// The largest number of items that are quarantined separately; beyond that, the body is kept as a whole.
const KEPT_ONE_BY_ONE: usize = 100;

/// Reads a body: one receipt or an array of receipts. Returns the position of each part that cannot be understood.
///
/// Valid JSON is parsed in one go. A malformed body is read again by [`super::lenient`].
pub fn read(body: &[u8]) -> Vec<Item> {
    let mut items = Items { body, items: Vec::new(), not_understood: 0 };
    let text = std::str::from_utf8(body);
    let whole = match text {
        Ok(text) => trimmed(body, items.place(text.trim_start_matches('\u{feff}').trim())),
        Err(_) => unmarked(body),
    };
    if body.get(whole.start) != Some(&b'[') {
        items.read(whole.clone(), text.ok().map(|text| &text[whole]), 0..body.len());
    } else {
        let read = text.map(|text| serde_json::Deserializer::from_str(&text[whole.clone()])).map(|mut json| {
            Elements(&mut items).deserialize(&mut json)?;
            json.end()
        });
        match read {
            Ok(Ok(())) => {}
            Ok(Err(error)) => items.read_apart(whole, &format!("not JSON: {}", place(&error))),
            Err(_) => items.read_apart(whole, "not UTF-8"),
        }
    }
    items.done()
}

/// The content of a body that is not UTF-8, without what surrounds it.
fn unmarked(body: &[u8]) -> Range<usize> {
    let mark = b"\xef\xbb\xbf";
    let marks = body.chunks(mark.len()).take_while(|chunk| chunk == mark).count();
    trimmed(body, marks * mark.len()..body.len())
}

/// The items read from a body so far.
struct Items<'b> {
    body: &'b [u8],
    items: Vec<Item>,
    not_understood: usize,
}

impl Items<'_> {
    /// The position of a part in the body.
    fn place(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr() - self.body.as_ptr().addr();
        start..start + part.len()
    }

    fn read_element(&mut self, at: Range<usize>, text: Option<&str>) {
        self.read(at.clone(), text, at);
    }

    /// Reads one receipt. `text` is its text if it is UTF-8. If it cannot be understood, the bytes `at` are kept.
    fn read(&mut self, part: Range<usize>, text: Option<&str>, at: Range<usize>) {
        let is_junk = self.not_understood > KEPT_ONE_BY_ONE; // worth no second look
        match read_one(&self.body[part], text, !is_junk) {
            Ok(receipt) => self.items.push(Item::Understood(receipt)),
            Err(reason) => {
                self.not_understood += 1;
                if !is_junk {
                    self.items.push(Item::NotUnderstood { reason: reason.into_owned(), at });
                }
            }
        }
    }

    /// Reads the elements of an array that is not valid JSON separately. If none can be understood, the array is kept
    /// as a whole.
    fn read_apart(&mut self, array: Range<usize>, reason: &str) {
        (self.items, self.not_understood) = (Vec::new(), 0); // what was read before it turned out not to be JSON
        for element in elements(&self.body[array.clone()]) {
            let at = array.start + element.start..array.start + element.end;
            self.read_element(at.clone(), std::str::from_utf8(&self.body[at]).ok());
        }
        if !self.items.iter().any(|item| matches!(item, Item::Understood(_))) {
            self.items = vec![Item::NotUnderstood { reason: reason.to_owned(), at: 0..self.body.len() }];
            self.not_understood = 1;
        }
    }

    fn done(mut self) -> Vec<Item> {
        if self.not_understood > KEPT_ONE_BY_ONE {
            self.items.retain(|item| matches!(item, Item::Understood(_)));
            let reason = format!("{} of its items cannot be understood", self.not_understood);
            self.items.push(Item::NotUnderstood { reason, at: 0..self.body.len() });
        }
        self.items
    }
}

/// Reads the elements of an array one by one, as a parser finds them.
struct Elements<'i, 'b>(&'i mut Items<'b>);

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            self.0.read_element(self.0.place(element.get()), Some(element.get()));
        }
        Ok(())
    }
}

/// Why something cannot be understood.
type Reason = Cow<'static, str>;

/// Reads one receipt, or returns why it cannot be understood. `repair`: what is not JSON is repaired and read again.
fn read_one(body: &[u8], text: Option<&str>, repair: bool) -> Result<Receipt, Reason> {
    if !repair && !body.starts_with(b"{") {
        return Err("not a JSON object".into());
    }
    match text.map(serde_json::from_str::<Reading<'_>>) {
        Some(Ok(read)) => understood(read, body),
        Some(Err(error)) if error.is_data() => Err("not a JSON object".into()),
        _ if !repair => Err("not JSON".into()),
        strictly => {
            let error = strictly.and_then(Result::err);
            let text = repaired(body);
            let read = Reading::field_by_field(&text);
            if let Ok(Reading { destination: Loose::Text(destination), .. }) = &read
                && destination.contains(char::is_control)
            {
                return Err(NO_NUMBER.into());
            }
            let read = read.map_err(|second| format!("not JSON: {}", place(error.as_ref().unwrap_or(&second))))?;
            understood(read, body)
        }
    }
}

const NO_NUMBER: &str = "its `destination` is not a phone number";

/// Converts the fields to a receipt. `body` is kept with it if it contains more than the receipt can hold.
fn understood(read: Reading<'_>, body: &[u8]) -> Result<Receipt, Reason> {
    let mut plain = read.plain && read.info.plain;
    let destination = match &read.destination {
        Loose::Text(text) => {
            plain &= text.starts_with('+');
            Msisdn::from_wire(text.trim())
        }
        Loose::Number(digits) => {
            plain = false;
            Msisdn::from_digits(*digits)
        }
        Loose::Absent => return Err("it has no `destination`".into()),
        _ => None,
    };
    let destination = destination.ok_or(NO_NUMBER)?;
    let delivered = match read.delivered {
        Loose::Flag(delivered) => delivered,
        Loose::Absent => return Err("it has no `delivered`".into()),
        _ => return Err("its `delivered` is neither true nor false".into()),
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
        Loose::Text(code) => match whole_number(&code) {
            Some(number) => {
                plain = false;
                Some(ReceiptCode::new(number))
            }
            None => Some(ReceiptCode::new(code)),
        },
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
    let receipt = Receipt { destination, delivered, code, description, message_id, batchuuid, body: None };
    if let Some(field) = receipt.too_long() {
        return Err(format!("its {field} is too long").into());
    }
    if plain {
        return Ok(receipt);
    }
    if body.len() > LARGEST_RECEIPT_BODY {
        return Err("it has other fields than a receipt and is larger than 4 KiB".into());
    }
    Ok(Receipt { body: Some(body.to_vec()), ..receipt })
}

/// A whole number that some program turned into a decimal: `22.0` is 22.
fn whole_number(text: &str) -> Option<&str> {
    let (number, zeros) = text.split_once('.')?;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (are_digits(number) && are_digits(zeros) && zeros.bytes().all(|byte| byte == b'0')).then_some(number)
}

/// The position in the body, without quoting any of it.
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
            assert_eq!(read.body.as_deref(), Some(text.as_bytes()));
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
            assert_eq!((read.description.as_deref(), read.body.as_deref()), (Some(read_as), Some(text.as_bytes())));
        }
        let broken = r#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"description":"\ud83d"}"#;
        assert!(reasons(broken.as_bytes())[0].starts_with("not JSON"));
        assert!(reasons(br#"{"a":"\ud83d\"#)[0].starts_with("not JSON"));
    }

    #[test]
    fn an_array_is_read_element_by_element() {
        let array = format!(r#"[{DOCUMENTED}, 7, {{"delivered":true}}, {DOCUMENTED}]"#);
        assert_eq!(reasons(array.as_bytes()), ["understood", "not a JSON object", "it has no `destination`", "understood"]);
        assert!(read(b"[]").is_empty());
    }

    #[test]
    fn what_is_not_understood_is_named_and_kept_whole() {
        for (body, reason) in [
            (&b""[..], "not JSON: line 1, column 0"),
            (b"hello", "not JSON: line 1, column 1"),
            (b"\xff\xfe", "not JSON: line 1, column 1"),
            (b"[\xff,1]", "not UTF-8"),
            (b"\xef\xbb\xbf\n{}\0\xff\0", "not JSON: line 1, column 4"),
            (b"\xef\xbb\xbf {} ", "it has no `destination`"),
            (b"null", "not a JSON object"),
            (b"\"x\"", "not a JSON object"),
            (b"[1,", "not JSON: line 1, column 3"),
            (br#"{"delivered":true}"#, "it has no `destination`"),
            (br#"{"destination":"+441111111111"}"#, "it has no `delivered`"),
            (br#"{"destination":"+441111111111","delivered":"true"}"#, "its `delivered` is neither true nor false"),
            (br#"{"destination":"mum","delivered":true}"#, "its `destination` is not a phone number"),
            (br#"{"destination":-5,"delivered":true}"#, "its `destination` is not a phone number"),
            (br#"{"destination":"+441111111111","delivered":true"#, "not JSON: line 1, column 47"),
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

    /// For each receipt: its code, or why it cannot be understood.
    fn codes(body: &[u8]) -> Vec<String> {
        let code = |receipt: Receipt| receipt.code.map(|code| code.to_string()).unwrap_or_default();
        read(body)
            .into_iter()
            .map(|item| match item {
                Item::Understood(receipt) => code(receipt),
                Item::NotUnderstood { reason, .. } => reason,
            })
            .collect()
    }

    #[test]
    fn bytes_that_are_no_text_spoil_only_the_field_they_stand_in() {
        let said = |field: &[u8]| {
            [br#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"code":"22","description":""#, field, br#""},"x":"#, field]
                .concat()
        };
        for bad in
            [&b"Num\xe9ro"[..], b"refus\xc3", b"\xed\xa0\xbd\xed\xb8\x80", b"\xff\xfe", b"a\nb", b"\t\x1b[0m\0\x7f", b"\xe2\x82", br"C:\q"]
        {
            // In the description, in an unknown field, in the name of a field, and in an array.
            for body in [
                [br#"{"destination":"+441111111111","delivered":false,"receiptInfo":{"code":"22","description":""#, bad, b"\"}}"].concat(),
                [br#"{"destination":"+441111111111","x":[{"y":""#, bad, br#""}],"delivered":false,"receiptInfo":{"code":"22"}}"#].concat(),
                [br#"{""#, bad, br#"":1,"destination":"+441111111111","delivered":false,"receiptInfo":{"code":"22"}}"#].concat(),
            ] {
                let text = String::from_utf8_lossy(&body).into_owned();
                let Item::Understood(receipt) = read(&body).remove(0) else { unreachable!("{text}") };
                assert_eq!((receipt.delivered, receipt.code.as_ref().map(ReceiptCode::as_str)), (false, Some("22")), "{text}");
                assert_eq!(receipt.body, Some(body.clone()), "unchanged");
                let array = [b"\xef\xbb\xbf[ ", DOCUMENTED.as_bytes(), b", ", &body, b",", DOCUMENTED.as_bytes(), b" ]\n"].concat();
                assert_eq!(codes(&array), ["00", "22", "00"], "{text}");
                let Item::Understood(receipt) = read(&array).remove(1) else { unreachable!("{text}") };
                assert_eq!(receipt.body, Some(body), "its own part of the body");
            }
            let body = [br#"{"destination":"+44111111"#, bad, br#"1111","delivered":false}"#].concat();
            assert_eq!(codes(&body), [NO_NUMBER]);
            let body = [br#"{"destination":"+441111111111"#, bad, br#"","delivered":false}"#].concat();
            assert_eq!(codes(&body), [NO_NUMBER]);
        }
        assert!(codes(&said(b"\xe9"))[0].starts_with("not JSON"), "outside a string");
        assert!(codes(b"{\"destination\":\"+441111111111\",\"delivered\":tr\0ue}")[0].starts_with("not JSON"));
        assert!(codes(b"{\"destination\":\"+441111111111\",\"delivered\":true\xff}")[0].starts_with("not JSON"));
        assert_eq!(codes(b"\0{\"destination\":\"+441111111111\",\x0b\"delivered\":true}\0"), [""], "a control character counts as a space");
    }

    #[test]
    fn what_is_wrong_with_one_element_of_an_array_is_no_matter_to_the_others() {
        let array = |element: &[u8]| [b"[", DOCUMENTED.as_bytes(), b",", element, b",", DOCUMENTED.as_bytes(), b"]"].concat();
        for element in [&b"{\"destination\": }"[..], b"{'destination':1}", b"\xff", b"nothing", b"{\"delivered\":tru}", b"{\"a\":1e}"] {
            let codes = codes(&array(element));
            assert_eq!((codes.len(), &*codes[0], &*codes[2]), (3, "00", "00"), "{codes:?}");
            assert!(codes[1].starts_with("not JSON"), "{codes:?}");
        }
        let cut = &array(b"{}")[..];
        assert_eq!(codes(&cut[..cut.len() - 5])[..2], ["00", "it has no `destination`"]);
        assert_eq!(codes(format!("[{DOCUMENTED},{DOCUMENTED},]").as_bytes()), ["00", "00"]);
        assert_eq!(codes(format!("\0[{DOCUMENTED}]\n\0").as_bytes()), ["00"]);
        assert_eq!(codes(format!("[{DOCUMENTED}] {{}}").as_bytes()), ["00", "it has no `destination`"]);
        // If nothing in it can be understood, it stays a single item.
        assert_eq!(codes(b"[{},{},"), ["not JSON: line 1, column 7"]);
    }

    #[test]
    fn a_number_beyond_all_bounds_or_a_deep_nesting_spoils_only_its_field() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for value in ["1e999", "-1e999", &deep, "123456789012345678901234567890"] {
            let text = format!(
                r#"{{"destination":"+441111111111","messageuuid":{value},"delivered":true,"receiptInfo":{{"code":"00","description":{value}}}}}"#
            );
            let read = receipt(&text);
            assert_eq!((read.code.as_ref().map(ReceiptCode::as_str), &read.description, &read.message_id), (Some("00"), &None, &None));
            let read = receipt(&format!(r#"{{"destination":"+441111111111","delivered":true,"receiptInfo":{value}}}"#));
            assert_eq!(read.code, None);
        }
    }

    #[test]
    fn numbers_that_some_program_made_decimal_ones_are_whole_numbers() {
        for (code, expected) in [("22.0", "22"), ("2.2e1", "22"), ("22.00", "22"), (r#""22.0""#, "22"), (r#""00.0""#, "00"), ("0.0", "0")] {
            for destination in ["441111111111.0", "4.41111111111e11", "441111111111", r#""+441111111111""#] {
                let text = format!(r#"{{"destination":{destination},"delivered":false,"receiptInfo":{{"code":{code}}}}}"#);
                let read = receipt(&text);
                assert_eq!(read.code.as_ref().map(ReceiptCode::as_str), Some(expected), "{text}");
                assert_eq!((read.destination.digits(), read.body.as_deref()), (441_111_111_111, Some(text.as_bytes())));
            }
        }
        for (code, expected) in [("22.5", None), (r#""22.5""#, Some("22.5")), (r#""1.0.0""#, Some("1.0.0")), (r#""2F.0""#, Some("2F.0"))] {
            let read = receipt(&format!(r#"{{"destination":"+441111111111","delivered":false,"receiptInfo":{{"code":{code}}}}}"#));
            assert_eq!(read.code.as_ref().map(ReceiptCode::as_str), expected);
        }
        assert_eq!(reasons(br#"{"destination":441111111111.5,"delivered":true}"#), [NO_NUMBER]);
    }

    #[test]
    fn a_field_that_is_longer_than_any_is_not_understood() {
        let with = |code: usize, description: usize, message: usize, batch: usize| {
            let text = |length: usize| "\u{e9}".repeat(length);
            let (code, description, message, batch) = (text(code), text(description), text(message), text(batch));
            codes(
                format!(r#"{{"destination":"+441111111111","delivered":true,"batchuuid":"{batch}","messageuuid":"{message}","receiptInfo":{{"code":"{code}","description":"{description}"}}}}"#)
                    .as_bytes(),
            )
        };
        assert_eq!(with(64, 1_024, 200, 200), ["\u{e9}".repeat(64)]);
        assert_eq!(with(65, 0, 0, 0), ["its code is too long"]);
        assert_eq!(with(0, 1_025, 0, 0), ["its description is too long"]);
        assert_eq!(with(0, 0, 201, 0), ["its `messageuuid` is too long"]);
        assert_eq!(with(0, 0, 0, 201), ["its `batchuuid` is too long"]);
        // A body of up to 4 KiB is kept; one that need not be kept may contain any number of spaces.
        let more =
            |fill: usize| codes(format!(r#"{{"destination":"+441111111111","delivered":true,"x":"{}"}}"#, "x".repeat(fill)).as_bytes());
        let around = r#"{"destination":"+441111111111","delivered":true,"x":""}"#.len();
        assert_eq!(more(4_096 - around), [""]);
        assert_eq!(more(4_097 - around), ["it has other fields than a receipt and is larger than 4 KiB"]);
        assert_eq!(codes(format!(r#"{{"destination":"+441111111111",{}"delivered":true}}"#, " ".repeat(10_000)).as_bytes()), [""]);
    }

    #[test]
    fn of_a_body_with_too_many_items_that_are_not_understood_one_is_kept() {
        let array = |count: usize| format!("[{DOCUMENTED}{}]", ",{}".repeat(count));
        let read = reasons(array(100).as_bytes());
        assert_eq!((read.len(), &*read[100]), (101, "it has no `destination`"));
        for body in [array(101), array(101).replace("{}]", "{},]")] {
            assert_eq!(reasons(body.as_bytes()), ["understood", "101 of its items cannot be understood"]);
            let Item::NotUnderstood { at, .. } = super::read(body.as_bytes()).remove(1) else { unreachable!() };
            assert_eq!(at, 0..body.len(), "the whole body");
        }
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
