//! The flags of `sandbox` that each override one value of the profile, and how their values are parsed.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::simulator::{Answer, Code, Fault, Profile, Repeated, Span, Spelling, Strictness};

/// Flags that each override one value of the profile.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Receipts")]
pub struct Knobs {
    /// Destinations that fail
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub failing: Option<f64>,
    /// Codes of failures, with their weights: 22=3,46,0a
    #[arg(long, value_name = "CODE[=WEIGHT]", value_delimiter = ',', value_parser = code)]
    pub codes: Vec<Code>,
    /// Destinations that stay pending forever
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub never: Option<f64>,
    /// Receipts never posted, though the details know them
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub lost: Option<f64>,
    /// Receipts posted before the answer to the POST /batch
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub early: Option<f64>,
    /// Receipts posted late
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub late: Option<f64>,
    /// How late those receipts are
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub late_by: Option<Span>,
    /// Receipts posted twice
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub duplicate: Option<f64>,
    /// Destinations that only the fallback channel reaches, with a failure receipt first
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub fallback: Option<f64>,
    /// Receipts for numbers that the batch does not have
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub unexpected: Option<f64>,
    /// Receipts that are malformed
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub unreadable: Option<f64>,
    /// Receipts in unusual but readable forms
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub odd: Option<f64>,
    /// Receipts in one request, as an array
    #[arg(long, value_name = "NUMBER")]
    pub per_post: Option<usize>,
    /// Never post any receipt
    #[arg(long)]
    pub deaf: bool,
    /// How long after the answer a receipt is posted
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub delay: Option<Span>,
    /// How often a receipt is posted again if the answer was not 2xx
    #[arg(long, value_name = "NUMBER")]
    pub retries: Option<u32>,
    /// Pause before each of those retries
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub retry_after: Option<Span>,
    /// The details' counts disagree with the details
    #[arg(long, help_heading = "API")]
    pub counts_disagree: bool,
    /// Several details and receipts share one messageuuid
    #[arg(long, help_heading = "API")]
    pub shared_message_uuids: bool,
    /// How long POST /batch takes
    #[arg(long, help_heading = "API", value_name = "SPAN", value_parser = span)]
    pub latency: Option<Span>,
    /// Make a share of the POST /batch calls fail (repeatable), such as close=2%: a status from 400 to 599,
    /// 429-retry or 503-retry (with Retry-After), hang, reset (batch not taken), taken-hang, close, cut, nameless
    /// (batch taken). Replaces the profile's
    #[arg(long = "fault", help_heading = "API", value_name = "KIND=SHARE", value_parser = fault)]
    pub faults: Vec<Fault>,
    /// Which spelling of the batch's uuid counts: `uuid` (table) or `id` (example)
    #[arg(long, help_heading = "API", value_name = "SPELLING")]
    pub uuid: Option<SpellingArg>,
    /// Which spelling of the dry run counts: `isDryrun` (table) or `dryRun` (example)
    #[arg(long, help_heading = "API", value_name = "SPELLING")]
    pub dry_run: Option<SpellingArg>,
    /// Which spelling of the send time counts: `at` (table) or `send_at` (example)
    #[arg(long, help_heading = "API", value_name = "SPELLING")]
    pub send_at: Option<SpellingArg>,
    /// Refuse more than malformed requests
    #[arg(long, help_heading = "API", value_name = "WHAT")]
    pub strict: Option<StrictArg>,
    /// How to treat a batch whose uuid was used before
    #[arg(long, help_heading = "API", value_name = "WHAT")]
    pub repeated: Option<RepeatedArg>,
}

/// The spelling that counts.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SpellingArg {
    /// Both spellings
    Either,
    /// The one in the provider's table
    Table,
    /// The one in the provider's example
    Example,
    /// Neither spelling
    Neither,
}

/// What the provider refuses beyond malformed requests.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StrictArg {
    /// Unknown fields
    Fields,
    /// Unknown fields, and both spellings of one thing together
    Pairs,
}

/// How a batch whose UUID was used before is treated.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RepeatedArg {
    /// Send it a second time
    Second,
    /// Answer 409
    Conflict,
    /// Give the same answer and send nothing
    Same,
}

impl Knobs {
    /// Overrides the profile with these values.
    pub fn apply(self, mut profile: Profile) -> Profile {
        fn set<T>(value: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *value = given;
            }
        }
        set(&mut profile.failing, self.failing);
        set(&mut profile.codes, Some(self.codes).filter(|codes| !codes.is_empty()));
        set(&mut profile.never, self.never);
        set(&mut profile.lost, self.lost);
        set(&mut profile.early, self.early);
        set(&mut profile.late, self.late);
        set(&mut profile.late_by, self.late_by);
        set(&mut profile.duplicate, self.duplicate);
        set(&mut profile.fallback, self.fallback);
        set(&mut profile.unexpected, self.unexpected);
        set(&mut profile.unreadable, self.unreadable);
        set(&mut profile.odd, self.odd);
        set(&mut profile.per_post, self.per_post);
        set(&mut profile.delay, self.delay);
        set(&mut profile.retries, self.retries);
        set(&mut profile.retry_after, self.retry_after);
        set(&mut profile.latency, self.latency);
        set(&mut profile.faults, Some(self.faults).filter(|faults| !faults.is_empty()));
        profile.deaf |= self.deaf;
        profile.counts_disagree |= self.counts_disagree;
        profile.shared_message_uuids |= self.shared_message_uuids;
        set(&mut profile.wire.uuid, self.uuid.map(Into::into));
        set(&mut profile.wire.dry_run, self.dry_run.map(Into::into));
        set(&mut profile.wire.send_at, self.send_at.map(Into::into));
        set(&mut profile.wire.strictness, self.strict.map(Into::into));
        set(&mut profile.wire.repeated, self.repeated.map(Into::into));
        profile
    }
}

fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let number = number.trim().parse::<f64>().map(|number| number / unit);
    number.ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a share is from 0 to 1, or from 0% to 100%".into())
}

fn span(text: &str) -> Result<Span, String> {
    let length = |text: &str| -> Result<Duration, String> {
        humantime::parse_duration(text.trim()).map_err(|error| format!("{error}; such as 50ms, or 1s..5s"))
    };
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let span = Span { min: length(min)?, max: length(max)? };
    if span.max < span.min {
        return Err("the second length is shorter than the first".into());
    }
    Ok(span)
}

fn code(text: &str) -> Result<Code, String> {
    let (code, weight) = text.split_once('=').unwrap_or((text, "1"));
    let weight = weight.parse().map_err(|_| "a weight is a whole number")?;
    Ok(Code { code: code.into(), weight })
}

fn fault(text: &str) -> Result<Fault, String> {
    let (kind, part) = text.split_once('=').ok_or("such as 503=5%")?;
    let (taken, answer) = match kind {
        "hang" => (false, Answer::Hang),
        "reset" => (false, Answer::Reset),
        "taken-hang" => (true, Answer::Hang),
        "close" => (true, Answer::Close),
        "cut" => (true, Answer::CutShort),
        "nameless" => (true, Answer::WithoutIdentifier),
        "429-retry" => (false, Answer::status(429).header("Retry-After", "1")),
        "503-retry" => (false, Answer::status(503).header("Retry-After", "1")),
        _ => {
            let status = kind.parse().ok().filter(|status| (400..=599).contains(status));
            (false, Answer::status(status.ok_or_else(|| format!("unknown fault {kind}"))?))
        }
    };
    Ok(Fault { share: share(part)?, taken, answer })
}

impl From<SpellingArg> for Spelling {
    fn from(spelling: SpellingArg) -> Self {
        match spelling {
            SpellingArg::Either => Self::Either,
            SpellingArg::Table => Self::Table,
            SpellingArg::Example => Self::Example,
            SpellingArg::Neither => Self::Neither,
        }
    }
}

impl From<StrictArg> for Strictness {
    fn from(strict: StrictArg) -> Self {
        match strict {
            StrictArg::Fields => Self::UnknownFields,
            StrictArg::Pairs => Self::Pairs,
        }
    }
}

impl From<RepeatedArg> for Repeated {
    fn from(repeated: RepeatedArg) -> Self {
        match repeated {
            RepeatedArg::Second => Self::Second,
            RepeatedArg::Conflict => Self::Conflict,
            RepeatedArg::Same => Self::Same,
        }
    }
}
