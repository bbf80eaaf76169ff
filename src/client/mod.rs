//! Our own REST API from the caller's side (contract §4).

mod endpoints;
mod error;
mod exchange;
mod filters;
mod live;

pub use endpoints::Client;
pub use error::ClientError;
pub use filters::{BatchFilter, DestinationFilter, ExportFormat, QuarantineFilter, ReceiptFilter};

#[cfg(test)]
mod tests;
