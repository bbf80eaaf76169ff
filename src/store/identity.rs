//! `<database>.identity`: data that must be kept beside the database and never in it.
//!
//! It contains the secrets of the callback tokens (anyone who may read the database must not be able to forge
//! receipts), and the counter of submissions that distinguishes a restored copy from its original.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::{CallbackSecrets, Msisdn};
use crate::durable;

/// The length of a secret in bytes.
const SECRET_BYTES: usize = 32;

/// The content of the identity file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The id of the database that it belongs to.
    pub database: String,
    /// The number of submissions started, which is never less than what the provider may have seen.
    pub submissions: i64,
    /// The newest receipt id when the database was last opened. A database that replaces a lost one starts far beyond
    /// it.
    #[serde(default)]
    pub receipts: i64,
    /// The file of the database: another file may be a copy that somebody restored with this identity. `None` if an
    /// older version wrote this, or if it is the identity of a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// The secrets of the callback tokens, newest first, in base64.
    secrets: Vec<String>,
    /// The key of the hashes that replace erased numbers, in base64.
    number_key: String,
}

/// What distinguishes a file from its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    /// When it was created, in nanoseconds since 1970, if the file system knows.
    born: Option<u64>,
}

impl FileId {
    /// The id of the file at a path, without opening it.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        let born = found.created().ok().and_then(|at| u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok());
        Ok(Self { device: found.dev(), inode: found.ino(), born })
    }

    /// Whether both ids belong to the same file. A disk may get another device number when the machine restarts, so
    /// that number only counts if the creation time is unknown.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same_birth = match (self.born, other.born) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.device == other.device,
        };
        self.inode == other.inode && is_same_birth
    }
}

impl Identity {
    /// Creates an identity for a new database.
    pub fn new(database: String) -> io::Result<Self> {
        Ok(Self { database, submissions: 0, receipts: 0, file: None, secrets: vec![random_secret()?], number_key: random_secret()? })
    }

    /// Reads the file; `None` if it does not exist.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let identity: Self = serde_json::from_slice(&text)
            // The parser's message could quote a secret.
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not an identity file of receiptd (restore it from a backup)"))?;
        identity.callback_secrets().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it contains no readable secret"))?;
        Ok(Some(identity))
    }

    /// Writes the file, replacing an existing one, with mode 0600. Durable on return.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        durable::replace(path, self.text()?.as_bytes())
    }

    /// Writes a new file with mode 0600. Durable on return.
    pub fn create(&self, path: &Path) -> io::Result<()> {
        durable::create(path, self.text()?.as_bytes())
    }

    fn text(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self).map_err(io::Error::other)? + "\n")
    }

    /// The secrets, ready for use; `None` if none is readable.
    pub fn callback_secrets(&self) -> Option<CallbackSecrets> {
        let decoded: Vec<Vec<u8>> = self.secrets.iter().filter_map(|secret| STANDARD_NO_PAD.decode(secret).ok()).collect();
        CallbackSecrets::new(decoded.iter().map(Vec::as_slice))
    }

    /// The number of secrets that are accepted in tokens.
    pub fn accepted(&self) -> usize {
        self.secrets.len()
    }

    /// Creates a new secret for new tokens. Earlier tokens stay valid unless they are revoked.
    pub fn rotate(&mut self, revoke: bool) -> io::Result<()> {
        if revoke {
            self.secrets.clear();
        }
        self.secrets.insert(0, random_secret()?);
        Ok(())
    }

    /// The hash that replaces an erased number.
    pub fn number_hash(&self, number: Msisdn) -> [u8; 32] {
        self.keyed_hash(&number.digits().to_be_bytes())
    }

    /// The hash that replaces the content of a pruned batch.
    pub fn content_hash(&self, content: &[u8]) -> [u8; 32] {
        self.keyed_hash(content)
    }

    fn keyed_hash(&self, of: &[u8]) -> [u8; 32] {
        let key = STANDARD_NO_PAD.decode(&self.number_key).unwrap_or_default();
        match Hmac::<Sha256>::new_from_slice(&key) {
            Ok(mac) => mac.chain_update(of).finalize().into_bytes().into(),
            Err(_) => [0; 32], // HMAC accepts keys of any length
        }
    }
}

fn random_secret() -> io::Result<String> {
    let mut secret = [0u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(STANDARD_NO_PAD.encode(secret))
}

/// The path of the database with a suffix appended to its name.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_for_its_owner_alone_and_comes_back_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db.identity");
        assert!(Identity::load(&path).expect("readable").is_none());
        let mut identity = Identity::new("d".into()).expect("made");
        identity.submissions = 7;
        identity.save(&path).expect("saved");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let again = Identity::load(&path).expect("readable").expect("there");
        assert_eq!((again.submissions, again.secrets), (7, identity.secrets));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_quotes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db.identity");
        std::fs::write(&path, "{\"secrets\":\"hush\"}").expect("written");
        let error = Identity::load(&path).err().expect("an error").to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}
