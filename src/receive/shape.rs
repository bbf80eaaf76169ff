//! The form of a receipt in a body: its fields may have any type.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::loose::Loose;

/// The fields of a receipt, of any type. `plain`: the object contains nothing else.
#[derive(Default)]
pub(super) struct Reading<'a> {
    pub destination: Loose<'a>,
    pub delivered: Loose<'a>,
    pub batchuuid: Loose<'a>,
    pub messageuuid: Loose<'a>,
    pub info: Info<'a>,
    pub plain: bool,
}

#[derive(Default)]
pub(super) struct Info<'a> {
    pub code: Loose<'a>,
    pub description: Loose<'a>,
    pub plain: bool,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(field_identifier)]
enum Field {
    #[serde(rename = "destination")]
    Destination,
    #[serde(rename = "delivered")]
    Delivered,
    #[serde(rename = "batchuuid")]
    Batchuuid,
    #[serde(rename = "messageuuid")]
    Messageuuid,
    #[serde(rename = "receiptInfo")]
    ReceiptInfo,
    #[serde(other)]
    Other,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier)]
enum InfoField {
    #[serde(rename = "code")]
    Code,
    #[serde(rename = "description")]
    Description,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Reading<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Reading<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reading<'de>, A::Error> {
                let mut read = Reading { plain: true, info: Info { plain: true, ..Info::default() }, ..Reading::default() };
                let mut seen = [false; 6];
                while let Some(field) = map.next_key::<Field>()? {
                    // If a field occurs twice, the last one counts, and the body is kept because it shows both.
                    read.plain &= !std::mem::replace(&mut seen[field as usize], true);
                    match field {
                        Field::Destination => read.destination = map.next_value()?,
                        Field::Delivered => read.delivered = map.next_value()?,
                        Field::Batchuuid => read.batchuuid = map.next_value()?,
                        Field::Messageuuid => read.messageuuid = map.next_value()?,
                        Field::ReceiptInfo => read.info = map.next_value()?,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                            read.plain = false;
                        }
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Info<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyInfo)
    }
}

/// An object with code and description. Anything else provides no information, and is kept with the body.
struct AnyInfo;

impl<'de> Visitor<'de> for AnyInfo {
    type Value = Info<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Info<'de>, A::Error> {
        let mut info = Info { plain: true, ..Info::default() };
        while let Some(field) = map.next_key()? {
            match field {
                InfoField::Code => info.code = map.next_value()?,
                InfoField::Description => info.description = map.next_value()?,
                InfoField::Other => {
                    map.next_value::<IgnoredAny>()?;
                    info.plain = false;
                }
            }
        }
        Ok(info)
    }

    fn visit_unit<E>(self) -> Result<Info<'de>, E> {
        Ok(Info { plain: true, ..Info::default() })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Info<'de>, E> {
        Ok(Info::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Info<'de>, E> {
        Ok(Info::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Info<'de>, E> {
        Ok(Info::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Info<'de>, E> {
        Ok(Info::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Info<'de>, E> {
        Ok(Info::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Info<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Info::default())
    }
}
