//! What is known of an id: the batch that has it, or that one had it and was pruned. So nothing is sent twice.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, named_params};

use super::answers::Enqueued;
use super::batches::reread;
use super::error::StoreError;
use super::failure::JobError;
use super::handle::Store;
use super::record::stand_in;
use super::rows::key;
use super::writer::Writing;
use crate::domain::{BatchId, Msisdn, NewBatch};
use crate::lock::lock;

impl Store {
    /// Whether a batch was accepted once, and has been pruned.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn is_pruned(&self, id: BatchId) -> Result<bool, StoreError> {
        self.read(move |conn| {
            conn.prepare_cached("select exists (select 1 from pruned where uuid = :uuid)")?
                .query_row(named_params! {":uuid": id.to_string()}, |row| row.get(0))
        })
        .await
    }
}

/// What an id belongs to, and whether that has this content. `None`: nobody ever had it.
pub(super) fn known(w: &mut Writing<'_>, new: &NewBatch, fingerprint: &[u8; 32]) -> Result<Option<Enqueued>, JobError> {
    let uuid = new.id.to_string();
    let found: Option<(i64, Vec<u8>)> = w
        .conn
        .prepare_cached("select id, content from batch where uuid = :uuid")?
        .query_row(named_params! {":uuid": uuid}, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((batch, content)) = found {
        // Erased with a forgotten number: then its rows tell to whom it went.
        let same = if content.is_empty() { is_for(w, batch, &new.destinations)? } else { content == fingerprint };
        return Ok(Some(if same { Enqueued::Same(reread(w, new.id)?) } else { Enqueued::Different }));
    }
    let content: Option<Vec<u8>> = w
        .conn
        .prepare_cached("select content from pruned where uuid = :uuid")?
        .query_row(named_params! {":uuid": uuid}, |row| row.get(0))
        .optional()?;
    Ok(content.map(|content| {
        let same = content.is_empty() || content == keyed(w, fingerprint);
        if same { Enqueued::Pruned } else { Enqueued::Different }
    }))
}

/// Whether a batch is for these numbers and no others, forgotten ones included.
fn is_for(w: &Writing<'_>, batch: i64, numbers: &[Msisdn]) -> rusqlite::Result<bool> {
    let stored: HashSet<i64> = w
        .conn
        .prepare_cached("select number from destination where batch = :batch")?
        .query_map(named_params! {":batch": batch}, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for number in numbers {
        let is_there =
            stored.contains(&key(*number)) || stand_in(w.conn, w.identity, *number)?.is_some_and(|stand_in| stored.contains(&stand_in));
        if !is_there {
            return Ok(false);
        }
    }
    Ok(stored.len() == numbers.len())
}

/// Remembers a batch that is about to be pruned. False where it is remembered already, or is not due: a person decided
/// otherwise meanwhile, or another prune was here.
pub(super) fn remember(w: &Writing<'_>, batch: i64, settled_before: i64) -> rusqlite::Result<bool> {
    let due: Option<Vec<u8>> = w
        .conn
        .prepare_cached("select content from batch where id = :batch and completed_at < :before")?
        .query_row(named_params! {":batch": batch, ":before": settled_before}, |row| row.get(0))
        .optional()?;
    let Some(content) = due else { return Ok(false) };
    let content = if content.is_empty() { content } else { keyed(w, &content).to_vec() };
    let remembered = w
        .conn
        .prepare_cached(
            "insert into pruned (uuid, pruned_at, group_uuid, content) select uuid, :now, group_uuid, :content from batch where id = :batch
             on conflict (uuid) do nothing",
        )?
        .execute(named_params! {":batch": batch, ":now": w.now.as_millis(), ":content": content})?;
    Ok(remembered == 1)
}

/// From a bare hash of a short list a number could be found by trying them all, and forgetting it finds no row of it any more.
fn keyed(w: &Writing<'_>, content: &[u8]) -> [u8; 32] {
    lock(w.identity).content_hash(content)
}
