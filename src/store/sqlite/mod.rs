//! SQLite: one file, one writer.
//!
//! One writer thread owns the only writing connection and commits in groups; readers use a pool of read-only
//! connections.

mod awaiting;
mod backup;
mod batches;
mod check;
mod checkpoint;
mod claims;
mod codes;
mod connection;
mod counters;
mod crowded;
mod destinations;
mod engine;
mod enqueue;
mod failure;
mod file_watch;
mod forget;
mod forgotten;
mod gauges;
mod handle;
mod ids;
mod infos;
mod lineage;
mod lock;
mod numbers;
mod open;
mod outbox;
mod ping;
mod progress;
mod prune;
mod quarantine;
mod queued_before;
mod receipt_log;
mod record;
mod restore;
mod rows;
mod schema;
mod set_aside;
mod stats;
mod traffic;
mod transaction;
mod tx;
mod writer;

pub use backup::backup_file;
pub use check::check_file;
pub(super) use handle::Sqlite;
pub use restore::restore_file;
