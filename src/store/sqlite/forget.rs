//! Erasing a number, in its rows and in texts that mention it.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, named_params};

use super::checkpoint::checkpoint;
use super::connection::open_for_writing;
use super::failure::JobError;
use super::forgotten::{identifier_without, stand_in};
use super::handle::{Sqlite, blocking};
use super::rows::{AsIdentifier, Stored, StoredIdentifier, key};
use super::transaction::Writing;
use super::tx::Tx;
use crate::api;
use crate::domain::mention::{body_without, without};
use crate::domain::{BatchId, BatchState, LastError, Msisdn, ReceiptCode};
use crate::store::answers::Forget;
use crate::store::error::StoreError;

/// The number of rows examined per read.
const AT_A_TIME: usize = 1_000;
/// The number of rows changed per transaction; receipts wait for no more.
const CHANGED_AT_A_TIME: usize = 100;

/// A column with texts from clients or the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Bodies,
    Codes,
    Descriptions,
    Errors,
    Quarantine,
}

impl Texts {
    const ALL: [Self; 5] = [Self::Bodies, Self::Codes, Self::Descriptions, Self::Errors, Self::Quarantine];

    /// The table, its key and the column.
    fn column(self) -> [&'static str; 3] {
        match self {
            Self::Bodies => ["receipt_body", "receipt", "body"],
            Self::Codes => ["receipt_info", "id", "code"],
            Self::Descriptions => ["receipt_info", "id", "description"],
            Self::Errors => ["batch", "id", "last_error"],
            Self::Quarantine => ["quarantine", "id", "body"],
        }
    }

    /// The text without the number; `None` if it does not mention it. The rest stays: it was acknowledged and may
    /// concern others.
    fn without(self, said: ValueRef<'_>, number: Msisdn) -> Option<Value> {
        if let Self::Bodies | Self::Quarantine = self {
            return body_without(said.as_bytes().ok()?, number).map(Value::Blob);
        }
        let text = said.as_str().ok()?;
        match self {
            Self::Codes | Self::Descriptions => without(text, number),
            Self::Errors => {
                // A time must not be mistaken for a number.
                let error: LastError = serde_json::from_str(text).ok()?;
                without(&error.detail, number).map(|detail| serde_json::to_string(&LastError { detail, ..error }).unwrap_or_default())
            }
            Self::Bodies | Self::Quarantine => None, // handled above
        }
        .map(Value::Text)
    }

    /// The next rows that mention a number, and the last row examined; `None` past the end.
    fn mentions(self, conn: &Connection, number: Msisdn, after: i64) -> rusqlite::Result<Option<(i64, Vec<i64>)>> {
        let [table, key, column] = self.column();
        let mut statement =
            conn.prepare_cached(&format!("select {key}, {column} from {table} where {key} > :after order by {key} limit :some"))?;
        let mut rows = statement.query(named_params! {":after": after, ":some": AT_A_TIME as i64})?;
        let (mut last, mut found) = (None, Vec::new());
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            last = Some(id);
            if self.without(row.get_ref(1)?, number).is_some() {
                found.push(id);
            }
        }
        Ok(last.map(|last| (last, found)))
    }

    /// Removes the number from these rows, as they are by now. Returns the number of rows changed.
    fn blank(self, w: &mut Writing<'_>, number: Msisdn, rows: &[i64]) -> rusqlite::Result<usize> {
        let [table, key, column] = self.column();
        // Bodies are stored as text, even if they are not UTF-8.
        let left_in_sql = if self == Self::Bodies { "cast(:left as text)" } else { ":left" };
        let mut blanked = 0;
        for id in rows {
            let left =
                w.tx.conn
                    .prepare_cached(&format!("select {column} from {table} where {key} = :id"))?
                    .query_row(named_params! {":id": id}, |row| Ok(self.without(row.get_ref(0)?, number)));
            let left = match left {
                Ok(Some(left)) => left,
                Ok(None) | Err(rusqlite::Error::QueryReturnedNoRows) => continue, // for instance because it has been pruned meanwhile
                Err(error) => return Err(error),
            };
            if let (Self::Codes, Value::Text(code)) = (self, &left) {
                w.tx.conn
                    .prepare_cached("update receipt_info set code_key = :key where id = :id")?
                    .execute(named_params! {":key": ReceiptCode::new(code.as_str()).key(), ":id": id})?;
            }
            blanked +=
                w.tx.conn
                    .prepare_cached(&format!("update {table} set {column} = {left_in_sql} where {key} = :id"))?
                    .execute(named_params! {":left": left, ":id": id})?;
        }
        if blanked > 0 {
            w.recorder.infos.forget();
            w.recorder.crowded.forget();
        }
        Ok(blanked)
    }
}

pub(super) async fn forget(db: &Sqlite, number: Msisdn) -> Result<Forget, StoreError> {
    if let Some(waiting) = db.read(move |conn| Ok(waiting(&batches_of(conn, key(number))?))).await? {
        return Ok(waiting);
    }
    // Before the number itself: if this is interrupted and repeated, the number must still be known.
    let mentioned = blank_mentions(db, number).await?;
    let outcome = db.write(1_000, move |w| erase(w, number, mentioned)).await?;
    if matches!(outcome, Forget::Done(_)) {
        let path = db.shared.path.clone();
        blocking(move || {
            let moved = open_for_writing(&path).and_then(|conn| checkpoint(&conn, "truncate"))?;
            if !moved {
                log::warn!("a reader keeps the WAL from being emptied: the erased number leaves it with the next checkpoint");
            }
            Ok(())
        })
        .await?;
    }
    Ok(outcome)
}

/// Blanks a number in every text that mentions it. Texts are read page by page and changed in small transactions, so
/// that receipts do not have to wait. Returns the number of rows changed.
async fn blank_mentions(db: &Sqlite, number: Msisdn) -> Result<usize, StoreError> {
    let mut blanked = 0;
    for texts in Texts::ALL {
        let mut after = 0;
        while let Some((last, found)) = db.read(move |conn| texts.mentions(conn, number, after)).await? {
            after = last;
            for some in found.chunks(CHANGED_AT_A_TIME) {
                let some = some.to_vec();
                blanked += db.write(some.len(), move |w| Ok(texts.blank(w, number, &some)?)).await?;
            }
        }
    }
    Ok(blanked)
}

/// A batch that contains the number.
type Involved = (i64, BatchId, BatchState);

fn batches_of(conn: &Connection, stored: i64) -> rusqlite::Result<Vec<Involved>> {
    conn.prepare_cached(
        "select b.id, b.uuid, b.state from batch b
         where exists (select 1 from destination where batch = b.id and number = :number)
             or exists (select 1 from receipt where again = 1 and batch = b.id and number = :number)",
    )?
    .query_map(named_params! {":number": stored}, |row| {
        Ok((row.get(0)?, row.get::<_, Stored<BatchId>>(1)?.0, row.get::<_, Stored<BatchState>>(2)?.0))
    })?
    .collect()
}

/// The batch that still has to be sent to the number.
fn waiting(batches: &[Involved]) -> Option<Forget> {
    let (_, id, _) = batches.iter().find(|(_, _, state)| matches!(state, BatchState::Queued | BatchState::Submitting))?;
    Some(Forget::StillQueued(*id))
}

fn erase(w: &mut Writing<'_>, number: Msisdn, mentioned: usize) -> Result<Forget, JobError> {
    let tx = w.flush()?;
    let stored = key(number);
    let batches = batches_of(tx.conn, stored)?;
    if let Some(waiting) = waiting(&batches) {
        return Ok(waiting);
    }
    if batches.is_empty() && mentioned == 0 {
        return Ok(Forget::Unknown);
    }
    let instead = stand_in_for(&tx, number)?;
    let mut done = api::Forgotten { batches: batches.len() as u64, receipts: 0 };
    for (batch, ..) in batches {
        let receipts: Vec<i64> = tx
            .conn
            .prepare_cached(
                "select first_receipt from destination where batch = :batch and number = :number and first_receipt is not null
                 union all select id from receipt where again = 1 and batch = :batch and number = :number",
            )?
            .query_map(named_params! {":batch": batch, ":number": stored}, |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for receipt in &receipts {
            give_to_stand_in(w, *receipt, number, instead)?;
        }
        done.receipts += receipts.len() as u64;
        tx.conn
            .prepare_cached("update destination set number = :stand_in where batch = :batch and number = :number")?
            .execute(named_params! {":stand_in": instead, ":batch": batch, ":number": stored})?;
        // With the hash of a short list and the rest of the content, a number could be found by trying all.
        tx.conn.prepare_cached("update batch set content = x'' where id = :batch")?.execute(named_params! {":batch": batch})?;
    }
    w.recorder.any_forgotten = true;
    w.recorder.infos.forget();
    Ok(Forget::Done(done))
}

/// The value that replaces a number from now on: negative and unique.
fn stand_in_for(tx: &Tx<'_>, number: Msisdn) -> rusqlite::Result<i64> {
    if let Some(known) = stand_in(tx.conn, &tx.identity(), number)? {
        return Ok(known);
    }
    let new: i64 = tx.conn.query_row("select coalesce(min(stand_in), 0) - 1 from forgotten", [], |row| row.get(0))?;
    tx.conn.execute(
        "insert into forgotten (number_hash, stand_in) values (:hash, :stand_in)",
        named_params! {":hash": tx.identity().number_hash(number), ":stand_in": new},
    )?;
    Ok(new)
}

/// Assigns a receipt of an erased number to its replacement, and removes the number from the receipt.
fn give_to_stand_in(w: &mut Writing<'_>, receipt: i64, number: Msisdn, instead: i64) -> Result<(), JobError> {
    let (message, batch, info): (Option<StoredIdentifier>, Option<Value>, Option<i64>) =
        w.tx.conn
            .prepare_cached("select message_id, batchuuid, info from receipt where id = :id")?
            .query_row(named_params! {":id": receipt}, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let message = message.map(|id| identifier_without(id.0, number));
    let batch = batch.map(|id| match id {
        Value::Text(text) => Value::Text(without(&text, number).unwrap_or(text)),
        other => other, // our own id, or a UUID
    });
    w.tx.conn
        .prepare_cached("update receipt set number = :stand_in, message_id = :message, batchuuid = :batch where id = :id")?
        .execute(named_params! {":stand_in": instead, ":message": message.as_ref().map(AsIdentifier), ":batch": batch, ":id": receipt})?;
    w.tx.conn.prepare_cached("delete from receipt_body where receipt = :id")?.execute(named_params! {":id": receipt})?;
    // The receipt may have arrived after its texts were searched.
    for texts in [Texts::Codes, Texts::Descriptions] {
        texts.blank(w, number, info.as_slice())?;
    }
    Ok(())
}
