//! What is counted while the daemon runs, and how Prometheus reads it.

mod counters;
mod histogram;
mod render;

pub use counters::{Call, Ending, Failed, Metrics};
pub use render::{CONTENT_TYPE, Gauges, render};
