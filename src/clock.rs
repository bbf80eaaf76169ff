//! The clock that is handed in, so that tests step it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Tells the time: the system's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until [`Clock::step`].
    pub fn stopped_at(at: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.as_millis()))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(hand) => Timestamp::from_millis(hand.load(Ordering::SeqCst)),
            None => SystemTime::now().into(),
        }
    }

    /// Moves a stopped clock forward; the system's cannot be moved.
    pub fn step(&self, by: Duration) {
        if let Some(hand) = &self.0 {
            hand.store(self.now().plus(by).as_millis(), Ordering::SeqCst);
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_stepped() {
        let clock = Clock::stopped_at(Timestamp::from_millis(5));
        let same = clock.clone();
        clock.step(Duration::from_millis(10));
        assert_eq!(same.now(), Timestamp::from_millis(15));
        assert!(Clock::system().now() > clock.now());
    }
}
