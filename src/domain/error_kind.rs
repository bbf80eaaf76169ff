//! The kinds of things that go wrong with a batch.

use std::fmt;

use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

/// What went wrong, in a word; the words are part of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    // Nothing left this machine.
    /// The provider's name was not resolved.
    Dns,
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The provider speaks no TLS that we accept.
    Tls,
    /// The request could not be made.
    Unwritable,

    // No whole answer.
    /// None in time.
    Timeout,
    /// The connection ended without one.
    NoAnswer,
    /// It ended too early.
    CutShort,
    /// It is longer than one may be.
    TooLong,
    /// One that is not to be understood.
    Unreadable,

    // An answer.
    /// It says yes and names no batch.
    NoIdentifier,
    /// The key is refused.
    Unauthorized,
    /// The account has too little credit.
    NoCredit,
    /// The batch, or the call, is refused.
    Refused,
    /// 409: it may be there already.
    Conflict,
    /// Not now.
    Busy,
    /// There is no such batch.
    NotFound,
    /// 1xx alone.
    Interim,
    /// A 2xx that says nothing.
    Unexpected,
    /// 3xx: not followed.
    Redirect,
    /// 5xx.
    ServerError,

    // Here.
    /// The identity file holds no secret.
    Identity,
    /// Storage failed.
    Storage,
    /// Its `send_at` came too close while it waited.
    TooLate,
    /// All its numbers were forgotten.
    NoDestinations,
    /// receiptd ended while it was being submitted.
    Interrupted,
    /// The database may be an older copy.
    Held,
    /// The provider does not list it as scheduled, or at another time.
    NotScheduled,

    /// A word of a later version.
    #[serde(untagged)]
    Other(String),
}

impl From<&str> for ErrorKind {
    fn from(word: &str) -> Self {
        let word: StrDeserializer<'_, Error> = word.into_deserializer();
        Self::deserialize(word).unwrap_or(Self::Other(String::new())) // every text is one
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_word_and_a_word_of_a_later_version_is_kept() {
        for (kind, word) in [
            (ErrorKind::Dns, "dns"),
            (ErrorKind::ConnectTimeout, "connect_timeout"),
            (ErrorKind::NotScheduled, "not_scheduled"),
            (ErrorKind::Other("no_credit_yet".into()), "no_credit_yet"),
        ] {
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&kind).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<ErrorKind>(&json).expect("a kind"), kind);
            assert_eq!((ErrorKind::from(word), kind.to_string()), (kind, word.to_owned()));
        }
    }
}
