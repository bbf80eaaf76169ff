//! The token in a callback URL: it gives access to one batch and to no other.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::batch::BatchId;

/// The number of HMAC bytes in a token: 192 bits, 32 characters of base64url.
const TOKEN_BYTES: usize = 24;

/// The unguessable last segment of a callback URL. It can be read only through [`CallbackToken::expose`].
#[derive(Clone)]
pub struct CallbackToken(String);

impl CallbackToken {
    /// The token as it appears in the URL. Pass it only to the provider.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The secrets that tokens are derived from: the newest creates tokens, and all of them are accepted.
#[derive(Clone)]
pub struct CallbackSecrets {
    newest_first: Vec<Hmac<Sha256>>,
}

impl CallbackSecrets {
    /// Uses the secrets of the identity file, newest first; `None` if there is none.
    pub fn new<'a>(newest_first: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let newest_first: Vec<_> = newest_first.into_iter().filter_map(|secret| Hmac::new_from_slice(secret).ok()).collect();
        (!newest_first.is_empty()).then_some(Self { newest_first })
    }

    /// The token of a batch: an HMAC-SHA-256 of its id, made with the newest secret.
    pub fn token(&self, batch: BatchId) -> CallbackToken {
        CallbackToken(URL_SAFE_NO_PAD.encode(Self::derive(&self.newest_first[0], batch)))
    }

    /// Whether a token belongs to this batch, compared in constant time.
    pub fn verify(&self, batch: BatchId, token: &str) -> bool {
        let mut presented = [0u8; TOKEN_BYTES];
        // Decoding reveals only what the caller sent. A token of another length is invalid.
        let Ok(TOKEN_BYTES) = URL_SAFE_NO_PAD.decode_slice(token, &mut presented) else { return false };
        self.newest_first.iter().fold(false, |known, secret| known | bool::from(Self::derive(secret, batch).ct_eq(&presented)))
    }

    fn derive(secret: &Hmac<Sha256>, batch: BatchId) -> [u8; TOKEN_BYTES] {
        let full: [u8; 32] = secret.clone().chain_update(batch.as_uuid().as_bytes()).finalize().into_bytes().into();
        let mut token = [0; TOKEN_BYTES];
        token.copy_from_slice(&full[..TOKEN_BYTES]);
        token
    }
}

impl fmt::Debug for CallbackSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackSecrets({})", self.newest_first.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(keys: &[&[u8]]) -> CallbackSecrets {
        CallbackSecrets::new(keys.iter().copied()).expect("at least one")
    }

    #[test]
    fn a_token_is_good_for_its_own_batch_and_no_other() {
        let secrets = secrets(&[b"one"]);
        let (a, b) = (BatchId::random(), BatchId::random());
        let token = secrets.token(a);
        assert!(secrets.verify(a, token.expose()));
        assert!(!secrets.verify(b, token.expose()));
        for wrong in ["", "x", &token.expose()[1..], &format!("{}A", token.expose()), &"A".repeat(32), "äöü"] {
            assert!(!secrets.verify(a, wrong), "{wrong}");
        }
    }

    #[test]
    fn rotation_keeps_old_tokens_valid_until_they_are_revoked() {
        let batch = BatchId::random();
        let old = secrets(&[b"old"]).token(batch);
        assert!(secrets(&[b"new", b"old"]).verify(batch, old.expose()));
        assert!(!secrets(&[b"new"]).verify(batch, old.expose()));
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = secrets(&[b"one"]).token(BatchId::random());
        assert_eq!(format!("{token:?}"), "[hidden]");
    }
}
