//! Waiting longer after each failure in a row.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Clock;

/// When the next attempt may be made. It goes by how long the clock has been running: setting the clock neither hurries
/// nor stops anybody.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    /// Failures in a row.
    failures: Cell<u32>,
    /// No attempt before the clock has run for so long.
    until: Cell<Duration>,
}

impl Pace {
    /// The first attempt may be made at once.
    pub fn new(clock: Clock) -> Self {
        Self { clock, failures: Cell::new(0), until: Cell::new(Duration::ZERO) }
    }

    /// How long to wait yet; zero: the next attempt may be made now.
    pub fn left(&self) -> Duration {
        self.until.get().saturating_sub(self.clock.elapsed())
    }

    /// No attempt before so much time has gone by, whatever was asked for before.
    pub fn pause(&self, wait: Duration) {
        self.until.set(self.until.get().max(self.clock.elapsed() + wait));
    }

    /// An attempt succeeded: the next failure is the first.
    pub fn succeeded(&self) {
        self.failures.set(0);
    }

    /// An attempt failed, and the next is made after this wait.
    pub fn failed(&self, wait: Duration) {
        self.failures.set(self.failures.get().saturating_add(1));
        self.pause(wait);
    }

    /// The wait that is due after a further failure: `first`, doubled for each failure before, `longest` at most.
    pub fn doubled(&self, first: Duration, longest: Duration) -> Duration {
        first.saturating_mul(1 << self.failures.get().min(16)).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let clock = Clock::stopped_at(Timestamp::from_millis(0));
        let pace = Pace::new(clock.clone());
        assert_eq!(pace.left(), Duration::ZERO);
        for _ in 0..2 {
            for seconds in [5, 10, 20, 40, 60, 60] {
                pace.failed(pace.doubled(FIRST, LONGEST));
                assert_eq!(pace.left(), Duration::from_secs(seconds));
                clock.step(pace.left());
                assert_eq!(pace.left(), Duration::ZERO);
            }
            pace.succeeded();
        }
        (0..100).for_each(|_| pace.failed(Duration::ZERO));
        assert_eq!(pace.doubled(FIRST, LONGEST), LONGEST);
    }

    #[test]
    fn a_short_pause_does_not_end_a_long_one_and_the_time_of_day_does_not_matter() {
        let clock = Clock::stopped_at(Timestamp::from_millis(0));
        let pace = Pace::new(clock.clone());
        pace.pause(LONGEST);
        pace.pause(FIRST);
        clock.set(Timestamp::from_millis(1 << 40));
        assert_eq!(pace.left(), LONGEST);
    }
}
