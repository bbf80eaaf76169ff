//! The characters in and around numbers: their plainest forms, invisible ones, and their names for people.

/// The plainest form of a character: digits of all scripts, full-width forms, and the many dashes and spaces.
pub(super) fn plain(c: char) -> char {
    match c {
        '\u{ff0b}' | '\u{fe62}' => '+',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{2e3a}'..='\u{2e3b}' | '\u{30fc}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
            '-'
        }
        '[' | '\u{fe59}' | '\u{ff08}' | '\u{ff3b}' => '(',
        ']' | '\u{fe5a}' | '\u{ff09}' | '\u{ff3d}' => ')',
        '\u{b7}' | '\u{2022}' | '\u{2027}' | '\u{fe52}' | '\u{ff0e}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{ff0f}' => '/',
        _ if c.is_whitespace() && !is_break(c) => ' ',
        _ => digit(c),
    }
}

/// The digit 0 of every script with decimal digits; the other digits follow it.
#[rustfmt::skip]
const ZEROS: [u32; 65] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090,
    0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50,
    0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730,
    0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140,
    0x1E2F0, 0x1E950, 0x1FBF0,
];

fn digit(c: char) -> char {
    let code = u32::from(c);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let value = after.checked_sub(1).map(|at| code - ZEROS[at]);
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Whether a character is invisible: direction marks, soft hyphens, joiners, byte order marks and others, which contact
/// apps, web pages and word processors leave around numbers.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a text consists only of white space and invisible characters.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// The text without invisible characters, for comparing names that people chose.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

/// Whether a character is a tab, a line break or another control character.
pub(super) fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A character for display: the character itself, if it is visible, and its code point.
pub fn named(c: char) -> String {
    match c {
        '\t' => "a tab (U+0009)".to_owned(),
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => format!("a line break (U+{:04X})", u32::from(c)),
        _ if c.is_control() => format!("a control character (U+{:04X})", u32::from(c)),
        _ if c.is_whitespace() => format!("a space (U+{:04X})", u32::from(c)),
        _ if is_invisible(c) => format!("an invisible character (U+{:04X})", u32::from(c)),
        _ => format!("`{c}` (U+{:04X})", u32::from(c)),
    }
}

/// The beginning of a text for display, at most 40 characters; invisible characters are shown as code points.
pub fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(40) {
        let is_hidden = c.is_control() || is_invisible(c) || c.is_whitespace() && c != ' ';
        if is_hidden { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    let more = if text.chars().nth(40).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}
