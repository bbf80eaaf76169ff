//! The operations of the REST API: one table, which `tests/it/openapi.rs` compares with the routes that are served.

use serde_json::{Value, json};

use super::examples;
use super::shapes::shape;
use crate::api;

/// An answer.
pub(super) struct Reply {
    pub status: u16,
    pub what: &'static str,
    /// The media types and their schemas.
    pub body: Vec<(&'static str, Value)>,
    pub headers: &'static [&'static str],
}

/// One method of one path.
pub(super) struct Operation {
    /// The operation's name in generated clients: unique, and part of the API.
    pub id: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub query: Vec<Value>,
    /// An example, the schema, and whether the body is required.
    pub body: Option<(Value, Value, bool)>,
    pub replies: Vec<Reply>,
    /// Whether it needs no token.
    pub open: bool,
}

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const OPENMETRICS: &str = "application/openmetrics-text";

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
    more.push(parameter("limit", limit, "Page size"));
    more.push(parameter("cursor", cursor(), "`next` of the previous page"));
    more
}

/// Has the type of [`api::Page::next`]: clients pass it on unchanged.
fn cursor() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+$"})
}

pub(super) fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time", "example": "2026-12-24T09:00:00Z"})
}

/// Adds the answers that every call under `/v1` may give.
fn op(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    mut replies: Vec<Reply>,
) -> Operation {
    replies.push(problem(401, "The token is missing or wrong"));
    replies.push(problem(503, "The daemon is busy or cannot write; retry after `Retry-After`"));
    if path.contains('{') {
        replies.push(problem(400, "Invalid path or request; `errors` says what is wrong"));
        replies.push(problem(404, "Not found"));
    }
    Operation { id, method, path, tag, summary, query: Vec::new(), body: None, replies, open: false }
}

impl Operation {
    fn query(mut self, query: Vec<Value>) -> Self {
        self.query = query;
        self.bad_request()
    }

    fn body(mut self, schema: Value, example: Value, required: bool) -> Self {
        self.body = Some((example, schema, required));
        self.replies.push(problem(408, "The body did not arrive in time"));
        self.replies.push(problem(413, "The body is too large"));
        self.bad_request()
    }

    fn bad_request(mut self) -> Self {
        if !self.replies.iter().any(|reply| reply.status == 400) {
            self.replies.push(problem(400, "Invalid request, nothing was changed; `errors` names each field"));
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

/// The whole API as a table: one operation per paragraph, as long as the API is.
#[rustfmt::skip]
pub(super) fn all() -> Vec<Operation> {
    let batch_states = || shape("BatchState");
    let destination_states = || shape("DestinationState");
    let flag = || json!({"type": "boolean"});
    let accepted = |what| Reply { headers: &["Location"], ..reply(202, what, "Batch") };
    vec![
        op("create_batch", "post", "/v1/batches", "batches", "Submit a batch; it is stored durably before the answer",
            vec![Reply { headers: &["Location"], ..reply(202, "Accepted", "Accepted") }, reply(200, "The same batch was accepted earlier", "Accepted"), problem(409, "The id belongs to another batch")])
            .body(shape("BatchRequest"), json!({"from": "mplus", "message": "Your parcel is here", "destinations": ["+447700900001"], "id": examples::BATCH}), true),
        op("list_batches", "get", "/v1/batches", "batches", "Batches, newest first", vec![reply(200, "A page", "BatchPage")])
            .query(paging(vec![
                parameter("state", batch_states(), "Only batches in this state"),
                parameter("group", uuid(), "Only batches of this group"),
                parameter("reference", text(), "Only batches with this reference"),
                parameter("created_after", time(), "Only batches accepted at or after this time"),
                parameter("created_before", time(), "Only batches accepted before this time"),
            ])),
        op("get_batch", "get", "/v1/batches/{id}", "batches", "One batch", vec![reply(200, "The batch", "Batch")]),
        op("cancel_batch", "delete", "/v1/batches/{id}", "batches", "Cancel a batch that is queued or scheduled",
            vec![reply(200, "Cancelled", "Batch"), problem(409, "It can no longer be cancelled"), problem(502, "The provider gave no clear answer; try again")]),
        op("list_destinations", "get", "/v1/batches/{id}/destinations", "batches", "Destinations of a batch", vec![reply(200, "A page", "DestinationPage")])
            .query(paging(vec![
                parameter("state", destination_states(), "Only destinations in this state"),
                parameter("code", text(), "Only destinations with this receipt code, compared as a hexadecimal number"),
                parameter("conflict", flag(), "Only destinations with (or without) a failure after a delivery"),
            ])),
        op("get_destination", "get", "/v1/batches/{id}/destinations/{number}", "batches", "One destination with its receipts", vec![reply(200, "The destination", "Destination")]),
        op("export_batch", "get", "/v1/batches/{id}/export", "batches", "All destinations of a batch, as a stream", vec![
            Reply { status: 200, what: "One row per destination", body: vec![("text/csv", text()), ("application/x-ndjson", text())], headers: &[] },
        ]).query(vec![
            parameter("format", json!({"type": "string", "enum": ["csv", "ndjson"], "default": "csv"}), "`ndjson`: one JSON object per line"),
            parameter("state", destination_states(), "Only destinations in this state"),
        ]),
        op("reconcile_batch", "post", "/v1/batches/{id}/reconcile", "batches", "Ask the provider for the receipts of a batch now",
            vec![reply(200, "The result", "Reconciled"), problem(502, "The provider gave no clear answer")]),
        op("resolve_batch", "post", "/v1/batches/{id}/resolve", "batches", "Decide what happens to an unconfirmed batch",
            vec![reply(200, "Decided", "Batch"), problem(409, "The batch is not unconfirmed")])
            .body(shape("ResolveRequest"), json!({"as": "accepted"}), true),
        op("resend_batch", "post", "/v1/batches/{id}/resend", "batches", "Create a new batch for the destinations of a settled batch that are in one state; repeating the request creates no second one",
            vec![accepted("The new batch"), reply(200, "The batch that an earlier request created", "Batch"), problem(409, "The batch is not settled, or has no such destinations")])
            .body(shape("ResendRequest"), json!({"state": "failed"}), false),
        op("get_group", "get", "/v1/groups/{id}", "batches", "A group: its batches and the sums of their counts", vec![reply(200, "The group", "Group")]),
        op("find_ids", "get", "/v1/ids", "batches", "Batches and groups whose id begins with these characters", vec![reply(200, "The ids, at most `limit`", "KnownIdPage")])
            .query(vec![
                parameter("prefix", json!({"type": "string", "pattern": "^[0-9A-Fa-f-]{1,36}$"}), "The first characters of the id"),
                parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT}), "The largest number of ids"),
            ]),
        op("list_receipts", "get", "/v1/receipts", "receipts", "The receipt log, oldest first; with `Accept: text/event-stream` a live stream",
            vec![Reply {
                body: vec![(JSON, shape("ReceiptPage")), ("text/event-stream", text())],
                ..reply(200, "A page. A filtered page may be short or empty and still have a `next`", "ReceiptPage")
            }])
            .query(vec![
                parameter("after", json!({"anyOf": [cursor(), {"type": "integer", "format": "int64", "minimum": 0}]}), "Only receipts with a higher id: the id of a receipt, or `next` of the previous page"),
                parameter("batch", uuid(), "Only receipts of this batch"),
                parameter("delivered", flag(), "Only deliveries, or only failures"),
                parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT}), "Page size"),
            ]),
        op("get_number", "get", "/v1/destinations/{number}", "numbers", "Everything known about a number, in all batches", vec![reply(200, "The number", "NumberReport")])
            .query(paging(Vec::new())),
        op("forget_number", "delete", "/v1/destinations/{number}", "numbers", "Erase a number; the counts stay as they are",
            vec![reply(200, "Erased", "Forgotten"), problem(409, "A batch with this number is still queued")]),
        op("list_quarantined", "get", "/v1/quarantine", "quarantine", "Callbacks that could not be understood", vec![reply(200, "A page", "QuarantinedPage")])
            .query(paging(vec![parameter("state", shape("QuarantineState"), "Only callbacks in this state")])),
        op("get_quarantined", "get", "/v1/quarantine/{id}", "quarantine", "A quarantined callback with its body", vec![reply(200, "The callback", "Quarantined")]),
        op("drop_quarantined", "delete", "/v1/quarantine/{id}", "quarantine", "Discard a quarantined callback",
            vec![Reply { status: 204, what: "Dropped", body: Vec::new(), headers: &[] }, problem(409, "It was replayed or dropped already")]),
        op("replay_quarantined", "post", "/v1/quarantine/{id}/replay", "quarantine", "Process a quarantined callback again",
            vec![reply(200, "Recorded", "Acknowledgement"), problem(409, "It still cannot be understood")]),
        op("get_stats", "get", "/v1/stats", "operation", "Totals", vec![reply(200, "The totals", "Stats")]),
        op("list_codes", "get", "/v1/codes", "receipts", "Receipt codes and their meanings", vec![reply(200, "The codes", "CodePage")]),
        op("pause_sending", "post", "/v1/pause", "operation", "Stop sending until resumed", vec![reply(200, "Paused", "Paused")]),
        op("resume_sending", "post", "/v1/resume", "operation", "Continue sending", vec![reply(200, "Resumed", "Paused")]),
        op("check_database", "post", "/v1/check", "operation", "Check the database", vec![reply(200, "The problems found", "Checked")]),
        op("create_backup", "post", "/v1/backup", "operation", "Back up the database to a file",
            vec![reply(200, "Written", "Backup"), problem(409, "The file exists already"), problem(500, "The file cannot be written there; `detail` says where it can")])
            .body(shape("Backup"), json!({"file": "/var/backups/receiptd/monday.db"}), true),
        op("prune_batches", "post", "/v1/prune", "operation", "Delete batches that were settled long ago", vec![reply(200, "What was deleted, or would be", "Pruned")])
            .body(shape("PruneRequest"), json!({"older_than": "90d", "dry_run": true}), true),
        op("rotate_secret", "post", "/v1/rotate-secret", "operation", "Create a new secret for callback URLs", vec![reply(200, "How many secrets are accepted now", "Rotated")])
            .body(shape("RotateRequest"), json!({"revoke": false}), false),
        op("probe", "post", "/v1/probe", "operation", "Check that the public URL reaches this daemon and that the provider answers", vec![reply(200, "The results", "Probed")]),
        op("get_readiness", "get", "/readyz", "operation", "Whether receipts can be recorded", vec![reply(200, "Receipts can be recorded", "Readiness")]).open()
            .also(Reply { headers: &[], ..reply(503, "Receipts cannot be recorded; `reasons` says why", "Readiness") }),
        op("get_health", "get", "/healthz", "operation", "Whether the daemon is running", vec![reply(200, "It is running", "Health")]).open(),
        op("get_metrics", "get", "/metrics", "operation", "Metrics for Prometheus", vec![
            Reply { status: 200, what: "The metrics in the format that `Accept` asks for, by default the classic one", body: vec![("text/plain", text()), (OPENMETRICS, text())], headers: &[] },
        ]),
        op("get_openapi", "get", "/openapi.json", "operation", "This document", vec![
            Reply { status: 200, what: "The document", body: vec![(JSON, json!({"type": "object"}))], headers: &[] },
        ]),
        op("get_home_page", "get", "/", "operation", "A small page about the daemon", vec![
            Reply { status: 200, what: "HTML", body: vec![("text/html", text())], headers: &[] },
        ]).open(),
        Operation {
            replies: vec![
                reply(200, "Recorded durably; a repeated receipt counts as a duplicate", "Acknowledgement"),
                reply(202, "Not understood; kept in the quarantine", "QuarantinedCallback"),
                problem(400, "The body is incomplete"),
                problem(404, "The path or the token is wrong"),
                problem(408, "The body did not arrive in time"),
                problem(411, "The request does not give the length of its body"),
                problem(413, "The body is larger than `callback.max_body`, as received or uncompressed"),
                problem(415, "The `Content-Encoding` is neither gzip nor deflate"),
                problem(503, "The receipts could not be recorded; nothing is acknowledged"),
            ],
            ..op("receive_callback", "post", "/callbacks/{batch}/{token}", "callbacks", "Post receipts; the provider calls this on the public listener", Vec::new())
                .body(json!({}), json!({"destination": "447700900001", "delivered": true, "messageuuid": "6a96a54d-596f-403a-bcd6-6a07fd985f93", "receiptInfo": {"code": "00", "description": "Delivered"}}), true)
                .open()
        },
    ]
}
