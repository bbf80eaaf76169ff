//! Totals from tables that triggers maintain, so that nothing that grows is scanned.

use rusqlite::named_params;

use super::handle::Sqlite;
use super::rows::{Stored, count};
use crate::api::Stats;
use crate::domain::{BatchState, Counts, QuarantineState};
use crate::store::error::StoreError;

pub(super) async fn stats(db: &Sqlite) -> Result<Stats, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| {
        let transaction = conn.unchecked_transaction()?;
        let mut stats = Stats { paused: conn.query_row("select paused from instance", [], |row| row.get(0))?, ..Stats::default() };
        let scheduled: i64 = conn
            .prepare_cached("select count(*) from batch where state = 'submitted' and send_at is not null and send_at > :now")?
            .query_row(named_params! {":now": now.as_millis()}, |row| row.get(0))?;
        for state in BatchState::ALL {
            stats.batches.insert(state, 0);
        }
        let mut tallies = conn.prepare_cached("select * from tally")?;
        let mut rows = tallies.query([])?;
        while let Some(row) = rows.next()? {
            let state = row.get::<_, Stored<BatchState>>("state")?.0;
            let batches = count(row, "batches")?;
            let (delivered, failed) = (count(row, "delivered")?, count(row, "failed")?);
            stats.batches.insert(state, batches);
            stats.receipts += count(row, "receipts")?;
            stats.destinations.add(&Counts::of(state, count(row, "total")?, 0, delivered, failed, count(row, "conflict")?));
        }
        let scheduled = scheduled.unsigned_abs();
        stats.batches.insert(BatchState::Scheduled, scheduled);
        if let Some(submitted) = stats.batches.get_mut(&BatchState::Submitted) {
            *submitted = submitted.saturating_sub(scheduled);
        }
        let mut quarantine = conn.prepare_cached("select state, items from quarantine_tally")?;
        let mut rows = quarantine.query([])?;
        while let Some(row) = rows.next()? {
            stats.quarantine.insert(row.get::<_, Stored<QuarantineState>>("state")?.0, count(row, "items")?);
        }
        transaction.rollback()?;
        Ok(stats)
    })
    .await
}
