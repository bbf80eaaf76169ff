//! The provider's JSON format (docs/provider.md).

use std::str::FromStr;

use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::{BatchId, Channel, Content, Identifier, Msisdn, ReceiptCode, Timestamp};
use crate::loose::Loose;

/// Which of two names is sent where the documentation has both (docs/provider.md, "What is sent").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WireNames {
    /// Both names, so that the one that the provider reads is there.
    #[default]
    Both,
    /// The names in the table: `isDryrun`, `uuid`, `at`.
    Table,
    /// The names in the example: `dryRun`, `id`, `send_at`.
    Example,
}

/// The error for a word other than `both`, `table` and `example`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be both, table or example")]
pub struct UnknownNames;

impl FromStr for WireNames {
    type Err = UnknownNames;

    fn from_str(text: &str) -> Result<Self, UnknownNames> {
        match text {
            "both" => Ok(Self::Both),
            "table" => Ok(Self::Table),
            "example" => Ok(Self::Example),
            _ => Err(UnknownNames),
        }
    }
}

impl WireNames {
    fn table(self) -> bool {
        self != Self::Example
    }

    fn example(self) -> bool {
        self != Self::Table
    }

    /// The query of `POST /batch` after the key. The dry-run parameters are sent only for a dry run.
    pub(super) fn query(self, content: &Content) -> String {
        let mut query = String::new();
        if content.dry_run && self.table() {
            query.push_str("&isDryrun=true");
        }
        if content.dry_run && self.example() {
            query.push_str("&dryRun=true");
        }
        if content.allow_multi {
            query.push_str("&allowMulti=true");
        }
        query
    }
}

/// The body of `POST /batch`.
#[derive(Serialize)]
pub(super) struct Submission<'a> {
    from: &'a str,
    message: &'a str,
    destinations: Destinations<'a>,
    callback: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<GmtSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<GmtSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fallback_channels: &'a [Channel],
}

impl<'a> Submission<'a> {
    pub(super) fn new(names: WireNames, batch: BatchId, content: &'a Content, destinations: &'a [Msisdn], callback: &'a str) -> Self {
        let send_at = content.send_at.map(GmtSeconds);
        Self {
            from: &content.from,
            message: &content.message,
            destinations: Destinations(destinations),
            callback,
            uuid: names.table().then_some(batch),
            id: names.example().then_some(batch),
            at: send_at.filter(|_| names.table()),
            send_at: send_at.filter(|_| names.example()),
            channel: content.channel,
            fallback_channels: &content.fallback_channels,
        }
    }
}

/// Numbers without a plus, serialized without copying: a batch may have 50,000.
struct Destinations<'a>(&'a [Msisdn]);

impl Serialize for Destinations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Digits(u64);

        impl Serialize for Digits {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        let mut numbers = serializer.serialize_seq(Some(self.0.len()))?;
        for number in self.0 {
            numbers.serialize_element(&Digits(number.digits()))?;
        }
        numbers.end()
    }
}

/// A time in the format that the documentation always uses: `2026-01-01T09:00:00Z`.
#[derive(Clone, Copy)]
struct GmtSeconds(Timestamp);

impl Serialize for GmtSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `Timestamp` displays milliseconds: `2026-01-01T09:00:00.000Z`.
        let text = self.0.to_string();
        let seconds = text.split('.').next().unwrap_or(&text);
        serializer.collect_str(&format_args!("{}Z", seconds.trim_end_matches('Z')))
    }
}

/// The largest length of an identifier; a UUID has 36 characters.
const LONGEST_IDENTIFIER: usize = 1024;

/// The identifier in the answer to `POST /batch`, if there is a readable one.
pub(super) fn identifier(body: &[u8]) -> Option<Identifier> {
    #[derive(Deserialize)]
    struct Accepted {
        identifier: String,
    }

    let Accepted { identifier } = serde_json::from_slice(body).ok()?;
    usable(&identifier).then(|| Identifier::from(&*identifier))
}

/// Whether an identifier can be used in a path: an empty one would name the list of all batches, and dots would name
/// the parent.
pub(super) fn usable(identifier: &str) -> bool {
    !matches!(identifier.trim(), "" | "." | "..") && identifier.len() <= LONGEST_IDENTIFIER
}

/// A batch that the provider has not sent yet (docs/provider.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingBatch {
    /// The provider's name for the batch.
    pub identifier: Identifier,
    /// When it will be sent.
    pub at: Option<Timestamp>,
    /// Sender ID.
    pub from: Option<String>,
    /// The number of messages.
    pub messages: Option<u64>,
    /// The number of SMS parts in all.
    pub units: Option<u64>,
}

/// Reads the answer to `GET /batch`; entries without an identifier are skipped.
pub(super) fn pending(body: &[u8]) -> Result<Vec<PendingBatch>, serde_json::Error> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        batches: Vec<&'a RawValue>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Entry<'a> {
        #[serde(borrow)]
        identifier: Loose<'a>,
        #[serde(borrow)]
        at: Loose<'a>,
        #[serde(borrow)]
        from: Loose<'a>,
        #[serde(borrow)]
        messagecount: Loose<'a>,
        #[serde(borrow)]
        unitcount: Loose<'a>,
    }

    let List { batches } = serde_json::from_slice(body)?;
    let read = |raw: &RawValue| {
        let entry: Entry<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(PendingBatch {
            identifier: Identifier::from(&*entry.identifier.text()?),
            at: entry.at.text().and_then(|text| time(&text)),
            from: entry.from.text().map(Into::into),
            messages: entry.messagecount.number(),
            units: entry.unitcount.number(),
        })
    };
    Ok(batches.into_iter().filter_map(read).collect())
}

/// Reads a time of the provider; without an offset it is in GMT.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{}Z", text.trim()).parse()).ok()
}

/// Reads the answer to `GET /dr-responses`; entries without a code are skipped.
pub(super) fn codes(body: &[u8]) -> Result<Vec<(ReceiptCode, String)>, serde_json::Error> {
    let entries: Vec<&RawValue> = serde_json::from_slice(body)?;
    let read = |raw: &RawValue| {
        let info: Info<'_> = serde_json::from_str(raw.get()).ok()?;
        Some((ReceiptCode::new(info.code.text()?), info.description.text().unwrap_or_default().into_owned()))
    };
    Ok(entries.into_iter().filter_map(read).collect())
}

/// A code and its meaning.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Info<'a> {
    #[serde(borrow)]
    pub code: Loose<'a>,
    #[serde(borrow)]
    pub description: Loose<'a>,
}
