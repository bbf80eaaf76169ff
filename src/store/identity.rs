//! `<database>.identity`: what must be kept beside the database and never in it.
//!
//! The secrets of the callback tokens (a person who may read the database must not be able to forge a
//! receipt), and the counter of submissions that tells a restored copy from the original.

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

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;

/// The content of the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The database it belongs to.
    pub database: String,
    /// Submissions begun: never behind what the provider may have seen.
    pub submissions: i64,
    /// The newest id of a receipt when the database was opened last: what takes the place of a lost database leaps from there.
    #[serde(default)]
    pub receipts: i64,
    /// The file that the database is in: another one may be a copy that somebody put back with this identity. `None`: an older
    /// version wrote this, or it is the identity of a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// Secrets of the callback tokens, the newest first, in base64.
    secrets: Vec<String>,
    /// Key of the hashes that stand for forgotten numbers, in base64.
    number_key: String,
}

/// What tells a file from its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    /// When it was made, in nanoseconds since 1970, where the file system knows that.
    born: Option<u64>,
}

impl FileId {
    /// Of the file at a path, which is not opened.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        let born = found.created().ok().and_then(|at| u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok());
        Ok(Self { device: found.dev(), inode: found.ino(), born })
    }

    /// Whether both are one file. The same disk may have another number after a restart of the machine: it counts only where
    /// nobody knows when the file was made.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same_birth = match (self.born, other.born) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.device == other.device,
        };
        self.inode == other.inode && is_same_birth
    }
}

impl Identity {
    /// A new one, for a new database.
    pub fn new(database: String) -> io::Result<Self> {
        Ok(Self { database, submissions: 0, receipts: 0, file: None, secrets: vec![random_secret()?], number_key: random_secret()? })
    }

    /// Reads the file; `None` when there is none.
    pub fn load(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let identity: Self = serde_json::from_slice(&text)
            // The parser's message could quote a secret.
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not an identity file of receiptd (restore it from a backup)"))?;
        identity.callback_secrets().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it holds no readable secret"))?;
        Ok(Some(identity))
    }

    /// Writes it in the place of the one that may be there, mode 0600, durable on return.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        durable::replace(path, self.text()?.as_bytes())
    }

    /// Writes it where none may be yet, mode 0600, durable on return.
    pub fn create(&self, path: &Path) -> io::Result<()> {
        durable::create(path, self.text()?.as_bytes())
    }

    fn text(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self).map_err(io::Error::other)? + "\n")
    }

    /// The secrets, ready for use; `None` when not one is readable.
    pub fn callback_secrets(&self) -> Option<CallbackSecrets> {
        let decoded: Vec<Vec<u8>> = self.secrets.iter().filter_map(|secret| STANDARD_NO_PAD.decode(secret).ok()).collect();
        CallbackSecrets::new(decoded.iter().map(Vec::as_slice))
    }

    /// How many secrets tokens are accepted under.
    pub fn accepted(&self) -> usize {
        self.secrets.len()
    }

    /// A new secret for new tokens; those made so far stay good, unless they are revoked.
    pub fn rotate(&mut self, revoke: bool) -> io::Result<()> {
        if revoke {
            self.secrets.clear();
        }
        self.secrets.insert(0, random_secret()?);
        Ok(())
    }

    /// The hash that stands for a forgotten number.
    pub fn number_hash(&self, number: Msisdn) -> [u8; 32] {
        self.keyed_hash(&number.digits().to_be_bytes())
    }

    /// The hash that stands for the content of a batch that was pruned.
    pub fn content_hash(&self, content: &[u8]) -> [u8; 32] {
        self.keyed_hash(content)
    }

    fn keyed_hash(&self, of: &[u8]) -> [u8; 32] {
        let key = STANDARD_NO_PAD.decode(&self.number_key).unwrap_or_default();
        match Hmac::<Sha256>::new_from_slice(&key) {
            Ok(mac) => mac.chain_update(of).finalize().into_bytes().into(),
            Err(_) => [0; 32], // HMAC takes keys of any length
        }
    }
}

fn random_secret() -> io::Result<String> {
    let mut secret = [0u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(STANDARD_NO_PAD.encode(secret))
}

/// `<database>` with something appended to its name.
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
