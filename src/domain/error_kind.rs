//! The kinds of errors in handling a batch.

use std::fmt;

use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

/// The kind of an error. The words are part of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    // The request did not leave this machine.
    /// The provider's name could not be resolved.
    Dns,
    /// The connection failed.
    Connect,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The provider offers no TLS that we accept.
    Tls,
    /// The request could not be created.
    Unwritable,

    // There was no complete answer.
    /// There was no answer in time.
    Timeout,
    /// The connection ended without an answer.
    NoAnswer,
    /// The answer ended too early.
    CutShort,
    /// The answer is longer than allowed.
    TooLong,
    /// The answer could not be understood.
    Unreadable,

    // There was an answer.
    /// The answer is a success but contains no identifier.
    NoIdentifier,
    /// The provider refuses the key.
    Unauthorized,
    /// The account has too little credit.
    NoCredit,
    /// The provider refuses the batch or the call.
    Refused,
    /// 409: the batch may exist already.
    Conflict,
    /// The provider is busy.
    Busy,
    /// The provider does not know the batch.
    NotFound,
    /// Only an interim answer (1xx) came.
    Interim,
    /// The answer is a 2xx status without a defined meaning.
    Unexpected,
    /// 3xx: redirects are not followed.
    Redirect,
    /// 5xx.
    ServerError,

    // The error is on our side.
    /// The identity file contains no secret.
    Identity,
    /// The storage failed.
    Storage,
    /// The `send_at` came too close while the batch waited.
    TooLate,
    /// All numbers of the batch were erased.
    NoDestinations,
    /// receiptd ended while the batch was being submitted.
    Interrupted,
    /// The database may be an older copy.
    Held,
    /// The provider does not list the batch as scheduled, or lists it at another time.
    NotScheduled,

    /// A word that only a later version knows.
    #[serde(untagged)]
    Other(String),
}

impl From<&str> for ErrorKind {
    fn from(word: &str) -> Self {
        let word: StrDeserializer<'_, Error> = word.into_deserializer();
        Self::deserialize(word).unwrap_or(Self::Other(String::new())) // every text is valid
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
