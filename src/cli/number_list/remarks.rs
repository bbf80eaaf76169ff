//! What is to be said of single rows of a list.

use crate::cli::output::grouped;

/// Remarks on rows: how many there are, and the first ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Remarks {
    /// How many.
    pub(in crate::cli) count: u64,
    /// The first ones: the line, counted from 1, and what is to be said.
    pub(in crate::cli) first: Vec<(u64, String)>,
}

impl Remarks {
    /// Takes down a remark; the text is kept while there are fewer than `most`.
    pub(super) fn note(&mut self, most: usize, line: u64, remark: impl Into<String>) {
        self.count += 1;
        if self.first.len() < most {
            self.first.push((line, remark.into()));
        }
    }

    /// The first of them, a line each, and how many more there are. `place` is what the numbers of lines count.
    pub(in crate::cli) fn listed(&self, place: &str) -> String {
        let mut lines: Vec<String> = self.first.iter().map(|(line, remark)| format!("  {place} {line}: {remark}")).collect();
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            lines.push(format!("  and {} more", grouped(more)));
        }
        lines.join("\n")
    }
}
