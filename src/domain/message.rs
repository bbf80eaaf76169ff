//! Message texts.

use sms_splitter::SplitSms;
use sms_splitter::splitter_options::SplitterOptions;

use super::number::named;

/// The characters of GSM-7, including its extension table. All others limit the text to 70 characters per part.
const GSM_7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                     abcdefghijklmnopqrstuvwxyzäöñüà\u{c}^{}\\[~]|€";
/// The largest number of characters outside GSM-7 that are named.
const NAMED: usize = 5;

/// The number of SMS parts of a text: 160 characters of GSM-7 in a single part, 153 in each of several; 70 and 67
/// UTF-16 units if a character is outside GSM-7. An empty text has none.
pub fn parts(message: &str) -> u32 {
    if message.is_empty() {
        return 0; // the library expects at least one part
    }
    let summary_only = SplitterOptions::new(false, true);
    #[expect(clippy::unnecessary_to_owned, reason = "it is the library's split, and that takes a String")]
    let split = SplitSms::new(summary_only).split(message.to_owned());
    u32::try_from(split.parts.len()).unwrap_or(u32::MAX)
}

/// The characters that limit the text to 70 characters per part, and the number of parts without them; `None` if the
/// whole text is GSM-7.
pub fn shortened_by(message: &str) -> Option<String> {
    let mut forcing: Vec<(char, usize, usize)> = Vec::new();
    for (at, c) in (1..).zip(message.chars()).filter(|(_, c)| !GSM_7.contains(*c)) {
        match forcing.iter_mut().find(|(known, _, _)| *known == c) {
            Some((_, _, count)) => *count += 1,
            None => forcing.push((c, at, 1)),
        }
    }
    if forcing.is_empty() {
        return None;
    }
    let mut listed: Vec<String> = forcing.iter().take(NAMED).map(|(c, at, count)| described(*c, *at, *count)).collect();
    let more = forcing.len().saturating_sub(NAMED);
    if more > 0 {
        listed.push(format!("and {more} other {}", if more == 1 { "character" } else { "characters" }));
    }
    let plain: String = message.chars().map(|c| if GSM_7.contains(c) { c } else { ' ' }).collect();
    let without = match parts(&plain) {
        1 => "1 part".to_owned(),
        parts => format!("{parts} parts"),
    };
    let them = if forcing.len() == 1 { "it" } else { "them" };
    Some(format!("{}: only 70 characters fit a part because of {them}; without {them} the text takes {without}", listed.join(", ")))
}

fn described(c: char, at: usize, count: usize) -> String {
    match count {
        1 => format!("{} at position {at}", named(c)),
        2 => format!("{} twice, first at position {at}", named(c)),
        _ => format!("{} {count} times, first at position {at}", named(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_characters_that_force_70_a_part_are_named() {
        for (character, name) in [
            ("’", "`’` (U+2019) at position 101"),
            ("\u{a0}", "a space (U+00A0) at position 101"),
            ("\u{200c}", "an invisible character (U+200C) at position 101"),
            ("ç", "`ç` (U+00E7) at position 101"),
            ("🎉", "`🎉` (U+1F389) at position 101"),
            ("\t", "a tab (U+0009) at position 101"),
        ] {
            let told = shortened_by(&format!("{}{character}", "a".repeat(100))).expect("forced");
            assert!(told.starts_with(name) && told.ends_with("without it the text takes 1 part"), "{told}");
        }
        let told = shortened_by(&format!("\u{feff}a’b’c’{}", "d".repeat(200))).expect("forced");
        assert!(told.starts_with("an invisible character (U+FEFF) at position 1, `’` (U+2019) 3 times, first at position 3:"), "{told}");
        assert!(told.ends_with("without them the text takes 2 parts"), "{told}");
        let told = shortened_by("Привет, мир").expect("forced");
        assert!(told.contains("and 2 other characters"), "{told}");
        assert_eq!(shortened_by("plain £ € ~ text\n"), None);
    }

    #[test]
    fn the_characters_of_gsm_7_are_those_of_the_library() {
        for c in (0..=0xffffu32).filter_map(char::from_u32) {
            let is_gsm = SplitSms::new(SplitterOptions::new(false, true)).split(c.to_string()).character_set == "GSM";
            assert_eq!(GSM_7.contains(c), is_gsm, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn parts_follow_gsm_7_and_ucs_2() {
        for (text, expected) in [
            (String::new(), 0),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            // The characters of the extension table take two septets each.
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // Such a pair is not split between parts: 76 fit in a part of 153.
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

    #[test]
    fn five_characters_that_force_70_are_named_and_the_others_counted() {
        let told = |text: &str| shortened_by(text).expect("forced");
        assert!(!told("çêîûŵ").contains("other character"));
        assert!(told("çêîûŵŷ").contains(", and 1 other character:"), "{}", told("çêîûŵŷ"));
        assert!(told("çêîûŵŷő").contains(", and 2 other characters:"));
        assert_eq!(shortened_by("plain"), None);
    }
}
