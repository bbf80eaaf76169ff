//! Retention: pruning batches and erasing texts.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::handle::Sqlite;
use super::progress::tracked_of_key;
use super::tx::Tx;
use crate::api::Pruned;
use crate::domain::Timestamp;
use crate::domain::lifecycle::is_due;
use crate::store::error::StoreError;

/// The number of destinations, or bodies, deleted per transaction: some milliseconds.
const AT_A_TIME: usize = 500;
/// The number of receipts read at a time.
const LOG_AT_A_TIME: i64 = 50_000;
/// The number of receipts that may be examined for each stored code and description, in order to find unused ones.
const LOG_PER_INFO: i64 = 10_000;

pub(super) async fn prune(db: &Sqlite, settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError> {
    let before = settled_before.as_millis();
    let old: Vec<(i64, Pruned)> = db
        .read(move |conn| {
            conn.prepare("select id, total, receipts from batch join batch_count on batch = id where completed_at < :before order by id")?
                .query_map(named_params! {":before": before}, |row| {
                    let of = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
                    Ok((row.get(0)?, Pruned { batches: 1, destinations: of(1)?, receipts: of(2)? }))
                })?
                .collect()
        })
        .await?;
    let mut pruned = Pruned::default();
    for (batch, of_batch) in old {
        if dry_run || prune_batch(db, batch, settled_before).await? {
            pruned.batches += of_batch.batches;
            pruned.destinations += of_batch.destinations;
            pruned.receipts += of_batch.receipts;
        }
    }
    if !dry_run && pruned.receipts > 0 {
        delete_unnamed_infos(db).await?;
    }
    Ok(pruned)
}

/// Deletes codes and descriptions that no receipt refers to. There is no index for finding them, so the log is read
/// once, page by page, if there are enough of them to be worth it.
async fn delete_unnamed_infos(db: &Sqlite) -> Result<(), StoreError> {
    let is_worth_it: bool = db
        .read(|conn| {
            let sql = "select (select count(*) from receipt_info) * :each >= (select ifnull(max(id) - min(id), 0) from receipt)";
            conn.query_row(sql, named_params! {":each": LOG_PER_INFO}, |row| row.get(0))
        })
        .await?;
    if !is_worth_it {
        return Ok(());
    }
    let all: Vec<i64> = db.read(|conn| conn.prepare("select id from receipt_info")?.query_map([], |row| row.get(0))?.collect()).await?;
    let (mut named, mut after) = (HashSet::new(), 0);
    loop {
        let (page, last) = db.read(move |conn| infos_named(conn, after)).await?;
        named.extend(page);
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    let unnamed: Vec<i64> = all.into_iter().filter(|id| !named.contains(id)).collect();
    for some in unnamed.chunks(AT_A_TIME) {
        let some = some.to_vec();
        db.write(some.len(), move |w| {
            // Receipts that arrived meanwhile may use them again.
            let (mut named, mut after) = (HashSet::new(), after);
            loop {
                let (page, last) = infos_named(w.tx.conn, after)?;
                named.extend(page);
                match last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            let mut delete = w.tx.conn.prepare_cached("delete from receipt_info where id = ?1")?;
            for id in some.iter().filter(|id| !named.contains(id)) {
                delete.execute([id])?;
            }
            w.recorder.infos.forget();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The codes and descriptions that the next receipts of the log refer to, and the last of these receipts; `None` past
/// the end.
fn infos_named(conn: &Connection, after: i64) -> rusqlite::Result<(HashSet<i64>, Option<i64>)> {
    let mut statement = conn.prepare_cached("select id, info from receipt where id > :after order by id limit :some")?;
    let mut rows = statement.query(named_params! {":after": after, ":some": LOG_AT_A_TIME})?;
    let (mut named, mut last) = (HashSet::new(), None);
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        named.extend(row.get::<_, Option<i64>>(1)?);
    }
    Ok((named, last))
}

async fn prune_batch(db: &Sqlite, batch: i64, settled_before: Timestamp) -> Result<bool, StoreError> {
    let is_due = db
        .write(1, move |w| {
            let tx = w.flush()?;
            Ok(remember(&tx, batch, settled_before)? || is_begun(tx.conn, batch)?)
        })
        .await?;
    if !is_due {
        return Ok(false);
    }
    let step = || db.write(AT_A_TIME, move |w| Ok(delete_some(w.flush()?.conn, batch)?));
    while step().await? {}
    Ok(true)
}

pub(super) async fn erase_messages(db: &Sqlite, settled_before: Timestamp) -> Result<usize, StoreError> {
    let before = settled_before.as_millis();
    let old: Vec<i64> = db
        .read(move |conn| {
            conn.prepare("select id from batch where completed_at < :before and message is not null")?
                .query_map(named_params! {":before": before}, |row| row.get(0))?
                .collect()
        })
        .await?;
    let count = old.len();
    for batch in old {
        db.write(1, move |w| {
            w.flush()?.conn.execute(
                "update batch set message = null where id = :batch and completed_at is not null",
                named_params! {":batch": batch},
            )?;
            Ok(())
        })
        .await?;
    }
    // Includes receipts that arrived late, after the text of their batch was erased.
    let mut after = 0;
    loop {
        let bodies: Vec<i64> = db
            .read(move |conn| {
                conn.prepare(
                    "select k.receipt from receipt_body k join receipt r on r.id = k.receipt join batch b on b.id = r.batch
                     where k.receipt > :after and b.completed_at < :before and b.message is null order by k.receipt limit :limit",
                )?
                .query_map(named_params! {":after": after, ":before": before, ":limit": AT_A_TIME as i64}, |row| row.get(0))?
                .collect()
            })
            .await?;
        let Some(last) = bodies.last() else { return Ok(count) };
        after = *last;
        db.write(bodies.len(), move |w| {
            let mut erase = w.tx.conn.prepare_cached("delete from receipt_body where receipt = :receipt")?;
            for receipt in &bodies {
                erase.execute(named_params! {":receipt": receipt})?;
            }
            Ok(())
        })
        .await?;
    }
}

/// Remembers a batch that is about to be pruned. Returns false if it is remembered already, or is not due: a person may
/// have decided otherwise meanwhile, or another prune may have run.
fn remember(tx: &Tx<'_>, batch: i64, settled_before: Timestamp) -> rusqlite::Result<bool> {
    if !tracked_of_key(tx.conn, batch, tx.now)?.is_some_and(|batch| is_due(&batch, settled_before)) {
        return Ok(false);
    }
    let content: Vec<u8> = tx
        .conn
        .prepare_cached("select content from batch where id = :batch")?
        .query_row(named_params! {":batch": batch}, |row| row.get(0))?;
    // With the plain hash of a short list, a number could be found by trying all, and erasing the number would not find
    // this row.
    let content = if content.is_empty() { content } else { tx.identity().content_hash(&content).to_vec() };
    let remembered = tx
        .conn
        .prepare_cached(
            "insert into pruned (uuid, pruned_at, group_uuid, content) select uuid, :now, group_uuid, :content from batch where id = :batch
             on conflict (uuid) do nothing",
        )?
        .execute(named_params! {":batch": batch, ":now": tx.now.as_millis(), ":content": content})?;
    Ok(remembered == 1)
}

/// Finishes pruning that the end of the last run interrupted.
pub(super) fn finish_pruning(conn: &Connection) -> rusqlite::Result<()> {
    let begun: Vec<i64> = conn
        .prepare("select id from batch where uuid in (select uuid from pruned)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let transaction = conn.unchecked_transaction()?;
    for batch in begun {
        while delete_some(&transaction, batch)? {}
    }
    transaction.commit()
}

fn is_begun(conn: &Connection, batch: i64) -> rusqlite::Result<bool> {
    conn.query_row(
        "select exists (select 1 from batch where id = :batch and uuid in (select uuid from pruned))",
        named_params! {":batch": batch},
        |row| row.get(0),
    )
}

/// Deletes the next destinations of a batch with their receipts, and in the end the rest of the batch. Its counters are
/// updated along the way, so that they agree after each transaction. Returns whether there is more.
fn delete_some(conn: &Connection, batch: i64) -> rusqlite::Result<bool> {
    // Before the newest receipt is deleted: its id must not be reused.
    conn.prepare_cached(
        "update instance set pruned_receipt = max(pruned_receipt, n.last_receipt)
         from batch_count n where n.batch = :batch and n.last_receipt is not null",
    )?
    .execute(named_params! {":batch": batch})?;
    if delete_strangers(conn, batch)? {
        return Ok(true);
    }
    let last: Option<i64> = conn
        .prepare_cached("select number from destination where batch = :batch order by number limit 1 offset :some")?
        .query_row(named_params! {":batch": batch, ":some": AT_A_TIME as i64 - 1}, |row| row.get(0))
        .optional()?;
    let of_these = "(select first_receipt from destination where batch = :batch and number <= :last and first_receipt is not null
         union all select id from receipt where again = 1 and batch = :batch and number <= :last)";
    let these = named_params! {":batch": batch, ":last": last.unwrap_or(i64::MAX)};
    let conflicts: i64 = conn.query_row(
        "select count(distinct number) from receipt where again = 1 and batch = :batch and number <= :last and outcome = 2",
        these,
        |row| row.get(0),
    )?;
    let (total, delivered, failed): (i64, i64, i64) = conn.query_row(
        "select count(*), ifnull(sum(said = 2), 0), ifnull(sum(said = 1), 0) from destination where batch = :batch and number <= :last",
        these,
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    conn.execute(&format!("delete from receipt_body where receipt in {of_these}"), these)?;
    let receipts = conn.execute(&format!("delete from receipt where id in {of_these}"), these)? as i64;
    conn.execute("delete from destination where batch = :batch and number <= :last", these)?;
    count_less(conn, batch, [total, delivered, failed, conflicts, receipts])?;
    if last.is_none() {
        conn.execute("delete from batch where id = :batch", named_params! {":batch": batch})?;
    }
    Ok(last.is_some())
}

/// Subtracts deleted rows from the counters: total, delivered, failed, conflict, receipts.
fn count_less(conn: &Connection, batch: i64, [total, delivered, failed, conflict, receipts]: [i64; 5]) -> rusqlite::Result<()> {
    for (table, which) in [("batch_count", "batch = ?1"), ("tally", "state = (select state from batch where id = ?1)")] {
        conn.prepare_cached(&format!(
            "update {table} set total = total - ?2, delivered = delivered - ?3, failed = failed - ?4, conflict = conflict - ?5,
                 receipts = receipts - ?6 where {which}"
        ))?
        .execute((batch, total, delivered, failed, conflict, receipts))?;
    }
    Ok(())
}

/// Deletes some of the receipts for numbers that are not in the batch; there may be very many.
fn delete_strangers(conn: &Connection, batch: i64) -> rusqlite::Result<bool> {
    let strangers: Vec<i64> = conn
        .prepare_cached("select id from receipt where again = 1 and batch = :batch and outcome = 3 limit :some")?
        .query_map(named_params! {":batch": batch, ":some": AT_A_TIME as i64}, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for receipt in &strangers {
        conn.prepare_cached("delete from receipt_body where receipt = :id")?.execute(named_params! {":id": receipt})?;
        conn.prepare_cached("delete from receipt where id = :id")?.execute(named_params! {":id": receipt})?;
    }
    count_less(conn, batch, [0, 0, 0, 0, strangers.len() as i64])?;
    Ok(!strangers.is_empty())
}
