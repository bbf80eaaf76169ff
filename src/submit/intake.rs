//! Reading and checking `POST /v1/batches`. Every mistake is reported, and an invalid request changes nothing.

use serde_json::Value;

use super::fields::{Fields, LONGEST_MESSAGE, LONGEST_NAME, NAMED, Refusal, kind};
use crate::api::{DoubtfulNumber, NationalNumber, Numbers};
use crate::domain::{BatchId, Content, Msisdn, NewBatch, NumberReader, Read, Tally, Timestamp, countries, parts, quoted, shortened_by};

/// The settings for checking a batch.
#[derive(Debug, Clone, Copy)]
pub struct Intake {
    /// `provider.max_destinations`.
    pub max_destinations: usize,
    /// Reads the numbers.
    pub numbers: NumberReader,
}

/// A batch with valid fields.
pub struct Checked {
    /// The batch.
    pub batch: NewBatch,
    /// How its numbers were read.
    pub numbers: Numbers,
    /// Why the batch is too late or too long, if it is new. A known batch was neither when it was accepted, so a
    /// request that is repeated after a lost answer succeeds.
    pub unless_known: Option<Refusal>,
}

impl Intake {
    /// Reads the body of `POST /v1/batches`.
    ///
    /// # Errors
    /// All mistakes at once that matter whether the batch is new or not.
    pub fn read(&self, body: &[u8], now: Timestamp) -> Result<Checked, Refusal> {
        let mut reader = Fields::of(body)?;
        match self.read_fields(&mut reader, now) {
            Some((batch, numbers)) if !reader.is_wrong() => Ok(Checked { batch, numbers, unless_known: reader.refusal_if_new() }),
            _ => Err(reader.refusal()),
        }
    }

    fn read_fields(&self, f: &mut Fields, now: Timestamp) -> Option<(NewBatch, Numbers)> {
        f.refuse_unknown();
        let from = f.sender();
        let message = f.text("message", LONGEST_MESSAGE, true);
        let id = f.uuid("id");
        let group = f.uuid("group");
        let reference = f.text("reference", LONGEST_NAME, false);
        let send_at = f.send_at(now);
        let channel = f.channel("channel");
        let fallback_channels = f.channels("fallback_channels");
        let allow_multi = f.flag("allow_multi");
        let dry_run = f.flag("dry_run");
        let strict = f.flag("strict");
        let (destinations, merged, numbers) = self.destinations(f, strict);
        let parts = message.as_deref().map_or(0, parts);
        if parts > 1 && !allow_multi {
            f.wrong("/message", too_long(parts, message.as_deref().and_then(shortened_by)));
        }
        let batch = NewBatch {
            id: id.unwrap_or_else(BatchId::random),
            group,
            resend_of: None,
            reference,
            content: Content { from: from?, message: message?, parts, channel, fallback_channels, send_at, allow_multi, dry_run },
            destinations,
            merged,
        };
        Some((batch, numbers))
    }

    fn destinations(&self, f: &mut Fields, strict: bool) -> (Vec<Msisdn>, u64, Numbers) {
        let list = match f.take("destinations") {
            Some(Value::Array(list)) => list,
            Some(other) => {
                f.wrong("/destinations", format!("must be a list of telephone numbers, not {}", kind(&other)));
                return (Vec::new(), 0, Numbers::default());
            }
            None => {
                f.wrong("/destinations", "is missing: give the list of numbers to send to");
                return (Vec::new(), 0, Numbers::default());
            }
        };
        if list.is_empty() {
            f.wrong("/destinations", "is empty: give at least one number");
        }
        let given = list.len();
        let mut destinations = Vec::with_capacity(given);
        let (mut numbers, mut tally) = (Numbers::default(), Tally::default());
        for (position, entry) in list.into_iter().enumerate() {
            let pointer = || format!("/destinations/{position}");
            let (written, read) = match self.destination(entry) {
                Ok(read) => read,
                Err(why) => {
                    f.wrong(pointer(), why);
                    continue;
                }
            };
            match read.doubtful {
                Some(doubt) if strict => {
                    f.wrong(pointer(), format!("{} {doubt}; `strict` refuses such numbers", quoted(&written)));
                }
                Some(doubt) if numbers.doubtful.len() < NAMED => {
                    let detail = format!("{} {doubt}", quoted(&written));
                    numbers.doubtful.push(DoubtfulNumber { pointer: pointer(), number: read.number, detail });
                }
                Some(_) => numbers.more_doubtful += 1,
                None => {}
            }
            tally.note(&written, &read);
            destinations.push(read.number);
        }
        destinations.sort_unstable();
        destinations.dedup();
        if destinations.len() > self.max_destinations {
            f.wrong_if_new(
                "/destinations",
                format!(
                    "has {} different numbers; the limit is {} (provider.max_destinations): split the list into batches of one `group`, as `receiptd send --to-file` does by itself",
                    destinations.len(),
                    self.max_destinations
                ),
            );
        }
        let merged = (given - destinations.len().min(given)) as u64;
        numbers.national = tally.national;
        numbers.national_example = tally.example.map(|(written, number)| NationalNumber { written, number });
        numbers.countries = countries(&destinations).into_iter().map(|(country, count)| (country.to_owned(), count)).collect();
        (destinations, merged, numbers)
    }

    /// Reads a number. Returns it with the text that it was read from.
    fn destination(&self, entry: Value) -> Result<(String, Read), String> {
        let written = match entry {
            Value::String(text) => text,
            Value::Number(number) if number.is_u64() => number.to_string(),
            // Without its decimal point or its sign it would be another number.
            Value::Number(number) => return Err(format!("{number} is not a telephone number: write it as text, such as +447700900123")),
            other => return Err(format!("must be a telephone number as text, not {}", kind(&other))),
        };
        match self.numbers.read(&written) {
            Ok(read) => Ok((written, read)),
            Err(error) => Err(format!("{} {error}", quoted(&written))),
        }
    }
}

/// Why a text that needs several parts is refused.
fn too_long(parts: u32, shortened: Option<String>) -> String {
    match shortened {
        Some(why) => {
            format!(
                "needs {parts} SMS parts per number. {why}. Replace these characters, shorten the text, or set `allow_multi` to true to allow this"
            )
        }
        None => format!("needs {parts} SMS parts per number; shorten it, or set `allow_multi` to true to allow this"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<Checked, Refusal> {
        let now = "2026-01-01T09:00:00Z".parse().expect("a time");
        Intake { max_destinations: 3, numbers: NumberReader::default() }.read(body.as_bytes(), now)
    }

    /// Reads a body as that of a new batch.
    fn read(body: &str) -> Result<NewBatch, Refusal> {
        asked(body).and_then(|asked| asked.unless_known.map_or(Ok(asked.batch), Err))
    }

    fn pointers(body: &str) -> Vec<String> {
        match read(body) {
            Ok(_) => Vec::new(),
            Err(refusal) => refusal.errors.into_iter().map(|error| error.pointer).collect(),
        }
    }

    #[test]
    fn the_smallest_batch_is_read() {
        let new = read(r#"{"from":"mplus","message":"hi","destinations":["+441111111111"]}"#).expect("readable");
        assert_eq!((new.destinations.len(), new.merged, new.content.parts), (1, 0, 1));
    }

    #[test]
    fn the_same_number_twice_is_merged_and_counted() {
        let new = read(r#"{"from":"m","message":"hi","destinations":["+441111111111","441111111111",441111111111,"442222222222"]}"#)
            .expect("readable");
        assert_eq!((new.destinations.len(), new.merged), (2, 2));
    }

    #[test]
    fn a_number_that_a_program_made_a_decimal_one_is_refused_and_reaches_nobody_else() {
        for number in ["447700900111.0", "4.477009e11", "\"447700900111.0\"", "\"+447700900111.25\"", "-447700900111"] {
            let body = format!(r#"{{"from":"m","message":"hi","destinations":[{number}]}}"#);
            assert_eq!(pointers(&body), ["/destinations/0"], "{number}");
        }
    }

    #[test]
    fn every_mistake_is_named_at_its_place() {
        let body = r#"{"from":7,"destinations":["+441111111111","x",true],"sendat":"soon","fallback_channels":["fax"],"id":"no"}"#;
        assert_eq!(pointers(body), ["/sendat", "/from", "/message", "/id", "/fallback_channels/0", "/destinations/1", "/destinations/2"]);
        let refusal = read(body).err().expect("refused");
        assert_eq!(refusal.errors[0].detail, "is not a field of a batch; did you mean `send_at`?");
        assert_eq!(refusal.errors[5].detail, "`x` is not a telephone number: it has `x` (U+0078) at position 1; write it as +447700900123");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "{", "[]", "null", "7", "\u{0}"] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn lists_that_are_empty_or_too_long_are_refused() {
        assert_eq!(pointers(r#"{"from":"m","message":"hi","destinations":[]}"#), ["/destinations"]);
        let four = r#"{"from":"m","message":"hi","destinations":["441111111111","442222222222","443333333333","444444444444"]}"#;
        let refusal = read(four).err().expect("refused");
        assert!(refusal.errors[0].detail.contains("`group`"), "{refusal:?}");
    }

    #[test]
    fn a_time_in_the_past_or_too_near_is_refused() {
        let at = |at: &str| pointers(&format!(r#"{{"from":"m","message":"hi","destinations":["441111111111"],"send_at":"{at}"}}"#));
        for wrong in ["2025-12-31T09:00Z", "2026-01-01T09:05:59Z", "2026-01-01T10:05+01:00", "2026-01-01T10:00", "soon"] {
            assert_eq!(at(wrong), ["/send_at"], "{wrong}");
        }
        for right in ["2026-01-01T09:06Z", "2026-01-01T10:06:00+01:00"] {
            assert!(at(right).is_empty(), "{right}");
        }
    }

    #[test]
    fn what_only_a_new_batch_must_satisfy_is_kept_apart() {
        let body = |numbers: usize, at: &str, from: &str| {
            let list: Vec<String> = (0..numbers).map(|n| format!("44770090000{n}")).collect();
            format!(r#"{{"from":{from},"message":"hi","destinations":{list:?},"send_at":"{at}"}}"#)
        };
        let late = asked(&body(4, "2026-01-01T09:05Z", "\"m\"")).expect("readable");
        let pointers: Vec<String> = late.unless_known.expect("too near").errors.into_iter().map(|error| error.pointer).collect();
        assert_eq!((late.batch.destinations.len(), pointers), (4, vec!["/send_at".to_owned(), "/destinations".to_owned()]));
        assert!(asked(&body(3, "2026-01-01T09:06Z", "\"m\"")).expect("readable").unless_known.is_none());
        // If something else is wrong, everything is reported at once.
        let all = asked(&body(4, "2025-01-01T09:00Z", "7")).err().expect("wrong");
        assert_eq!((all.errors.len(), &*all.detail), (3, "3 fields are wrong; nothing was changed"));
    }

    #[test]
    fn a_text_of_several_parts_must_be_meant() {
        let body = |multi: bool| {
            format!(r#"{{"from":"m","message":"{}","destinations":["441111111111"],"allow_multi":{multi}}}"#, "a".repeat(200))
        };
        let refusal = read(&body(false)).err().expect("refused");
        assert!(refusal.errors[0].detail.starts_with("needs 2 SMS parts"), "{refusal:?}");
        assert_eq!(read(&body(true)).expect("meant").content.parts, 2);
    }

    #[test]
    fn of_very_many_mistakes_the_first_hundred_are_named() {
        let list = vec!["\"x\""; 5_000].join(",");
        let refusal = read(&format!(r#"{{"from":"m","message":"hi","destinations":[{list}]}}"#)).err().expect("refused");
        assert_eq!(refusal.errors.len(), NAMED);
        assert!(refusal.detail.starts_with("5000 fields"), "{}", refusal.detail);
    }
}
