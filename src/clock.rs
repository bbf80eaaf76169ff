//! The clock, passed to everything that needs the time, so that tests can control it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// A clock: either the system's, or one that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { started: Instant },
    Stopped(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    now: AtomicI64,
    /// In nanoseconds.
    elapsed: AtomicU64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Kind::System { started: Instant::now() })
    }

    /// A clock that stands still until [`Clock::step`].
    pub fn stopped_at(at: Timestamp) -> Self {
        Self(Kind::Stopped(Arc::new(Hands { now: AtomicI64::new(at.as_millis()), elapsed: AtomicU64::new(0) })))
    }

    /// The current time. It may jump in either direction when the system clock is set.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { .. } => SystemTime::now().into(),
            Kind::Stopped(hands) => Timestamp::from_millis(hands.now.load(Ordering::SeqCst)),
        }
    }

    /// How long this clock has been running, unaffected by setting it. Delays are measured with it.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System { started } => started.elapsed(),
            Kind::Stopped(hands) => Duration::from_nanos(hands.elapsed.load(Ordering::SeqCst)),
        }
    }

    /// Advances a stopped clock; the system's clock cannot be moved.
    pub fn step(&self, by: Duration) {
        self.set(self.now().plus(by));
        if let Kind::Stopped(hands) = &self.0 {
            hands.elapsed.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Sets a stopped clock to another time, without advancing [`Clock::elapsed`].
    pub fn set(&self, to: Timestamp) {
        if let Kind::Stopped(hands) = &self.0 {
            hands.now.store(to.as_millis(), Ordering::SeqCst);
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
    fn a_stopped_clock_moves_only_when_it_is_stepped_or_set() {
        let clock = Clock::stopped_at(Timestamp::from_millis(5));
        let same = clock.clone();
        clock.step(Duration::from_millis(10));
        assert_eq!((same.now(), same.elapsed()), (Timestamp::from_millis(15), Duration::from_millis(10)));
        clock.set(Timestamp::from_millis(3));
        assert_eq!((same.now(), same.elapsed()), (Timestamp::from_millis(3), Duration::from_millis(10)));
        assert!(Clock::system().now() > clock.now());
    }
}
