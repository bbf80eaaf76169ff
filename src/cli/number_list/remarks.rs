//! Remarks on single rows of a list.

use crate::cli::output::grouped;

/// The number of remarks, and the first ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Remarks {
    /// The number of remarks.
    pub(in crate::cli) count: u64,
    /// The first remarks: the line, counted from 1, and the text.
    pub(in crate::cli) first: Vec<(u64, String)>,
}

impl Remarks {
    /// Adds a remark; its text is kept if there are fewer than `most`.
    pub(super) fn note(&mut self, most: usize, line: u64, remark: impl Into<String>) {
        self.count += 1;
        if self.first.len() < most {
            self.first.push((line, remark.into()));
        }
    }

    /// The first remarks, one per line, and the number of further ones. `place` is the word for what the line numbers
    /// count.
    pub(in crate::cli) fn listed(&self, place: &str) -> String {
        let mut lines: Vec<String> = self.first.iter().map(|(line, remark)| format!("  {place} {line}: {remark}")).collect();
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            lines.push(format!("  and {} more", grouped(more)));
        }
        lines.join("\n")
    }
}
