//! The destinations of a batch: what happened to each number.

use rusqlite::{Connection, Row, named_params};

use super::handle::Sqlite;
use super::receipt_log::{LOG_COLUMNS, LOG_TABLES, log_entry};
use super::record::said_of;
use super::rows::{StoredIdentifier, display_number, find_batch, key, next_page, time_or_none};
use crate::api;
use crate::domain::{Batch, BatchId, BatchState, DestinationState, Msisdn, ReceiptCode, Said};
use crate::store::error::StoreError;
use crate::store::filters::DestinationFilter;

/// The columns of a destination, with its deciding receipt.
///
/// The deciding receipt is the last one that agrees with the state. It is nearly always the first and only one;
/// otherwise it is found with the index over repeated receipts.
pub(super) const DESTINATION_COLUMNS: &str =
    "d.number, d.said, i.code, coalesce(i.description, c.description) as description, r.message_id,
    (d.first_receipt is not null)
        + (select count(*) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number) as receipts,
    f.received_at as first_receipt_at,
    coalesce((select max(a.received_at) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number), f.received_at)
        as last_receipt_at,
    exists (select 1 from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.outcome = 2) as conflict";
/// The joins for these columns, after `destination d`.
pub(super) const DESTINATION_JOINS: &str = "left join receipt f on f.id = d.first_receipt
    left join receipt r on r.id = coalesce(
        (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = (d.said = 2)),
        d.first_receipt)
    left join receipt_info i on i.id = r.info
    left join code c on c.code_key = i.code_key";

pub(super) async fn destinations(
    db: &Sqlite,
    id: BatchId,
    filter: DestinationFilter,
    after: i64,
    limit: u32,
) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| {
        let Some((batch_key, batch)) = find_batch(conn, id, now)? else { return Ok(None) };
        let (found, next) = page(conn, batch_key, batch.state, &filter, after, limit)?;
        Ok(Some((batch, found, next)))
    })
    .await
}

pub(super) async fn destination(db: &Sqlite, id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| {
        let Some((batch_key, batch)) = find_batch(conn, id, now)? else { return Ok(None) };
        one(conn, batch_key, batch.state, key(number))
    })
    .await
}

pub(super) async fn numbers_in_state(db: &Sqlite, id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| {
        let Some((batch_key, batch)) = find_batch(conn, id, now)? else { return Ok(Vec::new()) };
        let Some(said) = said_in(state, batch.state) else { return Ok(Vec::new()) };
        conn.prepare_cached("select number from destination where batch = :batch and said = :said and number > 0 order by number")?
            .query_map(named_params! {":batch": batch_key, ":said": said}, |row| row.get::<_, i64>(0))?
            .filter_map(|number| number.map(|number| Msisdn::from_digits(number.unsigned_abs())).transpose())
            .collect()
    })
    .await
}

/// What receipts must have said for a destination to be in this state; `None` if no destination of this batch is.
fn said_in(state: DestinationState, batch: BatchState) -> Option<i64> {
    match state {
        DestinationState::Delivered => Some(2),
        DestinationState::Failed => Some(1),
        other => (DestinationState::of(Said::Nothing, batch) == other).then_some(0),
    }
}

fn page(
    conn: &Connection,
    batch: i64,
    state: BatchState,
    filter: &DestinationFilter,
    after: i64,
    limit: u32,
) -> rusqlite::Result<(Vec<api::Destination>, Option<i64>)> {
    let said = match filter.state {
        None => None,
        Some(wanted) => match said_in(wanted, state) {
            None => return Ok((Vec::new(), None)),
            some => some,
        },
    };
    let sql = format!(
        "select {DESTINATION_COLUMNS} from destination d {DESTINATION_JOINS}
         where d.batch = :batch and d.number > :after and (:said is null or d.said = :said)
             and (:code is null or i.code_key = :code) and (:conflict is null or conflict = :conflict)
         order by d.number limit :limit"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let code = filter.code.as_ref().map(ReceiptCode::key);
    let mut rows = statement.query(named_params! {
        ":batch": batch, ":after": after, ":said": said, ":code": code, ":conflict": filter.conflict, ":limit": limit,
    })?;
    let mut found = Vec::new();
    let mut last = after;
    while let Some(row) = rows.next()? {
        last = row.get("number")?;
        found.push(read_destination(row, state)?);
    }
    let next = next_page(&found, limit, |_| last);
    Ok((found, next))
}

/// One destination, by its stored number, with its receipts.
pub(super) fn one(conn: &Connection, batch: i64, state: BatchState, number: i64) -> rusqlite::Result<Option<api::Destination>> {
    let sql = format!("select {DESTINATION_COLUMNS} from destination d {DESTINATION_JOINS} where d.batch = :batch and d.number = :number");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(named_params! {":batch": batch, ":number": number})?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut found = read_destination(row, state)?;
    found.history = Some(history(conn, batch, number)?);
    Ok(Some(found))
}

/// The receipts of a destination in order: the first, then the others.
pub(super) fn history(conn: &Connection, batch: i64, number: i64) -> rusqlite::Result<Vec<api::Receipt>> {
    conn.prepare_cached(&format!(
        "select {LOG_COLUMNS} from {LOG_TABLES}
         where r.id in (select first_receipt from destination where batch = :batch and number = :number
             union all select id from receipt where again = 1 and batch = :batch and number = :number)
         order by r.id"
    ))?
    .query_map(named_params! {":batch": batch, ":number": number}, log_entry)?
    .collect()
}

/// Reads a row of [`DESTINATION_COLUMNS`].
pub(super) fn read_destination(row: &Row<'_>, batch: BatchState) -> rusqlite::Result<api::Destination> {
    Ok(api::Destination {
        destination: display_number(row.get("number")?),
        state: DestinationState::of(said_of(row.get("said")?), batch),
        code: row.get::<_, Option<String>>("code")?.map(ReceiptCode::new),
        description: row.get("description")?,
        message_id: row.get::<_, Option<StoredIdentifier>>("message_id")?.map(|id| id.0),
        receipts: row.get::<_, i64>("receipts")?.unsigned_abs(),
        first_receipt_at: time_or_none(row, "first_receipt_at")?,
        last_receipt_at: time_or_none(row, "last_receipt_at")?,
        conflict: row.get("conflict")?,
        history: None,
    })
}
