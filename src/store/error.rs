//! What can go wrong in the store, and what the caller can do about it.

use std::io;
use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already, or another process holds the write lock. Nothing was written: ask again later.
    #[error("the store is busy")]
    Busy,
    /// The commit failed in a way that does not say whether it happened. Ask again in a way that bears repetition.
    #[error("the store cannot tell whether this was written")]
    CommitUnknown,
    /// Storage does not work at the moment. Nothing was acknowledged.
    #[error("the storage fails: {0}")]
    Broken(String),
    /// What was sent cannot be stored: the quarantine is full of things nobody has looked at.
    #[error("the quarantine is full")]
    QuarantineFull,
    /// The daemon is stopping.
    #[error("the store is closing")]
    Closing,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error(
        "{path} is in use by another receiptd (process {holder}); stop that one first, or give this one a database of its own (`database = …`)"
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// Its process id, as it wrote it down.
        holder: String,
    },
    /// It has several names.
    #[error(
        "{path} has {links} hard links, and another receiptd could be started by another name of it; delete the other names (find / -samefile {path}), or copy the file to one of its own"
    )]
    Links {
        /// The database.
        path: PathBuf,
        /// How many.
        links: u64,
    },
    /// It is no database of ours.
    #[error("{0} is an SQLite database, but not one of receiptd; write another path to `database`")]
    Foreign(PathBuf),
    /// It is no database at all.
    #[error("{0} is not an SQLite database; write another path to `database`")]
    NoDatabase(PathBuf),
    /// It was written by a newer receiptd.
    #[error(
        "{path} has schema version {found}, and this receiptd knows versions up to {known}; install the newer receiptd again, or restore the copy it made before upgrading"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The copy before an upgrade cannot be made.
    #[error("the schema of the database must be upgraded, and the copy {path} that is made before cannot be written: {reason}")]
    NoBackup {
        /// The copy.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An upgrade failed; nothing was changed.
    #[error("the schema cannot be upgraded, nothing was changed: {0}")]
    Migration(String),
    /// A file beside the database.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The engine refuses; in its words.
    #[error("the database cannot be opened: {0}")]
    Engine(String),
    /// It can be written, and not be read.
    #[error("the database cannot be opened for reading: {0}")]
    Readers(String),
}

/// Why a copy was not put in the place of the database. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy is the database.
    #[error("{0} is the database itself; pass a copy of it")]
    Same(PathBuf),
    /// It lacks the secrets of the callback URLs.
    #[error("{0} is missing: a copy consists of two files, and this one holds the secrets of the callback URLs")]
    NoIdentity(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The engine cannot read the one, or write the other; in its words.
    #[error("the copy cannot be restored: {0}")]
    Engine(String),
    /// The copy cannot be opened, or a daemon has the database.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why there is no copy. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would have to be written over something.
    #[error("{0} exists already; name another file, or move it away")]
    Exists(PathBuf),
    /// It would be taken for a file of the database.
    #[error("{0} begins with the name of the database, as the files that belong to it do; choose another name")]
    Reserved(PathBuf),
    /// There is no such folder.
    #[error("folder {0} does not exist")]
    NoFolder(PathBuf),
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The engine cannot read the one, or write the other; in its words.
    #[error("the copy cannot be written: {0}")]
    Engine(String),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Closing,
}
