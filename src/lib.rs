//! receiptd: submits batches of SMS and RCS and records what became of every single message.
//! (The flow and the rank table of `design.md` follow here.)
