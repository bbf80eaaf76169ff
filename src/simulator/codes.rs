//! The meanings of receipt codes, for `GET /dr-responses`.
//!
//! `docs/provider.md` lists the first three codes and `22`. The others are the TP-Status values of 3GPP TS 23.040,
//! which those four come from. The codes `0a` and `B`, which profiles use, are missing on purpose.

use serde_json::{Value, json};

const CODES: [(&str, &str); 20] = [
    ("00", "Successful"),
    ("1", "Sent to SME but unable to confirm"),
    ("2", "replaced at the SMSC"),
    ("20", "Congestion"),
    ("21", "SME busy"),
    ("22", "No response from the SME (e.g. phone switched off)"),
    ("23", "Service rejected"),
    ("24", "Quality of service not available"),
    ("25", "Error in SME"),
    ("40", "Remote procedure error"),
    ("41", "Incompatible destination"),
    ("42", "Connection rejected by SME"),
    ("43", "Not obtainable"),
    ("44", "Quality of service not available"),
    ("45", "No interworking available"),
    ("46", "Message validity period expired"),
    ("47", "Message deleted by originating SME"),
    ("48", "Message deleted by SMSC administration"),
    ("49", "Message does not exist"),
    ("4a", "Unknown error"),
];

/// The meaning of a code; codes are compared as hexadecimal numbers.
pub(super) fn description(code: &str) -> &'static str {
    let number = u32::from_str_radix(code, 16).ok();
    CODES
        .iter()
        .find(|(known, _)| number.is_some() && u32::from_str_radix(known, 16).ok() == number)
        .map_or("Unknown", |(_, description)| description)
}

pub(super) fn list() -> Value {
    CODES.iter().map(|(code, description)| json!({"code": code, "description": description})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_hexadecimal_numbers() {
        assert_eq!(description("02"), description("2"));
        assert_eq!(description("4A"), "Unknown error");
        assert_eq!(description("0a"), "Unknown");
        assert_eq!(description("not a code"), "Unknown");
    }
}
