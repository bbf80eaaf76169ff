//! The composition root: everything is made, wired and stopped here.

mod daemon;
mod inherited;
mod manager;
mod stop;
mod workers;

pub use daemon::{Bound, Listeners, ServeError, bind};
pub use manager::Manager;
