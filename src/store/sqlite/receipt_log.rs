//! The receipt log: adding to it, and reading it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::handle::Sqlite;
use super::record::{AT_LEAST, Part, Place};
use super::rows::{StoredIdentifier, display_number, next_page, outcome_of, source_of};
use crate::api;
use crate::domain::{Incoming, ReceiptCode, Recorded, Timestamp};
use crate::store::error::StoreError;
use crate::store::filters::ReceiptFilter;

/// The number of rows that a filtered page may examine.
const LOG_ROWS_PER_PAGE: i64 = 20_000;

pub(super) async fn record(db: &Sqlite, incoming: Incoming) -> Result<Recorded, StoreError> {
    let (bounds, source, count) = (Some(db.shared.quarantine), incoming.source, incoming.items.len());
    let counted = |part: &Part| part.done.outcomes.iter().for_each(|outcome| db.shared.queue.metrics.receipt(source, *outcome));
    if count <= AT_LEAST {
        let part = db.write(count.max(1), move |w| w.record(&incoming, &Place::default(), bounds)).await?;
        counted(&part);
        return if part.quarantine_is_full { Err(StoreError::QuarantineFull) } else { Ok(part.done) };
    }
    let incoming = Arc::new(incoming);
    let (mut done, mut is_full, mut next) = (Recorded::default(), false, Some(Place::default()));
    while let Some(from) = next {
        let incoming = incoming.clone();
        // A list that has started is continued, however many other jobs wait.
        let part = match from.item {
            0 => db.write_list(count, move |w| w.record(&incoming, &from, bounds)).await?,
            _ => db.write(AT_LEAST, move |w| w.record(&incoming, &from, bounds)).await?,
        };
        counted(&part);
        done.add(part.done);
        is_full |= part.quarantine_is_full;
        next = part.next;
    }
    if is_full { Err(StoreError::QuarantineFull) } else { Ok(done) }
}

pub(super) async fn receipts(
    db: &Sqlite,
    after: i64,
    filter: ReceiptFilter,
    limit: u32,
) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError> {
    db.read(move |conn| page_of_log(conn, after, &filter, limit)).await
}

/// The columns that [`log_entry`] reads.
pub(super) const LOG_COLUMNS: &str = "r.id, b.uuid, r.number, r.delivered, i.code, coalesce(i.description, c.description) as description,
    r.message_id, r.source, r.outcome, r.received_at";
/// The tables with these columns.
pub(super) const LOG_TABLES: &str = "receipt r join batch b on b.id = r.batch
    left join receipt_info i on i.id = r.info left join code c on c.code_key = i.code_key";

pub(super) fn log_entry(row: &Row<'_>) -> rusqlite::Result<api::Receipt> {
    Ok(api::Receipt {
        id: row.get("id")?,
        batch: super::rows::uuid(row, "uuid")?,
        destination: display_number(row.get("number")?),
        delivered: row.get("delivered")?,
        code: row.get::<_, Option<String>>("code")?.map(ReceiptCode::new),
        description: row.get("description")?,
        message_id: row.get::<_, Option<StoredIdentifier>>("message_id")?.map(|id| id.0),
        source: source_of(row.get("source")?),
        outcome: outcome_of(row.get("outcome")?),
        received_at: Timestamp::from_millis(row.get("received_at")?),
    })
}

fn page_of_log(conn: &Connection, after: i64, filter: &ReceiptFilter, limit: u32) -> rusqlite::Result<(Vec<api::Receipt>, Option<i64>)> {
    let newest: i64 = conn.query_row("select coalesce(max(id), 0) from receipt", [], |row| row.get(0))?;
    // All receipts of a batch are between these two.
    let (first, newest) = match filter.batch {
        None => (0, newest),
        Some(batch) => conn
            .prepare_cached("select first_receipt, last_receipt from batch join batch_count on batch = id where uuid = :uuid")?
            .query_row(named_params! {":uuid": batch.to_string()}, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .map_or((0, 0), |(first, last): (Option<i64>, Option<i64>)| (first.unwrap_or(0), last.unwrap_or(0))),
    };
    let after = after.max(first - 1);
    let is_filtered = filter.batch.is_some() || filter.delivered.is_some();
    let until = if is_filtered { last_looked_at(conn, after, newest)? } else { newest };
    let mut statement = conn.prepare_cached(&format!(
        "select {LOG_COLUMNS} from {LOG_TABLES}
         where r.id > :after and r.id <= :until and (:batch is null or b.uuid = :batch) and (:delivered is null or r.delivered = :delivered)
         order by r.id limit :limit"
    ))?;
    let batch = filter.batch.map(|id| id.to_string());
    let found = statement
        .query_map(
            named_params! {":after": after, ":until": until, ":batch": batch, ":delivered": filter.delivered, ":limit": limit},
            log_entry,
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let next = next_page(&found, limit, |last| last.id).or((until < newest).then_some(until));
    Ok((found, next))
}

/// The last row to examine: with a filter, a page must not read the whole log. Ids do not measure that, because after a
/// restore billions of them have no row.
fn last_looked_at(conn: &Connection, after: i64, newest: i64) -> rusqlite::Result<i64> {
    if newest.saturating_sub(after) <= LOG_ROWS_PER_PAGE {
        return Ok(newest);
    }
    let last: Option<i64> = conn
        .prepare_cached("select id from receipt where id > :after order by id limit 1 offset :rows")?
        .query_row(named_params! {":after": after, ":rows": LOG_ROWS_PER_PAGE - 1}, |row| row.get(0))
        .optional()?;
    Ok(last.map_or(newest, |last| last.min(newest)))
}
