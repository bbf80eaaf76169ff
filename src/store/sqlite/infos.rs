//! The codes and descriptions of receipts, each stored once.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::domain::{Receipt, ReceiptCode};

/// `receipt_info` rows by content: nearly every receipt has the code and description of many others.
#[derive(Default)]
pub(super) struct Infos {
    known: HashMap<String, i64>,
    /// The content being looked up, as one text.
    content: String,
}

impl Infos {
    /// The largest number of cached rows, in case the provider describes each receipt differently.
    const MOST: usize = 4_096;

    /// The row with the receipt's code and description: nearly always one of a few cached ones.
    pub fn of(&mut self, conn: &Connection, receipt: &Receipt) -> rusqlite::Result<Option<i64>> {
        if receipt.code.is_none() && receipt.description.is_none() {
            return Ok(None);
        }
        let (code, description) = (receipt.code.as_ref().map(ReceiptCode::as_str), receipt.description.as_deref());
        if let Some(id) = self.find(code, description) {
            return Ok(Some(id));
        }
        let found = conn
            .prepare_cached("select id from receipt_info where code is :code and description is :description")?
            .query_row(named_params! {":code": code, ":description": description}, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => conn
                .prepare_cached("insert into receipt_info (code, code_key, description) values (:code, :key, :description) returning id")?
                .query_row(
                    named_params! {":code": code, ":key": receipt.code.as_ref().map(ReceiptCode::key), ":description": description},
                    |row| row.get(0),
                )?,
        };
        self.found(id);
        Ok(Some(id))
    }

    fn find(&mut self, code: Option<&str>, description: Option<&str>) -> Option<i64> {
        self.content.clear();
        for part in [code, description] {
            if let Some(part) = part {
                self.content.push('=');
                self.content.push_str(part);
            }
            self.content.push('\0');
        }
        self.known.get(&self.content).copied()
    }

    /// Caches the row of the last lookup.
    fn found(&mut self, id: i64) {
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        self.known.insert(self.content.clone(), id);
    }

    pub fn forget(&mut self) {
        self.known.clear();
    }
}
