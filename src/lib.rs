//! receiptd: submits batches of SMS and RCS and records what became of every single message.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod provider;
pub mod receive;
pub mod secret;
pub mod store;
pub mod submit;
