//! What the batches show of the provider's behaviour, where its documentation leaves it open (docs/provider.md).

use rusqlite::named_params;

use super::handle::Sqlite;
use super::rows::count;
use crate::api::Traffic;
use crate::store::error::StoreError;

/// The number of newest batches that are examined.
const NEWEST: u32 = 1_000;

pub(super) async fn traffic(db: &Sqlite) -> Result<Traffic, StoreError> {
    db.read(|conn| {
        conn.prepare_cached(
            "select count(*) as batches, coalesce(sum(renamed), 0) as renamed, coalesce(sum(early), 0) as early from (
                 select lower(provider_id) <> uuid as renamed,
                     coalesce((select received_at from receipt where receipt.id = first_receipt) < submitted_at, 0) as early
                 from batch join batch_count on batch_count.batch = batch.id
                 where provider_id is not null and submitted_at is not null and dry_run = 0
                 order by batch.id desc limit :newest)",
        )?
        .query_row(named_params! {":newest": NEWEST}, |row| {
            let repeated = 0; // not stored in the database
            Ok(Traffic { batches: count(row, "batches")?, renamed: count(row, "renamed")?, early: count(row, "early")?, repeated })
        })
    })
    .await
}
