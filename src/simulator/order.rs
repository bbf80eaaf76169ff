//! Reading a `POST /batch`: the request, or the reason for refusing it.

use std::collections::HashSet;

use actix_web::web::Bytes;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Settings, Spelling, Strictness, Wire, parts};

/// The content of a valid `POST /batch`.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub from: String,
    pub message: String,
    /// E.164 digits; no number begins with 0, so none is lost.
    pub destinations: Vec<u64>,
    pub callback: Option<String>,
    /// Both spellings, as they were sent.
    pub uuid: Option<String>,
    pub id: Option<String>,
    pub at: Option<String>,
    pub send_at: Option<String>,
    pub channel: Option<String>,
    pub fallback_channels: Vec<String>,
    pub allow_multi: bool,
    /// The effective values, by the spelling that counts.
    pub dry_run: bool,
    pub client_uuid: Option<Uuid>,
    pub due: Option<Timestamp>,
    pub parts: usize,
    /// All query parameters except the key.
    pub query: Vec<(String, String)>,
    /// The raw body; empty unless bodies are kept.
    pub raw: Bytes,
}

/// Why a request is refused. The provider documents neither the statuses nor the bodies, so these are guesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub reason: String,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(400, reason)
    }
}

impl Order {
    pub(super) fn read(query: Vec<(String, String)>, raw: Bytes, settings: &Settings, wire: &Wire) -> Result<Self, Refusal> {
        let body: Map<String, Value> = serde_json::from_slice(&raw).map_err(|error| Refusal::bad(format!("unreadable body: {error}")))?;
        refuse_unknown(&query, &body, wire)?;

        let from = required(&body, "from")?;
        let message = required(&body, "message")?;
        if !settings.senders.is_empty() && !settings.senders.contains(&from) {
            return Err(Refusal::bad("sender is not owned by this account"));
        }
        let destinations = destinations(&body, settings.max_destinations)?;
        let allow_multi = is_true(&query, "allowMulti").unwrap_or(false);
        let parts = parts::count(&message);
        if parts > 1 && !allow_multi {
            return Err(Refusal::bad("message needs more than one part"));
        }
        let channel = optional(&body, "channel")?;
        let fallback_channels = strings(&body, "fallback_channels")?;
        for channel in channel.iter().chain(&fallback_channels) {
            if channel != "sms" && channel != "rcs" {
                return Err(Refusal::bad("unknown channel"));
            }
        }
        let (uuid, id) = (optional(&body, "uuid")?, optional(&body, "id")?);
        let (at, send_at) = (optional(&body, "at")?, optional(&body, "send_at")?);
        let client_uuid = wire
            .uuid
            .pick(uuid.as_deref(), id.as_deref())
            .map(|text| Uuid::try_parse(text).map_err(|_| Refusal::bad("uuid is not a UUID")))
            .transpose()?;
        let due = wire
            .send_at
            .pick(at.as_deref(), send_at.as_deref())
            .map(|text| instant(text).ok_or_else(|| Refusal::bad("time is not ISO 8601")))
            .transpose()?;
        let dry_run = wire.dry_run.pick(is_true(&query, "isDryrun"), is_true(&query, "dryRun")).unwrap_or(false);
        Ok(Self {
            from,
            message,
            destinations,
            callback: optional(&body, "callback")?,
            uuid,
            id,
            at,
            send_at,
            channel,
            fallback_channels,
            allow_multi,
            dry_run,
            client_uuid,
            due,
            parts,
            query,
            raw: if settings.keep_bodies { raw } else { Bytes::new() },
        })
    }
}

fn refuse_unknown(query: &[(String, String)], body: &Map<String, Value>, wire: &Wire) -> Result<(), Refusal> {
    if wire.strictness == Strictness::Lenient {
        return Ok(());
    }
    let mut known = HashSet::from(["from", "message", "destinations", "callback", "channel", "fallback_channels", "key", "allowMulti"]);
    let pairs: [(Spelling, &str, &str); 3] =
        [(wire.uuid, "uuid", "id"), (wire.send_at, "at", "send_at"), (wire.dry_run, "isDryrun", "dryRun")];
    let given = |name: &str| body.contains_key(name) || query.iter().any(|(key, _)| key == name);
    for (spelling, table, example) in pairs {
        known.extend(spelling.knows_table().then_some(table));
        known.extend(spelling.knows_example().then_some(example));
        if wire.strictness == Strictness::Pairs && given(table) && given(example) {
            return Err(Refusal::bad(format!("both {table} and {example} given")));
        }
    }
    let names = body.keys().chain(query.iter().map(|(key, _)| key));
    match names.into_iter().find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(Refusal::bad(format!("unknown field {name}"))),
        None => Ok(()),
    }
}

fn required(body: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    optional(body, name)?.filter(|text| !text.is_empty()).ok_or_else(|| Refusal::bad(format!("{name} is required")))
}

fn optional(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::bad(format!("{name} must be a string"))),
    }
}

fn strings(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    let wrong = || Refusal::bad(format!("{name} must be an array of strings"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

fn destinations(body: &Map<String, Value>, max: usize) -> Result<Vec<u64>, Refusal> {
    let Some(Value::Array(items)) = body.get("destinations") else {
        return Err(Refusal::bad("destinations must be an array"));
    };
    if items.is_empty() {
        return Err(Refusal::bad("destinations is empty"));
    }
    if max > 0 && items.len() > max {
        return Err(Refusal::bad(format!("more than {max} destinations")));
    }
    items
        .iter()
        .map(|item| {
            item.as_str()
                .filter(|text| text.len() <= 15 && !text.starts_with('0'))
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Refusal::bad("a destination is not an E.164 number without plus"))
        })
        .collect()
}

fn is_true(query: &[(String, String)], name: &str) -> Option<bool> {
    let (_, value) = query.iter().find(|(key, _)| key == name)?;
    Some(value == "1" || value.eq_ignore_ascii_case("true"))
}

/// Reads an ISO 8601 time; without an offset it is in GMT, as documented.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(query: &str, body: Value, wire: &Wire) -> Result<Order, Refusal> {
        let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect();
        let raw = Bytes::from(serde_json::to_vec(&body).unwrap());
        Order::read(query, raw, &Settings::default(), wire)
    }

    fn body(extra: Value) -> Value {
        let mut body = json!({"from": "mplus-test", "message": "hi", "destinations": ["441111111111"]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for extra in [
            json!({"from": null}),
            json!({"message": ""}),
            json!({"destinations": []}),
            json!({"destinations": ["+441111111111"]}),
            json!({"destinations": ["01111111111"]}),
            json!({"destinations": [441_111_111_111_u64]}),
            json!({"destinations": ["1234567890123456"]}),
            json!({"message": "x".repeat(161)}),
            json!({"channel": "fax"}),
            json!({"uuid": "not one"}),
            json!({"at": "tomorrow"}),
        ] {
            let refusal = read("", body(extra.clone()), &Wire::default()).unwrap_err();
            assert_eq!(refusal.status, 400, "{extra}");
        }
        assert!(read("allowMulti=true", body(json!({"message": "x".repeat(161)})), &Wire::default()).is_ok());
    }

    #[test]
    fn either_spelling_of_a_dry_run_counts_unless_told_otherwise() {
        let dry = |query, dry_run| {
            let wire = Wire { dry_run, ..Wire::default() };
            read(query, body(json!({})), &wire).unwrap().dry_run
        };
        assert!(dry("isDryrun=true", Spelling::Either));
        assert!(dry("dryRun=true", Spelling::Either));
        assert!(dry("isDryrun=true", Spelling::Table));
        assert!(!dry("dryRun=true", Spelling::Table));
        assert!(!dry("isDryrun=true", Spelling::Example));
        assert!(dry("isDryrun=true&dryRun=true", Spelling::Example));
        assert!(!dry("isDryrun=true&dryRun=true", Spelling::Neither));
    }

    #[test]
    fn times_may_lack_seconds_and_offset() {
        let due = |text: &str| read("", body(json!({"at": text})), &Wire::default()).unwrap().due.unwrap();
        let nine = due("2026-01-01T09:00:00Z");
        assert_eq!(due("2026-01-01T09:00Z"), nine);
        assert_eq!(due("2026-01-01T09:00:00"), nine);
        assert_eq!(due("2026-01-01T10:00+01:00"), nine);
    }

    #[test]
    fn a_strict_provider_refuses_unknown_fields_and_pairs() {
        let wire = |strictness, uuid| Wire { strictness, uuid, ..Wire::default() };
        let uuid = "b2693dfe-0813-427a-bc2f-62b0e9292403";
        let pair = || body(json!({"uuid": uuid, "id": uuid}));
        let either = wire(Strictness::UnknownFields, Spelling::Either);
        assert!(read("key=k", pair(), &either).is_ok());
        assert!(read("key=k&other=1", pair(), &either).is_err());
        assert!(read("", pair(), &wire(Strictness::UnknownFields, Spelling::Table)).is_err());
        assert!(read("", pair(), &wire(Strictness::Pairs, Spelling::Either)).is_err());
        let one = body(json!({"uuid": uuid}));
        assert!(read("", one, &wire(Strictness::Pairs, Spelling::Either)).is_ok());
    }
}
