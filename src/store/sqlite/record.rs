//! Recording receipts.
//!
//! This is the hot path. The usual receipt, the first of its destination, takes one update by primary key and one
//! append to the log; counters are summed up per batch and commit.

use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, named_params};

use super::counters::Counters;
use super::crowded::{Crowded, MANY};
use super::failure::JobError;
use super::forgotten::{has_destination, stand_in, without_number};
use super::infos::Infos;
use super::rows::{AsIdentifier, count, key, newest_receipt, outcome_number, source_number};
use super::set_aside::{has_room, set_aside};
use super::tx::Tx;
use crate::domain::{
    BatchId, BatchSoFar, Identifier, Incoming, Item, Outcome, Receipt, ReceiptCode, ReceiptCounts, Recorded, Said, Seen, Verdict, proves,
    verdict,
};
use crate::store::settings::QuarantineBounds;

/// The two statements for a usual receipt, looked up once per transaction.
pub(super) struct Usual<'c> {
    conn: &'c Connection,
    first: Option<CachedStatement<'c>>,
    append: Option<CachedStatement<'c>>,
}

impl<'c> Usual<'c> {
    pub fn new(conn: &'c Connection) -> Self {
        Self { conn, first: None, append: None }
    }

    /// Sets what a destination's first receipt says, if it has none yet: `said`, receipt, batch, number.
    fn first(&mut self) -> rusqlite::Result<&mut CachedStatement<'c>> {
        let sql = "update destination set said = ?1, first_receipt = ?2 where batch = ?3 and number = ?4 and first_receipt is null";
        prepared(self.conn, &mut self.first, sql)
    }

    /// Appends a receipt to the log.
    fn append(&mut self) -> rusqlite::Result<&mut CachedStatement<'c>> {
        let sql = "insert into receipt (id, batch, number, received_at, again, delivered, source, outcome, info, message_id, batchuuid)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        prepared(self.conn, &mut self.append, sql)
    }
}

fn prepared<'s, 'c>(
    conn: &'c Connection,
    statement: &'s mut Option<CachedStatement<'c>>,
    sql: &str,
) -> rusqlite::Result<&'s mut CachedStatement<'c>> {
    Ok(match statement {
        Some(statement) => statement,
        None => statement.insert(conn.prepare_cached(sql)?),
    })
}

/// The number of items of a list that are recorded before it gives way to other jobs.
pub(super) const AT_LEAST: usize = 16;
/// How long a transaction may have taken before a list gives way. Other jobs wait for it, and each item may take long
/// if its destination has many receipts.
const PATIENCE: Duration = Duration::from_millis(100);
/// The number of excess receipts of a list that are quarantined separately; more of them become one item.
const ONE_BY_ONE: usize = 100;

/// The result of recording a part of a list.
#[derive(Default)]
pub(super) struct Part {
    pub done: Recorded,
    /// Whether something could not be quarantined.
    pub quarantine_is_full: bool,
    /// Where to continue.
    pub next: Option<Place>,
}

/// The progress of recording a list.
#[derive(Default)]
pub(super) struct Place {
    pub item: usize,
    /// The items before this one that are in excess, and why.
    excess: Vec<(usize, &'static str)>,
}

impl Part {
    fn set_aside(
        &mut self,
        tx: &Tx<'_>,
        bounds: Option<QuarantineBounds>,
        incoming: &Incoming,
        reason: &str,
        body: &[u8],
    ) -> rusqlite::Result<()> {
        match set_aside(tx, bounds, incoming.batch, reason, body)? {
            Some(id) => self.done.quarantined.push(id),
            None => self.quarantine_is_full = true,
        }
        Ok(())
    }

    fn set_excess_aside(
        &mut self,
        tx: &Tx<'_>,
        bounds: Option<QuarantineBounds>,
        incoming: &Incoming,
        excess: &[(usize, &str)],
    ) -> rusqlite::Result<()> {
        let bodies = excess.iter().map(|(at, _)| match &incoming.items[*at] {
            Item::Understood(receipt) => receipt.body.clone().unwrap_or_else(|| receipt.to_callback().into_bytes()),
            Item::NotUnderstood { .. } => Vec::new(), // never in excess
        });
        if let ([(_, reason), ..], true) = (excess, excess.len() > ONE_BY_ONE) {
            let list = [b"[", &*bodies.collect::<Vec<_>>().join(&b','), b"]"].concat();
            return self.set_aside(tx, bounds, incoming, &format!("{} receipts: {reason}", excess.len()), &list);
        }
        excess.iter().zip(bodies).try_for_each(|((_, reason), body)| self.set_aside(tx, bounds, incoming, reason, &body))
    }
}

/// What the writer remembers between transactions, in order to record without reading.
#[derive(Default)]
pub(super) struct Recorder {
    /// The counters of batches that received receipts recently.
    pub counters: Counters,
    /// Cached `receipt_info` rows.
    pub infos: Infos,
    /// The contents of the receipts of destinations that have very many.
    pub crowded: Crowded,
    /// The id of the next receipt.
    pub next_receipt: i64,
    /// Whether any number was ever erased.
    pub any_forgotten: bool,
}

impl Recorder {
    /// Reads the initial state.
    pub fn new(conn: &Connection) -> rusqlite::Result<Self> {
        let any_forgotten = conn.query_row("select exists (select 1 from forgotten)", [], |row| row.get(0))?;
        Ok(Self { next_receipt: newest_receipt(conn)? + 1, any_forgotten, ..Self::default() })
    }

    /// The state after a transaction that did not happen.
    #[must_use]
    pub fn undone(&self) -> Self {
        Self { next_receipt: self.next_receipt, any_forgotten: self.any_forgotten, ..Self::default() }
    }

    /// Records items starting with one; what cannot be recorded is quarantined. A long list gives way to other jobs
    /// after a while.
    pub fn record(
        &mut self,
        tx: &Tx<'_>,
        usual: &mut Usual<'_>,
        incoming: &Incoming,
        from: &Place,
        bounds: Option<QuarantineBounds>,
    ) -> Result<Part, JobError> {
        let mut part = Part::default();
        if self.counters.load(tx, incoming.batch)?.is_none() {
            if !is_pruned(tx.conn, incoming.batch)? {
                part.set_aside(tx, bounds, incoming, "this database has no such batch", &incoming.body)?;
            }
            return Ok(part);
        }
        // Checked first: a list is not recorded by halves, and a client that fills the quarantine must not affect
        // others.
        let strange = incoming.items.iter().skip(from.item).filter_map(|item| match item {
            Item::NotUnderstood { at, .. } => Some(at.len()),
            Item::Understood(_) => None,
        });
        let (count, bytes) = strange.fold((0, 0), |(count, bytes), of_this| (count + 1, bytes + of_this as u64));
        if count > 0 && !has_room(tx, bounds, count, bytes)? {
            part.quarantine_is_full = true;
            return Ok(part);
        }
        let mut excess = from.excess.clone();
        for (item_at, item) in incoming.items.iter().enumerate().skip(from.item) {
            if item_at >= from.item + AT_LEAST && tx.since.elapsed() > PATIENCE {
                part.next = Some(Place { item: item_at, excess });
                return Ok(part);
            }
            match item {
                Item::Understood(receipt) => match self.record_one(tx, usual, incoming, receipt)? {
                    Verdict::New { outcome, .. } => {
                        part.done.recorded += 1;
                        part.done.outcomes.push(outcome);
                    }
                    Verdict::Duplicate => part.done.duplicates += 1,
                    Verdict::Excess(reason) => excess.push((item_at, reason)),
                },
                Item::NotUnderstood { reason, at } => {
                    part.set_aside(tx, bounds, incoming, reason, incoming.body.get(at.clone()).unwrap_or(&incoming.body))?;
                }
            }
        }
        part.set_excess_aside(tx, bounds, incoming, &excess)?;
        Ok(part)
    }

    fn record_one(&mut self, tx: &Tx<'_>, usual: &mut Usual<'_>, incoming: &Incoming, receipt: &Receipt) -> Result<Verdict, JobError> {
        let Some(tally) = self.counters.load(tx, incoming.batch)? else { return Ok(Verdict::Duplicate) }; // it existed just now
        let blanked = if self.any_forgotten { without_number(tx, tally.batch, receipt)? } else { None };
        let receipt = blanked.as_ref().unwrap_or(receipt);
        let id = self.next_receipt;

        // The usual case first: the destination has no receipt so far.
        let mut number = key(receipt.destination);
        let says = said_number(Said::Nothing.after(receipt.delivered));
        let verdict = if usual.first()?.execute((says, id, tally.batch, number))? == 1 {
            of_first(receipt.delivered)
        } else {
            // A batch accepted after the number was erased contains the number itself.
            if self.any_forgotten && !has_destination(tx.conn, tally.batch, number)? {
                number = stand_in(tx.conn, &tx.identity(), receipt.destination)?.unwrap_or(number);
            }
            let seen = seen(tx.conn, &mut self.crowded, tally.batch, number, receipt)?;
            let verdict = verdict(seen, BatchSoFar { total: tally.total, counts: tally.now }, receipt.delivered, incoming.source);
            if let Verdict::New { said, first, .. } = verdict
                && said != seen.said
            {
                let first = first.then_some(id);
                tx.conn
                    .prepare_cached(
                        "update destination set said = :said, first_receipt = coalesce(:first, first_receipt)
                         where batch = :batch and number = :number",
                    )?
                    .execute(named_params! {":said": said_number(said), ":first": first, ":batch": tally.batch, ":number": number})?;
            }
            verdict
        };
        if let Verdict::New { outcome, first, counts, .. } = verdict {
            // Not earlier: a known receipt with another description must not be able to fill the table of descriptions.
            let info = self.infos.of(tx.conn, receipt)?;
            LogEntry { id, number, again: !first, outcome, info, receipt }.append(tx, usual, incoming, tally.batch)?;
            self.crowded.add((tally.batch, number), receipt);
            tally.add(id, counts, proves(incoming.source, outcome), receipt.batchuuid.as_ref());
            self.next_receipt += 1;
        }
        Ok(verdict)
    }
}

/// What [`verdict`] returns for the first receipt of a destination, without reading anything.
fn of_first(delivered: bool) -> Verdict {
    let counts = ReceiptCounts { delivered: i64::from(delivered), failed: i64::from(!delivered), conflict: 0, receipts: 1 };
    Verdict::New { outcome: Outcome::Applied, said: Said::Nothing.after(delivered), first: true, counts }
}

/// What is known about a destination when another receipt arrives for it. Receipts are the same if they have the same
/// `delivered`, code (as a number) and message id.
fn seen(conn: &Connection, crowded: &mut Crowded, batch: i64, number: i64, receipt: &Receipt) -> rusqlite::Result<Seen> {
    let destination: Option<(i64, Option<i64>)> = conn
        .prepare_cached("select said, first_receipt from destination where batch = :batch and number = :number")?
        .query_row(named_params! {":batch": batch, ":number": number}, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let first = destination.and_then(|(_, first)| first);
    let others = conn
        .prepare_cached("select count(*) as others from receipt where again = 1 and batch = :batch and number = :number")?
        .query_row(named_params! {":batch": batch, ":number": number}, |row| count(row, "others"))?;
    let said = destination.map_or(Said::Nothing, |(said, _)| said_of(said));
    let same =
        if others >= MANY { crowded.has(conn, (batch, number), first, receipt)? } else { is_known(conn, batch, number, first, receipt)? };
    // Only a failure after a delivery needs to know whether there was one before, and only if it is recorded.
    let is_conflict = !same && said == Said::Delivered && !receipt.delivered;
    let conflict = is_conflict
        && conn
            .prepare_cached(
                "select exists (select 1 from receipt where again = 1 and batch = :batch and number = :number and outcome = 2)",
            )?
            .query_row(named_params! {":batch": batch, ":number": number}, |row| row.get(0))?;
    Ok(Seen { in_batch: destination.is_some(), said, same, receipts: others + u64::from(first.is_some()), conflict })
}

/// Whether one of the destination's receipts is the same.
fn is_known(conn: &Connection, batch: i64, number: i64, first: Option<i64>, receipt: &Receipt) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "select exists (
             select 1 from receipt r left join receipt_info i on i.id = r.info
             where r.id = :first and r.delivered = :delivered and r.message_id is :message and i.code_key is :code
             union all
             select 1 from receipt r left join receipt_info i on i.id = r.info
             where r.again = 1 and r.batch = :batch and r.number = :number
                 and r.delivered = :delivered and r.message_id is :message and i.code_key is :code)",
    )?
    .query_row(
        named_params! {
            ":first": first, ":batch": batch, ":number": number, ":delivered": receipt.delivered,
            ":message": receipt.message_id.as_ref().map(AsIdentifier), ":code": receipt.code.as_ref().map(ReceiptCode::key),
        },
        |row| row.get(0),
    )
}

/// A receipt to be added to the log.
struct LogEntry<'r> {
    id: i64,
    number: i64,
    /// Whether it is not the first of its destination.
    again: bool,
    outcome: Outcome,
    info: Option<i64>,
    receipt: &'r Receipt,
}

impl LogEntry<'_> {
    fn append(self, tx: &Tx<'_>, usual: &mut Usual<'_>, incoming: &Incoming, batch: i64) -> rusqlite::Result<()> {
        let Self { id, number, again, outcome, info, receipt } = self;
        let named = receipt.batchuuid.as_ref().map(AsIdentifier);
        let batchuuid: Option<&dyn rusqlite::ToSql> = match &named {
            Some(AsIdentifier(Identifier::Uuid(named))) if named == incoming.batch.as_uuid() => Some(&1i64),
            Some(named) => Some(named),
            None => None,
        };
        usual.append()?.execute((
            id,
            batch,
            number,
            tx.now.as_millis(),
            again,
            receipt.delivered,
            source_number(incoming.source),
            outcome_number(outcome),
            info,
            receipt.message_id.as_ref().map(AsIdentifier),
            batchuuid,
        ))?;
        if let Some(body) = receipt.body.as_deref().filter(|_| number >= 0) {
            tx.conn
                // Stored as text even if it is not UTF-8: SQLite's text may hold any bytes.
                .prepare_cached("insert into receipt_body (receipt, body) values (:id, cast(:body as text))")?
                .execute(named_params! {":id": id, ":body": body})?;
        }
        Ok(())
    }
}

fn is_pruned(conn: &Connection, id: BatchId) -> rusqlite::Result<bool> {
    conn.prepare_cached("select exists (select 1 from pruned where uuid = :uuid)")?
        .query_row(named_params! {":uuid": id.to_string()}, |row| row.get(0))
}

fn said_number(said: Said) -> i64 {
    match said {
        Said::Nothing => 0,
        Said::Failed => 1,
        Said::Delivered => 2,
    }
}

pub(super) fn said_of(number: i64) -> Said {
    match number {
        2 => Said::Delivered,
        1 => Said::Failed,
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Source;

    #[test]
    fn the_first_receipt_of_a_destination_gets_the_verdict_that_reading_it_first_would_give() {
        let (seen, batch) = (Seen { in_batch: true, ..Seen::default() }, BatchSoFar { total: 1, ..BatchSoFar::default() });
        for source in [Source::Webhook, Source::Poll, Source::Replay] {
            for delivered in [true, false] {
                assert_eq!(of_first(delivered), verdict(seen, batch, delivered, source), "{delivered} {source:?}");
            }
        }
    }
}
