//! The schemas: derived from the types that are sent, and corrected where the derivation lacks information.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::api;
use crate::domain;

/// A reference to a schema.
pub(super) fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[derive(OpenApi)]
#[openapi(components(schemas(
    api::BatchRequest,
    api::Accepted,
    api::Numbers,
    api::NationalNumber,
    api::DoubtfulNumber,
    api::Destination,
    api::Receipt,
    api::Quarantined,
    api::Code,
    api::NumberInBatch,
    api::Look,
    api::FieldError,
    domain::BatchState,
    domain::DestinationState,
    domain::Counts,
    domain::LastError,
    domain::Channel,
    api::Group,
    api::KnownId,
    api::IdKind,
    api::NumberReport,
    api::Forgotten,
    api::Acknowledgement,
    api::Stats,
    api::Paused,
    api::Checked,
    api::Rotated,
    api::Backup,
    api::PruneRequest,
    api::Pruned,
    api::Reconciled,
    api::QuarantineState,
    api::Resolution,
    api::Probed,
    api::Traffic,
    api::Readiness,
    api::Condition,
    api::Problem,
    domain::Batch,
    domain::Source,
    domain::Outcome
)))]
struct Derived;

/// The schemas of request bodies. In a request, a field that may be null may also be missing; in an answer, it is
/// always present.
const SENT: [&str; 5] = ["BatchRequest", "PruneRequest", "ResolveRequest", "ResendRequest", "RotateRequest"];

/// All schemas, by name.
pub(super) fn all() -> Map<String, Value> {
    let derived = serde_json::to_value(Derived::openapi()).unwrap_or_default();
    let mut schemas = derived["components"]["schemas"].as_object().cloned().unwrap_or_default();
    for item in ["Batch", "Destination", "Receipt", "Quarantined", "Code", "KnownId"] {
        schemas.insert(format!("{item}Page"), page(item));
    }
    for (name, schema) in by_hand() {
        schemas.insert(name.to_owned(), schema);
    }
    for (name, schema) in &mut schemas {
        if !SENT.contains(&name.as_str()) {
            require_what_is_always_there(schema);
        }
    }
    schemas
}

/// The schema of a page; the derivation would copy the schema of the items.
fn page(item: &str) -> Value {
    json!({
        "type": "object",
        "description": "A page of a list.",
        "properties": {
            "items": {"type": "array", "items": shape(item)},
            "next": {"type": ["string", "null"], "description": "Pass it as `cursor` (for receipts: as `after`) to get the next page; null on the last one."},
        },
        "required": ["items", "next"],
    })
}

/// The schemas without a type of their own.
fn by_hand() -> [(&'static str, Value); 5] {
    let request = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    [
        ("ResolveRequest", request(json!({"as": shape("Resolution")}), json!(["as"]))),
        ("ResendRequest", request(json!({"state": shape("DestinationState")}), json!([]))),
        (
            "RotateRequest",
            request(json!({"revoke": {"type": "boolean", "description": "Refuse URLs made with earlier secrets."}}), json!([])),
        ),
        ("Health", json!({"type": "object", "properties": {"alive": {"type": "boolean"}}, "required": ["alive"]})),
        (
            "QuarantinedCallback",
            json!({
                "type": "object",
                "properties": {"quarantined": {"type": "array", "items": {"type": "integer", "format": "int64"}, "description": "Ids in the quarantine."}},
                "required": ["quarantined"],
            }),
        ),
    ]
}

/// In an answer, fields that may be null or have a default are always present. Fields that may be missing are declared
/// `nullable = false` in their type.
fn require_what_is_always_there(schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let mut always = Vec::new();
    for (name, property) in properties {
        let had_default = property.as_object_mut().is_some_and(|property| property.remove("default").is_some());
        if had_default || is_nullable(property) {
            always.push(name.clone());
        }
    }
    let mut required: Vec<String> = serde_json::from_value(schema["required"].take()).unwrap_or_default();
    always.retain(|name| !required.contains(name));
    required.extend(always);
    schema["required"] = required.into();
}

fn is_nullable(property: &Value) -> bool {
    let null = |schema: &Value| schema["type"] == "null";
    property["type"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "null"))
        || property["oneOf"].as_array().is_some_and(|choices| choices.iter().any(null))
}
