//! Progress bars, on a terminal only.

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

/// Between two looks at work that is done elsewhere.
const LOOK: Duration = Duration::from_millis(200);

/// A bar over so many numbers, with rate and remaining time; hidden where nobody sees it.
pub(super) fn bar(numbers: u64) -> ProgressBar {
    styled(numbers, SENDING)
}

/// The same for numbers that become final; so many are already.
pub(super) fn waiting(numbers: u64, already: u64) -> ProgressBar {
    let bar = styled(numbers, WAITING);
    bar.set_position(already);
    bar.reset_eta(); // these took no time
    bar
}

/// A bar over the rows of an export; hidden where the rows themselves are seen.
pub(super) fn exporting(rows: u64) -> ProgressBar {
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { styled(rows, EXPORTING) }
}

/// A bar over the bytes of a copy.
pub(super) fn copying(bytes: u64) -> ProgressBar {
    styled(bytes, COPYING)
}

/// A bar over what is pruned.
pub(super) fn deleting(destinations: u64) -> ProgressBar {
    styled(destinations, DELETING)
}

/// For SQLite's check, which tells nobody how far it is.
pub(super) fn checking(bytes: u64) -> ProgressBar {
    styled(bytes, CHECKING)
}

/// For putting a copy in the place of the database, which tells nobody how far it is.
pub(super) fn restoring() -> ProgressBar {
    styled(0, RESTORING)
}

/// Lets work go on, with a look at how far it is now and then for as long as the bar is seen.
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
    // Without the decimals that indicatif would show.
    let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
        let _ = write!(text, "{}/s", grouped(state.per_sec().round() as u64)); // into memory: it cannot fail
    });
    // Cleared when it is dropped too, as after an error or where the output was closed.
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
