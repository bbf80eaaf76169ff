//! What a folder must hold after the power was cut: all that was said before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;

use receiptd::clock::Clock;
use receiptd::config::{Config, Sources};
use receiptd::domain::{BatchId, Content, Msisdn, NewBatch};
use receiptd::serve::{self, Listeners};
use receiptd::store::{Enqueued, Store, check_file};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::load::{Receipt, Recorded, Request, Said};
use crate::support::{KEY, NOBODY};

/// All that was said before a cut.
#[derive(Default)]
pub struct Before {
    batches: BTreeMap<String, i64>,
    receipts: BTreeSet<(String, Receipt)>,
    unreadable: i64,
    pub handed_over: BTreeMap<String, String>,
    is_paused: bool,
    copies: Vec<&'static str>,
    forgotten: Vec<String>,
}

impl Before {
    /// The cut comes before this record.
    pub fn new(recorded: &Recorded, cut: usize) -> Self {
        let mut before = Self::default();
        for (_, said) in recorded.said.iter().take_while(|(at, _)| *at < cut) {
            match said.clone() {
                // Whoever starts it goes on with it.
                Said::Started => before.is_paused = false,
                Said::HandedOver { batch, token } => drop(before.handed_over.insert(batch, token)),
                Said::Done(request) => before.note(request, recorded),
            }
        }
        before
    }

    fn note(&mut self, request: Request, recorded: &Recorded) {
        match request {
            Request::Submit { batch, numbers } => drop(self.batches.insert(batch, numbers)),
            Request::Receipts { batch, receipts } => {
                let receipts = receipts.into_iter().filter(|(number, ..)| !recorded.forgotten.contains(number));
                self.receipts.extend(receipts.map(|receipt| (batch.clone(), receipt)));
            }
            Request::Unreadable => self.unreadable += 1,
            Request::Pause => self.is_paused = true,
            Request::Backup { name } => self.copies.push(name),
            Request::Forget => self.forgotten.extend(recorded.forgotten.iter().cloned()),
            Request::Look | Request::Rotate | Request::Resume | Request::Prune => {}
        }
    }

    /// Starts on the folder, and compares.
    ///
    /// # Errors
    /// What is not as it was said.
    pub async fn holds(&self, folder: &Path) -> Result<(), String> {
        let raised = identity(folder)?;
        if raised < self.handed_over.len() {
            return Err(format!("{} batches were handed over, and the identity file knows of {raised}", self.handed_over.len()));
        }
        for copy in &self.copies {
            whole_copy(&folder.join(copy))?;
        }
        let env = [("PUBLIC_URL", "http://127.0.0.1:1"), ("PROVIDER__BASE_URL", &format!("http://{NOBODY}")), ("PROVIDER__KEY", KEY)];
        let env = env.iter().map(|(key, value)| (format!("RECEIPTD_{key}"), (*value).to_owned())).collect();
        let config = Config::load(&Sources { env, cwd: folder.to_owned(), ..Sources::default() });
        let config = config.and_then(|loaded| loaded.for_daemon()).expect("a configuration");
        let listener = || TcpListener::bind("127.0.0.1:0").ok();
        let bound = serve::bind(config, Clock::system(), Listeners { public: listener(), private: listener() })
            .map_err(|error| format!("it does not start: {error}"))?;
        let outcome = self.is_in(bound.store()).await;
        bound.store().close();
        outcome
    }

    async fn is_in(&self, store: &Store) -> Result<(), String> {
        let secrets = store.callback_secrets().ok_or("no secret")?;
        for (batch, token) in &self.handed_over {
            if !secrets.verify(batch.parse().expect("an id"), token) {
                return Err(format!("the callback of batch {batch}, which was handed over, is refused"));
            }
        }
        let problems = store.check().await.map_err(|error| error.to_string())?;
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        if self.is_paused && !store.is_paused().await.map_err(|error| error.to_string())? {
            return Err("it was paused".to_owned());
        }
        self.is_on_file(store.path()).map_err(|error| error.to_string())??;
        // Whoever asks for a batch again must not have it sent again, pruned as it may be.
        for batch in self.batches.keys() {
            let again = store.enqueue(empty(batch.parse().expect("an id"))).await.map_err(|error| error.to_string())?;
            if matches!(again, Enqueued::New(_)) {
                return Err(format!("batch {batch} was accepted, and would be accepted again"));
            }
        }
        Ok(())
    }

    fn is_on_file(&self, path: &Path) -> rusqlite::Result<Result<(), String>> {
        let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let states: BTreeMap<String, (String, i64)> = file
            .prepare("select batch, state, total from batch_summary")?
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
            .collect::<rusqlite::Result<_>>()?;
        let pruned: BTreeSet<String> =
            file.prepare("select uuid from pruned")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for (batch, numbers) in self.batches.iter().filter(|(batch, _)| !pruned.contains(*batch)) {
            if states.get(batch).is_none_or(|(_, total)| total != numbers) {
                return Ok(Err(format!("batch {batch} was accepted with {numbers} numbers, and is {:?}", states.get(batch))));
            }
        }
        for batch in self.handed_over.keys().filter(|batch| !pruned.contains(*batch)) {
            if states.get(batch).is_none_or(|(state, _)| ["queued", "submitting"].contains(&state.as_str())) {
                return Ok(Err(format!("batch {batch} was handed over, and is {:?}", states.get(batch))));
            }
        }
        let held: i64 = file.query_row("select count(*) from batch where last_error ->> 'kind' = 'held'", [], |row| row.get(0))?;
        if held > 0 {
            return Ok(Err(format!("{held} batches are held, as in an older copy")));
        }
        let receipts: BTreeSet<(String, (String, bool, String))> = file
            .prepare("select batch, destination, delivered, code from receipt_log")?
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
            .collect::<rusqlite::Result<_>>()?;
        for (batch, (number, delivered, code)) in self.receipts.iter().filter(|(batch, _)| !pruned.contains(batch)) {
            if !receipts.contains(&(batch.clone(), (number.clone(), *delivered, (*code).to_owned()))) {
                return Ok(Err(format!("a receipt for {number} of batch {batch} was acknowledged, and is gone")));
            }
        }
        let unreadable: i64 = file.query_row("select count(*) from quarantine", [], |row| row.get(0))?;
        if unreadable < self.unreadable {
            return Ok(Err(format!("{} callbacks were kept, and {unreadable} are there", self.unreadable)));
        }
        for number in &self.forgotten {
            let digits: i64 = number[1..].parse().expect("a number");
            let found: i64 = file.query_row("select count(*) from destination where number = ?1", [digits], |row| row.get(0))?;
            if found > 0 {
                return Ok(Err("a number is back that was forgotten".to_owned()));
            }
        }
        Ok(Ok(()))
    }
}

/// How many submissions the identity file knows of.
fn identity(folder: &Path) -> Result<usize, String> {
    let Ok(text) = std::fs::read(folder.join("receiptd.db.identity")) else { return Ok(0) };
    let identity: Value = serde_json::from_slice(&text).map_err(|error| format!("the identity file: {error}"))?;
    Ok(identity["submissions"].as_u64().and_then(|raised| usize::try_from(raised).ok()).unwrap_or(0))
}

/// A copy that was made is whole, with its identity, and known as a copy.
fn whole_copy(copy: &Path) -> Result<(), String> {
    let problems = check_file(copy).map_err(|error| format!("a copy that was made: {error}"))?;
    if !problems.is_empty() {
        return Err(format!("a copy that was made: {}", problems.join("\n")));
    }
    let is_copy = Connection::open(copy).and_then(|file| file.query_row("select is_copy from instance", [], |row| row.get(0)));
    if is_copy != Ok(true) {
        return Err(format!("a copy that was made is not marked as one: {is_copy:?}"));
    }
    let identity = copy.with_extension("db.identity");
    let whole = std::fs::read(&identity).is_ok_and(|text| serde_json::from_slice::<Value>(&text).is_ok());
    if whole { Ok(()) } else { Err("a copy that was made has no identity".to_owned()) }
}

/// Under this id, with other content than any batch has.
fn empty(id: BatchId) -> NewBatch {
    let content = Content {
        from: "mplus".into(),
        message: "not what was asked for".into(),
        parts: 1,
        channel: None,
        fallback_channels: Vec::new(),
        send_at: None,
        allow_multi: false,
        dry_run: false,
    };
    let destinations = vec![Msisdn::from_digits(447_700_900_001).expect("a number")];
    NewBatch { id, group: None, resend_of: None, reference: None, content, destinations, merged: 0 }
}
