//! The command line: arguments, tables, progress, exit codes. One file a family of commands.

pub mod args;
pub mod batches;
mod confirm;
pub mod demo;
pub mod doctor;
pub mod export;
mod failed_codes;
pub mod failure;
pub mod generate;
mod hand_over;
pub mod health;
mod logging;
mod number_list;
pub mod numbers;
pub mod operate;
pub mod output;
mod plan;
mod preview;
mod progress;
pub mod quarantine;
pub mod reconcile;
pub mod resolve;
mod run;
pub mod sandbox;
pub mod send;
pub mod serve;
pub mod session;
mod subject;
pub mod tables;
mod values;
pub mod watch;

pub use args::Cli;
pub use failure::Failure;
pub use run::run;
pub use session::Session;
