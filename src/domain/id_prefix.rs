//! The beginning of an id, as a person types it.

use std::fmt;
use std::str::FromStr;

/// The number of hexadecimal digits of a UUID.
const DIGITS: usize = 32;
/// The digits before which a UUID has a hyphen.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// The beginning of batch or group ids: 1 to 32 hexadecimal digits, displayed in the form of a UUID. The default is the
/// empty prefix, which matches every id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdPrefix(String);

/// The error for a text that is not the beginning of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the beginning of an id: write 1 to 32 hexadecimal digits, such as 6f2c1d9e")]
pub struct NoIdPrefix;

impl FromStr for IdPrefix {
    type Err = NoIdPrefix;

    fn from_str(text: &str) -> Result<Self, NoIdPrefix> {
        let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        if !(1..=DIGITS).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoIdPrefix);
        }
        let mut canonical = String::with_capacity(DIGITS + HYPHENS.len());
        for (at, digit) in digits.chars().enumerate() {
            if HYPHENS.contains(&at) {
                canonical.push('-');
            }
            canonical.push(digit);
        }
        // The hyphens must be where a UUID has them: no id begins with `6f-2c`.
        if text.contains('-') && !canonical.starts_with(text.trim_end_matches('-').to_ascii_lowercase().as_str()) {
            return Err(NoIdPrefix);
        }
        Ok(Self(canonical))
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_read_with_hyphens_or_without() {
        for (text, shown) in [
            ("6", "6"),
            ("6F2C1D9E", "6f2c1d9e"),
            ("6f2c1d9e-", "6f2c1d9e"),
            ("6f2c1d9e58c1", "6f2c1d9e-58c1"),
            ("6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11"),
        ] {
            assert_eq!(text.parse::<IdPrefix>().map(|prefix| prefix.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", "-", "x", "6g", "6f-2c", "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11a", "last", "ü"] {
            assert_eq!(text.parse::<IdPrefix>(), Err(NoIdPrefix), "{text}");
        }
    }
}
