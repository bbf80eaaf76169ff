//! Receipts for erased numbers: they count, but do not bring the number back.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::rows::key;
use super::tx::Tx;
use crate::domain::mention::{is_in, without};
use crate::domain::{Identifier, Msisdn, Receipt, ReceiptCode};
use crate::store::identity::Identity;

/// The value that replaces an erased number.
pub(super) fn stand_in(conn: &Connection, identity: &Identity, number: Msisdn) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("select stand_in from forgotten where number_hash = :hash")?
        .query_row(named_params! {":hash": identity.number_hash(number)}, |row| row.get(0))
        .optional()
}

pub(super) fn has_destination(conn: &Connection, batch: i64, number: i64) -> rusqlite::Result<bool> {
    conn.prepare_cached("select exists (select 1 from destination where batch = :batch and number = :number)")?
        .query_row(named_params! {":batch": batch, ":number": number}, |row| row.get(0))
}

/// A later receipt for an erased number, without anything that contains the number; `None` if there is nothing to
/// remove. It is blanked like the earlier ones, so that the same content is still recognised as the same.
pub(super) fn without_number(tx: &Tx<'_>, batch: i64, receipt: &Receipt) -> rusqlite::Result<Option<Receipt>> {
    let number = receipt.destination;
    let said = [receipt.code.as_ref().map(ReceiptCode::as_str), receipt.description.as_deref()];
    let names = [text_of(receipt.message_id.as_ref()), text_of(receipt.batchuuid.as_ref())];
    if !is_in(said.into_iter().chain(names).flatten(), number) {
        return Ok(None);
    }
    // A batch accepted after the number was erased contains the number itself.
    if has_destination(tx.conn, batch, key(number))? || stand_in(tx.conn, &tx.identity(), number)?.is_none() {
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

pub(super) fn identifier_without(id: Identifier, number: Msisdn) -> Identifier {
    match id {
        Identifier::Text(text) => Identifier::Text(without(&text, number).unwrap_or(text)),
        uuid => uuid,
    }
}

fn text_of(id: Option<&Identifier>) -> Option<&str> {
    if let Some(Identifier::Text(text)) = id { Some(text) } else { None }
}
