//! Delivery receipts.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::msisdn::Msisdn;

/// What one receipt says, whatever way it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The number it is about.
    pub destination: Msisdn,
    /// Delivered, or failed.
    pub delivered: bool,
    /// `receiptInfo.code` (webhook) or `info.code` (details), as it came.
    pub code: Option<ReceiptCode>,
    /// The description that came with the code.
    pub description: Option<String>,
    /// `messageuuid`. Several messages may share one (provider.md, "Pull receipts").
    pub message_id: Option<Identifier>,
    /// `batchuuid`: evidence of what the provider calls the batch.
    pub batchuuid: Option<Identifier>,
    /// The bytes of the body as they came, kept only where they say more than the fields above.
    pub body: Option<Vec<u8>>,
}

/// Characters that a code may have.
const LONGEST_CODE: usize = 64;
/// Characters that a description may have.
const LONGEST_DESCRIPTION: usize = 1_024;
/// Characters that an identifier of the provider's may have.
const LONGEST_IDENTIFIER: usize = 200;
/// Bytes of a body that are kept with a receipt.
pub const LARGEST_RECEIPT_BODY: usize = 4 << 10;

impl Receipt {
    /// The first field that is longer than any in its senses: all receipts of a batch together must not fill the disk.
    pub fn too_long(&self) -> Option<&'static str> {
        [
            ("code", self.code.as_ref().is_some_and(|code| has_more(code.as_str(), LONGEST_CODE))),
            ("description", self.description.as_ref().is_some_and(|text| has_more(text, LONGEST_DESCRIPTION))),
            ("`messageuuid`", self.message_id.as_ref().is_some_and(Identifier::is_too_long)),
            ("`batchuuid`", self.batchuuid.as_ref().is_some_and(Identifier::is_too_long)),
        ]
        .into_iter()
        .find_map(|(field, is_too_long)| is_too_long.then_some(field))
    }

    /// Without the fields that are too long: what counts is whether the message was delivered.
    #[must_use]
    pub fn within_bounds(self) -> Self {
        Self {
            code: self.code.filter(|code| !has_more(code.as_str(), LONGEST_CODE)),
            description: self.description.filter(|text| !has_more(text, LONGEST_DESCRIPTION)),
            message_id: self.message_id.filter(|id| !id.is_too_long()),
            batchuuid: self.batchuuid.filter(|id| !id.is_too_long()),
            ..self
        }
    }

    /// In the form in which the provider posts it.
    pub fn to_callback(&self) -> String {
        let info = (self.code.is_some() || self.description.is_some())
            .then(|| serde_json::json!({"code": self.code, "description": self.description}));
        serde_json::json!({
            "destination": self.destination, "delivered": self.delivered, "batchuuid": self.batchuuid,
            "messageuuid": self.message_id, "receiptInfo": info,
        })
        .to_string()
    }
}

/// Whether a text has more than so many characters.
fn has_more(text: &str, characters: usize) -> bool {
    text.len() > characters && text.chars().nth(characters).is_some()
}

/// An identifier made by the provider: any text, usually a uuid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// A uuid, in whatever case it came.
    Uuid(Uuid),
    /// Anything else, as it came.
    Text(String),
}

impl Identifier {
    fn is_too_long(&self) -> bool {
        matches!(self, Self::Text(text) if has_more(text, LONGEST_IDENTIFIER))
    }
}

impl From<&str> for Identifier {
    fn from(text: &str) -> Self {
        // Only the hyphenated form: 32 bare digits or a urn would not be shown again as they came.
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => Self::Uuid(uuid),
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Identifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*std::borrow::Cow::<str>::deserialize(deserializer)?))
    }
}

/// A receipt code: a hexadecimal number, not padded alike (`00`, `1`, `22`), kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct ReceiptCode(String);

impl ReceiptCode {
    /// A code as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two codes are compared by: the hexadecimal number, without padding and in capitals;
    /// a text that is no such number is compared as it is.
    pub fn key(&self) -> String {
        let digits = self.0.trim();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return self.0.clone();
        }
        match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            significant => significant.to_ascii_uppercase(),
        }
    }
}

impl fmt::Display for ReceiptCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a receipt reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The provider posted it to the callback.
    Webhook,
    /// It was found by asking the provider.
    Poll,
    /// It came out of the quarantine.
    Replay,
}

/// What a receipt did when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It set or changed the state of its destination.
    Applied,
    /// The state was so already.
    Repeated,
    /// A failure after a delivery: recorded, and changes nothing.
    Conflict,
    /// The batch has no such destination.
    UnexpectedDestination,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_as_hexadecimal_numbers() {
        let key = |text: &str| ReceiptCode::new(text).key();
        assert_eq!(key("00"), key("0"));
        assert_eq!(key("01"), key("1"));
        assert_eq!(key("0b"), key("B"));
        assert_ne!(key("22"), key("2"));
        assert_eq!(key("EXPIRED?"), "EXPIRED?");
        assert_eq!(key(""), "");
    }

    #[test]
    fn a_uuid_is_one_in_any_case_and_all_else_is_kept_as_it_came() {
        let upper = Identifier::from("EA5B64D8-4267-4FFA-937D-2BA0C4F031F3");
        assert_eq!(upper, Identifier::from("ea5b64d8-4267-4ffa-937d-2ba0c4f031f3"));
        let bare = "ea5b64d842674ffa937d2ba0c4f031f3";
        assert_eq!(Identifier::from(bare).to_string(), bare);
    }
}
