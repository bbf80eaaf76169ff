//! A type for values that must never be printed: the provider's key, the API token, callback tokens.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use subtle::ConstantTimeEq;

/// The text shown in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// A string that shows as `[hidden]` in `Debug`, in `Display` and when serialized.
///
/// Only [`Secret::expose`] returns the string, so a search for that name finds every place that handles it in the
/// clear.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The string in the clear: for the wire and for deriving keys, never for a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the secret is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `candidate` equals this secret, compared in constant time (only the length can be inferred).
    pub fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }

    /// Replaces every occurrence of the secret in `text` with `[hidden]`, so that an answer that echoes it can be kept.
    ///
    /// Occurrences are found in upper or lower case, and written raw, percent-encoded (once or more often, also with
    /// `+` for a space), with JSON escapes, or in a mixture of these. Mask before cutting a text to length: half a
    /// secret is not found.
    pub fn mask(&self, text: &str) -> String {
        let (secret, bytes) = (self.0.as_bytes(), text.as_bytes());
        if secret.is_empty() {
            return text.to_owned();
        }
        let mut masked = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(length) = occurrence(&bytes[at..], secret) {
                masked.extend_from_slice(HIDDEN.as_bytes());
                at += length;
            } else {
                masked.push(byte);
                at += 1;
            }
        }
        String::from_utf8_lossy(&masked).into_owned()
    }
}

/// Secrets that the provider or a client may echo: they are removed from what is stored.
#[derive(Clone, Default)]
pub struct Echo(Vec<Secret>);

impl Echo {
    /// Secrets shorter than this, and secrets that consist only of digits, are not looked for: they would match
    /// unrelated text, and a receipt whose number was taken for a key would be lost.
    const SHORTEST: usize = 12;

    /// Keeps those of the secrets that are distinctive enough to look for.
    pub fn of(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self(secrets.into_iter().filter(|secret| Self::is_telling(secret.expose())).collect())
    }

    fn is_telling(secret: &str) -> bool {
        secret.len() >= Self::SHORTEST && !secret.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Removes these secrets and `token` from `said`. Almost always there is nothing to remove.
    pub fn hide(&self, said: Vec<u8>, token: &str) -> Vec<u8> {
        let says = |secret: &str| memchr::memmem::find(&said, secret.as_bytes()).is_some();
        if !says(token) && !self.0.iter().any(|secret| says(secret.expose())) {
            return said;
        }
        let text = Secret::from(token).mask(&String::from_utf8_lossy(&said));
        self.hide_in(&text).into_owned().into_bytes()
    }

    /// Removes these secrets from `text`.
    pub fn hide_in<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0
            .iter()
            .filter(|secret| memchr::memmem::find(text.as_bytes(), secret.expose().as_bytes()).is_some())
            .fold(Cow::Borrowed(text), |text, secret| Cow::Owned(secret.mask(&text)))
    }
}

/// How many bytes at the start of `text` spell `secret`, or `None` if they do not.
///
/// A byte of the secret may be spelled in several ways of different length (`%` is itself the first byte of `%25`), so
/// all possible positions are followed in parallel.
fn occurrence(text: &[u8], secret: &[u8]) -> Option<usize> {
    let (&first, rest) = secret.split_first()?;
    let mut ends: Vec<usize> = spellings(text, first).collect();
    for &byte in rest {
        let mut next: Vec<usize> = Vec::new();
        for &at in &ends {
            for end in spellings(&text[at..], byte).map(|length| at + length) {
                if !next.contains(&end) {
                    next.push(end);
                }
            }
        }
        ends = next;
        if ends.is_empty() {
            break;
        }
    }
    ends.into_iter().max()
}

/// The lengths of all spellings of `byte` at the start of `text`.
fn spellings(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    let is_byte = |found: &u8| found.eq_ignore_ascii_case(&byte);
    let raw = match text.first() {
        Some(b'+') if byte == b' ' => Some(1),
        Some(first) if is_byte(first) => Some(1),
        _ => None,
    };
    let json = match text {
        [b'\\', b'u' | b'U', b'0', b'0', high, low, ..] => hex(*high, *low).filter(is_byte).map(|_| 6),
        [b'\\', escaped @ (b'"' | b'\\' | b'/'), ..] if is_byte(escaped) => Some(2),
        _ => None,
    };
    // `%2F`, and the same byte encoded again: `%252F`, `%25252F`.
    let percent = text
        .strip_prefix(b"%")
        .into_iter()
        .flat_map(move |code| {
            let again = code.chunks(2).take_while(|pair| *pair == b"25").count();
            (0..=again).filter_map(move |times| match code.get(2 * times..2 * times + 2) {
                Some(&[high, low]) => hex(high, low).map(|found| (found, 3 + 2 * times)),
                _ => None,
            })
        })
        .filter_map(move |(found, length)| found.eq_ignore_ascii_case(&byte).then_some(length));
    raw.into_iter().chain(json).chain(percent)
}

/// The byte that two hexadecimal digits represent.
fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |character: u8| char::from(character).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_prints_a_secret_shows_it() {
        let secret = Secret::from("s3cr3t");
        let holder = Some(vec![secret.clone()]);
        let json = serde_json::to_string(&holder).expect("serializes");
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{holder:#?}"), format!("{secret:>20}"), json] {
            assert!(!shown.contains("s3cr3t"), "{shown}");
            assert!(shown.contains(HIDDEN), "{shown}");
        }
    }

    #[test]
    fn a_secret_is_read_as_the_plain_text_it_is() {
        let secret: Secret = serde_json::from_str("\"abc\"").expect("a string");
        assert_eq!(secret.expose(), "abc");
    }

    #[test]
    fn only_the_whole_secret_matches() {
        let secret = Secret::from("abc");
        assert!(secret.matches("abc"));
        for wrong in ["", "ab", "abcd", "abC"] {
            assert!(!secret.matches(wrong), "{wrong}");
        }
        assert_eq!(secret, Secret::from("abc"));
        assert_ne!(secret, Secret::from("abd"));
    }

    #[test]
    fn an_echoed_secret_is_masked_however_it_is_written() {
        let secret = Secret::from("a/b+c d=é%\"");
        for echo in [
            "a/b+c d=é%\"",
            "A/B+C D=é%\"",
            "a%2Fb%2Bc%20d%3D%C3%A9%25%22",
            "a%2fb%2bc+d%3d%c3%a9%25%22",
            "a%252Fb%252Bc%2520d%253D%25C3%25A9%2525%2522",
            "%61%2F%62%2B%63%20%64%3D%C3%A9%25%22",
            "a\\/b+c d\\u003dé%\\\"",
        ] {
            let masked = secret.mask(&format!("ä key={echo}&x, again {echo} ö"));
            assert_eq!(masked, "ä key=[hidden]&x, again [hidden] ö", "written as {echo}");
        }
    }

    #[test]
    fn a_secret_with_percent_signs_is_masked_raw_and_encoded() {
        let secret = Secret::from("100%25x");
        for echo in ["100%25x", "100%2525x", "100%252525x"] {
            assert_eq!(secret.mask(echo), HIDDEN, "{echo}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_was() {
        let text = "Zahl 100 % – «key=» \u{1F512} %zz %";
        assert_eq!(Secret::from("absent").mask(text), text);
        assert_eq!(Secret::from("").mask(text), text);
        assert_eq!(Secret::from("abcd").mask("abc"), "abc");
    }

    proptest! {
        #[test]
        fn a_masked_text_never_holds_the_secret(
            secret in "[a-z0-9/+=%]{9,20}",
            before in ".{0,20}",
            after in ".{0,20}",
        ) {
            let encoded: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let masked = Secret::from(secret.as_str())
                .mask(&format!("{before}{secret}|{encoded}{after}"));
            prop_assert!(!masked.contains(&secret));
            prop_assert!(!masked.contains(&encoded));
        }

        #[test]
        fn masking_takes_any_text(secret in ".{0,5}", text in ".{0,60}") {
            let masked = Secret::from(secret.as_str()).mask(&text);
            prop_assert!(secret.is_empty() || masked == text || masked.contains(HIDDEN));
        }
    }
}
