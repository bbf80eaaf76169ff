//! The receipt codes and their meanings, as the provider lists them.

use rusqlite::named_params;

use super::handle::Sqlite;
use crate::api::Code;
use crate::domain::{ReceiptCode, Timestamp};
use crate::store::error::StoreError;

pub(super) async fn codes(db: &Sqlite) -> Result<Vec<Code>, StoreError> {
    db.read(|conn| {
        conn.prepare_cached("select code, description from code order by length(code_key), code_key")?
            .query_map([], |row| Ok(Code { code: ReceiptCode::new(row.get::<_, String>(0)?), description: row.get(1)? }))?
            .collect()
    })
    .await
}

pub(super) async fn set_codes(db: &Sqlite, codes: Vec<Code>) -> Result<(), StoreError> {
    db.write(codes.len().max(1), move |w| {
        w.tx.conn.execute("delete from code", [])?;
        let mut insert = w.tx.conn.prepare_cached(
            "insert or replace into code (code_key, code, description, fetched_at) values (:key, :code, :description, :now)",
        )?;
        for code in &codes {
            insert.execute(named_params! {
                ":key": code.code.key(), ":code": code.code.as_str(), ":description": code.description, ":now": w.tx.now.as_millis(),
            })?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn codes_fetched_at(db: &Sqlite) -> Result<Option<Timestamp>, StoreError> {
    db.read(|conn| {
        conn.query_row("select max(fetched_at) from code", [], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Timestamp::from_millis)))
    })
    .await
}
