//! The errors of the store, and what the caller can do about them.

use std::io;
use std::path::PathBuf;

/// Why an operation of the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many jobs are waiting, or another process holds the write lock. Nothing was written: try again later.
    #[error("the store is busy")]
    Busy,
    /// The commit failed in a way that leaves it unknown whether it happened. Only repeat operations that may be
    /// repeated.
    #[error("it is unknown whether this was written")]
    CommitUnknown,
    /// The storage does not work at the moment. Nothing was acknowledged.
    #[error("the storage fails: {0}")]
    Broken(String),
    /// The item cannot be stored: the quarantine is full of items that nobody has handled.
    #[error("the quarantine is full")]
    QuarantineFull,
    /// The daemon is stopping.
    #[error("the store is closing")]
    Closing,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon uses the database.
    #[error(
        "{path} is in use by another receiptd (process {holder}); stop it first, or give this one a database of its own (`database = …`)"
    )]
    InUse {
        /// The path of the database.
        path: PathBuf,
        /// The process id that the other daemon wrote down.
        holder: String,
    },
    /// The database file has several names.
    #[error(
        "{path} has {links} hard links, and another receiptd could be started by another name of it; delete the other names (find / -samefile {path}), or copy the file to one of its own"
    )]
    Links {
        /// The path of the database.
        path: PathBuf,
        /// The number of names.
        links: u64,
    },
    /// It is an SQLite database, but not one of receiptd.
    #[error("{0} is an SQLite database, but not one of receiptd; set `database` to another path")]
    Foreign(PathBuf),
    /// It is not an SQLite database.
    #[error("{0} is not an SQLite database; set `database` to another path")]
    NoDatabase(PathBuf),
    /// It was written by a newer receiptd.
    #[error(
        "{path} has schema version {found}, and this receiptd knows versions up to {known}; install the newer receiptd again, or restore the copy it made before upgrading"
    )]
    Newer {
        /// The path of the database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// The copy before an upgrade cannot be written.
    #[error("the schema of the database must be upgraded, but the copy {path} cannot be written first: {reason}")]
    NoBackup {
        /// The path of the copy.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// An upgrade failed; nothing was changed.
    #[error("the schema upgrade failed, and nothing was changed: {0}")]
    Migration(String),
    /// A file beside the database cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The engine's error, in its words.
    #[error("the database cannot be opened: {0}")]
    Engine(String),
    /// It can be written but not read.
    #[error("the database cannot be opened for reading: {0}")]
    Readers(String),
}

/// Why a copy could not be restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The copy is the database itself.
    #[error("{0} is the database itself; pass a copy of it")]
    Same(PathBuf),
    /// The identity file of the copy, with the secrets of the callback URLs, is missing.
    #[error("{0} is missing: a copy consists of two files, and this one contains the secrets of the callback URLs")]
    NoIdentity(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The engine cannot read the copy or write the database; in its words.
    #[error("the copy cannot be restored: {0}")]
    Engine(String),
    /// The copy cannot be opened, or a daemon uses the database.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why a backup failed. It leaves no files behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already.
    #[error("{0} exists already; choose another name, or move the file away")]
    Exists(PathBuf),
    /// The name could be confused with a file of the database.
    #[error("{0} begins with the name of the database, like the files that belong to it; choose another name")]
    Reserved(PathBuf),
    /// The folder does not exist.
    #[error("folder {0} does not exist")]
    NoFolder(PathBuf),
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The engine cannot read the database or write the copy; in its words.
    #[error("the copy cannot be written: {0}")]
    Engine(String),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Closing,
}
