//! `demo`: the whole story in one process, through real sockets, with nothing to configure.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use actix_web::rt;
use clap::Args;
use serde::Serialize;
use tokio::sync::oneshot;

use super::output::{Output, grouped};
use super::screen::Tone;
use super::{Failure, Session, progress, tables};
use crate::api::{BatchRequest, MAX_LIMIT};
use crate::client::{Client, DestinationFilter, all_pages};
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::domain::{Batch, BatchId, BatchState, Counts, DestinationState};
use crate::serve::{self, Listeners};
use crate::simulator::{self, Profile, Span};

/// Destinations of the demo.
const DESTINATIONS: u64 = 1_000;
/// It is over well before this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// `receiptd demo`
#[derive(Debug, Args)]
pub struct DemoArgs {}

#[derive(Serialize)]
struct Told {
    batch: BatchId,
    counts: Counts,
    failed_by_code: Vec<(String, u64)>,
    receipts_per_second: u64,
    time_to_receipt_p50_ms: i64,
    time_to_receipt_p99_ms: i64,
    books_balance: bool,
    database: String,
}

/// `receiptd demo`
pub async fn run(session: &Session, _: DemoArgs) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let folder = std::env::temp_dir().join(format!("receiptd-demo-{}", BatchId::random()));
    std::fs::create_dir(&folder).map_err(|error| failed(&error))?;
    let profile = Profile { failing: 0.08, duplicate: 0.02, early: 0.05, delay: Span::millis(50, 1_500), ..Profile::calm() };
    let settings = simulator::Settings { profile, ..simulator::Settings::default() };
    let key = settings.key.clone();
    let provider = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).map_err(|error| failed(&error))?;
    let public = TcpListener::bind("127.0.0.1:0").map_err(|error| failed(&error))?;
    let private = TcpListener::bind("127.0.0.1:0").map_err(|error| failed(&error))?;
    let public_url = format!("http://{}", public.local_addr().map_err(|error| failed(&error))?);
    let env = [("PUBLIC_URL", public_url), ("PROVIDER__BASE_URL", provider.url()), ("PROVIDER__KEY", key)];
    let env = env.into_iter().map(|(name, value)| (format!("RECEIPTD_{name}"), value)).collect();
    let sources = Sources { env, cwd: folder.clone(), ..Sources::default() };
    let config = Config::load(&sources)?.for_daemon()?;
    let bound = serve::bind(config, Clock::system(), Listeners { public: Some(public), private: Some(private) })?;
    let address = bound.private_address().map_err(|error| failed(&error))?;
    let client = Client::new(&format!("http://{address}"), bound.token().expose());
    let database = bound.store().path().display().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let daemon = rt::spawn(bound.run(async {
        let _ = stopped.await; // dropped: then it is over too
    }));
    session.output.text(&format!(
        "A provider (simulated, {}) and receiptd ({address}) are running in this process.\nSending one text to {} made-up numbers …",
        provider.url(),
        grouped(DESTINATIONS)
    ))?;
    let told = tell(&client, database).await;
    let _ = stop.send(()); // it has ended already: its own result tells
    daemon.await.map_err(|error| failed(&error))??;
    provider.stop();
    show(&session.output, &told?)
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

    let mut codes: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let mut waits = Vec::new();
    let filter = DestinationFilter { limit: Some(MAX_LIMIT), ..DestinationFilter::default() };
    let page = async |cursor| client.destinations(batch.id, &DestinationFilter { cursor, ..filter.clone() }).await;
    for one in all_pages(page).await? {
        if one.state == DestinationState::Failed {
            let code = one.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            let meaning = one.description.map_or_else(String::new, |text| format!(" {text}"));
            *codes.entry(format!("{code}{meaning}")).or_default() += 1;
        }
        waits.extend(one.first_receipt_at.map(|at| at.as_millis() - batch.created_at.as_millis()));
    }
    waits.sort_unstable();
    let share = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).copied().unwrap_or_default();
    let checked = client.check().await?;
    Ok(Told {
        batch: batch.id,
        counts: batch.counts,
        failed_by_code: codes.into_iter().collect(),
        receipts_per_second: (waits.len() as f64 / elapsed.as_secs_f64()) as u64,
        time_to_receipt_p50_ms: share(50),
        time_to_receipt_p99_ms: share(99),
        books_balance: checked.ok && batch.counts.settled() + batch.counts.expired == DESTINATIONS,
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
    output.show(told, |screen| {
        let failed: Vec<_> = told.failed_by_code.iter().map(|(code, number)| (format!("failed: {code}"), *number)).collect();
        let failed = failed.iter().map(|(code, number)| (code.as_str(), *number, Tone::Bad));
        let rows = [("delivered", told.counts.delivered, Tone::Good)].into_iter().chain(failed);
        let rows = rows.chain([("expired", told.counts.expired, Tone::Doubtful)]);
        format!(
            "{}\n{} receipts a second; time to receipt p50 {} ms, p99 {} ms (the simulator waits up to 1.5 s); the books {}.\n\n\
             The SQLite file is {}. Try:\n  \
             sqlite3 -readonly {5} \"select * from batch_summary\"\n  \
             sqlite3 -readonly {5} \"select * from failures_by_code\"\n  \
             sqlite3 -readonly {5} \"select * from receipt_log order by id desc limit 5\"",
            tables::counted(["outcome", "numbers"], rows, screen),
            told.receipts_per_second,
            told.time_to_receipt_p50_ms,
            told.time_to_receipt_p99_ms,
            if told.books_balance { "balance" } else { "do NOT balance" },
            told.database
        )
    })?;
    if told.books_balance { Ok(()) } else { Err(Failure::Failed("the books do not balance".into())) }
}
