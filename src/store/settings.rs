//! What the store needs to know.

use std::path::PathBuf;

/// What the store needs to know.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// How much the quarantine may hold.
    pub quarantine: QuarantineBounds,
}

/// How much the quarantine may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineBounds {
    /// Items.
    pub max_count: u64,
    /// Bytes of their bodies.
    pub max_bytes: u64,
}
