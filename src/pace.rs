//! Growing delays after failures in a row.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Clock;

/// Decides when the next attempt may be made. It uses the clock's running time, so setting the system clock neither
/// hastens nor delays an attempt.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    /// Failures in a row.
    failures: Cell<u32>,
    /// The running time of the clock before which no attempt is made.
    until: Cell<Duration>,
}

impl Pace {
    /// A pace whose first attempt may be made at once.
    pub fn new(clock: Clock) -> Self {
        Self { clock, failures: Cell::new(0), until: Cell::new(Duration::ZERO) }
    }

    /// The time left until the next attempt; zero if it may be made now.
    pub fn left(&self) -> Duration {
        self.until.get().saturating_sub(self.clock.elapsed())
    }

    /// Allows no attempt for this long. An earlier, longer pause stays in force.
    pub fn pause(&self, wait: Duration) {
        self.until.set(self.until.get().max(self.clock.elapsed() + wait));
    }

    /// Notes a success: the next failure counts as the first.
    pub fn succeeded(&self) {
        self.failures.set(0);
    }

    /// Notes a failure, and allows the next attempt after this delay.
    pub fn failed(&self, wait: Duration) {
        self.failures.set(self.failures.get().saturating_add(1));
        self.pause(wait);
    }

    /// The delay after one more failure: `first`, doubled for each previous failure in a row, at most `longest`.
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
