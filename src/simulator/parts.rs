//! The number of SMS parts of a text.

/// The characters of the GSM 03.38 alphabet that need one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The characters that need two: an escape and one more.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// The number of parts. A single part holds 160 septets or 70 UTF-16 units; each of several holds 153 or 67.
pub(super) fn count(text: &str) -> usize {
    let septets = text.chars().try_fold(0, |sum, character| {
        if BASIC.contains(character) {
            Some(sum + 1)
        } else if EXTENDED.contains(character) {
            Some(sum + 2)
        } else {
            None
        }
    });
    let (length, alone, each): (usize, usize, usize) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if length <= alone { 1 } else { length.div_ceil(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_alphabet() {
        assert_eq!(count(""), 1);
        assert_eq!(count(&"a".repeat(160)), 1);
        assert_eq!(count(&"a".repeat(161)), 2);
        assert_eq!(count(&"€".repeat(80)), 1);
        assert_eq!(count(&"€".repeat(81)), 2);
        assert_eq!(count(&"я".repeat(70)), 1);
        assert_eq!(count(&"я".repeat(71)), 2);
    }
}
