//! The API token.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ServeError;
use crate::durable;
use crate::secret::Secret;

/// Reads the token, or creates it on the first start: 256 random bits in a file that only its owner can read.
pub(super) fn read_or_make_token(path: &Path) -> Result<Secret, ServeError> {
    let shown = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {
            Err(ServeError::Token(format!("api.token_file {shown} is empty: delete it, and a new one will be created")))
        }
        Ok(text) => Ok(Secret::from(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(|error| {
            ServeError::Token(format!("cannot create api.token_file {shown}: {error}. Make the folder writable by this user"))
        }),
        Err(error) => {
            Err(ServeError::Token(format!("cannot read api.token_file {shown}: {error}. Make it readable by this user, as text")))
        }
    }
}

fn make(path: &Path) -> io::Result<Secret> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token = URL_SAFE_NO_PAD.encode(random);
    durable::create(path, format!("{token}\n").as_bytes())?;
    Ok(Secret::from(token))
}
