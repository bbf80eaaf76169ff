//! The counters of batches: summed up while receipts are recorded, and written once a batch and commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{OptionalExtension, named_params};

use super::rows::Stored;
use super::writer::Writing;
use crate::domain::{BatchId, BatchState};

/// Batches whose counters are kept at hand.
const TALLIED: usize = 1_024;

/// Batches that got receipts of late, with what their rows do not know yet.
#[derive(Default)]
pub(super) struct Tallying(HashMap<BatchId, Tally>);

impl Tallying {
    /// Of a batch that [`is_tallied`].
    pub fn of(&mut self, id: BatchId) -> Option<&mut Tally> {
        self.0.get_mut(&id)
    }

    /// For whoever reads or changes batches: they may be others afterwards.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

pub(super) struct Tally {
    pub batch: i64,
    pub state: BatchState,
    /// The provider's name for it is known.
    pub is_named: bool,
    /// That name, seen since the last flush.
    pub learned: Option<String>,
    pub total: i64,
    pub before: Counted,
    pub now: Counted,
    pub first_receipt: Option<i64>,
    pub last_receipt: Option<i64>,
    /// A receipt came since the last flush that only a provider which has the batch can have sent.
    pub is_proved: bool,
}

/// What receipts add to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub delivered: i64,
    pub failed: i64,
    pub conflict: i64,
    pub receipts: i64,
}

impl Counted {
    fn add(&mut self, now: Self, before: Self) {
        self.delivered += now.delivered - before.delivered;
        self.failed += now.failed - before.failed;
        self.conflict += now.conflict - before.conflict;
        self.receipts += now.receipts - before.receipts;
    }
}

/// Makes sure that the batch's counters are at hand. `false`: there is no such batch.
pub(super) fn is_tallied(w: &mut Writing<'_>, id: BatchId) -> rusqlite::Result<bool> {
    let Entry::Vacant(place) = w.memory.tallying.0.entry(id) else { return Ok(true) };
    let tally = w
        .conn
        .prepare_cached(
            "select id, state, provider_id is not null, total, delivered, failed, conflict, receipts, first_receipt, last_receipt
                 from batch join batch_count on batch = id where uuid = ?1",
        )?
        .query_row([id.to_string()], |row| {
            let counted = Counted { delivered: row.get(4)?, failed: row.get(5)?, conflict: row.get(6)?, receipts: row.get(7)? };
            Ok(Tally {
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
        .optional()?;
    Ok(tally.map(|tally| place.insert(tally)).is_some())
}

/// Writes the counters of all batches that got receipts since the last time, and moves those on that they concern.
pub(super) fn flush(w: &mut Writing<'_>) -> rusqlite::Result<()> {
    let mut added: Vec<(BatchState, Counted)> = Vec::new();
    let tallied = &mut w.memory.tallying.0;
    for tally in tallied.values().filter(|tally| tally.now != tally.before) {
        w.conn
            .prepare_cached(
                "update batch_count set delivered = ?2, failed = ?3, conflict = ?4, receipts = ?5,
                     first_receipt = ?6, last_receipt = ?7, last_receipt_at = ?8 where batch = ?1",
            )?
            .execute((
                tally.batch,
                tally.now.delivered,
                tally.now.failed,
                tally.now.conflict,
                tally.now.receipts,
                tally.first_receipt,
                tally.last_receipt,
                w.now.as_millis(),
            ))?;
        let place = added.iter().position(|(state, _)| *state == tally.state).unwrap_or_else(|| {
            added.push((tally.state, Counted::default()));
            added.len() - 1
        });
        added[place].1.add(tally.now, tally.before);
    }
    for (state, sum) in added {
        w.conn
            .prepare_cached(
                "update tally set delivered = delivered + ?2, failed = failed + ?3, conflict = conflict + ?4, receipts = receipts + ?5
                 where state = ?1",
            )?
            .execute((state.as_str(), sum.delivered, sum.failed, sum.conflict, sum.receipts))?;
    }
    // What came again says nothing new: it opens no batch that was cancelled since.
    for tally in tallied.values_mut().filter(|tally| tally.now != tally.before) {
        let as_count = |number: i64| u64::try_from(number).unwrap_or(0);
        let state = if std::mem::take(&mut tally.is_proved) {
            tally.state.after_receipts(as_count(tally.total), as_count(tally.now.delivered + tally.now.failed))
        } else {
            tally.state
        };
        let learned = tally.learned.take();
        if state != tally.state || learned.is_some() {
            w.conn
                .prepare_cached(
                    "update batch set state = :state, provider_id = coalesce(provider_id, :learned),
                         submitted_at = case when :state in ('submitted', 'complete') then coalesce(submitted_at, :now) else submitted_at end,
                         completed_at = case when not :settled then null when state = :state then completed_at else :now end
                     where id = :batch",
                )?
                .execute(named_params! {
                    ":state": state.as_str(), ":settled": state.is_settled(), ":learned": learned, ":now": w.now.as_millis(),
                    ":batch": tally.batch,
                })?;
        }
        tally.before = tally.now;
        tally.state = state;
        tally.is_named |= learned.is_some();
    }
    if tallied.len() > TALLIED {
        tallied.clear();
    }
    Ok(())
}
