//! Reading each value into its type, and noting mistakes with what would be accepted.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::Value;
use phonenumber::country;
use serde_json::Value as Json;

use super::http_url::without_secrets;
use super::sources::Merged;
use super::{Entry, HttpUrl, Origin, Problem};

/// The longest duration. Added to any time used here, it still fits every clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// The largest number that SQLite can hold.
pub(super) const LARGEST: u64 = i64::MAX as u64;

const DURATION: &str = "a duration with its unit, such as \"30s\", \"15m\" or \"72h\"";

/// Reads values into their types. A wrong value is noted as a problem and read as `None`, so that the remaining values
/// are checked too.
pub(super) struct Reader<'a> {
    merged: &'a Merged,
    /// The folder that relative paths are resolved against.
    folder: &'a Path,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
}

/// A value as written.
struct Written {
    value: Value,
    origin: Origin,
}

impl Written {
    fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// Variables and flags are always text; in a file, a number in quotes is a mistake.
    fn loose_text(&self) -> Option<&str> {
        let text = self.text()?;
        (!matches!(self.origin, Origin::File(_))).then_some(text)
    }

    fn number(&self) -> Option<u64> {
        if let Some(text) = self.loose_text() {
            return text.parse().ok();
        }
        let number = self.value.to_i128().or_else(|| i128::try_from(self.value.to_u128()?).ok());
        u64::try_from(number?).ok()
    }

    fn is_zero(&self) -> bool {
        self.text() == Some("0") || self.number() == Some(0)
    }

    /// The value as written, for an error message.
    fn shown(&self) -> String {
        let Some(text) = self.text() else {
            return serde_json::to_string(&self.value).unwrap_or_default();
        };
        let mut short: String = text.chars().take(100).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        format!("{short:?}")
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(merged: &'a Merged) -> Self {
        Self { merged, folder: merged.file.parent().unwrap_or(Path::new("")), entries: Vec::new(), problems: Vec::new() }
    }

    fn written(&self, key: &str) -> Option<Written> {
        let value = self.merged.figment.find_value(key).ok()?;
        let metadata = self.merged.figment.get_metadata(value.tag());
        let origin = metadata.map_or(Origin::Default, Origin::from);
        Some(Written { value, origin })
    }

    /// Notes the value of a key for display; null if it is not set.
    pub(super) fn show(&mut self, key: &'static str, value: Json, origin: Origin) {
        self.entries.push(Entry { key, value, origin });
    }

    /// Reads a key that may be missing: `Some(None)` if it is not set.
    fn optional<T>(&mut self, key: &'static str, right: &str, parse: impl FnOnce(&Written) -> Option<(T, Json)>) -> Option<Option<T>> {
        let Some(written) = self.written(key) else {
            self.show(key, Json::Null, Origin::Default);
            return Some(None);
        };
        if let Some((value, shown)) = parse(&written) {
            self.show(key, shown, written.origin);
            return Some(Some(value));
        }
        self.wrong(key, &written.origin, &written.shown(), right);
        None
    }

    fn wrong(&mut self, key: &str, origin: &Origin, shown: &str, right: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            origin: origin.clone(),
            text: format!("{key} is {shown} {}; it must be {right}", origin.place()),
        });
    }

    /// Reads a key that has a default.
    fn value<T>(&mut self, key: &'static str, right: &str, parse: impl FnOnce(&Written) -> Option<(T, Json)>) -> Option<T> {
        self.optional(key, right, parse)?
    }

    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.optional_path(key)?.map(|(path, _)| path)
    }

    /// The path, and where it was set.
    pub(super) fn optional_path(&mut self, key: &'static str) -> Option<Option<(PathBuf, Origin)>> {
        let folder = self.folder;
        self.optional(key, "the path of a file, in quotes", |written| {
            let text = written.text().filter(|text| !text.is_empty() && !text.contains('\0'))?;
            let path = folder.join(text);
            let shown = Json::from(path.to_string_lossy());
            Some(((path, written.origin.clone()), shown))
        })
    }

    /// The text of a key that is never shown, and where it was set. The caller notes the entry.
    pub(super) fn hidden(&self, key: &str) -> Option<(String, Origin)> {
        let written = self.written(key)?;
        Some((written.text()?.to_owned(), written.origin))
    }

    pub(super) fn address(&mut self, key: &'static str) -> Option<SocketAddr> {
        self.word(key, "an IP address and a port, such as \"127.0.0.1:8081\" or \"[::1]:8081\"")
    }

    pub(super) fn optional_url(&mut self, key: &'static str) -> Option<Option<HttpUrl>> {
        let Some(written) = self.written(key) else {
            self.show(key, Json::Null, Origin::Default);
            return Some(None);
        };
        let shown = match written.text().map(|text| (text, text.parse::<HttpUrl>())) {
            Some((_, Ok(url))) => {
                self.show(key, Json::from(url.as_str()), written.origin);
                return Some(Some(url));
            }
            Some((text, Err(why))) => format!("{:?} ({why})", without_secrets(text)),
            None => written.shown(),
        };
        let right = "an address such as \"https://receipts.example.com\", a path may follow";
        self.wrong(key, &written.origin, &shown, right);
        None
    }

    pub(super) fn url(&mut self, key: &'static str) -> Option<HttpUrl> {
        self.optional_url(key)?
    }

    /// A duration longer than zero.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let right = format!("{DURATION}, longer than 0 and at most 100 years");
        let duration = |written: &_| duration(written).filter(|(found, _)| !found.is_zero());
        self.value(key, &right, duration)
    }

    /// A duration that may be zero.
    pub(super) fn duration_or_zero(&mut self, key: &'static str) -> Option<Duration> {
        let right = format!("{DURATION}, at most 100 years, or \"0\"");
        self.value(key, &right, duration)
    }

    pub(super) fn size(&mut self, key: &'static str, least: ByteSize) -> Option<ByteSize> {
        let right = format!("a size in bytes such as \"256KiB\" or \"64MiB\", at least {least}");
        self.value(key, &right, |written| {
            let (size, shown) = match written.number() {
                Some(number) => (ByteSize(number), Json::from(number)),
                None => {
                    let text = written.text()?;
                    (text.parse::<ByteSize>().ok()?, Json::from(text))
                }
            };
            (least.0..=LARGEST).contains(&size.0).then_some((size, shown))
        })
    }

    pub(super) fn number<N: TryFrom<u64>>(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<N> {
        let right = match (*range.start(), *range.end()) {
            (least, LARGEST) => format!("a whole number from {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        self.value(key, &right, |written| {
            let number = written.number().filter(|number| range.contains(number))?;
            Some((N::try_from(number).ok()?, Json::from(number)))
        })
    }

    pub(super) fn switch(&mut self, key: &'static str) -> Option<bool> {
        self.value(key, "true or false, without quotes", |written| {
            let on = match written.loose_text() {
                Some(text) => text.to_ascii_lowercase().parse().ok()?,
                None => written.value.to_bool()?,
            };
            Some((on, Json::from(on)))
        })
    }

    pub(super) fn word<T>(&mut self, key: &'static str, right: &str) -> Option<T>
    where
        T: FromStr + fmt::Display,
    {
        self.value(key, right, |written| {
            let value: T = written.text()?.parse().ok()?;
            let shown = Json::from(value.to_string().to_ascii_lowercase());
            Some((value, shown))
        })
    }

    pub(super) fn region(&mut self, key: &'static str) -> Option<Option<country::Id>> {
        let right = "the two letters of a country whose numbers are known, such as \"GB\"";
        self.optional(key, right, |written| {
            let region: country::Id = written.text()?.to_ascii_uppercase().parse().ok()?;
            phonenumber::metadata::DATABASE.by_id(region.as_ref())?;
            Some((region, Json::from(region.as_ref())))
        })
    }
}

fn duration(written: &Written) -> Option<(Duration, Json)> {
    if written.is_zero() {
        return Some((Duration::ZERO, Json::from("0")));
    }
    let text = written.text()?;
    let duration = humantime::parse_duration(text).ok()?;
    (duration <= LONGEST).then(|| (duration, Json::from(text)))
}
