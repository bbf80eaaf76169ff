//! Reading the answer to `GET /batch/{id}?details=true` as it arrives: a batch may have 50,000 details, and each is
//! passed on as soon as it is complete (docs/provider.md).

use std::fmt;
use std::io::{self, Read};

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::mpsc::{Receiver, Sender};

use super::wire::Info;
use crate::domain::{Identifier, Msisdn, Receipt, ReceiptCode, Timestamp};
use crate::loose::Loose;
use crate::secret::Echo;

/// The largest number of details in an answer: four for each destination of the largest batch.
const MOST_DETAILS: usize = 200_000;

/// The number of phone numbers kept, to check that the answer is about our batch.
const FIRST_NUMBERS: usize = 100;

/// The number of receipts passed on together.
const AT_A_TIME: usize = 500;

/// The provider's answer about a batch, without its receipts. Its `counts` are not trusted: they contradict the details
/// in the documentation's own examples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polled {
    /// The number of delivered or failed details; their receipts were passed on.
    pub receipts: u64,
    /// The number of details that are neither delivered nor failed.
    pub pending: u64,
    /// The number of details without a readable number, or with unreadable flags.
    pub unreadable: u64,
    /// The first phone numbers in the answer.
    pub numbers: Vec<Msisdn>,
    /// The number of messages in its counts. It only shows that an answer without details is intended to have none.
    pub total: Option<u64>,
    /// The time of the answer by the provider's clock (its `Date` header).
    pub answered_at: Option<Timestamp>,
}

/// Reads details from the pieces of an answer as they arrive. Blocks until the last piece, or until the receiver is
/// gone. Secrets of ours that the answer repeats are removed.
pub(super) fn details(arriving: Receiver<Vec<u8>>, to: Sender<Vec<Receipt>>, echo: Echo) -> Result<Polled, serde_json::Error> {
    let mut answer = serde_json::Deserializer::from_reader(Arriving { from: arriving, text: String::new(), at: 0, rest: Vec::new() });
    let mut reading = Reading { to, found: Vec::new(), polled: Polled::default(), echo };
    Answer(&mut reading).deserialize(&mut answer)?;
    answer.end()?;
    reading.hand_on()?;
    Ok(reading.polled)
}

struct Reading {
    to: Sender<Vec<Receipt>>,
    found: Vec<Receipt>,
    polled: Polled,
    echo: Echo,
}

impl Reading {
    fn hand_on<E: de::Error>(&mut self) -> Result<(), E> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(std::mem::take(&mut self.found)).map_err(|_| E::custom("the receiver is gone"))
    }
}

/// The answer as a whole; only its details are read.
struct Answer<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut any = false;
        while let Some(name) = fields.next_key::<String>()? {
            if name == "details" {
                any = true;
                fields.next_value_seed(OneByOne(&mut *self.0))?;
            } else if name == "counts" {
                let counts = fields.next_value::<Box<RawValue>>()?;
                self.0.polled.total = serde_json::from_str::<Counts<'_>>(counts.get()).ok().and_then(|counts| counts.total.number());
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        if any { Ok(()) } else { Err(de::Error::missing_field("details")) }
    }
}

#[derive(Deserialize)]
struct Counts<'a> {
    #[serde(borrow, default)]
    total: Loose<'a>,
}

/// The array of details.
struct OneByOne<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for OneByOne<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OneByOne<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of details")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut details: A) -> Result<(), A::Error> {
        let reading = self.0;
        for read in 0.. {
            // Reads each detail as raw text first, so that an unreadable one does not affect the others.
            let Some(raw) = details.next_element::<Box<RawValue>>()? else { break };
            if read == MOST_DETAILS {
                return Err(de::Error::custom("more details than any batch can have"));
            }
            let detail = detail(&reading.echo.hide_in(raw.get()));
            if let Some((number, _)) = &detail
                && reading.polled.numbers.len() < FIRST_NUMBERS
            {
                reading.polled.numbers.push(*number);
            }
            match detail.map(|(_, receipt)| receipt) {
                Some(Some(receipt)) => {
                    reading.polled.receipts += 1;
                    reading.found.push(receipt);
                    if reading.found.len() == AT_A_TIME {
                        reading.hand_on()?;
                    }
                }
                Some(None) => reading.polled.pending += 1,
                None => reading.polled.unreadable += 1,
            }
        }
        Ok(())
    }
}

/// One detail: its number, and its receipt unless it is pending. `None` if it cannot be read.
fn detail(json: &str) -> Option<(Msisdn, Option<Receipt>)> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Detail<'a> {
        #[serde(borrow)]
        destination: Loose<'a>,
        #[serde(borrow)]
        delivered: Loose<'a>,
        #[serde(borrow)]
        failed: Loose<'a>,
        #[serde(borrow)]
        batchuuid: Loose<'a>,
        #[serde(borrow)]
        messageuuid: Loose<'a>,
        #[serde(borrow)]
        info: Option<&'a RawValue>,
    }

    let detail: Detail<'_> = serde_json::from_str(json).ok()?;
    let destination = Msisdn::from_wire(detail.destination.text()?.trim())?;
    let (delivered, failed) = (detail.delivered.flag()?, detail.failed.flag()?);
    if !delivered && !failed {
        return Some((destination, None));
    }
    let info: Info<'_> = detail.info.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let identifier = |field: Loose<'_>| field.text().map(|text| Identifier::from(&*text));
    let receipt = Receipt {
        destination,
        // Both flags: a first channel failed and a fallback succeeded.
        delivered,
        code: info.code.text().map(ReceiptCode::new),
        description: info.description.text().map(Into::into),
        message_id: identifier(detail.messageuuid),
        batchuuid: identifier(detail.batchuuid),
        body: None,
    };
    Some((destination, Some(receipt)))
}

/// An answer that arrives in pieces, as text. An invalid byte in one description must not affect the rest.
struct Arriving {
    from: Receiver<Vec<u8>>,
    text: String,
    at: usize,
    /// The beginning of a character that is still incomplete.
    rest: Vec<u8>,
}

impl Arriving {
    /// Converts a piece to text.
    fn take(&mut self, piece: &[u8]) {
        self.text.clear();
        self.at = 0;
        self.rest.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.rest);
        let mut left = &bytes[..];
        loop {
            match std::str::from_utf8(left) {
                Ok(text) => {
                    self.text.push_str(text);
                    return;
                }
                Err(error) => {
                    let (valid, after) = left.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    let Some(wrong) = error.error_len() else {
                        self.rest = after.to_vec();
                        return;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    left = &after[wrong..];
                }
            }
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            match self.from.blocking_recv() {
                Some(piece) => self.take(&piece),
                None => return Ok(0),
            }
        }
        let text = &self.text.as_bytes()[self.at..];
        let length = text.len().min(to.len());
        to[..length].copy_from_slice(&text[..length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (Result<Polled, serde_json::Error>, Vec<Receipt>) {
        let (sender, arriving) = tokio::sync::mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.blocking_send(piece.to_vec()).expect("room");
        }
        drop(sender);
        let (to, mut found) = tokio::sync::mpsc::channel(8);
        let polled = details(arriving, to, Echo::default());
        let mut receipts = Vec::new();
        while let Some(some) = found.blocking_recv() {
            receipts.extend(some);
        }
        (polled, receipts)
    }

    const ANSWER: &str = r#"{"counts":{"total":9},"details":[{"destination":"441111111111","delivered":true,"info":{"code":"00",
        "description":"zugestellt – ü€😀"}},{"destination":"442222222222"},7],"more":[{"details":[]}]}"#;

    #[test]
    fn wherever_an_answer_is_cut_into_pieces_it_is_read_the_same() {
        let whole = read(&[ANSWER.as_bytes()]);
        assert_eq!(whole.1[0].description.as_deref(), Some("zugestellt – ü€😀"));
        let polled = whole.0.expect("readable");
        assert_eq!((polled.receipts, polled.pending, polled.unreadable, polled.total), (1, 1, 1, Some(9)));
        for at in 0..ANSWER.len() {
            let (first, second) = ANSWER.as_bytes().split_at(at);
            let cut = read(&[first, &[], second]);
            assert_eq!((cut.0.expect("readable"), cut.1), (polled.clone(), whole.1.clone()), "{at}");
        }
    }

    #[test]
    fn a_byte_that_is_no_text_costs_one_character() {
        let mut bytes = ANSWER.as_bytes().to_vec();
        let at = bytes.windows(2).position(|two| two == b"zu").expect("there");
        bytes[at] = 0xff;
        let (polled, receipts) = read(&[&bytes]);
        assert_eq!((polled.expect("readable").receipts, receipts[0].description.as_deref()), (1, Some("\u{fffd}ugestellt – ü€😀")));
    }

    #[test]
    fn what_came_before_an_answer_breaks_off_is_handed_on() {
        let detail = r#"{"destination":"441111111111","delivered":true}"#;
        let begun = format!(r#"{{"details":[{}"#, vec![detail; 501].join(","));
        let (polled, receipts) = read(&[begun.as_bytes()]);
        assert!(polled.is_err());
        assert_eq!(receipts.len(), 500);
    }
}
