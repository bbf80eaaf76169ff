//! Destinations with very many receipts. The contents of these are kept in memory, so that a new receipt is not
//! compared with each of them: otherwise a client that knows a callback URL could keep the writer busy with receipts
//! that are already recorded.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use rusqlite::{Connection, named_params};

use super::rows::StoredIdentifier;
use crate::domain::{Identifier, Receipt, ReceiptCode};

/// The number of receipts, besides the first, from which a destination is kept in memory.
pub(super) const MANY: u64 = 64;
/// The largest number of receipts kept in memory in all, about 16 bytes each. Beyond it, everything is read again.
const MOST: usize = 400_000;

/// What makes two receipts of a destination the same: `delivered`, message id, and the code as a number.
type Content<'r> = (bool, Option<&'r Identifier>, Option<String>);

/// By batch and number, the contents of all receipts, each as a hash with a secret key.
#[derive(Default)]
pub(super) struct Crowded {
    contents: HashMap<(i64, i64), HashSet<u64>>,
    receipts: usize,
    key: RandomState,
}

impl Crowded {
    /// Whether the destination already has the same receipt. `first` is the id of its first receipt.
    pub fn has(&mut self, conn: &Connection, destination: (i64, i64), first: Option<i64>, receipt: &Receipt) -> rusqlite::Result<bool> {
        if !self.contents.contains_key(&destination) {
            let contents = self.read(conn, destination, first)?;
            if self.receipts + contents.len() > MOST {
                self.forget();
            }
            self.receipts += contents.len();
            self.contents.insert(destination, contents);
        }
        Ok(self.contents.get(&destination).is_some_and(|contents| contents.contains(&self.hash(&content_of(receipt)))))
    }

    /// Adds a receipt that was added to the log.
    pub fn add(&mut self, destination: (i64, i64), receipt: &Receipt) {
        if self.contents.is_empty() {
            return; // the usual case
        }
        let hash = self.hash(&content_of(receipt));
        if let Some(contents) = self.contents.get_mut(&destination) {
            self.receipts += usize::from(contents.insert(hash));
        }
    }

    /// Drops everything, because receipts are changed otherwise.
    pub fn forget(&mut self) {
        self.contents = HashMap::new();
        self.receipts = 0;
    }

    fn read(&self, conn: &Connection, (batch, number): (i64, i64), first: Option<i64>) -> rusqlite::Result<HashSet<u64>> {
        let mut statement = conn.prepare_cached(
            "select r.delivered, r.message_id, i.code_key from receipt r left join receipt_info i on i.id = r.info
             where r.again = 1 and r.batch = :batch and r.number = :number
             union all
             select r.delivered, r.message_id, i.code_key from receipt r left join receipt_info i on i.id = r.info where r.id = :first",
        )?;
        let mut rows = statement.query(named_params! {":batch": batch, ":number": number, ":first": first})?;
        let mut contents = HashSet::new();
        while let Some(row) = rows.next()? {
            let message: Option<StoredIdentifier> = row.get(1)?;
            contents.insert(self.hash(&(row.get(0)?, message.as_ref().map(|id| &id.0), row.get(2)?)));
        }
        Ok(contents)
    }

    fn hash(&self, content: &Content<'_>) -> u64 {
        self.key.hash_one(content)
    }
}

fn content_of(receipt: &Receipt) -> Content<'_> {
    (receipt.delivered, receipt.message_id.as_ref(), receipt.code.as_ref().map(ReceiptCode::key))
}
