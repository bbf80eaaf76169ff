//! Recording receipts.
//!
//! This is the hot path. For the usual receipt, the first of its destination, it is one update by
//! primary key and one append to the log; counters are summed up per batch and commit.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, named_params};

use super::counters::{Counters, Tally};
use super::failure::JobError;
use super::forgotten::{has_destination, stand_in, without_number};
use super::rows::{AsIdentifier, key, outcome_number, source_number};
use super::set_aside::set_aside;
use super::tx::Tx;
use crate::domain::{BatchId, Identifier, Outcome, Receipt, ReceiptCode, Said, Source};
pub use crate::domain::{Incoming, Item, Recorded};
use crate::store::settings::QuarantineBounds;

/// Distinct receipts that one destination takes; more are quarantined.
const RECEIPTS_PER_DESTINATION: i64 = 1_000;
/// Receipts of a batch, beyond one for each destination, from which those for numbers that it does not have are quarantined.
const UNEXPECTED_PER_BATCH: i64 = 10_000;

/// `receipt_info` rows by content: nearly every receipt says what many others say.
#[derive(Default)]
pub(super) struct Infos {
    known: HashMap<String, i64>,
    /// The content that is asked for, in one text.
    content: String,
}

impl Infos {
    /// Rows that are kept at hand, for a provider that describes each receipt in words of its own.
    const MOST: usize = 4_096;

    /// The row that holds code and description: nearly always one of a few that are known already.
    fn of(&mut self, conn: &Connection, receipt: &Receipt) -> rusqlite::Result<Option<i64>> {
        if receipt.code.is_none() && receipt.description.is_none() {
            return Ok(None);
        }
        let (code, description) = (receipt.code.as_ref().map(ReceiptCode::as_str), receipt.description.as_deref());
        if let Some(id) = self.find(code, description) {
            return Ok(Some(id));
        }
        let found = conn
            .prepare_cached("select id from receipt_info where code is :code and description is :description")?
            .query_row(named_params! {":code": code, ":description": description}, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => conn
                .prepare_cached("insert into receipt_info (code, code_key, description) values (:code, :key, :description) returning id")?
                .query_row(
                    named_params! {":code": code, ":key": receipt.code.as_ref().map(ReceiptCode::key), ":description": description},
                    |row| row.get(0),
                )?,
        };
        self.found(id);
        Ok(Some(id))
    }

    fn find(&mut self, code: Option<&str>, description: Option<&str>) -> Option<i64> {
        self.content.clear();
        for part in [code, description] {
            if let Some(part) = part {
                self.content.push('=');
                self.content.push_str(part);
            }
            self.content.push('\0');
        }
        self.known.get(&self.content).copied()
    }

    /// Remembers the row of what was looked for last.
    fn found(&mut self, id: i64) {
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        self.known.insert(self.content.clone(), id);
    }

    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// The two statements of a usual receipt: looked up once a transaction.
pub(super) struct Usual<'c> {
    conn: &'c Connection,
    first: Option<CachedStatement<'c>>,
    append: Option<CachedStatement<'c>>,
}

impl<'c> Usual<'c> {
    pub fn new(conn: &'c Connection) -> Self {
        Self { conn, first: None, append: None }
    }

    /// Sets what a destination's first receipt says, where it has none yet: `said`, receipt, batch, number.
    fn first(&mut self) -> rusqlite::Result<&mut CachedStatement<'c>> {
        let sql = "update destination set said = ?1, first_receipt = ?2 where batch = ?3 and number = ?4 and first_receipt is null";
        prepared(self.conn, &mut self.first, sql)
    }

    /// Appends to the log.
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

/// What the writer remembers from one transaction to the next, to record without reading.
#[derive(Default)]
pub(super) struct Recorder {
    /// The counters of batches that got receipts of late.
    pub counters: Counters,
    /// `receipt_info` rows by content.
    pub infos: Infos,
    /// The id of the next receipt.
    pub next_receipt: i64,
    /// Whether any number was ever forgotten.
    pub any_forgotten: bool,
}

impl Recorder {
    /// What it has to know at the start.
    pub fn new(conn: &Connection) -> rusqlite::Result<Self> {
        let last: Option<i64> =
            conn.query_row("select max(pruned_receipt, coalesce((select max(id) from receipt), 0)) from instance", [], |row| row.get(0))?;
        let any_forgotten = conn.query_row("select exists (select 1 from forgotten)", [], |row| row.get(0))?;
        Ok(Self { next_receipt: last.unwrap_or(0) + 1, any_forgotten, ..Self::default() })
    }

    /// What is left of it when a transaction did not happen.
    #[must_use]
    pub fn undone(&self) -> Self {
        Self { next_receipt: self.next_receipt, any_forgotten: self.any_forgotten, ..Self::default() }
    }

    /// Records what came, item by item; what cannot be recorded is set aside.
    pub fn record(
        &mut self,
        tx: &Tx<'_>,
        usual: &mut Usual<'_>,
        incoming: &Incoming,
        bounds: QuarantineBounds,
    ) -> Result<Recorded, JobError> {
        let mut done = Recorded::default();
        if self.counters.load(tx, incoming.batch)?.is_none() {
            if !is_pruned(tx.conn, incoming.batch)? {
                done.quarantined.push(set_aside(tx, bounds, incoming.batch, "there is no such batch in this database", &incoming.body)?);
            }
            return Ok(done);
        }
        for item in &incoming.items {
            match item {
                Item::Understood(receipt) => match self.record_one(tx, usual, incoming, receipt)? {
                    Verdict::New(outcome) => {
                        done.recorded += 1;
                        done.outcomes.push(outcome);
                    }
                    Verdict::Duplicate => done.duplicates += 1,
                    Verdict::Excess(reason) => {
                        let body = receipt.body.clone().unwrap_or_else(|| receipt.to_callback().into_bytes());
                        done.quarantined.push(set_aside(tx, bounds, incoming.batch, reason, &body)?);
                    }
                },
                Item::NotUnderstood { reason, at } => {
                    let body = incoming.body.get(at.clone()).unwrap_or(&incoming.body);
                    done.quarantined.push(set_aside(tx, bounds, incoming.batch, reason, body)?);
                }
            }
        }
        Ok(done)
    }

    fn record_one(&mut self, tx: &Tx<'_>, usual: &mut Usual<'_>, incoming: &Incoming, receipt: &Receipt) -> Result<Verdict, JobError> {
        let Some(tally) = self.counters.load(tx, incoming.batch)? else { return Ok(Verdict::Duplicate) }; // it was there just now
        let blanked = if self.any_forgotten { without_number(tx, tally.batch, receipt)? } else { None };
        let receipt = blanked.as_ref().unwrap_or(receipt);
        let info = self.infos.of(tx.conn, receipt)?;
        let entry = LogEntry { id: self.next_receipt, uuid: incoming.batch, source: incoming.source, info, receipt, tally };

        // The usual case first: nothing was said of this destination so far.
        let mut number = key(receipt.destination);
        let says = said_number(Said::Nothing.after(receipt.delivered));
        let verdict = if usual.first()?.execute((says, entry.id, entry.tally.batch, number))? == 1 {
            entry.tally.now.delivered += i64::from(receipt.delivered);
            entry.tally.now.failed += i64::from(!receipt.delivered);
            entry.append(tx, usual, number, false, Outcome::Applied)?
        } else {
            // A batch that came after a number was forgotten has the number itself.
            if self.any_forgotten && !has_destination(tx.conn, entry.tally.batch, number)? {
                number = stand_in(tx.conn, &tx.identity(), receipt.destination)?.unwrap_or(number);
            }
            entry.not_the_first(tx, usual, number)?
        };
        self.next_receipt += i64::from(matches!(verdict, Verdict::New(_)));
        Ok(verdict)
    }
}

enum Verdict {
    New(Outcome),
    Duplicate,
    /// More than a provider in its senses sends; why.
    Excess(&'static str),
}

/// A receipt on its way into the log.
struct LogEntry<'a> {
    id: i64,
    uuid: BatchId,
    source: Source,
    info: Option<i64>,
    receipt: &'a Receipt,
    tally: &'a mut Tally,
}

impl LogEntry<'_> {
    /// The destination has receipts already, or was forgotten, or is not one of the batch's.
    fn not_the_first(self, tx: &Tx<'_>, usual: &mut Usual<'_>, number: i64) -> Result<Verdict, JobError> {
        let conn = tx.conn;
        let known: Option<(i64, Option<i64>)> = conn
            .prepare_cached("select said, first_receipt from destination where batch = :batch and number = :number")?
            .query_row(named_params! {":batch": self.tally.batch, ":number": number}, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let first_receipt = known.and_then(|(_, first)| first);
        let said = known.map_or(Said::Nothing, |(said, _)| said_of(said));
        let next = said.after(self.receipt.delivered);
        if self.is_known(conn, number, first_receipt)? || (self.source == Source::Poll && next == said) {
            return Ok(Verdict::Duplicate);
        }
        let others: i64 = conn
            .prepare_cached("select count(*) from receipt where again = 1 and batch = :batch and number = :number")?
            .query_row(named_params! {":batch": self.tally.batch, ":number": number}, |row| row.get(0))?;
        if others + i64::from(first_receipt.is_some()) >= RECEIPTS_PER_DESTINATION {
            return Ok(Verdict::Excess("the destination has 1,000 distinct receipts already"));
        }
        if known.is_none() {
            // Of made-up numbers there is no end: whoever knows a callback URL must not fill the disk with them.
            let counted = self.tally.now;
            if counted.receipts - counted.delivered - counted.failed >= UNEXPECTED_PER_BATCH + self.tally.total {
                return Ok(Verdict::Excess("the batch has 10,000 receipts for numbers that it does not have already"));
            }
            return self.append(tx, usual, number, true, Outcome::UnexpectedDestination);
        }
        let is_first = first_receipt.is_none(); // of a number that was forgotten since
        if next != said {
            conn.prepare_cached(
                "update destination set said = :says, first_receipt = coalesce(first_receipt, :receipt)
                 where batch = :batch and number = :number",
            )?
            .execute(named_params! {":says": said_number(next), ":receipt": self.id, ":batch": self.tally.batch, ":number": number})?;
            self.tally.now.delivered += i64::from(next == Said::Delivered);
            self.tally.now.failed += i64::from(next == Said::Failed) - i64::from(said == Said::Failed);
            return self.append(tx, usual, number, !is_first, Outcome::Applied);
        }
        if said == Said::Delivered && !self.receipt.delivered {
            let before: bool = conn
                .prepare_cached(
                    "select exists (select 1 from receipt where again = 1 and batch = :batch and number = :number and outcome = 2)",
                )?
                .query_row(named_params! {":batch": self.tally.batch, ":number": number}, |row| row.get(0))?;
            self.tally.now.conflict += i64::from(!before);
            return self.append(tx, usual, number, true, Outcome::Conflict);
        }
        self.append(tx, usual, number, true, Outcome::Repeated)
    }

    /// Whether the same was recorded before: `delivered`, code (as a number) and message id.
    fn is_known(&self, conn: &Connection, number: i64, first: Option<i64>) -> rusqlite::Result<bool> {
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
                ":first": first, ":batch": self.tally.batch, ":number": number, ":delivered": self.receipt.delivered,
                ":message": self.receipt.message_id.as_ref().map(AsIdentifier),
                ":code": self.receipt.code.as_ref().map(ReceiptCode::key),
            },
            |row| row.get(0),
        )
    }

    fn append(self, tx: &Tx<'_>, usual: &mut Usual<'_>, number: i64, again: bool, outcome: Outcome) -> Result<Verdict, JobError> {
        let Self { id, uuid, source, info, receipt, tally } = self;
        let named = receipt.batchuuid.as_ref().map(AsIdentifier);
        let batchuuid: Option<&dyn rusqlite::ToSql> = match &named {
            Some(AsIdentifier(Identifier::Uuid(named))) if named == uuid.as_uuid() => Some(&1i64),
            Some(named) => Some(named),
            None => None,
        };
        usual.append()?.execute((
            id,
            tally.batch,
            number,
            tx.now.as_millis(),
            again,
            receipt.delivered,
            source_number(source),
            outcome_number(outcome),
            info,
            receipt.message_id.as_ref().map(AsIdentifier),
            batchuuid,
        ))?;
        if let Some(body) = receipt.body.as_deref().filter(|_| number >= 0) {
            tx.conn
                // As text, whether or not it is UTF-8: a text of SQLite's holds any bytes.
                .prepare_cached("insert into receipt_body (receipt, body) values (:id, cast(:body as text))")?
                .execute(named_params! {":id": id, ":body": body})?;
        }
        tally.now.receipts += 1;
        // A callback is in nobody's hands but the provider's; to a question it may tell of somebody else's batch.
        tally.is_proved |= source != Source::Poll || outcome != Outcome::UnexpectedDestination;
        tally.first_receipt.get_or_insert(id);
        tally.last_receipt = Some(id);
        if let (false, None, Some(identifier)) = (tally.is_named, &tally.learned, &receipt.batchuuid) {
            tally.learned = Some(identifier.to_string());
        }
        Ok(Verdict::New(outcome))
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
