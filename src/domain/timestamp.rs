//! Points in time with millisecond precision.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A point in time: milliseconds since 1970-01-01 UTC.
///
/// Displayed as RFC 3339 in UTC with milliseconds. Parsed from ISO 8601 with `Z` or an offset; seconds are optional.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(i64);

/// The latest time that can be read or displayed: the library's limit at the end of the year 9999.
const LATEST: i64 = 253_402_207_200_000;

impl Timestamp {
    /// A time from milliseconds since 1970 UTC, clamped to the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    /// Milliseconds since 1970 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// This time plus `by`, at most the end of the year 9999.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(LATEST);
        Self::from_millis(self.0.saturating_add(by))
    }

    /// This time minus `by`, at least the beginning of 1970.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(LATEST);
        Self::from_millis(self.0.saturating_sub(by))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotATime {
    /// It is not ISO 8601, or has neither `Z` nor an offset.
    #[error("not a time; write it as ISO 8601 with Z or an offset, for instance 2026-12-24T09:00Z")]
    Unreadable,
    /// Its offset and the zone in brackets give two different times.
    #[error(
        "ambiguous: its offset does not match its zone at that time, or the zone is unknown here; write it with Z or an offset alone, for instance 2026-12-24T09:00Z"
    )]
    OtherOffset,
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let text = text.trim();
        let at: jiff::Timestamp = text.parse().map_err(|_| NotATime::Unreadable)?;
        // A calendar (`[u-ca=…]`) changes nothing; a zone must agree with the offset.
        if let Some((_, brackets)) = text.split_once('[')
            && !brackets.split(']').next().unwrap_or_default().contains('=')
            && !text.parse::<jiff::ZonedDateTime>().is_ok_and(|zoned| zoned.timestamp() == at)
        {
            return Err(NotATime::OtherOffset);
        }
        let millis = at.as_millisecond();
        (0..=LATEST).contains(&millis).then_some(Self(millis)).ok_or(NotATime::Unreadable)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_or_without_seconds_and_with_any_offset() {
        let nine: Timestamp = "2026-01-01T09:00:00Z".parse().expect("a time");
        for text in ["2026-01-01T09:00Z", "2026-01-01T09:00:00+00:00", "2026-01-01T10:00+01:00", " 2026-01-01T09:00:00.000Z "] {
            assert_eq!(text.parse(), Ok(nine), "{text}");
        }
        assert_eq!(nine.to_string(), "2026-01-01T09:00:00.000Z");
    }

    #[test]
    fn a_local_time_without_an_offset_is_refused() {
        for text in ["2026-01-01T09:00", "2026-01-01", "tomorrow", "", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime::Unreadable), "{text}");
        }
    }

    #[test]
    fn an_offset_that_contradicts_the_zone_beside_it_is_refused() {
        for text in [
            "2026-11-26T10:00:00+01:00[Europe/London]",
            "2026-07-01T10:00Z[Europe/Nowhere]",
            "2026-07-01T10:00:00+00:00[Europe/London]",
            "2026-11-26T10:00:00+02:00[+01:00]",
            "2026-11-26T10:00+01:00[!Europe/London][u-ca=gregory]",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime::OtherOffset), "{text}");
        }
        for text in [
            "2026-11-26T10:00:00+00:00[Europe/London]",
            "2026-11-26T11:00:00+01:00[Europe/Berlin]",
            "2026-11-26T10:00:00Z[Europe/Berlin]",
            "2026-11-26T10:00:00Z[u-ca=gregory]",
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|at| at.to_string()), Ok("2026-11-26T10:00:00.000Z".to_owned()), "{text}");
        }
    }

    #[test]
    fn arithmetic_never_leaves_the_years_that_can_be_shown() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(now.minus(Duration::from_secs(10)), Timestamp::from_millis(0));
        assert_eq!(now.plus(Duration::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
    }

    #[test]
    fn the_first_and_the_last_moment_can_be_read_and_none_outside() {
        assert_eq!(Timestamp::from_millis(-1).as_millis(), 0);
        assert_eq!(Timestamp::from_millis(0).as_millis(), 0);
        assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(Timestamp::from_millis(0)));
        assert_eq!(Timestamp::from_millis(i64::MAX).as_millis(), LATEST);
    }
}
