//! The outcome of each destination, decided at random from the batch's seed alone, and the schedule of its receipts.
//!
//! Nothing is stored for a destination: its outcome is computed again whenever it is needed.

use std::time::Duration;

use uuid::Uuid;

use super::{Oddity, Profile, batch::Batch, chance::Chance};

/// What happens to one destination.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fate<'p> {
    /// `None` if it stays pending for ever.
    pub outcome: Option<Outcome<'p>>,
    /// The code with which the first channel fails, if a fallback channel succeeds.
    pub fallback_after: Option<&'p str>,
    pub lost: bool,
    pub early: bool,
    pub duplicate: bool,
    pub unexpected: bool,
    pub unreadable: bool,
    pub odd: Option<Oddity>,
    /// When its (first) receipt is due, counted from sending.
    pub due: Duration,
    /// When its second receipt is due, if there is one.
    pub due_again: Duration,
    pub message: Uuid,
    pub null_info: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome<'p> {
    Delivered,
    Failed(&'p str),
}

impl Batch {
    /// What happens to the destination at `index`.
    pub(super) fn fate(&self, index: usize) -> Fate<'_> {
        let profile = &*self.profile;
        let mut chance = Chance::of(&[self.chance, index as u64]);
        // A seed's meaning depends on the order of these draws: add new ones at the end.
        let failed = chance.hits(profile.failing);
        let code = pick_code(profile, &mut chance);
        let never = chance.hits(profile.never);
        let lost = chance.hits(profile.lost);
        let early = chance.hits(profile.early);
        let late = chance.hits(profile.late);
        let duplicate = chance.hits(profile.duplicate);
        let fallback = chance.hits(profile.fallback) && !self.order.fallback_channels.is_empty();
        let unexpected = chance.hits(profile.unexpected);
        let unreadable = chance.hits(profile.unreadable);
        let odd = chance.hits(profile.odd);
        let oddity = profile.oddities.get(chance.below(profile.oddities.len())).copied();
        let delay = chance.within(profile.delay);
        let late_by = chance.within(profile.late_by);
        let again = chance.within(profile.delay);
        let null_info = chance.hits(profile.null_info);
        let first_sharing = if profile.shared_message_uuids { index - index % 3 } else { index };

        let due = if early {
            Duration::ZERO
        } else if late {
            delay + late_by
        } else {
            delay
        };
        let outcome = if never {
            None
        } else if failed && !fallback {
            Some(Outcome::Failed(code))
        } else {
            Some(Outcome::Delivered)
        };
        Fate {
            outcome,
            fallback_after: (fallback && !never).then_some(code),
            lost,
            early,
            duplicate,
            unexpected,
            unreadable,
            odd: oddity.filter(|_| odd),
            due,
            // Never before the first one: a fallback starts after the first channel has failed.
            due_again: due + again,
            message: Chance::of(&[self.chance, first_sharing as u64, 1]).uuid(),
            null_info,
        }
    }
}

fn pick_code<'p>(profile: &'p Profile, chance: &mut Chance) -> &'p str {
    let total: u64 = profile.codes.iter().map(|code| u64::from(code.weight)).sum();
    let mut left = (chance.unit() * total as f64) as u64;
    for code in &profile.codes {
        let weight = u64::from(code.weight);
        if left < weight {
            return &code.code;
        }
        left -= weight;
    }
    "22"
}

/// A receipt to be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    /// Milliseconds from the start of its wave.
    pub due: u32,
    /// Shuffles receipts that are due in the same millisecond.
    tie: u32,
    pub index: u32,
    pub kind: Kind,
}

/// The kind of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The failure of the first channel, before the fallback's receipt.
    FirstChannel,
    /// The outcome.
    Outcome,
    /// A repetition of the outcome.
    Duplicate,
    /// A receipt for a number that is not in the batch.
    Unexpected,
}

/// The part of a batch's receipts to post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wave {
    /// The receipts that come before the answer.
    Early,
    /// The receipts that come after the answer.
    Late,
    /// All receipts: the batch had not been sent when it was answered.
    Whole,
}

/// One courier's receipts of a wave, in the order in which they are due, and the number of its receipts that are never
/// posted.
pub(super) fn plan(batch: &Batch, wave: Wave, courier: usize, couriers: usize) -> (Vec<Posting>, u64) {
    let mut postings = Vec::new();
    let mut withheld = 0;
    for index in (courier..batch.order.destinations.len()).step_by(couriers.max(1)) {
        let fate = batch.fate(index);
        let mut tie = Chance::of(&[batch.chance, index as u64, 2]);
        let mut post = |kind, due: Duration, early: bool| {
            let wanted = match wave {
                Wave::Early => early,
                Wave::Late => !early,
                Wave::Whole => true,
            };
            if wanted {
                postings.push(Posting {
                    due: u32::try_from(due.as_millis()).unwrap_or(u32::MAX),
                    tie: tie.next() as u32,
                    index: index as u32,
                    kind,
                });
            }
        };
        if fate.outcome.is_some() {
            if fate.lost || batch.profile.deaf || batch.order.callback.is_none() {
                withheld += u64::from(wave != Wave::Early);
                continue;
            }
            if fate.fallback_after.is_some() {
                post(Kind::FirstChannel, fate.due, fate.early);
                post(Kind::Outcome, fate.due_again, false);
            } else {
                post(Kind::Outcome, fate.due, fate.early);
            }
            if fate.duplicate {
                post(Kind::Duplicate, fate.due_again, false);
            }
        }
        if fate.unexpected && !batch.profile.deaf && batch.order.callback.is_some() {
            post(Kind::Unexpected, fate.due_again, false);
        }
    }
    postings.sort_unstable();
    (postings, withheld)
}
