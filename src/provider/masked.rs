//! What of the provider's answers and of errors may be shown: bounded, and masked.

use std::fmt::Write;

use crate::domain::Content;
use crate::secret::{HIDDEN, Secret};

/// The most that is kept of an answer, in bytes.
const MOST: usize = 1024;

/// How much of an answer is looked at: more than is kept, since masking makes it shorter.
const LOOKED_AT: usize = 8 * MOST;

/// The shortest beginning of a secret that is taken for it at the end of a text, where the rest of it
/// may have been cut off.
const TELLING: usize = 4;

/// Tokens and message texts shorter than this are not looked for: they would be found inside other words.
const SHORTEST_ECHO: usize = 12;

/// Characters of a callback token, and of an API token that was made here.
const TOKENS: [usize; 2] = [32, 43];

/// As many digits are taken for a telephone number.
const NUMBER: usize = 7;
/// What stands between two groups of its digits, and how many of these there may be.
const HYPHENS: [char; 5] = ['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}'];
const LONGEST_GAP: usize = 3;
/// How a date is written.
const DATE: &str = "0000-00-00";

/// In the path of every callback, before its batch and its token.
const CALLBACKS: &str = "callbacks";

/// What is not to be shown in the details of one call.
pub(super) struct Hidden(Vec<Secret>);

impl Hidden {
    /// The key alone.
    pub(super) fn key(key: &Secret) -> Self {
        Self(vec![key.clone()])
    }

    /// Key, callback URL and its token, and the text of the message: the answer may repeat all of the request.
    pub(super) fn order(key: &Secret, callback: &str, content: &Content) -> Self {
        let token = callback.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let mut hidden = vec![key.clone(), Secret::from(callback)];
        if token.len() >= SHORTEST_ECHO {
            hidden.push(Secret::from(token));
        }
        if content.message.len() >= SHORTEST_ECHO {
            hidden.push(Secret::from(content.message.as_str()));
        }
        Self(hidden)
    }

    /// A text as it may be shown: at most [`MOST`] bytes.
    pub(super) fn show(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(&text[..text.len().min(LOOKED_AT)]);
        let mut text = text.into_owned();
        for secret in &self.0 {
            text = secret.mask(&text);
            hide_beginning(&mut text, secret.expose());
        }
        bounded(mask_numbers(&hide_tokens(&hide_callbacks(&text))))
    }
}

/// Hides the beginning of a secret that a text ends with: an answer may be cut short anywhere.
fn hide_beginning(text: &mut String, secret: &str) {
    let ends_with = |end: &str| {
        let at = text.len().checked_sub(end.len())?;
        text.as_bytes()[at..].eq_ignore_ascii_case(end.as_bytes()).then_some(at)
    };
    let at = (TELLING..secret.len()).rev().filter_map(|length| secret.get(..length)).find_map(ends_with);
    if let Some(at) = at.filter(|at| text.is_char_boundary(*at)) {
        text.truncate(at);
        text.push_str(HIDDEN);
    }
}

/// Hides the rest of every callback URL, however it is written: an answer may tell of batches of other calls too.
fn hide_callbacks(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    // Lower case in ASCII alone: every byte keeps its place.
    while let Some(at) = rest.to_ascii_lowercase().find(CALLBACKS) {
        let (before, url) = rest.split_at(at + CALLBACKS.len());
        let end = url.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',')).unwrap_or(url.len());
        hidden.push_str(before);
        if end > 0 {
            _ = write!(hidden, "/{HIDDEN}"); // writing into a String does not fail
        }
        rest = &url[end..];
    }
    hidden.push_str(rest);
    hidden
}

/// Hides what looks like a token of ours, of whatever batch: 32 characters of base64url for a callback, 43 for the API. A
/// hexadecimal number of that length is somebody's trace id.
fn hide_tokens(text: &str) -> String {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_a_token) {
        let (before, run) = rest.split_at(start);
        let (run, after) = run.split_at(run.find(|c| !is_of_a_token(c)).unwrap_or(run.len()));
        let is_token = TOKENS.contains(&run.len()) && !run.bytes().all(|byte| byte.is_ascii_hexdigit());
        hidden.push_str(before);
        hidden.push_str(if is_token { HIDDEN } else { run });
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

/// Seven digits and more, be they in groups, are taken for a telephone number: only the last three stay.
fn mask_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, found) = rest.split_at(start);
        let (number, after) = found.split_at(if begins_with_date(found) { DATE.len() } else { reach(found) });
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        masked.push_str(before);
        if digits.len() < NUMBER || begins_with_date(number) {
            masked.push_str(number);
        } else {
            _ = write!(masked, "…{}", &digits[digits.len() - 3..]); // writing into a String does not fail
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// How far what may be one number reaches from its first digit. A group that is long enough stands for itself.
fn reach(text: &str) -> usize {
    let mut end = run(text);
    if end >= NUMBER {
        return end;
    }
    loop {
        let gap = gap(&text[end..]);
        let next = &text[end + gap..];
        if gap == 0 || run(next) == 0 || run(next) >= NUMBER || begins_with_date(next) {
            return end;
        }
        end += gap + run(next);
    }
}

/// The digits that a text begins with.
fn run(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// The few blanks and hyphens that a text begins with; more of them part two numbers.
fn gap(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_whitespace() && !HYPHENS.contains(&c)).unwrap_or(0);
    if text[..end].chars().count() <= LONGEST_GAP { end } else { 0 }
}

/// A time says when it was, and is nobody's number.
fn begins_with_date(text: &str) -> bool {
    let is_like = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    let is_date = text.starts_with(['1', '2']) && text.len() >= DATE.len() && text.bytes().zip(DATE.bytes()).all(is_like);
    is_date && !text[DATE.len()..].starts_with(|c: char| c.is_ascii_digit())
}

fn bounded(mut text: String) -> String {
    if text.len() > MOST {
        let end = (0..=MOST - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> Hidden {
        Hidden::key(&Secret::from("aaaabbbbcccc111222333"))
    }

    #[test]
    fn only_the_last_three_digits_of_a_number_stay() {
        let shown = hidden().show("no route to +447700900123, 447700900124; code 22 at 2026-01-01".as_bytes());
        assert_eq!(shown, "no route to +…123, …124; code 22 at 2026-01-01");
    }

    #[test]
    fn a_number_in_groups_is_one_number_and_a_date_is_none() {
        for (text, expected) in [
            ("no route to +44 7700 900123, 22", "no route to +…123, 22"),
            ("44-7700-900123", "…123"),
            ("+44 (0)7700\u{a0}900\u{2011}123", "+44 (0)…123"),
            ("447700900123 447700900124 22", "…123 …124 22"),
            ("2026-12-24 09:00, 2026-12-24T09:00, 2026-12-249", "2026-12-24 09:00, 2026-12-24T09:00, …249"),
            ("22 2026-12-24 7700 900", "22 2026-12-24 …900"),
            ("code 22 of 100 - 200", "code 22 of 100 - 200"),
            ("1 234    567890 12", "1 234    …012"),
            ("7 7 0 0 9 0 0", "…900"),
            ("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d"),
        ] {
            assert_eq!(hidden().show(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_beginning_of_a_key_that_was_cut_off_is_hidden_too() {
        assert_eq!(hidden().show(b"no such page: /batch?key=aaaabbbbcc"), "no such page: /batch?key=[hidden]");
        assert_eq!(hidden().show(b"aaa"), "aaa");
    }

    #[test]
    fn the_callbacks_of_other_batches_are_hidden_however_they_are_written() {
        let batch = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
        for slash in ["/", "\\/", "%2F", "%252f"] {
            let text = format!(r#"{{"callback":"https://x/Callbacks{slash}{batch}{slash}t0ken_-A","b":1}}, callbacks"#);
            let shown = hidden().show(text.as_bytes());
            assert_eq!(shown, r#"{"callback":"https://x/Callbacks/[hidden]","b":1}, callbacks"#, "{text}");
        }
    }

    #[test]
    fn tokens_are_hidden_wherever_they_stand_and_other_names_are_not() {
        let (callback, api) = ("Ab3-dEf_hIjKlMnOpQrStUvWxYz01234", "Ab3-dEf_hIjKlMnOpQrStUvWxYz0123456789abcdef");
        let text = format!(
            "no batch for {callback}, nor \"{api}\"; trace 4bf92f3577b34da6a3ce929d0e0e4736 of c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d"
        );
        let shown = hidden().show(text.as_bytes());
        assert_eq!(shown.matches(HIDDEN).count(), 2, "{shown}");
        assert!(shown.contains("4bf92f3577b34da6a3ce929d0e0e4736") && shown.contains("c4ae0c8a-bbb2"), "{shown}");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_after_masking() {
        let long = format!("{}aaaabbbbcccc111222333{}", "é".repeat(505), "ü".repeat(4000));
        let shown = hidden().show(long.as_bytes());
        assert!(shown.len() <= MOST && shown.ends_with('…'), "{}", shown.len());
        assert!(shown.contains(HIDDEN) && !shown.contains("aaaab"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_shown(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..3000)) {
            proptest::prop_assert!(hidden().show(&bytes).len() <= MOST);
        }
    }
}
