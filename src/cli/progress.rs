//! Progress bars, only on a terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};

use super::output::{grouped, is_watched};

const SENDING: &str = "{wide_bar} {human_pos}/{human_len} numbers, {rate}, {eta} left";
const WAITING: &str = "{bar:16} {human_pos}/{human_len} final, {rate}, {eta} left: {wide_msg}";
const EXPORTING: &str = "{wide_bar} {human_pos}/{human_len} rows, {rate}, {eta} left";
const COPYING: &str = "{wide_bar} {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const DELETING: &str = "{wide_bar} {human_pos}/{human_len} destinations, {rate}, {eta} left";
const RESTORING: &str = "{spinner} restoring, for {elapsed}";
const CHECKING: &str = "{spinner} checking {binary_total_bytes}, for {elapsed}";

/// The interval of checking the progress of work done elsewhere.
const LOOK: Duration = Duration::from_millis(200);

/// A bar for this many numbers, with rate and remaining time; hidden if nobody can see it.
pub(super) fn bar(numbers: u64) -> ProgressBar {
    styled(numbers, SENDING)
}

/// A bar for numbers that become final, of which some already are.
pub(super) fn waiting(numbers: u64, already: u64) -> ProgressBar {
    let bar = styled(numbers, WAITING);
    bar.set_position(already);
    bar.reset_eta(); // these must not count in the rate
    bar
}

/// A bar for the rows of an export; hidden if the rows themselves are shown.
pub(super) fn exporting(rows: u64) -> ProgressBar {
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { styled(rows, EXPORTING) }
}

/// A bar for the bytes of a copy.
pub(super) fn copying(bytes: u64) -> ProgressBar {
    styled(bytes, COPYING)
}

/// A bar for pruned destinations.
pub(super) fn deleting(destinations: u64) -> ProgressBar {
    styled(destinations, DELETING)
}

/// A spinner for SQLite's check, which does not report progress.
pub(super) fn checking(bytes: u64) -> ProgressBar {
    styled(bytes, CHECKING)
}

/// A spinner for restoring a copy, which does not report progress.
pub(super) fn restoring() -> ProgressBar {
    styled(0, RESTORING)
}

/// Runs work, and updates the bar now and then as long as it is visible.
pub(super) async fn beside<T>(work: impl Future<Output = T>, bar: ProgressBar, mut position: impl AsyncFnMut() -> Option<u64>) -> T {
    if bar.is_hidden() {
        return work.await;
    }
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(LOOK) => match position().await {
                Some(position) => bar.set_position(position),
                None => bar.tick(),
            }
        }
    };
    bar.finish_and_clear();
    done
}

fn styled(numbers: u64, template: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // Without indicatif's decimals.
    let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
        let _ = write!(text, "{}/s", grouped(state.per_sec().round() as u64)); // writing to memory cannot fail
    });
    // Clears the bar also when it is dropped, for instance after an error or when the output was closed.
    ProgressBar::new(numbers).with_style(style).with_finish(ProgressFinish::AndClear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [SENDING, WAITING, EXPORTING, COPYING, DELETING, RESTORING, CHECKING] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
