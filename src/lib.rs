//! receiptd: submits batches of SMS and RCS and records what became of every single message.

pub mod api;
pub mod clock;
pub mod domain;
pub mod receive;
pub mod store;
