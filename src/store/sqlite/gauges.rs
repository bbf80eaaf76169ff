//! The values for the metrics, without scanning anything that grows.

use std::time::Duration;

use rusqlite::named_params;

use super::handle::{Sqlite, blocking};
use super::stats::stats;
use crate::domain::{BatchState, DestinationState, QuarantineState};
use crate::metrics::Gauges;
use crate::store::error::StoreError;
use crate::store::identity::beside;

pub(super) async fn gauges(db: &Sqlite, after: Duration) -> Result<Gauges, StoreError> {
    let stats = stats(db).await?;
    let now = db.shared.clock.now();
    // There are few open batches, however many are finished, and both queries have an index.
    let (oldest, silent_batches): (Option<i64>, u64) = db
        .read(move |conn| {
            conn.query_row(
                "select (select min(since) from (
                     select max(created_at, coalesce(send_at, 0)) as since from batch
                         where state in ('submitting', 'submitted', 'unconfirmed') and coalesce(send_at, 0) <= :now
                     union all select created_at from batch where state = 'queued')),
                 (select count(*) from batch join batch_count on batch = id where state = 'submitted' and receipts = 0
                     and max(coalesce(submitted_at, created_at), coalesce(send_at, 0)) < :quiet)",
                named_params! {":now": now.as_millis(), ":quiet": now.minus(after).as_millis()},
                |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
            )
        })
        .await?;
    let path = db.shared.path.clone();
    let (database_bytes, wal_bytes, disk_free_bytes) = blocking(move || {
        let bytes = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |found| found.len());
        let folder = path.parent().unwrap_or(&path);
        let free = rustix::fs::statvfs(folder).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        Ok((bytes(&path), bytes(&beside(&path, "-wal")), free))
    })
    .await?;
    let counts = stats.destinations;
    Ok(Gauges {
        outbox: stats.batches.get(&BatchState::Queued).copied().unwrap_or(0),
        batches: stats.batches.into_iter().map(|(state, batches)| (state.as_str(), batches)).collect(),
        destinations: DestinationState::ALL.map(|state| (state.as_str(), counts.in_state(state))).to_vec(),
        writer_queue: db.shared.queue.depth() as u64,
        oldest_unsettled: oldest.map_or(0.0, |since| (now.as_millis() - since).max(0) as f64 / 1e3),
        silent_batches,
        quarantined: stats.quarantine.get(&QuarantineState::Waiting).copied().unwrap_or(0),
        database_bytes,
        wal_bytes,
        disk_free_bytes,
        ..Gauges::default()
    })
}
