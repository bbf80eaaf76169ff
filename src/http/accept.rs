//! `Accept`: whether a client asks for a particular media type instead of the default one.

use actix_web::http::header::{self, HeaderMap};

const STREAM: &str = "text/event-stream";
const OPENMETRICS: &str = "application/openmetrics-text";
/// The media ranges that include JSON, the most general first.
const JSON: [&str; 3] = ["*/*", "application/*", "application/json"];
/// The media ranges that include plain text, the most general first.
const TEXT: [&str; 3] = ["*/*", "text/*", "text/plain"];

/// Whether the client explicitly asks for a stream and does not prefer JSON. If it accepts both equally, it gets a
/// stream.
pub(super) fn prefers_stream(headers: &HeaderMap) -> bool {
    prefers(headers, STREAM, JSON)
}

/// Whether the client explicitly asks for OpenMetrics and does not prefer plain text.
pub(super) fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    prefers(headers, OPENMETRICS, TEXT)
}

fn prefers(headers: &HeaderMap, special: &str, usual: [&str; 3]) -> bool {
    let (mut wanted, mut usually, mut named): (f32, f32, usize) = (0.0, 0.0, 0);
    for range in headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1.0);
        if media.eq_ignore_ascii_case(special) {
            wanted = wanted.max(weight); // it may occur once per version
        }
        // For the default type, the most specific range counts.
        if let Some(exactness) = usual.iter().position(|name| media.eq_ignore_ascii_case(name))
            && exactness >= named
        {
            (usually, named) = (weight, exactness);
        }
    }
    wanted > 0.0 && wanted >= usually
}

/// The weight in a parameter. An unreadable weight counts as 0, so that nobody gets an endless answer by mistake.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let weight = value.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
    name.trim().eq_ignore_ascii_case("q").then_some(weight)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_stream_is_for_those_who_name_it_and_do_not_want_json_more() {
        for (accept, expected) in [
            (&["text/event-stream"][..], true),
            (&["Text/Event-Stream; charset=utf-8"], true),
            (&["text/event-stream, */*;q=0.1"], true),
            (&["text/event-stream;q=0.5, */*, application/*;q=0.4"], true),
            (&["application/json;q=0.1, */*, text/event-stream;q=0.2"], true),
            (&["application/json;q=0.2, text/event-stream;q=0.3"], true),
            (&["application/json, text/event-stream"], true),
            (&["application/json;q=0.9", "text/event-stream"], true),
            (&[], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (&["text/event-streams"], false),
            (&["x-text/event-stream"], false),
            (&["text/html;x=text/event-stream"], false),
            (&["text/event-stream;q=0, application/json"], false),
            (&["text/event-stream;q=0"], false),
            (&["text/event-stream;q=0.000"], false),
            (&["text/event-stream ; Q=0"], false),
            (&["text/event-stream;charset=utf-8;q=0"], false),
            (&["text/event-stream;q=many"], false),
            (&["text/event-stream;q=0.5, */*"], false),
            (&["application/json, text/event-stream;q=0.5, */*;q=0.1"], false),
            (&["application/json, text/event-stream;q=0.1"], false),
            (&["application/json", "text/event-stream;q=0.9"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(line));
            }
            assert_eq!(prefers_stream(&headers), expected, "{accept:?}");
        }
    }
    #[test]
    fn openmetrics_is_for_those_who_name_it_and_do_not_want_plain_text_more() {
        for (accept, expected) in [
            // Prometheus 2 and 3.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.2,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
            ("application/openmetrics-text", true),
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.3", false),
            ("application/openmetrics-text;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_openmetrics(&headers), expected, "{accept}");
        }
    }
}
