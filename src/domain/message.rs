//! Message texts.

use sms_splitter::SplitSms;
use sms_splitter::splitter_options::SplitterOptions;

/// How many SMS parts a text takes: 160 characters of GSM-7 in one part, 153 a part in several;
/// 70 and 67 UTF-16 units as soon as one character is outside GSM-7. An empty text takes none.
pub fn parts(message: &str) -> u32 {
    if message.is_empty() {
        return 0; // the library counts the rest of a last part that is not there
    }
    let summary_only = SplitterOptions::new(false, true);
    #[expect(clippy::unnecessary_to_owned, reason = "it is the library's split, and that takes a String")]
    let split = SplitSms::new(summary_only).split(message.to_owned());
    u32::try_from(split.parts.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_follow_gsm_7_and_ucs_2() {
        for (text, expected) in [
            (String::new(), 0),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            // the extension table takes two septets a character
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // and such a pair is not cut in two between parts: 76 fit a part of 153
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("я".repeat(70), 1),
            ("я".repeat(71), 2),
            ("я".repeat(134), 2),
            ("я".repeat(135), 3),
            ("🎉".repeat(35), 1),
            ("🎉".repeat(36), 2),
        ] {
            assert_eq!(parts(&text), expected, "{} characters of {:?}", text.chars().count(), text.chars().next());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,400}") {
            let units = text.encode_utf16().count();
            let parts = parts(&text) as usize;
            proptest::prop_assert!(parts * 160 >= units.min(1) && parts <= units);
        }
    }
}
