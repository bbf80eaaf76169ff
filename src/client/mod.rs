//! Our own REST API from the caller's side (contract §4).

mod endpoints;
mod error;
mod exchange;
mod filters;
mod live;
mod pages;

pub use endpoints::Client;
pub use error::ClientError;
pub use filters::{BatchFilter, DestinationFilter, ExportFormat, QuarantineFilter, ReceiptFilter};
pub use pages::all_pages;

#[cfg(test)]
mod tests;
