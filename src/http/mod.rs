//! Both listeners: parsing requests, calling the use cases, rendering answers.

mod accept;
mod access;
mod batches;
mod body;
mod connections;
mod error;
mod export;
mod feed;
pub mod listener;
mod numbers;
mod ops;
mod page;
mod public;
mod quarantine;
mod query;
mod receipts;
mod routes;
mod sipping;
mod state;
mod stream;

pub use access::{head, logged};
pub use body::BodyBudget;
pub use connections::{Connections, IDLE};
pub use feed::Feed;
pub use public::PublicState;
pub use routes::{private_routes, public_routes};
pub use state::ApiState;
