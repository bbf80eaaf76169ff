//! Progress bars, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

use super::output::is_watched;

const SENDING: &str = "{wide_bar} {human_pos}/{human_len} numbers, {per_sec}, {eta} left";
const WAITING: &str = "{wide_bar} {human_pos}/{human_len} final, {per_sec}, {eta} left: {msg}";

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

fn styled(numbers: u64, template: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(numbers).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [SENDING, WAITING] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
