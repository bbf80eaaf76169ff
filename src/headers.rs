//! Headers that are read in several places: of answers that our clients get, and of requests that our listeners get.

use std::time::{Duration, SystemTime};

use actix_http::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HttpDate, RETRY_AFTER};

/// A header's value without spaces around it; `None` where there is none, or where it is no text.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The announced length of the body in bytes.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.parse().ok()
}

/// What time it is for whoever sent this, to the second.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, DATE)?.parse::<HttpDate>().ok().map(SystemTime::from)
}

/// `Retry-After`, in seconds or as a date; `None` where it is neither. A date counts from the answer's own `Date`, since our
/// clock may be off; only without one, from our clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let now = date(headers).unwrap_or_else(SystemTime::now);
    Some(SystemTime::from(value.parse::<HttpDate>().ok()?).duration_since(now).unwrap_or_default())
}
