//! Receipt codes with their meaning, as the provider lists them.

use rusqlite::named_params;

use super::handle::Store;
use crate::api::Code;
use crate::domain::{ReceiptCode, Timestamp};
use crate::store::error::StoreError;

impl Store {
    /// The list, in order of the codes as numbers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn codes(&self) -> Result<Vec<Code>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached("select code, description from code order by length(code_key), code_key")?
                .query_map([], |row| Ok(Code { code: ReceiptCode::new(row.get::<_, String>(0)?), description: row.get(1)? }))?
                .collect()
        })
        .await
    }

    /// Replaces the list by a newer one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_codes(&self, codes: Vec<Code>) -> Result<(), StoreError> {
        self.write(codes.len().max(1), move |w| {
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

    /// When the list was fetched; `None`: never.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn codes_fetched_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|conn| {
            conn.query_row("select max(fetched_at) from code", [], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Timestamp::from_millis)))
        })
        .await
    }
}
