//! The send time: a point in time with its zone, or a delay from now.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::domain::Timestamp;

/// The value of `--send-at`.
#[derive(Clone, Debug, PartialEq)]
pub struct SendAt {
    pub(super) at: Timestamp,
    /// The zone in which it was given; `None` for UTC, an offset or a delay.
    zone: Option<TimeZone>,
}

impl FromStr for SendAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(ahead) = text.strip_prefix('+') {
            let ahead =
                humantime::parse_duration(ahead).map_err(|error| format!("+{ahead} is no length of time such as +2h or +90m: {error}"))?;
            return Ok(Self { at: Clock::system().now().plus(ahead), zone: None });
        }
        let (civil, zone) = parted(text);
        if zone.is_none() || has_offset(civil) {
            return match text.parse() {
                Ok(at) => Ok(Self { at, zone: None }),
                Err(_) if civil.parse::<DateTime>().is_ok() && !has_offset(civil) => {
                    Err("has no time zone: add Z, an offset such as +01:00, or a zone, as in '2026-12-24 09:00 Europe/London'".to_owned())
                }
                Err(error) => Err(format!("{error}; or '2026-12-24 09:00 Europe/London', or +2h")),
            };
        }
        let name = zone.unwrap_or_default();
        let zone =
            if name == "local" { TimeZone::system() } else { TimeZone::get(name).map_err(|_| format!("there is no time zone {name}"))? };
        let civil: DateTime = civil.parse().map_err(|_| format!("{civil} is no date and time such as 2026-12-24T09:00"))?;
        let zoned = zone.to_ambiguous_zoned_datetime(civil).unambiguous();
        let zoned = zoned
            .map_err(|_| format!("the clocks of {name} change then, so this time is there twice or not at all: give it with an offset"))?;
        Ok(Self { at: Timestamp::from_millis(zoned.timestamp().as_millisecond()), zone: Some(zone) })
    }
}

/// The date and time, and the zone after them: `… Europe/London` or `…[Europe/London]`.
fn parted(text: &str) -> (&str, Option<&str>) {
    if let Some((civil, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        return (civil.trim(), Some(zone));
    }
    match text.rsplit_once(' ') {
        Some((civil, zone)) if zone.starts_with(|c: char| c.is_ascii_alphabetic()) => (civil.trim(), Some(zone)),
        _ => (text, None),
    }
}

/// Whether there is an offset after the date, which has hyphens of its own.
fn has_offset(civil: &str) -> bool {
    civil.get(10..).is_some_and(|time| time.contains(['+', '-', 'Z', 'z']))
}

impl SendAt {
    /// The local time, and the same time in UTC.
    pub(super) fn shown(&self) -> String {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        let at = jiff::Timestamp::from_millisecond(self.at.as_millis()).unwrap_or_default();
        format!("{} ({})", at.to_zoned_datetime(zone).strftime("%a %-d %b %Y %H:%M %Z"), self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_has_a_zone_an_offset_or_is_so_much_later() {
        let nine: Timestamp = "2026-07-01T09:00:00Z".parse().expect("a time");
        for text in [
            "2026-07-01T09:00Z",
            "2026-07-01T10:00+01:00",
            "2026-07-01T10:00+01:00[Europe/London]",
            "2026-07-01T10:00[Europe/London]",
            "2026-07-01 10:00 Europe/London",
            "2026-07-01T11:00 Europe/Paris",
        ] {
            assert_eq!(text.parse::<SendAt>().map(|send_at| send_at.at), Ok(nine), "{text}");
        }
        let before = Clock::system().now();
        let ahead = "+1h 30m".parse::<SendAt>().expect("a length of time").at;
        assert!(ahead >= before.plus(Duration::from_secs(5_400)) && ahead <= Clock::system().now().plus(Duration::from_secs(5_400)));
        let shown = "2026-07-01 10:00 Europe/London".parse::<SendAt>().expect("a time").shown();
        assert_eq!(shown, "Wed 1 Jul 2026 10:00 BST (2026-07-01T09:00:00.000Z)");
    }

    #[test]
    fn what_may_mean_two_times_is_refused_with_the_way_out() {
        for (text, why) in [
            ("2026-12-24T09:00", "has no time zone"),
            ("2026-12-24 09:00", "has no time zone"),
            ("2026-10-25 01:30 Europe/London", "twice or not at all"),
            ("2026-03-29 01:30 Europe/London", "twice or not at all"),
            ("2026-12-24 09:00 Europe/Londn", "no time zone Europe/Londn"),
            ("2026-07-01T10:00+02:00[Europe/London]", "offset"),
            ("soon", "Europe/London"),
            ("+soon", "+2h"),
        ] {
            let refused = text.parse::<SendAt>().expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
