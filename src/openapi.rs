//! The REST API as an OpenAPI 3.1 document: the shapes are derived from the types that are sent, the operations are
//! one table, and `tests/it/openapi.rs` holds both to the routes that are served.

mod examples;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::api;
use crate::domain;

#[derive(OpenApi)]
#[openapi(components(schemas(
    api::BatchRequest,
    api::Page<domain::Batch>,
    api::Page<api::Destination>,
    api::Page<api::Receipt>,
    api::Page<api::Quarantined>,
    api::Page<api::Code>,
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
    api::Resolution,
    api::Probed,
    api::Traffic,
    api::Readiness,
    api::Problem,
    domain::Batch,
    domain::Source,
    domain::Outcome
)))]
struct Shapes;

/// Something that is answered.
struct Reply {
    status: u16,
    what: &'static str,
    /// Media types and their schemas.
    body: Vec<(&'static str, Value)>,
    headers: &'static [&'static str],
}

/// One method of one path.
struct Operation {
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    query: Vec<Value>,
    /// An example, the schema, and whether it must be there.
    body: Option<(Value, Value, bool)>,
    replies: Vec<Reply>,
    open: bool,
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn reply(status: u16, what: &'static str, name: &str) -> Reply {
    Reply { status, what, body: vec![(JSON, shape(name))], headers: &[] }
}

fn problem(status: u16, what: &'static str) -> Reply {
    let headers: &[&str] = match status {
        405 => &["Allow"],
        503 => &["Retry-After"],
        _ => &[],
    };
    Reply { status, what, body: vec![(PROBLEM, shape("Problem"))], headers }
}

fn parameter(name: &str, schema: Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description})
}

fn paging(mut more: Vec<Value>) -> Vec<Value> {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT});
    more.push(parameter("limit", limit, "Items in a page"));
    more.push(parameter("cursor", cursor(), "`next` of the page before"));
    more
}

fn cursor() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time", "example": "2026-12-24T09:00:00Z"})
}

/// With what every call under `/v1` may be answered.
fn op(method: &'static str, path: &'static str, tag: &'static str, summary: &'static str, mut replies: Vec<Reply>) -> Operation {
    replies.push(problem(401, "No valid token"));
    replies.push(problem(503, "Too much is waiting, or the storage fails; ask again after `Retry-After`"));
    if path.contains('{') {
        replies.push(problem(400, "A part of the path, or of the request, is wrong; `errors` names it"));
        replies.push(problem(404, "There is no such thing"));
    }
    Operation { method, path, tag, summary, query: Vec::new(), body: None, replies, open: false }
}

impl Operation {
    fn query(mut self, query: Vec<Value>) -> Self {
        self.query = query;
        self.bad_request()
    }

    fn body(mut self, schema: Value, example: Value, required: bool) -> Self {
        self.body = Some((example, schema, required));
        self.replies.push(problem(408, "The body did not come in time"));
        self.replies.push(problem(413, "The body is too large"));
        self.bad_request()
    }

    fn bad_request(mut self) -> Self {
        if !self.replies.iter().any(|reply| reply.status == 400) {
            self.replies.push(problem(400, "The request is wrong, nothing was changed; `errors` names each field"));
        }
        self
    }

    fn open(mut self) -> Self {
        self.open = true;
        self.replies.retain(|reply| reply.status != 401);
        self
    }

    fn also(mut self, reply: Reply) -> Self {
        self.replies.push(reply);
        self
    }
}

fn wish(schema: Value) -> Value {
    json!({"type": "object", "properties": schema, "additionalProperties": false})
}

/// The whole API: a table, one operation a paragraph, and as long as the API is.
#[rustfmt::skip]
fn operations() -> Vec<Operation> {
    let batch_states = || shape("BatchState");
    let destination_states = || shape("DestinationState");
    let flag = || json!({"type": "boolean"});
    let accepted = |what| Reply { headers: &["Location"], ..reply(202, what, "Batch") };
    vec![
        op("post", "/v1/batches", "batches", "Submit a batch: durable in the outbox when it is answered",
            vec![accepted("Accepted"), reply(200, "The same batch was accepted before", "Batch"), problem(409, "The id belongs to another batch")])
            .body(shape("BatchRequest"), json!({"from": "mplus", "message": "Your parcel is here", "destinations": ["+447700900001"], "id": examples::BATCH}), true),
        op("get", "/v1/batches", "batches", "Batches, newest first", vec![reply(200, "A page", "Page_Batch")])
            .query(paging(vec![
                parameter("state", batch_states(), "Only in this state"),
                parameter("group", uuid(), "Only of this group"),
                parameter("reference", text(), "Only with this reference"),
                parameter("created_after", time(), "Accepted at or after"),
                parameter("created_before", time(), "Accepted before"),
            ])),
        op("get", "/v1/batches/{id}", "batches", "One batch", vec![reply(200, "The batch", "Batch")]),
        op("delete", "/v1/batches/{id}", "batches", "Cancel a batch that is queued or scheduled",
            vec![reply(200, "Cancelled", "Batch"), problem(409, "It can no longer be"), problem(502, "The provider gave no clear answer: ask again")]),
        op("get", "/v1/batches/{id}/destinations", "batches", "One row per destination", vec![reply(200, "A page", "Page_Destination")])
            .query(paging(vec![
                parameter("state", destination_states(), "Only in this state"),
                parameter("code", text(), "Only with this receipt code, as a hexadecimal number"),
                parameter("conflict", flag(), "Only those with, or without, a failure after a delivery"),
            ])),
        op("get", "/v1/batches/{id}/destinations/{number}", "batches", "One destination with its receipts", vec![reply(200, "The destination", "Destination")]),
        op("get", "/v1/batches/{id}/export", "batches", "All destinations, streamed", vec![
            Reply { status: 200, what: "One row per destination", body: vec![("text/csv", text()), ("application/x-ndjson", text())], headers: &[] },
        ]).query(vec![
            parameter("format", json!({"type": "string", "enum": ["csv", "ndjson"], "default": "csv"}), "`ndjson`: a JSON object a line"),
            parameter("state", destination_states(), "Only in this state"),
        ]),
        op("post", "/v1/batches/{id}/reconcile", "batches", "Ask the provider now for the receipts of a batch",
            vec![reply(200, "What it brought", "Reconciled"), problem(502, "The provider gave no clear answer")]),
        op("post", "/v1/batches/{id}/resolve", "batches", "Decide an unconfirmed batch by hand",
            vec![reply(200, "Decided", "Batch"), problem(409, "It is not unconfirmed")])
            .body(json!({"type": "object", "properties": {"as": shape("Resolution")}, "required": ["as"], "additionalProperties": false}), json!({"as": "accepted"}), true),
        op("post", "/v1/batches/{id}/resend", "batches", "A new batch to those destinations of a settled one; asked twice it makes one",
            vec![accepted("The new batch"), reply(200, "It was made before", "Batch"), problem(409, "It is not settled, or there are none")])
            .body(wish(json!({"state": destination_states()})), json!({"state": "failed"}), false),
        op("get", "/v1/groups/{id}", "batches", "A group: its batches and their counts added up", vec![reply(200, "The group", "Group")]),
        op("get", "/v1/receipts", "receipts", "The receipt log, oldest first; with `Accept: text/event-stream` a live stream",
            vec![Reply {
                body: vec![(JSON, shape("Page_Receipt")), ("text/event-stream", text())],
                ..reply(200, "A page. A filtered one may be short, or empty, and still have a `next`", "Page_Receipt")
            }])
            .query(vec![
                parameter("after", cursor(), "Only with a higher id: `next` of the page before"),
                parameter("batch", uuid(), "Only of this batch"),
                parameter("delivered", flag(), "Only deliveries, or only failures"),
                parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT}), "Items in a page"),
            ]),
        op("get", "/v1/destinations/{number}", "numbers", "Everything known of a number, over all batches", vec![reply(200, "The number", "NumberReport")])
            .query(paging(Vec::new())),
        op("delete", "/v1/destinations/{number}", "numbers", "Erase a number: its rows stay countable",
            vec![reply(200, "Erased", "Forgotten"), problem(409, "A batch that has it is still queued")]),
        op("get", "/v1/quarantine", "quarantine", "Callbacks that were authentic but not understood", vec![reply(200, "A page", "Page_Quarantined")])
            .query(paging(vec![parameter("state", json!({"type": "string", "enum": ["waiting", "replayed", "dropped"]}), "Only in this state")])),
        op("get", "/v1/quarantine/{id}", "quarantine", "One of them, whole", vec![reply(200, "The item", "Quarantined")]),
        op("delete", "/v1/quarantine/{id}", "quarantine", "Drop it",
            vec![Reply { status: 204, what: "Dropped", body: Vec::new(), headers: &[] }, problem(409, "It is not waiting")]),
        op("post", "/v1/quarantine/{id}/replay", "quarantine", "Read it again, as it would be read today",
            vec![reply(200, "Recorded", "Acknowledgement"), problem(409, "It is still not understood")]),
        op("get", "/v1/stats", "operation", "Totals", vec![reply(200, "The totals", "Stats")]),
        op("get", "/v1/codes", "receipts", "Receipt codes with meaning", vec![reply(200, "All of them", "Page_Code")]),
        op("post", "/v1/pause", "operation", "Hand nothing to the provider until resumed", vec![reply(200, "Paused", "Paused")]),
        op("post", "/v1/resume", "operation", "Go on handing batches over", vec![reply(200, "Resumed", "Paused")]),
        op("post", "/v1/check", "operation", "Check the database", vec![reply(200, "What was found", "Checked")]),
        op("post", "/v1/backup", "operation", "Copy the database",
            vec![reply(200, "Written", "Backup"), problem(409, "There is such a file already")])
            .body(shape("Backup"), json!({"file": "/var/backups/receiptd/monday.db"}), true),
        op("post", "/v1/prune", "operation", "Delete batches that were settled long ago", vec![reply(200, "What went, or would", "Pruned")])
            .body(shape("PruneRequest"), json!({"older_than": "90d", "dry_run": true}), true),
        op("post", "/v1/rotate-secret", "operation", "A new secret for callback tokens", vec![reply(200, "How many are accepted now", "Rotated")])
            .body(wish(json!({"revoke": flag()})), json!({"revoke": false}), false),
        op("post", "/v1/probe", "operation", "Does the public URL lead here, and does the provider answer?", vec![reply(200, "What was found", "Probed")]),
        op("get", "/readyz", "operation", "Can receipts be recorded?", vec![reply(200, "Yes", "Readiness")]).open()
            .also(Reply { headers: &[], ..reply(503, "No, and why", "Readiness") }),
        op("get", "/healthz", "operation", "Is it alive?", vec![
            Reply { status: 200, what: "Yes", body: vec![(JSON, wish(json!({"alive": flag()})))], headers: &[] },
        ]).open(),
        op("get", "/metrics", "operation", "For Prometheus", vec![
            Reply { status: 200, what: "In the OpenMetrics text format", body: vec![("application/openmetrics-text", text())], headers: &[] },
        ]),
        op("get", "/openapi.json", "operation", "This document", vec![
            Reply { status: 200, what: "The document", body: vec![(JSON, json!({"type": "object"}))], headers: &[] },
        ]),
        op("get", "/", "operation", "A small page for people", vec![
            Reply { status: 200, what: "HTML", body: vec![("text/html", text())], headers: &[] },
        ]).open(),
        Operation {
            replies: vec![
                reply(200, "Recorded, durably. A repeated one is a duplicate", "Acknowledgement"),
                reply(202, "Kept in the quarantine: not understood", "Quarantine"),
                problem(400, "The body ended before its time"),
                problem(404, "Nothing here: the path or the token is wrong"),
                problem(408, "The body did not come in time"),
                problem(411, "The request does not say how long its body is"),
                problem(413, "Larger than callback.max_body, as it came or unpacked"),
                problem(415, "A `Content-Encoding` other than gzip and deflate"),
                problem(503, "It could not be recorded, nothing is acknowledged"),
            ],
            ..op("post", "/callbacks/{batch}/{token}", "callbacks", "What the provider calls, on the public listener", Vec::new())
                .body(json!({}), json!({"destination": "447700900001", "delivered": true, "messageuuid": "6a96a54d-596f-403a-bcd6-6a07fd985f93", "receiptInfo": {"code": "00", "description": "Delivered"}}), true)
                .open()
        },
    ]
}

/// The whole document.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Shapes::openapi()).unwrap_or_default();
    let mut paths = Map::new();
    for operation in operations() {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method] = described(&operation);
    }
    document["paths"] = Value::Object(paths);
    document["info"] = json!({
        "title": "receiptd",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Submits batches of SMS and RCS, records every delivery receipt, and knows what became of each message.",
        "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "api.listen"}]);
    document["security"] = json!([{"token": []}]);
    document["components"]["securitySchemes"] =
        json!({"token": {"type": "http", "scheme": "bearer", "description": "The content of api.token_file"}});
    document["components"]["schemas"]["Quarantine"] = json!({
        "type": "object", "required": ["quarantined"],
        "properties": {"quarantined": {"type": "array", "items": {"type": "integer", "format": "int64"}}},
    });
    document
}

fn described(operation: &Operation) -> Value {
    let mut shown = json!({
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": name(operation),
        "responses": {},
    });
    if operation.open {
        shown["security"] = json!([]);
    }
    let parts = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parts = parts.map(|part| {
        let schema = match (part, operation.tag) {
            ("id", "quarantine") => json!({"type": "integer", "format": "int64", "minimum": 1, "example": 17}),
            ("id" | "batch", _) => uuid(), // without an example: schemathesis would ask the provider about a batch it has yet to get
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

/// What is answered, as it looks.
fn example(reply: &Reply, media: &str, schema: &Value) -> Value {
    let named = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    match (media, named) {
        (PROBLEM, _) => examples::problem(reply.status, reply.what),
        ("text/event-stream", _) => examples::stream().into(),
        ("text/csv", _) => examples::csv().into(),
        ("application/x-ndjson", _) => examples::ndjson().into(),
        ("text/html", _) => "<!doctype html><title>receiptd</title>".into(),
        ("application/openmetrics-text", _) => "# TYPE receiptd_quarantined gauge\nreceiptd_quarantined 0\n# EOF\n".into(),
        (_, Some("Readiness")) if reply.status == 503 => json!({"ready": false, "reasons": ["the disk is full"], "degraded": []}),
        (_, Some(shape)) => examples::of(shape).unwrap_or_default(),
        (_, None) if reply.what == "Yes" => json!({"alive": true}),
        (_, None) => json!({"openapi": "3.1.0"}),
    }
}

/// A name for generated clients: `get_batches_id_destinations`.
fn name(operation: &Operation) -> String {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty() && *word != "v1");
    [operation.method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}
