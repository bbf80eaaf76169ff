//! The provider's behaviour: shares, time spans and the named profiles.

use std::time::Duration;

use super::{Answer, Fault, Oddity, Repeated, Spelling, Wire};

/// The provider's behaviour. Shares range from 0 to 1 and refer to the destinations of a batch unless noted otherwise.
/// Each is drawn independently, so changing one does not affect the destinations chosen by the others.
///
/// A batch keeps the profile under which it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How long `POST /batch` takes to answer, apart from posting its early receipts.
    pub latency: Span,
    /// The delay between the answer and a receipt. It also shuffles the order.
    pub delay: Span,
    /// The share of destinations that fail.
    pub failing: f64,
    /// The codes of failures, with weights.
    pub codes: Vec<Code>,
    /// The share that stays pending for ever, without a receipt and without an outcome in the details.
    pub never: f64,
    /// The share whose receipt is never posted, although the details show the outcome.
    pub lost: f64,
    /// The share whose receipt is posted, and answered, before the answer to the `POST /batch`.
    pub early: f64,
    /// The share whose receipt is delayed by a further `late_by`.
    pub late: f64,
    /// The additional delay of late receipts.
    pub late_by: Span,
    /// The share whose receipt is posted twice, the second time after another `delay`.
    pub duplicate: f64,
    /// The share that fails on the first channel and is delivered by the fallback, with a receipt for each; only in
    /// batches with `fallback_channels`.
    pub fallback: f64,
    /// The number of receipts for numbers that are not in the batch, as a share of its destinations.
    pub unexpected: f64,
    /// The share whose receipt is unreadable.
    pub unreadable: f64,
    /// The share whose receipt has one of the `oddities`.
    pub odd: f64,
    /// The unusual but readable forms.
    pub oddities: Vec<Oddity>,
    /// Receipts per request; two or more are posted as an array. (This is undocumented, but the receiver understands
    /// it.)
    pub per_post: usize,
    /// Whether no receipt is ever posted, although the details show the outcomes.
    pub deaf: bool,
    /// Whether nothing is posted until `Handle::deliver` or `Handle::release`.
    pub hold: bool,
    /// How often a receipt is repeated if the callback does not answer 2xx. The documentation mentions no retries.
    pub retries: u32,
    /// The delay before each repetition.
    pub retry_after: Span,
    /// Whether the counts of a batch disagree with its details, as in the documentation's examples.
    pub counts_disagree: bool,
    /// Whether several details (and receipts) share a `messageuuid`, as in the documentation's examples.
    pub shared_message_uuids: bool,
    /// The share of final details with `"info": null`.
    pub null_info: f64,
    /// Which reading of the documentation applies.
    pub wire: Wire,
    /// Misbehaviour of `POST /batch`.
    pub faults: Vec<Fault>,
}

/// A receipt code and how often it occurs relative to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code as written in the receipt: hexadecimal, padded or not, in upper or lower case.
    pub code: String,
    /// Its weight among the codes of the profile.
    pub weight: u32,
}

/// A range of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest duration.
    pub min: Duration,
    /// The longest duration; a value below `min` counts as `min`.
    pub max: Duration,
}

impl Span {
    /// No time.
    pub const ZERO: Self = Self::millis(0, 0);

    /// A range in milliseconds.
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
    /// The names that [`Profile::named`] accepts.
    pub const NAMES: [&'static str; 6] = ["calm", "realistic", "stormy", "deaf", "liar", "flaky"];

    /// The profile with this name; `None` if there is none.
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

    /// All messages are delivered soon after the answer.
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

    /// An ordinary day: some failures, a few duplicates and late receipts.
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

    /// Everything that can happen to receipts, often.
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

    /// Accepts batches and never posts a receipt; only the details show the outcomes.
    pub fn deaf() -> Self {
        Self { failing: 0.08, deaf: true, ..Self::calm() }
    }

    /// Ignores the client's UUID, uses its own in upper case, and reports wrong counts.
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

    /// One `POST /batch` in three fails, in ways that leave the fate of the batch more or less clear.
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
