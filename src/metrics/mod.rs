//! The metrics of the daemon, and the text that Prometheus reads.

mod counters;
mod format;
mod histogram;
mod process;
mod render;

pub use counters::{Call, Ending, Failed, Metrics};
pub use format::Format;
pub use process::Process;
pub use render::{Gauges, render};
