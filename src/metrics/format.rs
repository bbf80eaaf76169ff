//! The two text formats of Prometheus.

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older format of Prometheus, which all other tools read too.
    Classic,
}

impl Format {
    /// The content type of the format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Converts text in the OpenMetrics format to this format.
    pub(super) fn of(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Classic => classic(&text),
        }
    }
}

/// Converts to the classic format: counters are declared with their suffix, an info becomes a gauge, and there is no
/// end mark.
fn classic(text: &str) -> String {
    let (mut shown, mut help) = (String::with_capacity(text.len()), None);
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), words) => help = Some((name, words.unwrap_or_default())),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some((_, words)) = help.take().filter(|(of, _)| *of == name) {
                    shown.push_str(&format!("# HELP {name}{suffix} {words}\n"));
                }
                shown.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            (Some("#"), ..) => {} // a unit, or the end
            _ => {
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_format_declares_counters_by_their_whole_name_and_knows_no_info() {
        let text = "# HELP a Help of a, # TYPE.\n# TYPE a counter\na_total{b=\"# c\"} 1\n# HELP d D.\n# TYPE d info\nd_info{version=\"1\"} 1\n\
                    # TYPE e_seconds histogram\n# UNIT e_seconds seconds\ne_seconds_bucket{le=\"+Inf\"} 0\n# EOF\n";
        let expected = "# HELP a_total Help of a, # TYPE.\n# TYPE a_total counter\na_total{b=\"# c\"} 1\n# HELP d_info D.\n# TYPE d_info gauge\n\
                        d_info{version=\"1\"} 1\n# TYPE e_seconds histogram\ne_seconds_bucket{le=\"+Inf\"} 0\n";
        assert_eq!(classic(text), expected);
    }
}
