//! Reading the fields of a request body one by one, so that every mistake is reported.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::api::FieldError;
use crate::domain::{BatchId, Channel, Timestamp, named, quoted};

/// The fields, in the order in which they are documented.
const KEYS: [&str; 12] = [
    "from",
    "message",
    "destinations",
    "id",
    "group",
    "send_at",
    "channel",
    "fallback_channels",
    "allow_multi",
    "dry_run",
    "reference",
    "strict",
];
/// The shortest time to a `send_at`: the provider sends at once if it is less than 5 minutes ahead, and one more minute
/// is for the submission (docs/provider.md).
pub const SHORTEST_NOTICE: Duration = Duration::from_secs(6 * 60);
/// The largest number of characters of a text: 255 SMS parts, which no network exceeds.
pub(super) const LONGEST_MESSAGE: usize = 255 * 153;
/// The largest number of characters of a sender, and of a reference.
pub(super) const LONGEST_NAME: usize = 200;
/// The number of wrong fields, and of doubtful numbers, that are listed; the rest is only counted.
pub(super) const NAMED: usize = 100;

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In one sentence.
    pub detail: String,
    /// The wrong fields.
    pub errors: Vec<FieldError>,
}

/// The object in a body, and the keys that occur more than once.
struct Body {
    fields: Map<String, Value>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Body;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let (mut fields, mut repeated) = (Map::new(), Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if fields.insert(key.clone(), value).is_some() && !repeated.contains(&key) && repeated.len() < NAMED {
                        repeated.push(key);
                    }
                }
                Ok(Body { fields, repeated })
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn pointer_to(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The fields that have not been read yet, and the errors in those that have.
pub(super) struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
    more: usize,
    /// Errors that matter only if the batch is new.
    of_new: Vec<FieldError>,
}

impl Fields {
    /// Reads an object. A repeated key is already an error.
    ///
    /// # Errors
    /// If the body is not JSON or not an object.
    pub(super) fn of(body: &[u8]) -> Result<Self, Refusal> {
        let Body { fields, repeated } = serde_json::from_slice(body).map_err(|error| Refusal {
            detail: match error.classify() {
                Category::Data => "the body must be a JSON object".to_owned(),
                // The parser's own message may quote the text.
                _ => format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()),
            },
            errors: Vec::new(),
        })?;
        let mut read = Self { fields, errors: Vec::new(), more: 0, of_new: Vec::new() };
        for key in repeated {
            read.wrong(pointer_to(&key), "is given more than once; send it once");
        }
        Ok(read)
    }

    /// Whether there is an error that matters even if the batch is known.
    pub(super) fn is_wrong(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The errors that matter only if the batch is new.
    pub(super) fn refusal_if_new(self) -> Option<Refusal> {
        (!self.of_new.is_empty()).then(|| self.refusal())
    }

    pub(super) fn wrong(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.errors.len() < NAMED {
            self.errors.push(FieldError::new(pointer, detail));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn wrong_if_new(&mut self, pointer: &str, detail: String) {
        self.of_new.push(FieldError::new(pointer, detail));
    }

    pub(super) fn refusal(mut self) -> Refusal {
        for error in std::mem::take(&mut self.of_new) {
            self.wrong(error.pointer, error.detail);
        }
        let fields = self.errors.len() + self.more;
        let shown = if self.more > 0 { format!(" (the first {NAMED} are listed)") } else { String::new() };
        let plural = if fields == 1 { "field is" } else { "fields are" };
        Refusal { detail: format!("{fields} {plural} wrong{shown}; nothing was changed"), errors: self.errors }
    }

    pub(super) fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = self.fields.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
        for key in unknown {
            let nearest = KEYS.iter().max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
            let hint = nearest
                .filter(|name| strsim::jaro_winkler(name, &key) > 0.75)
                .map_or_else(|| format!("the fields are {}", KEYS.join(", ")), |name| format!("did you mean `{name}`?"));
            self.wrong(pointer_to(&key), format!("is not a field of a batch; {hint}"));
        }
    }

    /// Takes the value of a field; null counts as missing.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.fields.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str, longest: usize, required: bool) -> Option<String> {
        let pointer = format!("/{key}");
        match self.take(key) {
            Some(Value::String(text)) if text.trim().is_empty() => self.wrong(pointer, "is empty"),
            Some(Value::String(text)) if text.chars().count() > longest => {
                self.wrong(pointer, format!("has {} characters; the limit is {longest}", text.chars().count()));
            }
            Some(Value::String(text)) => return Some(text),
            Some(other) => self.wrong(pointer, format!("must be a text, not {}", kind(&other))),
            None if required => self.wrong(pointer, "is missing"),
            None => {}
        }
        None
    }

    pub(super) fn sender(&mut self) -> Option<String> {
        let from = self.text("from", LONGEST_NAME, true)?;
        // The provider checks its length and its characters.
        let wrong = (1..).zip(from.chars()).find(|(_, c)| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
        let Some((at, c)) = wrong else { return Some(from) };
        self.wrong("/from", format!("has {} at position {at}, which a sender cannot contain; remove it", named(c)));
        None
    }

    pub(super) fn uuid(&mut self, key: &str) -> Option<BatchId> {
        let pointer = format!("/{key}");
        match self.take(key)? {
            Value::String(text) => match text.parse() {
                Ok(id) => return Some(id),
                Err(_) => self.wrong(pointer, format!("{} is not a UUID such as c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", quoted(&text))),
            },
            other => self.wrong(pointer, format!("must be a UUID as text, not {}", kind(&other))),
        }
        None
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.take(key) {
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.wrong(format!("/{key}"), format!("must be true or false, not {}", kind(&other)));
                false
            }
            None => false,
        }
    }

    pub(super) fn send_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        match self.take("send_at")? {
            Value::String(text) => match text.parse::<Timestamp>() {
                Ok(at) => {
                    if at < now {
                        self.wrong_if_new("/send_at", format!("{at} is in the past (now: {now})"));
                    } else if at < now.plus(SHORTEST_NOTICE) {
                        self.wrong_if_new(
                            "/send_at",
                            format!(
                                "{at} is less than 6 minutes ahead: the provider would send at once; give a later time, or leave it out"
                            ),
                        );
                    }
                    return Some(at);
                }
                Err(error) => self.wrong("/send_at", format!("{} is {error}", quoted(&text))),
            },
            other => self.wrong("/send_at", format!("must be a time as text, not {}", kind(&other))),
        }
        None
    }

    pub(super) fn channel(&mut self, key: &str) -> Option<Channel> {
        let value = self.take(key)?;
        self.one_channel(&format!("/{key}"), &value)
    }

    pub(super) fn channels(&mut self, key: &str) -> Vec<Channel> {
        match self.take(key) {
            Some(Value::Array(list)) => {
                list.iter().enumerate().filter_map(|(position, value)| self.one_channel(&format!("/{key}/{position}"), value)).collect()
            }
            Some(other) => {
                self.wrong(format!("/{key}"), format!("must be a list of `sms` and `rcs`, not {}", kind(&other)));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn one_channel(&mut self, pointer: &str, value: &Value) -> Option<Channel> {
        let channel = value.as_str().and_then(|text| text.parse().ok());
        if channel.is_none() {
            let what = value.as_str().map_or_else(|| kind(value).to_owned(), quoted);
            self.wrong(pointer, format!("{what} is not a channel: `sms` or `rcs`"));
        }
        channel
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
