//! Converting rows to the types of the domain, and back.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, named_params};
use uuid::Uuid;

use crate::domain::{Batch, BatchId, BatchState, Channel, Counts, Identifier, Msisdn, Outcome, Source, Timestamp};

/// The columns that [`read_batch`] reads.
pub(super) const BATCH_COLUMNS: &str =
    "id, uuid, coalesce(provider_id, learned_id) as provider_id, group_uuid, resend_of, reference, state, sender, message, parts, channel,
    fallback_channels, send_at, allow_multi, dry_run, total, merged, delivered, failed, conflict, attempts, last_error,
    created_at, submitted_at, completed_at";
/// The tables with these columns.
pub(super) const BATCH_TABLES: &str = "batch join batch_count on batch_count.batch = batch.id";

/// Reads a row of [`BATCH_COLUMNS`], with the state at this time.
pub(super) fn read_batch(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<Batch> {
    let send_at = time_or_none(row, "send_at")?;
    let state = row.get::<_, Stored<BatchState>>("state")?.0.at(send_at, now);
    let fallback: String = row.get("fallback_channels")?;
    let last_error: Option<String> = row.get("last_error")?;
    Ok(Batch {
        id: uuid(row, "uuid")?,
        provider_id: row.get("provider_id")?,
        group: uuid_or_none(row, "group_uuid")?,
        resend_of: uuid_or_none(row, "resend_of")?,
        reference: row.get("reference")?,
        state,
        from: row.get("sender")?,
        message: row.get("message")?,
        parts: row.get("parts")?,
        channel: row.get::<_, Option<Stored<Channel>>>("channel")?.map(|channel| channel.0),
        fallback_channels: serde_json::from_str(&fallback).unwrap_or_default(),
        send_at,
        allow_multi: row.get("allow_multi")?,
        dry_run: row.get("dry_run")?,
        counts: Counts::of(
            state,
            count(row, "total")?,
            count(row, "merged")?,
            count(row, "delivered")?,
            count(row, "failed")?,
            count(row, "conflict")?,
        ),
        attempts: count(row, "attempts")?,
        last_error: last_error.and_then(|text| serde_json::from_str(&text).ok()),
        created_at: Timestamp::from_millis(row.get("created_at")?),
        submitted_at: time_or_none(row, "submitted_at")?,
        completed_at: time_or_none(row, "completed_at")?,
    })
}

/// A batch by its UUID, with its internal key.
pub(super) fn find_batch(conn: &Connection, id: BatchId, now: Timestamp) -> rusqlite::Result<Option<(i64, Batch)>> {
    let mut statement = conn.prepare_cached(&format!("select {BATCH_COLUMNS} from {BATCH_TABLES} where uuid = :uuid"))?;
    let mut rows = statement.query(named_params! {":uuid": id.to_string()})?;
    rows.next()?.map(|row| Ok((row.get("id")?, read_batch(row, now)?))).transpose()
}

/// Reads a count, which the schema keeps from being negative.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(super) fn time_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

pub(super) fn uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<BatchId> {
    Ok(row.get::<_, Stored<BatchId>>(column)?.0)
}

fn uuid_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<BatchId>> {
    Ok(row.get::<_, Option<Stored<BatchId>>>(column)?.map(|id| id.0))
}

/// The cursor of the next page; there is none if the page is not full.
pub(super) fn next_page<T, C>(page: &[T], limit: u32, cursor: impl FnOnce(&T) -> C) -> Option<C> {
    page.last().filter(|_| page.len() == limit as usize).map(cursor)
}

/// The newest receipt that ever existed, since ids are never reused; 0 if there was none.
pub(super) fn newest_receipt(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("select max(pruned_receipt, ifnull((select max(id) from receipt), 0)) from instance", [], |row| row.get(0))
}

/// The stored form of a number.
pub(super) fn key(number: Msisdn) -> i64 {
    i64::try_from(number.digits()).unwrap_or(i64::MAX) // at most 15 digits
}

/// A stored number as it is displayed.
pub(super) fn display_number(number: i64) -> String {
    if number < 0 { "forgotten".to_owned() } else { format!("+{number}") }
}

/// A word or a UUID of the domain, stored as text.
pub(super) struct Stored<T>(pub T);

impl<T: std::str::FromStr> FromSql for Stored<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

/// An identifier, stored as 16 bytes if it is a UUID.
pub(super) struct StoredIdentifier(pub Identifier);

impl FromSql for StoredIdentifier {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => {
                Uuid::from_slice(bytes).map(|uuid| Self(Identifier::Uuid(uuid))).map_err(|_| FromSqlError::InvalidType)
            }
            // Not `Identifier::from`: what arrived as text stays text.
            _ => Ok(Self(Identifier::Text(value.as_str()?.to_owned()))),
        }
    }
}

/// An identifier to be stored.
pub(super) struct AsIdentifier<'a>(pub &'a Identifier);

impl ToSql for AsIdentifier<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Identifier::Uuid(uuid) => ToSqlOutput::Borrowed(ValueRef::Blob(uuid.as_bytes())),
            Identifier::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// The number that stands for a source in the log.
pub(super) fn source_number(source: Source) -> i64 {
    match source {
        Source::Webhook => 0,
        Source::Poll => 1,
        Source::Replay => 2,
    }
}

pub(super) fn source_of(number: i64) -> Source {
    match number {
        1 => Source::Poll,
        2 => Source::Replay,
        _ => Source::Webhook,
    }
}

/// The number that stands for an outcome in the log.
pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Applied => 0,
        Outcome::Repeated => 1,
        Outcome::Conflict => 2,
        Outcome::UnexpectedDestination => 3,
    }
}

pub(super) fn outcome_of(number: i64) -> Outcome {
    match number {
        1 => Outcome::Repeated,
        2 => Outcome::Conflict,
        3 => Outcome::UnexpectedDestination,
        _ => Outcome::Applied,
    }
}
