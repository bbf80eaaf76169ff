//! Tests over real sockets.

mod calls;
mod faults;
mod receipts;
mod support;
