//! A client of our own REST API (docs/api.md).

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
