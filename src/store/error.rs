//! What can go wrong in the store, and what the caller can do about it.

use rusqlite::ErrorCode;

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

/// Why a job inside a transaction gave up.
#[derive(Debug)]
pub(super) enum JobError {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// The job refuses itself; its neighbours are not concerned.
    Refused(StoreError),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            // The message of a failed statement may quote the statement, never its values.
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Whether the storage itself failed, so that every job of the transaction is concerned.
pub(super) fn is_storage_failure(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}
