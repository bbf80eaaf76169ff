//! The findings of `doctor`: one line per check, followed by how to fix a problem.

use serde::Serialize;

use crate::cli::output::plain;
use crate::cli::screen::{Screen, Tone};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) check: &'static str,
    /// Whether the check passed.
    pub(super) ok: bool,
    /// What the check found.
    pub(super) detail: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    /// A check that passed.
    pub(super) fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), fix: None }
    }

    /// A problem and how to fix it.
    pub(super) fn bad(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, ok: false, detail: detail.into(), fix: Some(fix.into()) }
    }
}

/// The findings as displayed for people.
pub(super) fn rendered(findings: &[Finding], screen: &Screen) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.ok { screen.paint("✓", Tone::Good) } else { screen.paint("✗", Tone::Bad) };
        let detail = plain(&finding.detail).replace('\n', "\n    ");
        text.push_str(&format!("{mark} {}: {detail}\n", finding.check));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("    → {}\n", plain(fix)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_stands_below_what_is_wrong() {
        let findings = [Finding::good("daemon", "it answers"), Finding::bad("clock", "9s apart", "NTP")];
        let screen = Screen::of_width(None, crate::domain::Timestamp::from_millis(0));
        assert_eq!(rendered(&findings, &screen), "✓ daemon: it answers\n✗ clock: 9s apart\n    → NTP\n");
    }
}
