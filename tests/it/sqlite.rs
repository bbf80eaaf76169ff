//! What SQLite's file itself shows, and what befalls it. The rest of the suite reaches a database through
//! [`Home`](crate::support::Home) and names no engine.

mod copies;
mod damage;
mod file;
mod power_cut;
mod restoring;
mod storage;
mod upgrade;
