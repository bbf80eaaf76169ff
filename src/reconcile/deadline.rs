//! The deadline after which pending destinations expire, and the check that a clock change expires nothing.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::lock::lock;

/// The largest difference between the elapsed time and the change of the clock; beyond that, the clock was set.
const TRUSTED_DRIFT: Duration = Duration::from_secs(5 * 60);

/// The time by which deadlines are judged.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The local time; `None` while the local clock cannot be trusted, so that nothing expires.
    pub now: Option<Timestamp>,
    /// The time from submission to expiry.
    pub deadline: Duration,
}

impl Due {
    /// A batch that was sent before this time is past its deadline, by the local clock and by the provider's if that is
    /// known.
    pub(super) fn sent_before(self, there: Option<Timestamp>) -> Option<Timestamp> {
        let here = self.now?;
        // Two clocks never agree exactly, and `Date` has a resolution of one second: the provider's time matters only
        // if it is far behind ours.
        Some(there.filter(|there| here.since(*there) > TRUSTED_DRIFT).unwrap_or(here).minus(self.deadline))
    }
}

/// The deadline, shared by everything that asks the provider, whether automatically or for a person. It watches the
/// clock; after the clock was set, nothing expires for a while.
#[derive(Debug)]
pub struct Deadline {
    clock: Clock,
    /// The time from submission to expiry.
    length: Duration,
    watched: Mutex<ClockWatch>,
}

#[derive(Debug)]
struct ClockWatch {
    /// The last look at the clock: its time, and how long it had been running. If the time changed by more than the
    /// time that elapsed, somebody set the clock.
    last: (Timestamp, Duration),
    /// The running time of the clock before which nothing expires.
    expires_after: Duration,
}

impl Deadline {
    /// A deadline of this length after submission.
    pub fn new(clock: Clock, length: Duration) -> Self {
        let last = (clock.now(), clock.elapsed());
        Self { clock, length, watched: Mutex::new(ClockWatch { last, expires_after: Duration::ZERO }) }
    }

    /// The time by which deadlines are judged now. After the clock was set, it is unknown how long ago a batch was
    /// really sent, so pending destinations get the whole time again.
    pub fn due(&self) -> Due {
        let mut watched = lock(&self.watched);
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let (then, at) = std::mem::replace(&mut watched.last, (now, elapsed));
        let expected = then.plus(elapsed.saturating_sub(at));
        let jump = now.since(expected).max(expected.since(now));
        if jump > TRUSTED_DRIFT {
            log::warn!("the clock was set from {expected} to {now}: nothing expires for the next {:?}", self.length);
            watched.expires_after = elapsed + self.length;
        }
        Due { now: (elapsed >= watched.expires_after).then_some(now), deadline: self.length }
    }
}
