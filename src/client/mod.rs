//! Our own REST API from the caller's side (contract §4).

mod endpoints;
mod exchange;
mod live;

pub use endpoints::{BatchFilter, Client, ClientError, DestinationFilter, ExportFormat, QuarantineFilter, ReceiptFilter};

#[cfg(test)]
mod tests;
