//! Converting SQLite's errors to the store's.

use rusqlite::ErrorCode;

use crate::store::error::{BackupError, OpenError, RestoreError, StoreError};

/// Why a job in a transaction failed.
#[derive(Debug)]
pub(super) enum JobError {
    /// SQLite's error.
    Engine(rusqlite::Error),
    /// The job itself is refused; the others are not affected.
    Refused(StoreError),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            // The message of a failed statement may quote the statement, but never its values.
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Whether the storage itself failed, which affects every job of the transaction.
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

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

impl From<r2d2::Error> for OpenError {
    fn from(error: r2d2::Error) -> Self {
        Self::Readers(error.to_string())
    }
}

impl From<rusqlite::Error> for RestoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
