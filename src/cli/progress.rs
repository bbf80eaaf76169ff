//! Progress bars, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

use super::output::is_watched;

const SENDING: &str = "{wide_bar} {human_pos}/{human_len} numbers, {per_sec}, {eta} left";
const WAITING: &str = "{wide_bar} {human_pos}/{human_len} final after {elapsed}: {msg}";

/// A bar over so many numbers, with rate and remaining time; hidden where nobody sees it.
pub(super) fn bar(numbers: u64) -> ProgressBar {
    styled(numbers, SENDING)
}

/// A bar without a rate: what happens does not depend on us.
pub(super) fn waiting(numbers: u64) -> ProgressBar {
    styled(numbers, WAITING)
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
