//! When what is pending expires, and that a clock which was set expires nothing.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::lock::lock;

/// More than this between what went by and what the clock says, and it was set.
const TRUSTED_DRIFT: Duration = Duration::from_secs(5 * 60);

/// By which clock a batch is past its deadline.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The time here; `None` while the clock here is not to be trusted: then nothing expires.
    pub now: Option<Timestamp>,
    /// From submission until what is pending expires.
    pub deadline: Duration,
}

impl Due {
    /// Sent before this time, a batch is past its deadline by the clock here and by the provider's, where it tells.
    pub(super) fn sent_before(self, there: Option<Timestamp>) -> Option<Timestamp> {
        let here = self.now?;
        // No two clocks agree to the second, and a `Date` has no more than that: only one that is far behind ours counts.
        Some(there.filter(|there| here.since(*there) > TRUSTED_DRIFT).unwrap_or(here).minus(self.deadline))
    }
}

/// What is past its deadline, for all who ask the provider: by itself, and because a person wants it. It watches the clock,
/// and under one that was set nothing expires for them all.
#[derive(Debug)]
pub struct Deadline {
    clock: Clock,
    /// From submission until what is pending expires.
    length: Duration,
    watched: Mutex<ClockWatch>,
}

#[derive(Debug)]
struct ClockWatch {
    /// When the clock was looked at last: the time it was, and how long it had run. More between two looks than went by
    /// means that somebody has set it.
    last: (Timestamp, Duration),
    /// Nothing expires before the clock has run for so long.
    expires_after: Duration,
}

impl Deadline {
    /// So long after submission.
    pub fn new(clock: Clock, length: Duration) -> Self {
        let last = (clock.now(), clock.elapsed());
        Self { clock, length, watched: Mutex::new(ClockWatch { last, expires_after: Duration::ZERO }) }
    }

    /// By which clock a batch is past it now. After the clock was set, nobody knows how long ago a batch was really sent:
    /// what is pending has its whole time again.
    pub fn due(&self) -> Due {
        let mut watched = lock(&self.watched);
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let (then, at) = std::mem::replace(&mut watched.last, (now, elapsed));
        let expected = then.plus(elapsed.saturating_sub(at));
        let jump = now.since(expected).max(expected.since(now));
        if jump > TRUSTED_DRIFT {
            log::warn!("the clock was set from {expected} to {now}: nothing expires before {:?} have gone by from now", self.length);
            watched.expires_after = elapsed + self.length;
        }
        Due { now: (elapsed >= watched.expires_after).then_some(now), deadline: self.length }
    }
}
