//! The composition root: everything is created, connected and stopped here.

mod daemon;
mod error;
mod inherited;
mod listeners;
mod manager;
mod servers;
mod shared;
mod token;
mod workers;

pub use daemon::{Bound, bind};
pub use error::ServeError;
pub use listeners::Listeners;
pub use manager::Manager;
