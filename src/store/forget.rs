//! The traces that a forgotten number would leave in texts: in what the provider said, and in receipts of others.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, named_params};

use super::error::StoreError;
use super::failure::JobError;
use super::handle::Store;
use super::lineage::json;
use super::record::{has_destination, stand_in};
use super::rows::{AsIdentifier, StoredIdentifier, key};
use super::writer::Writing;
use crate::domain::mention::{body_without, is_in, without};
use crate::domain::{BatchId, Identifier, LastError, Msisdn, Receipt, ReceiptCode};

/// Rows that are looked at in one read.
const AT_A_TIME: usize = 1_000;
/// Rows that are changed in one transaction: receipts wait for no more.
const CHANGED_AT_A_TIME: usize = 100;

/// A column of texts that others wrote.
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

    /// Table, key and column.
    fn place(self) -> [&'static str; 3] {
        match self {
            Self::Bodies => ["receipt_body", "receipt", "body"],
            Self::Codes => ["receipt_info", "id", "code"],
            Self::Descriptions => ["receipt_info", "id", "description"],
            Self::Errors => ["batch", "id", "last_error"],
            Self::Quarantine => ["quarantine", "id", "body"],
        }
    }

    /// One of them without the number; `None` where it is not mentioned. The rest was acknowledged, may be about others,
    /// and stays.
    fn without(self, said: ValueRef<'_>, number: Msisdn) -> Option<Value> {
        if let ValueRef::Blob(body) = said {
            return body_without(body, number).map(Value::Blob);
        }
        let text = said.as_str().ok()?;
        match self {
            Self::Codes | Self::Descriptions => without(text, number),
            Self::Errors => {
                // A time must not be taken for a number.
                let error: LastError = serde_json::from_str(text).ok()?;
                without(&error.detail, number).map(|detail| json(&LastError { detail, ..error }))
            }
            Self::Bodies | Self::Quarantine => body_without(text.as_bytes(), number).and_then(|body| String::from_utf8(body).ok()),
        }
        .map(Value::Text)
    }

    /// The next rows that mention a number, and the last that was looked at; `None` past the end.
    fn mentions(self, conn: &Connection, number: Msisdn, after: i64) -> rusqlite::Result<Option<(i64, Vec<i64>)>> {
        let [table, key, column] = self.place();
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

    /// Takes the number out of some rows, as they are by now. Returns of how many.
    fn blank(self, w: &mut Writing<'_>, number: Msisdn, rows: &[i64]) -> rusqlite::Result<usize> {
        let [table, key, column] = self.place();
        let mut blanked = 0;
        for id in rows {
            let left = w
                .conn
                .prepare_cached(&format!("select {column} from {table} where {key} = :id"))?
                .query_row(named_params! {":id": id}, |row| Ok(self.without(row.get_ref(0)?, number)));
            let left = match left {
                Ok(Some(left)) => left,
                Ok(None) | Err(rusqlite::Error::QueryReturnedNoRows) => continue, // pruned meanwhile, for instance
                Err(error) => return Err(error),
            };
            if let (Self::Codes, Value::Text(code)) = (self, &left) {
                w.conn
                    .prepare_cached("update receipt_info set code_key = :key where id = :id")?
                    .execute(named_params! {":key": ReceiptCode::new(code.as_str()).key(), ":id": id})?;
            }
            blanked += w
                .conn
                .prepare_cached(&format!("update {table} set {column} = :left where {key} = :id"))?
                .execute(named_params! {":left": left, ":id": id})?;
        }
        if blanked > 0 {
            w.memory.infos.forget();
        }
        Ok(blanked)
    }
}

impl Store {
    /// Blanks a number wherever a text mentions it: found by reading, a page at a time, and blanked in small transactions,
    /// so that receipts wait for neither. Returns in how many rows.
    pub(super) async fn blank_mentions(&self, number: Msisdn) -> Result<usize, StoreError> {
        let mut blanked = 0;
        for texts in Texts::ALL {
            let mut after = 0;
            while let Some((last, found)) = self.read(move |conn| texts.mentions(conn, number, after)).await? {
                after = last;
                for some in found.chunks(CHANGED_AT_A_TIME) {
                    let some = some.to_vec();
                    blanked += self.write(some.len(), move |w| Ok(texts.blank(w, number, &some)?)).await?;
                }
            }
        }
        Ok(blanked)
    }
}

/// Gives a receipt of a forgotten number to its stand-in, and takes the number out of all that it says.
pub(super) fn make_nameless(w: &mut Writing<'_>, receipt: i64, number: Msisdn, stand_in: i64) -> Result<(), JobError> {
    let (message, batch, info): (Option<StoredIdentifier>, Option<Value>, Option<i64>) = w
        .conn
        .prepare_cached("select message_id, batchuuid, info from receipt where id = :id")?
        .query_row(named_params! {":id": receipt}, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let message = message.map(|id| identifier_without(id.0, number));
    let batch = batch.map(|id| match id {
        Value::Text(text) => Value::Text(without(&text, number).unwrap_or(text)),
        other => other, // our own, or a uuid
    });
    w.conn
        .prepare_cached("update receipt set number = :place, message_id = :message, batchuuid = :batch where id = :id")?
        .execute(named_params! {":place": stand_in, ":message": message.as_ref().map(AsIdentifier), ":batch": batch, ":id": receipt})?;
    w.conn.prepare_cached("delete from receipt_body where receipt = :id")?.execute(named_params! {":id": receipt})?;
    // It may have come since the texts were looked through.
    for texts in [Texts::Codes, Texts::Descriptions] {
        texts.blank(w, number, info.as_slice())?;
    }
    Ok(())
}

/// A receipt of a forgotten number that comes later, without what would bring the number back; `None` where nothing would.
/// Blanked as those before it, it is still the same where it says the same.
pub(super) fn nameless(w: &mut Writing<'_>, batch: BatchId, receipt: &Receipt) -> rusqlite::Result<Option<Receipt>> {
    let number = receipt.destination;
    let said = [receipt.code.as_ref().map(ReceiptCode::as_str), receipt.description.as_deref()];
    let names = [text_of(receipt.message_id.as_ref()), text_of(receipt.batchuuid.as_ref())];
    if !is_in(said.into_iter().chain(names).flatten(), number) {
        return Ok(None);
    }
    let Some(tally) = w.memory.tallying.of(batch) else { return Ok(None) };
    // A batch that came after it was forgotten has the number itself.
    if has_destination(w.conn, tally.batch, key(number))? || stand_in(w.conn, w.identity, number)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Receipt {
        code: receipt.code.as_ref().map(|code| without(code.as_str(), number).map_or(code.clone(), ReceiptCode::new)),
        description: receipt.description.as_ref().map(|said| without(said, number).unwrap_or(said.clone())),
        message_id: receipt.message_id.clone().map(|id| identifier_without(id, number)),
        batchuuid: receipt.batchuuid.clone().map(|id| identifier_without(id, number)),
        ..receipt.clone()
    }))
}

fn text_of(id: Option<&Identifier>) -> Option<&str> {
    if let Some(Identifier::Text(text)) = id { Some(text) } else { None }
}

fn identifier_without(id: Identifier, number: Msisdn) -> Identifier {
    match id {
        Identifier::Text(text) => Identifier::Text(without(&text, number).unwrap_or(text)),
        uuid => uuid,
    }
}
