//! Finding ids by their first characters, as people type them.

use rusqlite::types::Type;
use rusqlite::{Row, named_params};

use super::handle::Sqlite;
use crate::api::{IdKind, KnownId};
use crate::domain::{IdPrefix, Timestamp};
use crate::store::error::StoreError;

/// Sorts after every character of a UUID.
const END: char = '~';

pub(super) async fn ids(db: &Sqlite, prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError> {
    db.read(move |conn| {
        let (from, until) = (prefix.to_string(), format!("{prefix}{END}"));
        let parameters = named_params! {":from": from, ":until": until, ":limit": limit};
        let mut found = conn
            .prepare_cached(
                "select uuid, reference, created_at from batch where uuid >= :from and uuid < :until order by uuid limit :limit",
            )?
            .query_map(parameters, |row| known(row, IdKind::Batch))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        // A group has the age and the reference of its first batch.
        let groups = conn
            .prepare_cached(
                "select group_uuid, reference, created_at, min(id) from batch where group_uuid >= :from and group_uuid < :until
                 group by group_uuid order by group_uuid limit :limit",
            )?
            .query_map(parameters, |row| known(row, IdKind::Group))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        found.extend(groups);
        found.sort_by_key(|known| known.id);
        found.truncate(limit as usize);
        Ok(found)
    })
    .await
}

fn known(row: &Row<'_>, kind: IdKind) -> rusqlite::Result<KnownId> {
    let text: String = row.get(0)?;
    let id = text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    Ok(KnownId { id, kind, reference: row.get(1)?, created_at: Timestamp::from_millis(row.get(2)?) })
}
