//! Delivery receipts.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::msisdn::Msisdn;

/// The content of one receipt, however it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The number that it is about.
    pub destination: Msisdn,
    /// Whether the message was delivered; otherwise it failed.
    pub delivered: bool,
    /// `receiptInfo.code` (callback) or `info.code` (details), as it arrived.
    pub code: Option<ReceiptCode>,
    /// The description of the code in the receipt.
    pub description: Option<String>,
    /// The provider's `messageuuid`. Several messages may share one (docs/provider.md, "Receipts").
    pub message_id: Option<Identifier>,
    /// `batchuuid`: evidence of the provider's name for the batch.
    pub batchuuid: Option<Identifier>,
    /// The raw body, kept only if it contains more than the fields above.
    pub body: Option<Vec<u8>>,
}

/// The largest number of characters of a code.
const LONGEST_CODE: usize = 64;
/// The largest number of characters of a description.
const LONGEST_DESCRIPTION: usize = 1_024;
/// The largest number of characters of an identifier from the provider.
const LONGEST_IDENTIFIER: usize = 200;
/// The largest number of bytes of a body that is kept with a receipt.
pub const LARGEST_RECEIPT_BODY: usize = 4 << 10;

impl Receipt {
    /// The first field that is too long. The limits are far above real values; they prevent the receipts of a batch
    /// from filling the disk.
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

    /// Drops the fields that are too long: what matters is whether the message was delivered.
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

    /// The receipt in the format in which the provider posts it.
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

/// Whether the text has more than this many characters.
fn has_more(text: &str, characters: usize) -> bool {
    text.len() > characters && text.chars().nth(characters).is_some()
}

/// An identifier assigned by the provider: any text, usually a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// A UUID, in upper or lower case.
    Uuid(Uuid),
    /// Any other text, as it arrived.
    Text(String),
}

impl Identifier {
    fn is_too_long(&self) -> bool {
        matches!(self, Self::Text(text) if has_more(text, LONGEST_IDENTIFIER))
    }
}

impl From<&str> for Identifier {
    fn from(text: &str) -> Self {
        // Only the hyphenated form: 32 bare digits or a URN could not be displayed again as they arrived.
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

/// A receipt code: a hexadecimal number with varying padding (`00`, `1`, `22`), kept as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct ReceiptCode(String);

impl ReceiptCode {
    /// A code as it arrived.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The code as it arrived.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form for comparing codes: the hexadecimal number without padding, in upper case. A text that is not a
    /// hexadecimal number is compared unchanged.
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

/// How a receipt reached the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The provider posted it to the callback.
    Webhook,
    /// The provider returned it when it was asked.
    Poll,
    /// It was replayed from the quarantine.
    Replay,
}

/// The effect of a receipt when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It set or changed the state of its destination.
    Applied,
    /// The destination already had that state.
    Repeated,
    /// It is a failure after a delivery: it is recorded and changes nothing.
    Conflict,
    /// The batch does not contain that number.
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

    fn receipt(code: usize, description: usize, message_id: usize, batchuuid: usize) -> Receipt {
        Receipt {
            destination: Msisdn::from_wire("447700900123").expect("a number"),
            delivered: true,
            code: Some(ReceiptCode::new("2".repeat(code))),
            description: Some("é".repeat(description)),
            message_id: Some(Identifier::from(&*"m".repeat(message_id))),
            batchuuid: Some(Identifier::from(&*"b".repeat(batchuuid))),
            body: None,
        }
    }

    #[test]
    fn fields_are_bounded_in_characters_and_the_first_one_that_is_too_long_is_named() {
        assert_eq!(receipt(64, 1_024, 200, 200).too_long(), None);
        for (too_long, name) in [
            (receipt(65, 1, 1, 1), "code"),
            (receipt(1, 1_025, 1, 1), "description"),
            (receipt(1, 1, 201, 1), "`messageuuid`"),
            (receipt(1, 1, 1, 201), "`batchuuid`"),
        ] {
            assert_eq!(too_long.too_long(), Some(name));
            let kept = too_long.within_bounds();
            assert_eq!(kept.too_long(), None, "{name}");
            let fields = [kept.code.is_some(), kept.description.is_some(), kept.message_id.is_some(), kept.batchuuid.is_some()];
            assert_eq!(fields.iter().filter(|there| **there).count(), 3, "{name}: only that field is dropped");
        }
    }

    #[test]
    fn a_receipt_without_code_and_description_has_no_info() {
        let info =
            |receipt: &Receipt| serde_json::from_str::<serde_json::Value>(&receipt.to_callback()).expect("JSON")["receiptInfo"].clone();
        let mut some = receipt(1, 1, 1, 1);
        assert_eq!(info(&some), serde_json::json!({"code": "2", "description": "é"}));
        some.code = None;
        assert_eq!(info(&some), serde_json::json!({"code": null, "description": "é"}));
        some.description = None;
        assert!(info(&some).is_null());
        some.code = Some(ReceiptCode::new("22"));
        assert_eq!(info(&some), serde_json::json!({"code": "22", "description": null}));
    }
}
