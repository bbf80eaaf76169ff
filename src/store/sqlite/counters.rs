//! The counters of batches, summed up while receipts are recorded and written once per batch and commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::OptionalExtension;

use super::progress::{tracked_of_key, update_batch};
use super::rows::Stored;
use super::tx::Tx;
use crate::domain::{BatchId, BatchState, Identifier, ReceiptCounts, lifecycle};

/// The number of batches whose counters are cached.
const AT_HAND: usize = 1_024;

/// The batches that received receipts recently, with changes that are not in their rows yet.
#[derive(Default)]
pub(super) struct Counters(HashMap<BatchId, Tally>);

pub(super) struct Tally {
    pub batch: i64,
    pub state: BatchState,
    /// Whether a provider's name for the batch is known.
    pub is_named: bool,
    /// The name that a receipt has given since the last flush.
    pub learned: Option<Identifier>,
    pub total: i64,
    pub before: ReceiptCounts,
    pub now: ReceiptCounts,
    pub first_receipt: Option<i64>,
    pub last_receipt: Option<i64>,
    /// Whether, since the last flush, a receipt arrived that only a provider that has the batch can have sent.
    pub is_proved: bool,
}

impl Counters {
    /// The counters of a batch, read if they are not cached. `None`: the batch does not exist.
    pub fn load(&mut self, tx: &Tx<'_>, id: BatchId) -> rusqlite::Result<Option<&mut Tally>> {
        Ok(match self.0.entry(id) {
            Entry::Occupied(tally) => Some(tally.into_mut()),
            Entry::Vacant(vacant) => Tally::read(tx, id)?.map(|tally| vacant.insert(tally)),
        })
    }

    /// Writes the counters of all batches that received receipts since the last flush, and changes the batches' states
    /// if necessary.
    pub fn flush(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        let mut added: Vec<(BatchState, ReceiptCounts)> = Vec::new();
        for tally in self.0.values_mut().filter(|tally| tally.now != tally.before) {
            tally.write(tx)?;
            let of_state = added.iter().position(|(state, _)| *state == tally.state).unwrap_or_else(|| {
                added.push((tally.state, ReceiptCounts::default()));
                added.len() - 1
            });
            added[of_state].1 += tally.now - tally.before;
        }
        for (state, sum) in added {
            tx.conn
                .prepare_cached(
                    "update tally set delivered = delivered + ?2, failed = failed + ?3, conflict = conflict + ?4, receipts = receipts + ?5
                     where state = ?1",
                )?
                .execute((state.as_str(), sum.delivered, sum.failed, sum.conflict, sum.receipts))?;
        }
        for tally in self.0.values_mut().filter(|tally| tally.now != tally.before) {
            tally.move_on(tx)?;
        }
        if self.0.len() > AT_HAND {
            self.0.clear();
        }
        Ok(())
    }

    /// Drops all cached counters, before other statements read or change batches.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

impl Tally {
    fn read(tx: &Tx<'_>, id: BatchId) -> rusqlite::Result<Option<Self>> {
        tx.conn
            .prepare_cached(
                "select id, state, coalesce(provider_id, learned_id) is not null, total, delivered, failed, conflict, receipts, first_receipt, last_receipt
                 from batch join batch_count on batch = id where uuid = ?1",
            )?
            .query_row([id.to_string()], |row| {
                let counted = ReceiptCounts { delivered: row.get(4)?, failed: row.get(5)?, conflict: row.get(6)?, receipts: row.get(7)? };
                Ok(Self {
                    batch: row.get(0)?,
                    state: row.get::<_, Stored<BatchState>>(1)?.0,
                    is_named: row.get(2)?,
                    learned: None,
                    total: row.get(3)?,
                    before: counted,
                    now: counted,
                    first_receipt: row.get(8)?,
                    last_receipt: row.get(9)?,
                    is_proved: false,
                })
            })
            .optional()
    }

    fn write(&self, tx: &Tx<'_>) -> rusqlite::Result<usize> {
        tx.conn
            .prepare_cached(
                "update batch_count set delivered = ?2, failed = ?3, conflict = ?4, receipts = ?5,
                     first_receipt = ?6, last_receipt = ?7, last_receipt_at = ?8 where batch = ?1",
            )?
            .execute((
                self.batch,
                self.now.delivered,
                self.now.failed,
                self.now.conflict,
                self.now.receipts,
                self.first_receipt,
                self.last_receipt,
                tx.now.as_millis(),
            ))
    }

    /// Adds a recorded receipt.
    pub fn add(&mut self, receipt: i64, counts: ReceiptCounts, proves: bool, named: Option<&Identifier>) {
        self.now += counts;
        self.is_proved |= proves;
        self.first_receipt.get_or_insert(receipt);
        self.last_receipt = Some(receipt);
        if !self.is_named && self.learned.is_none() {
            self.learned = named.cloned();
        }
    }

    /// A repeated receipt says nothing new: it must not reopen a batch that was cancelled since.
    fn move_on(&mut self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        let as_count = |number: i64| u64::try_from(number).unwrap_or(0);
        let settled = as_count(self.now.delivered + self.now.failed);
        let (is_proved, learned) = (std::mem::take(&mut self.is_proved), self.learned.take());
        // Calls the rule only if it would change something: almost no commit of receipts changes a batch's state.
        let moves = is_proved && self.state.after_receipts(as_count(self.total), settled) != self.state;
        if (moves || learned.is_some())
            && let Some(batch) = tracked_of_key(tx.conn, self.batch, tx.now)?
            && let Some(progress) = lifecycle::proved(&batch, is_proved, learned.as_ref(), tx.now)
        {
            update_batch(tx.conn, self.batch, &progress)?;
            self.state = progress.state;
            self.is_named = progress.names.shown().is_some();
        }
        self.before = self.now;
        Ok(())
    }
}
