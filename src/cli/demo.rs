//! `demo`: everything in one process, over real sockets, with nothing to configure.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actix_web::rt;
use clap::Args;
use serde::Serialize;
use tokio::sync::oneshot;

use super::failed_codes::{FailuresOfCode, failures_by_code};
use super::output::{Output, grouped};
use super::screen::Tone;
use super::serve::asked_to_stop;
use super::{Failure, Session, progress, tables};
use crate::api::{BatchRequest, MAX_LIMIT};
use crate::client::{Client, DestinationFilter, all_pages};
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::domain::{Batch, BatchId, BatchState, Counts};
use crate::durable;
use crate::serve::{self, Listeners};
use crate::simulator::{self, Code, Profile, Span};

/// The number of destinations in the demo.
const DESTINATIONS: u64 = 1_000;
/// The demo ends well before this, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Examples of `receiptd demo`.
pub const EXAMPLES: &str = "Examples:
  receiptd demo            to its end
  receiptd demo --keep     and stays, for other commands in another terminal";

/// `receiptd demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep daemon and sandbox running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[derive(Serialize)]
struct Told {
    batch: BatchId,
    counts: Counts,
    failures_by_code: Vec<FailuresOfCode>,
    receipts_per_second: u64,
    time_to_receipt_p50_ms: i64,
    time_to_receipt_p99_ms: i64,
    counters_agree: bool,
    database: String,
}

/// `receiptd demo`
pub async fn run(session: &Session, args: DemoArgs) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let folder = std::env::temp_dir().join(format!("receiptd-demo-{}", BatchId::random()));
    std::fs::create_dir(&folder).map_err(|error| failed(&error))?;
    let profile =
        Profile { failing: 0.08, duplicate: 0.02, early: 0.05, delay: Span::millis(50, 1_500), codes: codes(), ..Profile::calm() };
    let settings = simulator::Settings { profile, ..simulator::Settings::default() };
    let key = settings.key.clone();
    let provider = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).map_err(|error| failed(&error))?;
    let listeners = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0"));
    let [public, private] = listeners.map(|listener| listener.map_err(|error| failed(&error)));
    let (public, private) = (public?, private?);
    let file = write_configuration(&folder, &public, &private, &provider.url(), &key).map_err(|error| failed(&error))?;
    // Ignores the environment, which may belong to a real daemon.
    let config = Config::load(&Sources { file: Some(file.clone()), cwd: folder.clone(), ..Sources::default() })?.for_daemon()?;
    let bound = serve::bind(config, Clock::system(), Listeners { public: Some(public), private: Some(private) })?;
    let address = bound.private_address().map_err(|error| failed(&error))?;
    let client = Client::new(&format!("http://{address}"), bound.token().expose());
    let database = bound.store().path().display().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut daemon = rt::spawn(bound.run(async {
        let _ = stopped.await; // fails if the sender was dropped, which also means the end
    }));
    let interrupted = asked_to_stop()?;
    session.output.text(&format!(
        "A simulated provider ({}) and receiptd ({address}) are running in this process.\nSending one text to {} made-up numbers …",
        provider.url(),
        grouped(DESTINATIONS)
    ))?;
    let told = tell(&client, database).await;
    let shown = told.and_then(|told| show(&session.output, &told));
    if args.keep && shown.is_ok() {
        stay(&session.output, &file)?;
        tokio::select! {
            () = interrupted => {}
            ended = &mut daemon => return ended.map_err(|error| failed(&error))?.map_err(Into::into),
        }
    }
    let _ = stop.send(()); // fails if it has ended already; its result says why
    daemon.await.map_err(|error| failed(&error))??;
    provider.stop();
    shown?;
    session.output.text(&format!("\nAll of it is in {0}; delete it with: rm -r {0}", folder.display()))
}

/// Codes that are easy to understand, the most frequent first.
fn codes() -> Vec<Code> {
    let code = |(code, weight): (&str, u32)| Code { code: code.to_owned(), weight };
    [("22", 50), ("46", 25), ("45", 15), ("1", 10)].map(code).to_vec()
}

/// Writes the configuration, so that other commands find the daemon.
fn write_configuration(folder: &Path, public: &TcpListener, private: &TcpListener, provider: &str, key: &str) -> io::Result<PathBuf> {
    let (file, public, private) = (folder.join("receiptd.toml"), public.local_addr()?, private.local_addr()?);
    let text = format!(
        "public_url = \"http://{public}\"\n\n[callback]\nlisten = \"{public}\"\n\n[api]\nlisten = \"{private}\"\n\n\
         [provider]\nbase_url = \"{provider}\"\nkey_file = \"provider.key\"\n"
    );
    durable::create(&folder.join("provider.key"), key.as_bytes())?;
    durable::create(&file, text.as_bytes())?;
    Ok(file)
}

/// Says what can be done while the demo keeps running.
fn stay(output: &Output, file: &Path) -> Result<(), Failure> {
    let file = file.display();
    output.text(&format!(
        "\nDaemon and sandbox keep running until Ctrl-C. In another terminal, for instance:\n  \
         receiptd --config {file} batches\n  \
         receiptd --config {file} send --from ME --message Hello --to +447700900123 --wait"
    ))
}

async fn tell(client: &Client, database: String) -> Result<Told, Failure> {
    let request = BatchRequest {
        from: "demo".into(),
        message: "Hello from receiptd".into(),
        destinations: (0..DESTINATIONS).map(|n| format!("+447700{:06}", 900_000 + n)).collect(),
        id: Some(BatchId::random()),
        ..BatchRequest::default()
    };
    let started = Instant::now();
    let (batch, _) = client.submit(&request).await?;
    let batch = watch(client, &batch, started).await?;
    let elapsed = started.elapsed();

    let filter = DestinationFilter { limit: Some(MAX_LIMIT), ..DestinationFilter::default() };
    let page = async |cursor| client.destinations(batch.id, &DestinationFilter { cursor, ..filter.clone() }).await;
    let firsts = all_pages(page).await?.into_iter().filter_map(|one| one.first_receipt_at);
    let mut waits: Vec<i64> = firsts.map(|at| at.as_millis() - batch.created_at.as_millis()).collect();
    waits.sort_unstable();
    let share = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default();
    let checked = client.check().await?;
    Ok(Told {
        batch: batch.id,
        counts: batch.counts,
        failures_by_code: failures_by_code(client, std::slice::from_ref(&batch)).await?,
        receipts_per_second: (waits.len() as f64 / elapsed.as_secs_f64()) as u64,
        time_to_receipt_p50_ms: share(50),
        time_to_receipt_p99_ms: share(99),
        counters_agree: checked.ok && batch.counts.delivered + batch.counts.failed + batch.counts.expired == DESTINATIONS,
        database,
    })
}

async fn watch(client: &Client, batch: &Batch, started: Instant) -> Result<Batch, Failure> {
    let bar = progress::waiting(batch.counts.total, 0);
    loop {
        let now = client.batch(batch.id).await?;
        bar.set_position(now.counts.total - now.counts.pending());
        bar.set_message(format!("{} delivered, {} failed", now.counts.delivered, now.counts.failed));
        if now.state == BatchState::Complete {
            bar.finish_and_clear();
            return Ok(now);
        }
        if now.state.is_settled() || started.elapsed() > PATIENCE {
            return Err(Failure::Failed(format!("the batch is {} after {} seconds", now.state, started.elapsed().as_secs())));
        }
        rt::time::sleep(Duration::from_millis(50)).await;
    }
}

fn show(output: &Output, told: &Told) -> Result<(), Failure> {
    let failed = |of: &FailuresOfCode| {
        let code = of.code.as_deref().unwrap_or("none");
        let meaning = of.description.as_ref().map(|text| format!(", {text}")).unwrap_or_default();
        (format!("failed with code {code}{meaning}"), of.count)
    };
    output.show(told, |screen| {
        let failed: Vec<_> = told.failures_by_code.iter().map(failed).collect();
        let rows = [("delivered", told.counts.delivered, Tone::Good)].into_iter();
        let rows = rows.chain(failed.iter().map(|(code, number)| (code.as_str(), *number, Tone::Bad)));
        let rows = rows.chain([("expired", told.counts.expired, Tone::Doubtful)]);
        format!(
            "{}\n\n{} receipts a second; time to receipt p50 {} ms, p99 {} ms (the simulator waits up to 1.5 s); {}.\n\n\
             The SQLite file is {}. Try:\n  \
             sqlite3 -readonly {5} \"select * from batch_summary\"\n  \
             sqlite3 -readonly {5} \"select * from failures_by_code\"\n  \
             sqlite3 -readonly {5} \"select * from receipt_log order by id desc limit 5\"",
            tables::counted(["outcome", "numbers"], rows, screen),
            told.receipts_per_second,
            told.time_to_receipt_p50_ms,
            told.time_to_receipt_p99_ms,
            if told.counters_agree { "all counters agree" } else { "the counters do NOT agree" },
            told.database
        )
    })?;
    if told.counters_agree { Ok(()) } else { Err(Failure::Failed("the counters do not agree".into())) }
}
