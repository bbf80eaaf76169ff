//! receiptd: submits batches of SMS and RCS and records what became of every single message.

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod codes;
pub mod config;
pub mod domain;
pub mod http;
pub mod probe;
pub mod provider;
pub mod receive;
pub mod reconcile;
pub mod secret;
pub mod serve;
pub mod simulator;
pub mod store;
pub mod submit;
