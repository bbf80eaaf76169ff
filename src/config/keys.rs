//! The configuration keys, their defaults, and suggestions for misspelt ones.

/// The key that belongs in a file of its own, not in the configuration.
pub(super) const SECRET_KEY: &str = "provider.key";

/// Every key with its default, in the order of `deploy/receiptd.toml`; `None` if it is not set by default.
pub(super) const KEYS: &[(&str, Option<&str>)] = &[
    ("database", Some("receiptd.db")),
    ("public_url", None),
    ("shutdown_timeout", Some("10s")),
    ("callback.listen", Some("0.0.0.0:8080")),
    ("callback.max_body", Some("256KiB")),
    ("callback.max_connections", Some("2000")),
    ("api.listen", Some("127.0.0.1:8081")),
    ("api.token_file", Some("receiptd.token")),
    ("api.allow_remote", Some("false")),
    ("provider.base_url", Some("https://mplus.instagiv.com")),
    ("provider.key_file", None),
    (SECRET_KEY, None),
    ("provider.wire_names", Some("both")),
    ("provider.timeout", Some("30s")),
    ("provider.concurrency", Some("4")),
    ("provider.rate", Some("0")),
    ("provider.max_destinations", Some("10000")),
    ("provider.default_region", None),
    ("reconcile.after", Some("15m")),
    ("reconcile.deadline", Some("72h")),
    ("retention.receipts", Some("0")),
    ("retention.messages", Some("0")),
    ("quarantine.max_count", Some("100000")),
    ("quarantine.max_bytes", Some("64MiB")),
    ("log.level", Some("info")),
    ("log.format", Some("text")),
];

const PREFIX: &str = "RECEIPTD_";

/// Whether this is a configuration key.
pub(super) fn is_key(name: &str) -> bool {
    KEYS.iter().any(|(key, _)| *key == name)
}

/// Whether this is a section.
pub(super) fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}

/// The environment variable of a key: `RECEIPTD_PROVIDER__KEY` for `provider.key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The key of an environment variable, if it belongs to one.
pub(super) fn key_of_variable(name: &str) -> Option<&'static str> {
    let mut keys = KEYS.iter().map(|(key, _)| *key);
    keys.find(|key| variable(key) == name)
}

/// The key that `name` was most likely meant to be, as written in files and flags.
pub(super) fn nearest_key(name: &str) -> &'static str {
    nearest(name, KEYS.iter().map(|(key, _)| *key).filter(|key| *key != SECRET_KEY))
}

/// The section that `name` was most likely meant to be.
pub(super) fn nearest_section(name: &str) -> &'static str {
    nearest(name, sections())
}

/// The environment variable that `name` was most likely meant to be.
pub(super) fn nearest_variable(name: &str) -> String {
    let written = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    // `RECEIPTD_PROVIDER_KEY`: one underscore instead of two is the most common mistake, and counts as closer than any
    // similar spelling.
    let keys = KEYS.iter().map(|(key, _)| *key);
    let slip = keys.clone().find(|key| key.replace('.', "_") == written.replace("__", "_"));
    variable(slip.unwrap_or_else(|| nearest(&written.replace("__", "."), keys)))
}

fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|(key, _)| Some(key.split_once('.')?.0))
}

/// The closest candidate. A right name in the wrong section is as close as a wrong name in the right one.
fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> &'static str {
    let last = |path: &'_ str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |candidate: &str| {
        let whole = strsim::normalized_damerau_levenshtein(name, candidate);
        let tail = strsim::normalized_damerau_levenshtein(&last(name), &last(candidate));
        whole.max(tail * 0.95)
    };
    candidates.max_by(|one, other| likeness(one).total_cmp(&likeness(other))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_finds_the_one_that_was_meant() {
        for (written, meant) in [
            ("databse", "database"),
            ("provider.timout", "provider.timeout"),
            ("provider.concurency", "provider.concurrency"),
            ("provider.api_key_file", "provider.key_file"),
            ("timeout", "provider.timeout"),
            ("provider.max_body", "callback.max_body"),
            ("quarantine.max-bytes", "quarantine.max_bytes"),
        ] {
            assert_eq!(nearest_key(written), meant, "{written}");
        }
        assert_eq!(nearest_section("reconsile"), "reconcile");
    }

    #[test]
    fn a_misspelled_variable_finds_the_one_that_was_meant() {
        for (written, meant) in [
            ("RECEIPTD_PROVIDER_KEY", "RECEIPTD_PROVIDER__KEY"),
            ("RECEIPTD_KEY", "RECEIPTD_PROVIDER__KEY"),
            ("RECEIPTD_PUBLIC__URL", "RECEIPTD_PUBLIC_URL"),
            ("RECEIPTD_PUBLICURL", "RECEIPTD_PUBLIC_URL"),
            ("RECEIPTD_API__LISTNE", "RECEIPTD_API__LISTEN"),
        ] {
            assert_eq!(nearest_variable(written), meant, "{written}");
        }
    }

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        for (key, _) in KEYS {
            assert_eq!(key_of_variable(&variable(key)), Some(*key));
        }
        assert_eq!(variable("provider.base_url"), "RECEIPTD_PROVIDER__BASE_URL");
    }
}
