//! Checking that the file is intact and that all counters agree: SQLite's own check, and our invariants.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::handle::Sqlite;
use super::lock::take_lock;
use crate::store::error::{OpenError, StoreError};

/// Each query finds rows that must not exist, and returns a message for each.
const INVARIANTS: &[&str] = &[
    "select 'batch ' || b.uuid || ': its counters are missing' from batch b left join batch_count n on n.batch = b.id where n.batch is null",
    "select 'batch ' || b.uuid || ': ' || n.total || ' destinations by its counter, ' || count(d.number) || ' in the table'
     from batch b join batch_count n on n.batch = b.id left join destination d on d.batch = b.id
     group by b.id having n.total <> count(d.number)",
    "select 'batch ' || b.uuid || ': ' || n.delivered || ' delivered and ' || n.failed || ' failed by its counters, '
         || ifnull(sum(d.said = 2), 0) || ' and ' || ifnull(sum(d.said = 1), 0) || ' in the table'
     from batch b join batch_count n on n.batch = b.id left join destination d on d.batch = b.id group by b.id
     having n.delivered <> ifnull(sum(d.said = 2), 0) or n.failed <> ifnull(sum(d.said = 1), 0)",
    "select 'batch ' || b.uuid || ': ' || n.receipts || ' receipts by its counter, ' || ifnull(r.found, 0) || ' in the log'
     from batch b join batch_count n on n.batch = b.id
     left join (select batch, count(*) as found from receipt group by batch) r on r.batch = b.id
     where n.receipts <> ifnull(r.found, 0)",
    "select 'batch ' || b.uuid || ': its receipts ' || r.first || ' to ' || r.last || ' are not between the two that its counters name'
     from batch b join batch_count n on n.batch = b.id
     join (select batch, min(id) as first, max(id) as last from receipt group by batch) r on r.batch = b.id
     where ifnull(n.first_receipt > r.first, 1) or ifnull(n.last_receipt < r.last, 1)",
    "select 'batch ' || b.uuid || ': ' || n.conflict || ' conflicts by its counter, ' || ifnull(r.found, 0) || ' in the log'
     from batch b join batch_count n on n.batch = b.id
     left join (select batch, count(distinct number) as found from receipt where outcome = 2 group by batch) r on r.batch = b.id
     where n.conflict <> ifnull(r.found, 0)",
    "select 'batch ' || uuid || ': is ' || state || ', but completed_at contradicts that' from batch
     where (completed_at is not null) <> (state in ('complete', 'rejected', 'cancelled', 'validated'))",
    "select 'batch ' || uuid || ': is submitted, but every destination is final'
     from batch join batch_count on batch = id where state = 'submitted' and delivered + failed >= total",
    // The stored state must be the fold of the receipts.
    "select 'batch ' || b.uuid || ': a destination ending in ' || substr(d.number, -3) || ' is in a state that its receipts do not say'
     from batch b join destination d on d.batch = b.id left join receipt f on f.id = d.first_receipt
     where d.said <> max(
         case when f.id is null then 0 when f.delivered = 1 then 2 else 1 end,
         ifnull((select max(case when a.delivered = 1 then 2 else 1 end) from receipt a
             where a.again = 1 and a.batch = d.batch and a.number = d.number and a.outcome <> 3), 0))",
    "select 'batch ' || b.uuid || ': the first receipt of a destination ending in ' || substr(d.number, -3) || ' is missing or another''s'
     from batch b join destination d on d.batch = b.id left join receipt f on f.id = d.first_receipt
     where d.first_receipt is not null and (f.id is null or f.batch <> d.batch or f.number <> d.number or f.again <> 0)",
    "select 'destinations of key ' || d.batch || ': belong to no batch' from (select distinct batch from destination) d
     where d.batch not in (select id from batch union all select batch from arriving)",
    "select 'batch ' || b.uuid || ': is still marked as arriving' from arriving join batch b on b.id = arriving.batch",
    "select 'receipt ' || r.id || ': belongs to no batch' from receipt r left join batch b on b.id = r.batch where b.id is null",
    "select 'receipt ' || r.id || ': is the first of a destination that does not refer to it'
     from receipt r left join destination d on d.batch = r.batch and d.number = r.number and d.first_receipt = r.id
     where r.again = 0 and d.batch is null",
    "select 'receipt ' || r.id || ': its code is missing' from receipt r left join receipt_info i on i.id = r.info
     where r.info is not null and i.id is null",
    "select 'the totals of ' || t.state || ' batches do not add up'
     from tally t left join batch b on b.state = t.state left join batch_count n on n.batch = b.id group by t.state
     having t.batches <> count(b.id) or t.total <> ifnull(sum(n.total), 0) or t.delivered <> ifnull(sum(n.delivered), 0)
         or t.failed <> ifnull(sum(n.failed), 0) or t.conflict <> ifnull(sum(n.conflict), 0) or t.receipts <> ifnull(sum(n.receipts), 0)",
    "select 'the totals of ' || t.state || ' quarantined callbacks do not add up'
     from quarantine_tally t left join quarantine q on q.state = t.state group by t.state
     having t.items <> count(q.id) or t.bytes <> ifnull(sum(length(q.body)), 0)",
];

/// The number of problems of each kind that are listed; the rest is only counted.
const NAMED: usize = 20;

pub(super) async fn check(db: &Sqlite) -> Result<Vec<String>, StoreError> {
    db.read(problems).await
}

/// Checks a file that no daemon has open.
///
/// # Errors
/// If a daemon has it open, or if it cannot be opened.
pub fn check_file(path: &Path) -> Result<Vec<String>, OpenError> {
    let path = path.canonicalize().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let _lock = take_lock(&path)?;
    let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(problems(&conn)?)
}

fn problems(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let snapshot = conn.unchecked_transaction()?;
    let mut problems: Vec<String> = Vec::new();
    let mut integrity = conn.prepare("pragma integrity_check(20)")?;
    for line in integrity.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            problems.push(format!("SQLite: {line}"));
        }
    }
    if problems.is_empty() {
        for query in INVARIANTS {
            let mut statement = conn.prepare(query)?;
            let mut more = 0usize;
            let mut named = 0usize;
            for line in statement.query_map([], |row| row.get::<_, String>(0))? {
                let line = line?;
                if named < NAMED {
                    problems.push(line);
                    named += 1;
                } else {
                    more += 1;
                }
            }
            if more > 0 {
                problems.push(format!("and {more} more of this kind"));
            }
        }
    }
    snapshot.rollback()?;
    Ok(problems)
}
