//! Codes and descriptions of receipts, each stored once.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::domain::{Receipt, ReceiptCode};

/// `receipt_info` rows by content: nearly every receipt says what many others say.
#[derive(Default)]
pub(super) struct Infos {
    known: HashMap<String, i64>,
    /// The content that is asked for, in one text.
    content: String,
}

impl Infos {
    /// Rows that are kept at hand, for a provider that describes each receipt in words of its own.
    const MOST: usize = 4_096;

    /// The row that holds code and description: nearly always one of a few that are known already.
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

    /// Remembers the row of what was looked for last.
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
