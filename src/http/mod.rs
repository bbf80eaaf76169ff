//! Both listeners: requests in, use cases called, answers out.

mod batches;
mod connections;
mod error;
mod export;
mod numbers;
mod ops;
mod page;
mod public;
mod quarantine;
mod query;
mod receipts;
mod routes;
mod state;
mod stream;

pub use connections::{Connections, IDLE};
pub use public::PublicState;
pub use routes::{private_routes, public_routes};
pub use state::ApiState;
pub use stream::Feed;
