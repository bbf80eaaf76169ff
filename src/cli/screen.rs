//! Where results are displayed: the width, colours, and the form of times.
//!
//! On a terminal, times are relative or local; elsewhere, they are RFC 3339, and nothing is shortened.

use std::io::IsTerminal;

use clap::ColorChoice;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::domain::{BatchState, DestinationState, Timestamp};

/// The width assumed for a terminal that does not report it.
const USUAL_WIDTH: usize = 80;

/// The display behind standard output.
#[derive(Clone, Debug)]
pub struct Screen {
    /// The width in characters; `None` if lines are unlimited.
    pub(super) width: Option<usize>,
    pub(super) color: bool,
    now: Timestamp,
    zone: TimeZone,
}

/// The meaning of a word, for its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Doubtful,
    Open,
    Faint,
}

impl From<BatchState> for Tone {
    fn from(state: BatchState) -> Self {
        match state {
            BatchState::Complete | BatchState::Validated => Self::Good,
            BatchState::Rejected => Self::Bad,
            BatchState::Unconfirmed => Self::Doubtful,
            BatchState::Cancelled => Self::Faint,
            BatchState::Queued | BatchState::Submitting | BatchState::Scheduled | BatchState::Submitted => Self::Open,
        }
    }
}

impl From<DestinationState> for Tone {
    fn from(state: DestinationState) -> Self {
        match state {
            DestinationState::Delivered | DestinationState::Validated => Self::Good,
            DestinationState::Failed | DestinationState::Rejected => Self::Bad,
            DestinationState::Expired => Self::Doubtful,
            DestinationState::Cancelled => Self::Faint,
            DestinationState::Queued | DestinationState::Submitted => Self::Open,
        }
    }
}

impl Screen {
    /// Standard output, with colours as `--color` says: with `auto`, on a terminal, unless `NO_COLOR` is set.
    pub fn of_stdout(color: ColorChoice) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let wanted = !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            width: is_terminal.then(width_of_stdout),
            color: match color {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => is_terminal && wanted,
            },
            now: Clock::system().now(),
            zone: TimeZone::system(),
        }
    }

    /// A file or a program: without a width, without colours.
    pub fn pipe() -> Self {
        Self { width: None, color: false, now: Clock::system().now(), zone: TimeZone::UTC }
    }

    /// The same screen without colours, for standard error.
    pub(super) fn without_colors(&self) -> Self {
        Self { color: false, ..self.clone() }
    }

    /// Whether the output is a terminal, not a program or a file.
    pub(super) fn is_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// A time in a table: `5m ago`, or the date if it is more than a day ago.
    pub(super) fn time(&self, at: Timestamp) -> String {
        if !self.is_terminal() {
            return at.to_string();
        }
        self.relative(at).unwrap_or_else(|| {
            let this_year = self.local(self.now, "%Y") == self.local(at, "%Y");
            self.local(at, if this_year { "%-d %b %H:%M" } else { "%Y-%m-%d" })
        })
    }

    /// A time on its own: local, with its zone, and how long ago it was.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        if !self.is_terminal() {
            return at.to_string();
        }
        let local = self.local(at, "%Y-%m-%d %H:%M:%S %Z");
        self.relative(at).map_or_else(|| local.clone(), |relative| format!("{local} ({relative})"))
    }

    /// A time on its own, or a dash if there is none.
    pub(super) fn moment_or_dash(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "-".to_owned(), |at| self.moment(at))
    }

    fn local(&self, at: Timestamp, format: &str) -> String {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        at.to_zoned_datetime(self.zone.clone()).strftime(format).to_string()
    }

    /// A relative time, if it is within a day.
    fn relative(&self, at: Timestamp) -> Option<String> {
        let (ago, ahead) = (self.now.since(at).as_secs(), at.since(self.now).as_secs());
        let said = match ago.max(ahead) {
            0..60 => return Some("now".to_owned()),
            seconds @ 60..3_600 => format!("{}m", seconds / 60),
            seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
            _ => return None,
        };
        Some(if ahead > 0 { format!("in {said}") } else { format!("{said} ago") })
    }

    /// The text in the colour of its meaning.
    pub(super) fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubtful => "33",
            Tone::Open => "36",
            Tone::Faint => "2",
        };
        if self.color && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn width_of_stdout() -> usize {
    let said = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
    said.ok().filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH)
}

#[cfg(test)]
impl Screen {
    /// A screen of this width, without colours, in London's time zone; without a width, it is a pipe.
    pub(super) fn of_width(width: Option<usize>, now: Timestamp) -> Self {
        Self { width, color: false, now, zone: TimeZone::get("Europe/London").expect("a zone") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn times_are_near_ones_on_a_terminal_and_exact_ones_in_a_pipe() {
        let now = at("2026-07-01T12:00:00Z");
        let (terminal, pipe) = (Screen::of_width(Some(80), now), Screen::of_width(None, now));
        for (time, short, long) in [
            ("2026-07-01T11:59:30Z", "now", "2026-07-01 12:59:30 BST (now)"),
            ("2026-07-01T11:55:00Z", "5m ago", "2026-07-01 12:55:00 BST (5m ago)"),
            ("2026-07-01T09:00:00Z", "3h ago", "2026-07-01 10:00:00 BST (3h ago)"),
            ("2026-07-01T14:30:00Z", "in 2h", "2026-07-01 15:30:00 BST (in 2h)"),
            ("2026-03-04T09:05:00Z", "4 Mar 09:05", "2026-03-04 09:05:00 GMT"),
            ("2025-12-31T23:00:00Z", "2025-12-31", "2025-12-31 23:00:00 GMT"),
        ] {
            assert_eq!((terminal.time(at(time)), terminal.moment(at(time))), (short.to_owned(), long.to_owned()));
            assert_eq!(pipe.time(at(time)), at(time).to_string());
            assert_eq!(pipe.moment(at(time)), at(time).to_string());
        }
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let mut screen = Screen::of_width(Some(80), at("2026-07-01T12:00:00Z"));
        assert_eq!(screen.paint("failed", Tone::Bad), "failed");
        screen.color = true;
        assert_eq!(screen.paint("failed", Tone::Bad), "\u{1b}[31mfailed\u{1b}[0m");
        assert_eq!(screen.paint("from", Tone::Plain), "from");
    }
}
