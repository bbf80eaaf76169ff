//! What is counted while the daemon runs, and how Prometheus reads it.

mod counters;

pub use counters::*;
