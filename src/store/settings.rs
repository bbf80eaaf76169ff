//! The settings of the store.

use std::path::PathBuf;

/// The settings of the store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The path of the database; its folder must exist.
    pub path: PathBuf,
    /// The limits of the quarantine.
    pub quarantine: QuarantineBounds,
}

/// The limits of the quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineBounds {
    /// The largest number of items.
    pub max_count: u64,
    /// The largest total size of their bodies in bytes.
    pub max_bytes: u64,
}
