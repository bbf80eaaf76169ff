//! The effect of a receipt on its destination and on the counters of its batch.

use std::ops::{AddAssign, Sub};

use super::destination::Said;
use super::receipt::{Outcome, Source};

/// The largest number of distinct receipts per destination; more are quarantined.
pub const RECEIPTS_PER_DESTINATION: u64 = 1_000;
/// The number of receipts of a batch, beyond one per destination, after which receipts for numbers that are not in the
/// batch are quarantined.
pub const UNEXPECTED_PER_BATCH: i64 = 10_000;

/// What is known about a destination when a receipt for it arrives. The default is the most common case: no receipt so
/// far, and not a number of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether the batch contains this number.
    pub in_batch: bool,
    /// What its receipts have said so far.
    pub said: Said,
    /// Whether one of its receipts was the same: `delivered`, code (as a number) and message id.
    pub same: bool,
    /// The number of distinct receipts.
    pub receipts: u64,
    /// Whether one of its receipts conflicted with an earlier one.
    pub conflict: bool,
}

/// What is known about the batch when a receipt arrives for a number that it does not contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchSoFar {
    /// The number of its destinations.
    pub total: i64,
    /// The counters of its receipts so far.
    pub counts: ReceiptCounts,
}

/// Counters of receipts, or the change that one receipt makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiptCounts {
    /// Delivered destinations.
    pub delivered: i64,
    /// Failed destinations.
    pub failed: i64,
    /// Destinations that were reported as failed after they had been delivered.
    pub conflict: i64,
    /// Receipts.
    pub receipts: i64,
}

impl AddAssign for ReceiptCounts {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.conflict += other.conflict;
        self.receipts += other.receipts;
    }
}

impl Sub for ReceiptCounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            delivered: self.delivered - other.delivered,
            failed: self.failed - other.failed,
            conflict: self.conflict - other.conflict,
            receipts: self.receipts - other.receipts,
        }
    }
}

/// What happens to a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is added to the log.
    New {
        /// Its effect.
        outcome: Outcome,
        /// What the receipts of the destination say now.
        said: Said,
        /// Whether it is the first receipt for a destination of the batch.
        first: bool,
        /// The change of the batch's counters.
        counts: ReceiptCounts,
    },
    /// It is already in the log.
    Duplicate,
    /// There are more than a working provider sends; it is quarantined for this reason.
    Excess(&'static str),
}

/// Decides what happens to one more receipt of a destination.
///
/// An answer of the provider gives the state of a destination, not each of its receipts: if that state is known
/// already, the answer is not a receipt of its own.
pub fn verdict(seen: Seen, batch: BatchSoFar, delivered: bool, source: Source) -> Verdict {
    let said = seen.said.after(delivered);
    if seen.same || (source == Source::Poll && said == seen.said) {
        return Verdict::Duplicate;
    }
    if seen.receipts >= RECEIPTS_PER_DESTINATION {
        return Verdict::Excess("the destination already has 1,000 distinct receipts");
    }
    if !seen.in_batch {
        return unexpected(batch);
    }
    let is_conflict = said == seen.said && said == Said::Delivered && !delivered;
    let outcome = match said == seen.said {
        false => Outcome::Applied,
        true if is_conflict => Outcome::Conflict,
        true => Outcome::Repeated,
    };
    let change = |of| i64::from(said == of) - i64::from(seen.said == of);
    let counts = ReceiptCounts {
        delivered: change(Said::Delivered),
        failed: change(Said::Failed),
        conflict: i64::from(is_conflict && !seen.conflict),
        receipts: 1,
    };
    Verdict::New { outcome, said, first: seen.receipts == 0, counts }
}

/// Anyone who knows a callback URL could make up endless numbers, and must not fill the disk with them.
fn unexpected(batch: BatchSoFar) -> Verdict {
    let ReceiptCounts { receipts, delivered, failed, .. } = batch.counts;
    if receipts - delivered - failed >= UNEXPECTED_PER_BATCH + batch.total {
        return Verdict::Excess("the batch already has 10,000 receipts for numbers that it does not contain");
    }
    let counts = ReceiptCounts { receipts: 1, ..ReceiptCounts::default() };
    Verdict::New { outcome: Outcome::UnexpectedDestination, said: Said::Nothing, first: false, counts }
}

/// Whether a recorded receipt proves that the provider has the batch. Only the provider was given the callback URL; but
/// its answer to a question may concern somebody else's batch.
pub fn proves(source: Source, outcome: Outcome) -> bool {
    source != Source::Poll || outcome != Outcome::UnexpectedDestination
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::destination::fold;
    use super::*;

    const SAID: [Said; 3] = [Said::Nothing, Said::Failed, Said::Delivered];
    const SOURCES: [Source; 3] = [Source::Webhook, Source::Poll, Source::Replay];

    fn plenty() -> BatchSoFar {
        BatchSoFar { total: 5, counts: ReceiptCounts::default() }
    }

    /// Everything that can be known about a destination.
    fn all_seen() -> Vec<Seen> {
        let mut all = Vec::new();
        for said in SAID {
            for receipts in [1, 2, RECEIPTS_PER_DESTINATION - 1, RECEIPTS_PER_DESTINATION] {
                for (same, conflict) in [(false, false), (true, false), (false, true), (true, true)] {
                    if said == Said::Nothing {
                        all.push(Seen { in_batch: false, said, same, receipts, conflict: false });
                    } else {
                        all.push(Seen { in_batch: true, said, same, receipts, conflict: conflict && said == Said::Delivered });
                    }
                }
            }
        }
        all.extend([true, false].map(|in_batch| Seen { in_batch, ..Seen::default() }));
        all
    }

    #[test]
    fn the_usual_receipt_is_the_first_of_its_destination() {
        for source in SOURCES {
            for (delivered, said) in [(true, Said::Delivered), (false, Said::Failed)] {
                let counts = ReceiptCounts { delivered: i64::from(delivered), failed: i64::from(!delivered), conflict: 0, receipts: 1 };
                let seen = Seen { in_batch: true, ..Seen::default() };
                let expected = Verdict::New { outcome: Outcome::Applied, said, first: true, counts };
                assert_eq!(verdict(seen, plenty(), delivered, source), expected);
            }
        }
    }

    #[test]
    fn every_receipt_does_what_the_table_says() {
        use Outcome::{Applied, Conflict, Repeated};
        // What was said and what arrives; its effect when it is posted, and its effect when it comes from a poll.
        let table = [
            (Said::Nothing, false, Some((Applied, 0, 1, 0)), Some((Applied, 0, 1, 0))),
            (Said::Nothing, true, Some((Applied, 1, 0, 0)), Some((Applied, 1, 0, 0))),
            (Said::Failed, false, Some((Repeated, 0, 0, 0)), None),
            (Said::Failed, true, Some((Applied, 1, -1, 0)), Some((Applied, 1, -1, 0))),
            (Said::Delivered, false, Some((Conflict, 0, 0, 1)), None),
            (Said::Delivered, true, Some((Repeated, 0, 0, 0)), None),
        ];
        for (said, delivered, posted, polled) in table {
            let receipts = u64::from(said != Said::Nothing);
            for source in SOURCES {
                let expected = if source == Source::Poll { polled } else { posted };
                let seen = Seen { in_batch: true, said, receipts, ..Seen::default() };
                let did = match verdict(seen, plenty(), delivered, source) {
                    Verdict::New { outcome, counts, .. } => Some((outcome, counts.delivered, counts.failed, counts.conflict)),
                    _ => None,
                };
                assert_eq!(did, expected, "{said:?} {delivered} {source:?}");
            }
        }
    }

    #[test]
    fn whatever_was_seen_the_answer_is_sound() {
        for seen in all_seen() {
            for (delivered, source) in SOURCES.into_iter().flat_map(|source| [(true, source), (false, source)]) {
                let answer = verdict(seen, plenty(), delivered, source);
                match answer {
                    Verdict::Duplicate => assert!(seen.same || source == Source::Poll),
                    Verdict::Excess(_) => assert!(!seen.same && seen.receipts >= RECEIPTS_PER_DESTINATION),
                    Verdict::New { outcome, said, first, counts } => {
                        assert!(!seen.same && seen.receipts < RECEIPTS_PER_DESTINATION);
                        assert!(said >= seen.said, "what was said is never taken back");
                        assert_eq!(outcome == Outcome::UnexpectedDestination, !seen.in_batch);
                        assert_eq!(said != seen.said, outcome == Outcome::Applied);
                        assert_eq!(first, seen.in_batch && seen.receipts == 0);
                        assert_eq!(counts.receipts, 1);
                        assert_eq!(counts.delivered + counts.failed, i64::from(first), "a destination is counted once");
                        assert_eq!(counts.conflict == 1, outcome == Outcome::Conflict && !seen.conflict);
                    }
                }
            }
        }
    }

    #[test]
    fn the_receipts_of_made_up_numbers_have_an_end() {
        let flooded = |receipts, delivered| {
            let counts = ReceiptCounts { receipts, delivered, ..ReceiptCounts::default() };
            let batch = BatchSoFar { total: 5, counts };
            matches!(verdict(Seen::default(), batch, true, Source::Webhook), Verdict::Excess(_))
        };
        assert!(!flooded(10_004, 0) && flooded(10_005, 0) && !flooded(10_005, 1));
        let known = Seen { in_batch: true, ..Seen::default() };
        let counts = ReceiptCounts { receipts: 20_000, ..ReceiptCounts::default() };
        let batch = BatchSoFar { total: 5, counts };
        assert!(matches!(verdict(known, batch, true, Source::Webhook), Verdict::New { .. }));
    }

    #[test]
    fn only_a_poll_may_tell_of_somebody_elses_messages() {
        for outcome in [Outcome::Applied, Outcome::Repeated, Outcome::Conflict, Outcome::UnexpectedDestination] {
            assert!(proves(Source::Webhook, outcome) && proves(Source::Replay, outcome));
            assert_eq!(proves(Source::Poll, outcome), outcome != Outcome::UnexpectedDestination);
        }
    }

    proptest! {
        /// Receipts (delivered, and one of several distinguishable ones) in any order, some of them repeated.
        #[test]
        fn receipts_one_by_one_add_up_to_the_fold_of_their_set(
            receipts in prop::collection::vec((any::<bool>(), 0..4u8, prop::sample::select(SOURCES.to_vec())), 0..30)
        ) {
            let (mut seen, mut log, mut sum) = (Seen { in_batch: true, ..Seen::default() }, Vec::new(), ReceiptCounts::default());
            for &(delivered, which, source) in &receipts {
                seen.same = log.contains(&(delivered, which));
                match verdict(seen, plenty(), delivered, source) {
                    Verdict::New { outcome, said, counts, .. } => {
                        log.push((delivered, which));
                        seen = Seen { said, receipts: seen.receipts + 1, conflict: seen.conflict || outcome == Outcome::Conflict, ..seen };
                        sum += counts;
                    }
                    Verdict::Duplicate => {}
                    Verdict::Excess(why) => prop_assert!(false, "{}", why),
                }
            }
            let all = fold(receipts.iter().map(|(delivered, ..)| *delivered));
            prop_assert_eq!(seen.said, all);
            prop_assert_eq!((sum.delivered, sum.failed), (i64::from(all == Said::Delivered), i64::from(all == Said::Failed)));
            prop_assert_eq!((sum.receipts, sum.conflict), (log.len() as i64, i64::from(seen.conflict)));
            // The log alone shows the conflict: a failure after a delivery.
            let first = log.iter().position(|(delivered, _)| *delivered);
            prop_assert_eq!(seen.conflict, first.is_some_and(|at| log[at..].iter().any(|(delivered, _)| !delivered)));
        }
    }

    #[test]
    fn counters_are_added_and_subtracted_field_by_field() {
        let (a, b) = (
            ReceiptCounts { delivered: 10, failed: 20, conflict: 30, receipts: 40 },
            ReceiptCounts { delivered: 1, failed: 2, conflict: 3, receipts: 4 },
        );
        let mut sum = a;
        sum += b;
        assert_eq!(sum, ReceiptCounts { delivered: 11, failed: 22, conflict: 33, receipts: 44 });
        assert_eq!(sum - b, a);
        assert_eq!(a - b, ReceiptCounts { delivered: 9, failed: 18, conflict: 27, receipts: 36 });
    }

    #[test]
    fn failed_destinations_take_nothing_from_the_bound_of_made_up_numbers() {
        let full = UNEXPECTED_PER_BATCH + 5;
        let so_far =
            |failed| BatchSoFar { total: 5, counts: ReceiptCounts { failed, receipts: full + 2, delivered: 1, ..Default::default() } };
        assert!(matches!(unexpected(so_far(1)), Verdict::Excess(_)));
        assert!(matches!(unexpected(so_far(2)), Verdict::New { .. }));
    }
}
