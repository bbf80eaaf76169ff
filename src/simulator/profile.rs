//! How the provider behaves: shares, spans and the named profiles.

use std::time::Duration;

use super::{Answer, Fault, Oddity, Repeated, Spelling, Wire};

/// How the provider behaves. Shares are from 0 to 1 and of a batch's destinations, unless said otherwise; each is
/// drawn for itself, so changing one leaves the others' destinations as they are.
///
/// A batch keeps the profile under which it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How long `POST /batch` takes to answer, beside its early receipts.
    pub latency: Span,
    /// How long after the answer a receipt is posted; the order is shuffled by it.
    pub delay: Span,
    /// Share of destinations that fail.
    pub failing: f64,
    /// Codes of failures, by weight.
    pub codes: Vec<Code>,
    /// Share that stays pending for ever: no receipt, and the details don't know either.
    pub never: f64,
    /// Share whose receipt is never posted, though the details show the outcome.
    pub lost: f64,
    /// Share whose receipt is posted, and answered, before the answer to the `POST /batch`.
    pub early: f64,
    /// Share whose receipt comes late, by `late_by`.
    pub late: f64,
    /// What is added to `delay` for those.
    pub late_by: Span,
    /// Share whose receipt is posted twice, the second after another `delay`.
    pub duplicate: f64,
    /// Share that fails on the first channel and is delivered by the fallback, with a receipt for each; only in
    /// batches with `fallback_channels`.
    pub fallback: f64,
    /// Receipts for numbers that the batch does not have, as a share of its destinations.
    pub unexpected: f64,
    /// Share whose receipt comes in a form that can't be read.
    pub unreadable: f64,
    /// Share whose receipt comes in one of `oddities`.
    pub odd: f64,
    /// Forms that are odd but readable.
    pub oddities: Vec<Oddity>,
    /// Receipts in one request; from 2 up they come as an array. (Undocumented, but the receiver understands it.)
    pub per_post: usize,
    /// Never posts any receipt; the details still know.
    pub deaf: bool,
    /// Posts nothing until told to by `Handle::deliver` or `Handle::release`.
    pub hold: bool,
    /// How often a receipt is posted again when the callback does not answer 2xx. The documentation promises none.
    pub retries: u32,
    /// How long before each of those.
    pub retry_after: Span,
    /// The counts of a batch disagree with its details, as in the documentation's examples.
    pub counts_disagree: bool,
    /// Several details (and receipts) share one `messageuuid`, as in the documentation's examples.
    pub shared_message_uuids: bool,
    /// Share of settled details with `"info": null`.
    pub null_info: f64,
    /// Which reading of the documentation is true.
    pub wire: Wire,
    /// Misbehaviour at `POST /batch`.
    pub faults: Vec<Fault>,
}

/// A receipt code and how often it comes compared with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// As it stands in the receipt: hexadecimal, padded or not, in either case.
    pub code: String,
    /// Its weight among all codes of the profile.
    pub weight: u32,
}

/// A length of time between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// At least.
    pub min: Duration,
    /// At most; a smaller value than `min` counts as `min`.
    pub max: Duration,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self::millis(0, 0);

    /// From and to, in milliseconds.
    pub const fn millis(min: u64, max: u64) -> Self {
        Self { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::calm()
    }
}

impl Profile {
    /// The names that [`Profile::named`] knows.
    pub const NAMES: [&'static str; 6] = ["calm", "realistic", "stormy", "deaf", "liar", "flaky"];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "calm" => Self::calm(),
            "realistic" => Self::realistic(),
            "stormy" => Self::stormy(),
            "deaf" => Self::deaf(),
            "liar" => Self::liar(),
            "flaky" => Self::flaky(),
            _ => return None,
        })
    }

    /// Everything is delivered, soon after the answer.
    pub fn calm() -> Self {
        Self {
            latency: Span::ZERO,
            delay: Span::millis(20, 200),
            failing: 0.0,
            codes: codes(&[("22", 50), ("46", 20), ("45", 12), ("1", 6), ("2", 4), ("0a", 4), ("B", 4)]),
            never: 0.0,
            lost: 0.0,
            early: 0.0,
            late: 0.0,
            late_by: Span::millis(1_000, 5_000),
            duplicate: 0.0,
            fallback: 0.0,
            unexpected: 0.0,
            unreadable: 0.0,
            odd: 0.0,
            oddities: Oddity::ALL.to_vec(),
            per_post: 1,
            deaf: false,
            hold: false,
            retries: 0,
            retry_after: Span::millis(500, 1_000),
            counts_disagree: false,
            shared_message_uuids: false,
            null_info: 0.0,
            wire: Wire::default(),
            faults: Vec::new(),
        }
    }

    /// An ordinary day: some failures, few duplicates, a small share late.
    pub fn realistic() -> Self {
        Self {
            latency: Span::millis(50, 300),
            delay: Span::millis(100, 1_500),
            failing: 0.08,
            late: 0.02,
            duplicate: 0.005,
            fallback: 0.05,
            null_info: 0.5,
            ..Self::calm()
        }
    }

    /// Everything that may happen to receipts, often.
    pub fn stormy() -> Self {
        Self {
            latency: Span::millis(20, 500),
            delay: Span::millis(0, 2_000),
            failing: 0.2,
            never: 0.01,
            lost: 0.05,
            early: 0.05,
            late: 0.1,
            duplicate: 0.1,
            fallback: 0.3,
            unexpected: 0.01,
            unreadable: 0.01,
            odd: 0.2,
            shared_message_uuids: true,
            counts_disagree: true,
            null_info: 0.5,
            ..Self::calm()
        }
    }

    /// Takes batches and never posts a receipt; only the details know.
    pub fn deaf() -> Self {
        Self { failing: 0.08, deaf: true, ..Self::calm() }
    }

    /// Ignores the client's uuid, writes its own in upper case, and its counts are wrong.
    pub fn liar() -> Self {
        Self {
            failing: 0.08,
            counts_disagree: true,
            shared_message_uuids: true,
            null_info: 0.5,
            wire: Wire { uuid: Spelling::Neither, upper_case: true, repeated: Repeated::Second, ..Wire::default() },
            ..Self::calm()
        }
    }

    /// `POST /batch` fails in one call of three, in ways that say more or less about what became of the batch.
    pub fn flaky() -> Self {
        let fault = |share, taken, answer| Fault { share, taken, answer };
        let busy = Answer::status(503).header("Retry-After", "1");
        Self {
            failing: 0.08,
            faults: vec![
                fault(0.10, false, busy),
                fault(0.05, false, Answer::status(429).header("Retry-After", "1")),
                fault(0.04, false, Answer::status(503)),
                fault(0.03, true, Answer::status(502)),
                fault(0.02, false, Answer::Reset),
                fault(0.03, true, Answer::Close),
                fault(0.02, true, Answer::CutShort),
                fault(0.02, true, Answer::WithoutIdentifier),
                fault(0.01, true, Answer::Hang),
                fault(0.01, false, Answer::Hang),
            ],
            ..Self::calm()
        }
    }
}

fn codes(weights: &[(&str, u32)]) -> Vec<Code> {
    weights.iter().map(|(code, weight)| Code { code: (*code).into(), weight: *weight }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_profile() {
        for name in Profile::NAMES {
            assert!(Profile::named(name).is_some(), "{name}");
        }
        assert_eq!(Profile::named("sunny"), None);
    }
}
