//! The OpenAPI 3.1 document of the REST API. The schemas are derived from the types that are sent, the operations are
//! one table, and `tests/it/openapi.rs` compares both with what is served.

mod examples;
mod operations;
mod shapes;

use serde_json::{Map, Value, json};

use self::operations::{JSON, OPENMETRICS, Operation, PROBLEM, Reply, text, uuid};

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations::all() {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method] = described(&operation);
    }
    let info = json!({
        "title": "receiptd",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Sends SMS and RCS batches, records every delivery receipt, and tells you what happened to every message.",
        "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
    });
    json!({
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": "/", "description": "api.listen"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": shapes::all(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "The content of `api.token_file`, by default receiptd.token."}},
        },
    })
}

fn described(operation: &Operation) -> Value {
    let mut shown = json!({
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation.id,
        "responses": {},
    });
    if operation.open {
        shown["security"] = json!([]);
    }
    let parts = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parts = parts.map(|part| {
        let schema = match (part, operation.tag) {
            ("id", "quarantine") => json!({"type": "integer", "format": "int64", "minimum": 1, "example": 17}),
            ("id" | "batch", _) => uuid(), // no example: schemathesis would ask the provider about a batch that it does not have yet
            ("number", _) => json!({"type": "string", "pattern": "^\\+?[1-9][0-9]{6,14}$", "example": "+447700900001"}),
            _ => text(),
        };
        json!({"name": part, "in": "path", "required": true, "schema": schema})
    });
    let parameters: Vec<Value> = parts.chain(operation.query.iter().cloned()).collect();
    if !parameters.is_empty() {
        shown["parameters"] = Value::Array(parameters);
    }
    if let Some((example, schema, required)) = &operation.body {
        shown["requestBody"] = json!({"required": required, "content": {JSON: {"schema": schema, "example": example}}});
    }
    for reply in &operation.replies {
        let mut answer = json!({"description": reply.what});
        for (media, schema) in &reply.body {
            answer["content"][*media] = json!({"schema": schema, "example": example(reply, media, schema)});
        }
        for header in reply.headers {
            answer["headers"][*header] = json!({"schema": {"type": "string"}});
        }
        shown["responses"][reply.status.to_string()] = answer;
    }
    shown
}

/// An example of the answer.
fn example(reply: &Reply, media: &str, schema: &Value) -> Value {
    let named = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    match (media, named) {
        (PROBLEM, _) => examples::problem(reply.status, reply.what),
        ("text/event-stream", _) => examples::stream().into(),
        ("text/csv", _) => examples::csv().into(),
        ("application/x-ndjson", _) => examples::ndjson().into(),
        ("text/html", _) => "<!doctype html><title>receiptd</title>".into(),
        (OPENMETRICS, _) => "# TYPE receiptd_quarantined gauge\nreceiptd_quarantined 0\n# EOF\n".into(),
        ("text/plain", _) => "# TYPE receiptd_quarantined gauge\nreceiptd_quarantined 0\n".into(),
        (_, Some("Readiness")) if reply.status == 503 => json!({"ready": false, "reasons": ["the disk is full"], "degraded": []}),
        (_, Some(shape)) => examples::of(shape).unwrap_or_default(),
        (_, None) => json!({"openapi": "3.1.0"}),
    }
}
