//! Bodies of callbacks that somebody made up, by the thousand: no panic, nothing lost that can be read, and no answer that
//! blames us.
//!
//! `TRUST_BODIES=10000000 cargo test --release --locked --test it bodies` reads ten million; a failure prints the
//! `TRUST_SEED` of the one body that it was.

use std::ops::Range;

use receiptd::domain::{BatchId, Item, Msisdn, Receipt};
use receiptd::receive::read;
use serde_json::Value;

use crate::support::spawn;

/// Random numbers that a seed repeats (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len())]
    }
}

/// What stands where a body is read: a receipt for this number, or not.
type Expected = Option<(u64, bool)>;

/// A body, and what must be read in it where that is known.
struct Case {
    body: Vec<u8>,
    expected: Option<Vec<Expected>>,
}

/// Pieces of texts, as they should be and as they should not.
const TEXTS: [&[u8]; 20] = [
    b"",
    b"Delivered",
    b"\xe9",
    b"\xc3",
    b"\xed\xa0\xbd",
    b"\xff\xfe",
    b"\n",
    b"\t",
    b"\x1b[0m",
    b"\0",
    b"\\u00e9",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\ude00",
    b"\\q",
    b"\\u12",
    b"\\\"",
    b"\\\\",
    b"[{\\\"",
    "\u{1f600}\u{202e}".as_bytes(),
];
/// Values that no field of a receipt needs.
const VALUES: [&[u8]; 16] = [
    b"null",
    b"true",
    b"7",
    b"-1",
    b"22.0",
    b"1e999",
    b"123456789012345678901234567890",
    b"[]",
    b"{}",
    b"[[[1],{\"a\":[]}]]",
    b"{\"destination\":\"+447700900999\",\"delivered\":true}",
    b"\"22\"",
    b"\"\"",
    b"0.5",
    b"\"\\u0032\"",
    b"[\"]\",\"}\"]",
];
const BLANKS: [&[u8]; 6] = [b"", b"", b"", b" ", b"\r\n\t", b"  "];

fn text(dice: &mut Dice, most: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = (0..dice.below(most + 1)).map(|_| dice.pick(&TEXTS)).collect();
    [b"\"", &*pieces.concat(), b"\""].concat()
}

/// Any value: a text, or something else.
fn value(dice: &mut Dice) -> Vec<u8> {
    if dice.one_in(2) { text(dice, 4) } else { dice.pick(&VALUES).to_vec() }
}

/// One receipt whose number and decision are whole, with anything around them; and something that is none.
fn element(dice: &mut Dice) -> (Vec<u8>, Expected) {
    let number = 447_700_900_000 + dice.below(1_000) as u64;
    let delivered = dice.one_in(2);
    let destination = match dice.below(5) {
        0 => format!("{number}"),
        1 => format!("{number}.0"),
        2 => format!("\"{number}\""),
        3 => format!("\" +{number} \""),
        _ => format!("\"+{number}\""),
    };
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> =
        vec![(b"\"destination\"".to_vec(), destination.into_bytes()), (b"\"delivered\"".to_vec(), delivered.to_string().into_bytes())];
    for name in [&b"\"batchuuid\""[..], b"\"messageuuid\""] {
        if dice.one_in(2) {
            fields.push((name.to_vec(), value(dice)));
        }
    }
    if dice.one_in(2) {
        let info =
            if dice.one_in(4) { value(dice) } else { [b"{\"code\":", &*value(dice), b",\"description\":", &*value(dice), b"}"].concat() };
        fields.push((b"\"receiptInfo\"".to_vec(), info));
    }
    for _ in 0..dice.below(3) {
        let name = text(dice, 2);
        fields.push(([&name[..name.len() - 1], b"x\""].concat(), value(dice))); // none of the names that mean something
    }
    let mut expected = Some((number, delivered));
    if dice.one_in(4) {
        // Something spoils it.
        expected = None;
        let which = dice.below(2);
        match dice.below(4) {
            0 => drop(fields.remove(which)),
            1 => {
                fields[which].1 =
                    dice.pick(&[&b"null"[..], b"\"maybe\"", b"[]", b"\"+447\xff00900001\"", b"\"4477009\\n00001\"", b"0.5"]).to_vec()
            }
            2 => return (dice.pick(&[&b"7"[..], b"null", b"nothing", b"\"text\"", b"\xff", b"tr\0ue"]).to_vec(), None),
            _ => fields[which].1.splice(1..1, *b"\x01").for_each(drop),
        }
    }
    let at = dice.below(fields.len());
    fields.rotate_left(at);
    let mut body = b"{".to_vec();
    for (n, (name, value)) in fields.iter().enumerate() {
        let (before, after) = (dice.pick(&BLANKS), dice.pick(&BLANKS));
        body.extend([if n > 0 { &b","[..] } else { b"" }, before, name, b":", after, value, before].concat());
    }
    body.push(b'}');
    (body, expected)
}

/// A receipt, or a list of them, of which one knows what must be read.
fn structured(dice: &mut Dice) -> Case {
    let around = |dice: &mut Dice, body: Vec<u8>| {
        [dice.pick(&[&b""[..], b"\xef\xbb\xbf"]), dice.pick(&BLANKS), &body, dice.pick(&BLANKS), dice.pick(&[&b""[..], b"\0"])].concat()
    };
    if dice.one_in(3) {
        let (body, expected) = element(dice);
        let body = around(dice, body);
        return Case { body, expected: Some(vec![expected]) };
    }
    let count = if dice.one_in(200) { 90 + dice.below(40) } else { dice.below(6) };
    let (mut body, mut expected) = (b"[".to_vec(), Vec::new());
    for n in 0..count {
        let (element, what) = element(dice);
        body.extend([if n > 0 { &b","[..] } else { b"" }, dice.pick(&BLANKS), &element, dice.pick(&BLANKS)].concat());
        expected.push(what);
    }
    body.push(b']');
    let body = around(dice, body);
    Case { body, expected: Some(expected) }
}

/// Bytes of all kinds, and what becomes of a good body when some of it is changed.
fn raw(dice: &mut Dice) -> Case {
    let mut body = match dice.below(3) {
        0 => (0..dice.below(80)).map(|_| dice.roll() as u8).collect(),
        1 => (0..dice.below(120))
            .map(|_| *dice.pick(&[b"[]{}\",:\\ u0dtrue+4\n\xff\x00n".as_slice()]).get(dice.below(24)).unwrap_or(&b' '))
            .collect(),
        _ => structured(dice).body,
    };
    for _ in 0..dice.below(4) {
        let at = dice.below(body.len() + 1);
        let end = at + dice.below(body.len() - at + 1).min(8);
        match dice.below(5) {
            0 => body.truncate(at),
            1 => drop(body.drain(at..end)),
            2 => body.insert(at, dice.roll() as u8),
            3 => body.insert(at, dice.pick(&[&b"\""[..], b"\\", b"[", b"]", b"{", b"}", b","])[0]),
            _ => {
                let piece = body[at..end].to_vec();
                body.splice(at..at, piece).for_each(drop);
            }
        }
    }
    Case { body, expected: None }
}

/// What a plain JSON parser makes of a body, where it is JSON.
fn by_the_book(body: &[u8]) -> Option<Vec<Expected>> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim();
    let one = |value: &Value| -> Expected {
        let number = match value.get("destination")? {
            Value::String(text) => Msisdn::from_wire(text.trim())?,
            Value::Number(number) => {
                let whole = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float)).map(|float| float as u64);
                Msisdn::from_digits(number.as_u64().or(whole)?)?
            }
            _ => return None,
        };
        Some((number.digits(), value.get("delivered")?.as_bool()?))
    };
    match serde_json::from_str::<Value>(text).ok()? {
        Value::Array(elements) => Some(elements.iter().map(one).collect()),
        value => Some(vec![one(&value)]),
    }
}

/// What holds for every body, and what was read of it.
fn check(case: &Case) -> Vec<Expected> {
    let items = read(&case.body);
    let said = |receipt: &Receipt| (receipt.destination.digits(), receipt.delivered);
    let seen: Vec<Expected> = items
        .iter()
        .map(|item| match item {
            Item::Understood(receipt) => Some(said(receipt)),
            Item::NotUnderstood { .. } => None,
        })
        .collect();
    let not_understood: Vec<(&String, &Range<usize>)> = items
        .iter()
        .filter_map(|item| match item {
            Item::NotUnderstood { reason, at } => Some((reason, at)),
            Item::Understood(_) => None,
        })
        .collect();
    assert!(not_understood.len() <= 100, "each by itself, up to a hundred");
    for (reason, at) in &not_understood {
        assert!(!reason.is_empty() && case.body.get((*at).clone()).is_some_and(|part| !part.is_empty() || case.body.is_empty()));
    }
    for item in &items {
        let Item::Understood(receipt) = item else { continue };
        assert_eq!(receipt.too_long(), None);
        if let Some(body) = &receipt.body {
            assert!(body.len() <= 4_096 && memchr::memmem::find(&case.body, body).is_some(), "as it came");
        }
        let Some(Item::Understood(again)) = read(receipt.to_callback().as_bytes()).pop() else { unreachable!("what we say ourselves") };
        assert_eq!((said(&again), &again.code, &again.description), (said(receipt), &receipt.code, &receipt.description));
    }
    // What can be read is read, in the order in which it stands there, whatever stands beside it. Only what says too much is not.
    let says_too_much = not_understood.iter().any(|(reason, _)| reason.contains("longer than") || reason.contains("4 KiB"));
    for expected in [&case.expected, &by_the_book(&case.body)].into_iter().flatten() {
        if !says_too_much {
            assert!(expected.iter().flatten().eq(seen.iter().flatten()), "{expected:?}: {seen:?}");
        }
    }
    seen
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn made(seed: u64) -> Case {
    let mut dice = Dice(seed);
    if dice.one_in(2) { structured(&mut dice) } else { raw(&mut dice) }
}

#[test]
fn whatever_a_body_is_what_can_be_read_in_it_is_read() {
    let bodies = number("TRUST_BODIES").unwrap_or(20_000);
    let first = number("TRUST_SEED").unwrap_or_else(|| BatchId::random().as_uuid().as_u64_pair().0);
    let bodies = if number("TRUST_SEED").is_some() { 1 } else { bodies };
    let (mut receipts, mut others) = (0u64, 0u64);
    for seed in (0..bodies).map(|n| first.wrapping_add(n)) {
        let case = made(seed);
        let seen = std::panic::catch_unwind(|| check(&case));
        let Ok(seen) = seen else { unreachable!("TRUST_SEED={seed}: {}", case.body.escape_ascii()) };
        receipts += seen.iter().flatten().count() as u64;
        others += seen.iter().filter(|item| item.is_none()).count() as u64;
    }
    println!("{bodies} bodies from seed {first}: {receipts} receipts read, {others} items set aside");
    assert!(bodies < 1_000 || (receipts > bodies / 2 && others > bodies / 4));
}

#[actix_web::test]
async fn whatever_is_posted_the_daemon_answers_and_records_what_can_be_read() {
    let daemon = spawn().await;
    let numbers: Vec<String> = (0..1_000).map(|n| format!("+447700900{n:03}")).collect();
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    let first = number("TRUST_SEED").unwrap_or_else(|| BatchId::random().as_uuid().as_u64_pair().0);
    for seed in (0..300).map(|n| first.wrapping_add(n)) {
        let case = made(seed);
        let seen = check(&case);
        let answer = daemon.post(&id, case.body).await;
        let (readable, others) = (seen.iter().flatten().count() as u64, seen.iter().filter(|item| item.is_none()).count());
        let json = answer.json();
        let quarantined = json["quarantined"].as_array().map_or(0, Vec::len);
        assert_eq!(
            (answer.status, quarantined),
            (if readable == 0 && others > 0 { 202 } else { 200 }, others),
            "TRUST_SEED={seed}: {answer:?}"
        );
        let taken = json["recorded"].as_u64().unwrap_or(0) + json["duplicates"].as_u64().unwrap_or(0);
        assert_eq!(taken, readable, "TRUST_SEED={seed}: {answer:?}");
    }
    daemon.assert_books_balance().await;
}
