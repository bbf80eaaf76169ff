//! JSON values of any type: the provider sends numbers as strings, strings as numbers, and leaves fields out. Used for
//! its answers and for its callbacks.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A scalar of any type, or nothing. Deserializing fails only if the JSON itself is malformed.
#[derive(Default)]
pub(crate) enum Loose<'a> {
    /// `null`, or the field is missing.
    #[default]
    Absent,
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
    /// An array, an object, a negative number or a fraction, none of which is valid for any field read here.
    Other,
}

impl<'a> Loose<'a> {
    /// A non-empty string, or a number written in digits.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// A number, also if it was written as a string.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A flag: false if it is absent, `None` if it cannot be read.
    pub fn flag(self) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::Flag(flag) => Some(flag),
            Self::Number(0) => Some(false),
            Self::Number(1) => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Loose::Absent)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Loose::Flag(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Loose::Number(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(u64::try_from(number).map_or(Loose::Other, Loose::Number))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                // Some programs write every number as a decimal: 22.0 is 22. Above this bound, not every whole number
                // is exact.
                let is_whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
                Ok(if is_whole { Loose::Number(number as u64) } else { Loose::Other })
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
