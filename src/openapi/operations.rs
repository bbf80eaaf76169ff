//! The operations of the REST API: one table, which `tests/it/openapi.rs` compares with the routes that are served.

use serde_json::{Value, json};

use super::examples;
use super::shapes::shape;
use crate::api;

/// Something that is answered.
pub(super) struct Reply {
    pub status: u16,
    pub what: &'static str,
    /// Media types and their schemas.
    pub body: Vec<(&'static str, Value)>,
    pub headers: &'static [&'static str],
}

/// One method of one path.
pub(super) struct Operation {
    /// What generated clients call it: unique, and part of the API.
    pub id: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub query: Vec<Value>,
    /// An example, the schema, and whether it must be there.
    pub body: Option<(Value, Value, bool)>,
    pub replies: Vec<Reply>,
    /// Needs no token.
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
    more.push(parameter("limit", limit, "Items in a page"));
    more.push(parameter("cursor", cursor(), "`next` of the page before"));
    more
}

/// As [`api::Page::next`] is: a client hands it in as it came.
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

/// With what every call under `/v1` may be answered.
fn op(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    mut replies: Vec<Reply>,
) -> Operation {
    replies.push(problem(401, "No valid token"));
    replies.push(problem(503, "Too much is waiting, or the storage fails; ask again after `Retry-After`"));
    if path.contains('{') {
        replies.push(problem(400, "A part of the path, or of the request, is wrong; `errors` names it"));
        replies.push(problem(404, "There is no such thing"));
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

/// The whole API: a table, one operation a paragraph, and as long as the API is.
#[rustfmt::skip]
pub(super) fn all() -> Vec<Operation> {
    let batch_states = || shape("BatchState");
    let destination_states = || shape("DestinationState");
    let flag = || json!({"type": "boolean"});
    let accepted = |what| Reply { headers: &["Location"], ..reply(202, what, "Batch") };
    vec![
        op("create_batch", "post", "/v1/batches", "batches", "Submit a batch: durable in the outbox when it is answered",
            vec![Reply { headers: &["Location"], ..reply(202, "Accepted", "Accepted") }, reply(200, "The same batch was accepted before", "Accepted"), problem(409, "The id belongs to another batch")])
            .body(shape("BatchRequest"), json!({"from": "mplus", "message": "Your parcel is here", "destinations": ["+447700900001"], "id": examples::BATCH}), true),
        op("list_batches", "get", "/v1/batches", "batches", "Batches, newest first", vec![reply(200, "A page", "BatchPage")])
            .query(paging(vec![
                parameter("state", batch_states(), "Only in this state"),
                parameter("group", uuid(), "Only of this group"),
                parameter("reference", text(), "Only with this reference"),
                parameter("created_after", time(), "Accepted at or after"),
                parameter("created_before", time(), "Accepted before"),
            ])),
        op("get_batch", "get", "/v1/batches/{id}", "batches", "One batch", vec![reply(200, "The batch", "Batch")]),
        op("cancel_batch", "delete", "/v1/batches/{id}", "batches", "Cancel a batch that is queued or scheduled",
            vec![reply(200, "Cancelled", "Batch"), problem(409, "It can no longer be"), problem(502, "The provider gave no clear answer: ask again")]),
        op("list_destinations", "get", "/v1/batches/{id}/destinations", "batches", "One row per destination", vec![reply(200, "A page", "DestinationPage")])
            .query(paging(vec![
                parameter("state", destination_states(), "Only in this state"),
                parameter("code", text(), "Only with this receipt code, as a hexadecimal number"),
                parameter("conflict", flag(), "Only those with, or without, a failure after a delivery"),
            ])),
        op("get_destination", "get", "/v1/batches/{id}/destinations/{number}", "batches", "One destination with its receipts", vec![reply(200, "The destination", "Destination")]),
        op("export_batch", "get", "/v1/batches/{id}/export", "batches", "All destinations, streamed", vec![
            Reply { status: 200, what: "One row per destination", body: vec![("text/csv", text()), ("application/x-ndjson", text())], headers: &[] },
        ]).query(vec![
            parameter("format", json!({"type": "string", "enum": ["csv", "ndjson"], "default": "csv"}), "`ndjson`: a JSON object a line"),
            parameter("state", destination_states(), "Only in this state"),
        ]),
        op("reconcile_batch", "post", "/v1/batches/{id}/reconcile", "batches", "Ask the provider now for the receipts of a batch",
            vec![reply(200, "What it brought", "Reconciled"), problem(502, "The provider gave no clear answer")]),
        op("resolve_batch", "post", "/v1/batches/{id}/resolve", "batches", "Decide an unconfirmed batch by hand",
            vec![reply(200, "Decided", "Batch"), problem(409, "It is not unconfirmed")])
            .body(shape("ResolveRequest"), json!({"as": "accepted"}), true),
        op("resend_batch", "post", "/v1/batches/{id}/resend", "batches", "A new batch to those destinations of a settled one; asked twice it makes one",
            vec![accepted("The new batch"), reply(200, "It was made before", "Batch"), problem(409, "It is not settled, or there are none")])
            .body(shape("ResendRequest"), json!({"state": "failed"}), false),
        op("get_group", "get", "/v1/groups/{id}", "batches", "A group: its batches and their counts added up", vec![reply(200, "The group", "Group")]),
        op("find_ids", "get", "/v1/ids", "batches", "Ids of batches and groups that begin so", vec![reply(200, "All of them, at most `limit`", "KnownIdPage")])
            .query(vec![
                parameter("prefix", json!({"type": "string", "pattern": "^[0-9A-Fa-f-]{1,36}$"}), "Only ids with these first characters"),
                parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT}), "Items at most"),
            ]),
        op("list_receipts", "get", "/v1/receipts", "receipts", "The receipt log, oldest first; with `Accept: text/event-stream` a live stream",
            vec![Reply {
                body: vec![(JSON, shape("ReceiptPage")), ("text/event-stream", text())],
                ..reply(200, "A page. A filtered one may be short, or empty, and still have a `next`", "ReceiptPage")
            }])
            .query(vec![
                parameter("after", json!({"anyOf": [cursor(), {"type": "integer", "format": "int64", "minimum": 0}]}), "Only with a higher id: the id of a receipt, or `next` of the page before"),
                parameter("batch", uuid(), "Only of this batch"),
                parameter("delivered", flag(), "Only deliveries, or only failures"),
                parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": api::MAX_LIMIT, "default": api::DEFAULT_LIMIT}), "Items in a page"),
            ]),
        op("get_number", "get", "/v1/destinations/{number}", "numbers", "Everything known of a number, over all batches", vec![reply(200, "The number", "NumberReport")])
            .query(paging(Vec::new())),
        op("forget_number", "delete", "/v1/destinations/{number}", "numbers", "Erase a number: its rows stay countable",
            vec![reply(200, "Erased", "Forgotten"), problem(409, "A batch that has it is still queued")]),
        op("list_quarantined", "get", "/v1/quarantine", "quarantine", "Callbacks that were authentic but not understood", vec![reply(200, "A page", "QuarantinedPage")])
            .query(paging(vec![parameter("state", shape("QuarantineState"), "Only in this state")])),
        op("get_quarantined", "get", "/v1/quarantine/{id}", "quarantine", "One of them, whole", vec![reply(200, "The item", "Quarantined")]),
        op("drop_quarantined", "delete", "/v1/quarantine/{id}", "quarantine", "Drop it",
            vec![Reply { status: 204, what: "Dropped", body: Vec::new(), headers: &[] }, problem(409, "It is not waiting")]),
        op("replay_quarantined", "post", "/v1/quarantine/{id}/replay", "quarantine", "Read it again, as it would be read today",
            vec![reply(200, "Recorded", "Acknowledgement"), problem(409, "It is still not understood")]),
        op("get_stats", "get", "/v1/stats", "operation", "Totals", vec![reply(200, "The totals", "Stats")]),
        op("list_codes", "get", "/v1/codes", "receipts", "Receipt codes with meaning", vec![reply(200, "All of them", "CodePage")]),
        op("pause_sending", "post", "/v1/pause", "operation", "Hand nothing to the provider until resumed", vec![reply(200, "Paused", "Paused")]),
        op("resume_sending", "post", "/v1/resume", "operation", "Go on handing batches over", vec![reply(200, "Resumed", "Paused")]),
        op("check_database", "post", "/v1/check", "operation", "Check the database", vec![reply(200, "What was found", "Checked")]),
        op("create_backup", "post", "/v1/backup", "operation", "Copy the database",
            vec![reply(200, "Written", "Backup"), problem(409, "There is such a file already"), problem(500, "It cannot be written there; `detail` says where it can be")])
            .body(shape("Backup"), json!({"file": "/var/backups/receiptd/monday.db"}), true),
        op("prune_batches", "post", "/v1/prune", "operation", "Delete batches that were settled long ago", vec![reply(200, "What went, or would", "Pruned")])
            .body(shape("PruneRequest"), json!({"older_than": "90d", "dry_run": true}), true),
        op("rotate_secret", "post", "/v1/rotate-secret", "operation", "A new secret for callback tokens", vec![reply(200, "How many are accepted now", "Rotated")])
            .body(shape("RotateRequest"), json!({"revoke": false}), false),
        op("probe", "post", "/v1/probe", "operation", "Does the public URL lead here, and does the provider answer?", vec![reply(200, "What was found", "Probed")]),
        op("get_readiness", "get", "/readyz", "operation", "Can receipts be recorded?", vec![reply(200, "Yes", "Readiness")]).open()
            .also(Reply { headers: &[], ..reply(503, "No, and why", "Readiness") }),
        op("get_health", "get", "/healthz", "operation", "Is it alive?", vec![reply(200, "Yes", "Health")]).open(),
        op("get_metrics", "get", "/metrics", "operation", "For Prometheus", vec![
            Reply { status: 200, what: "In the format that `Accept` asks for, by default the classic one", body: vec![("text/plain", text()), (OPENMETRICS, text())], headers: &[] },
        ]),
        op("get_openapi", "get", "/openapi.json", "operation", "This document", vec![
            Reply { status: 200, what: "The document", body: vec![(JSON, json!({"type": "object"}))], headers: &[] },
        ]),
        op("get_home_page", "get", "/", "operation", "A small page for people", vec![
            Reply { status: 200, what: "HTML", body: vec![("text/html", text())], headers: &[] },
        ]).open(),
        Operation {
            replies: vec![
                reply(200, "Recorded, durably. A repeated one is a duplicate", "Acknowledgement"),
                reply(202, "Kept in the quarantine: not understood", "QuarantinedCallback"),
                problem(400, "The body ended before its time"),
                problem(404, "Nothing here: the path or the token is wrong"),
                problem(408, "The body did not come in time"),
                problem(411, "The request does not say how long its body is"),
                problem(413, "Larger than callback.max_body, as it came or unpacked"),
                problem(415, "A `Content-Encoding` other than gzip and deflate"),
                problem(503, "It could not be recorded, nothing is acknowledged"),
            ],
            ..op("receive_callback", "post", "/callbacks/{batch}/{token}", "callbacks", "What the provider calls, on the public listener", Vec::new())
                .body(json!({}), json!({"destination": "447700900001", "delivered": true, "messageuuid": "6a96a54d-596f-403a-bcd6-6a07fd985f93", "receiptInfo": {"code": "00", "description": "Delivered"}}), true)
                .open()
        },
    ]
}
