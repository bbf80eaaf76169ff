//! HTTP headers that several modules read, in answers to our clients and in requests to our listeners.

use std::time::{Duration, SystemTime};

use actix_http::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HttpDate, RETRY_AFTER};

/// The value of a header without surrounding spaces; `None` if it is missing or not text.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The announced length of the body in bytes.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.parse().ok()
}

/// The sender's time, from `Date`, to the second.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, DATE)?.parse::<HttpDate>().ok().map(SystemTime::from)
}

/// The delay that `Retry-After` asks for, whether it is given in seconds or as a date; `None` if it is neither. A date
/// is compared with the answer's own `Date`, since our clock may be wrong, and with our clock only if there is no
/// `Date`.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let now = date(headers).unwrap_or_else(SystemTime::now);
    Some(SystemTime::from(value.parse::<HttpDate>().ok()?).duration_since(now).unwrap_or_default())
}
