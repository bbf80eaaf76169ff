//! `watch`, and the waiting of `send --wait`.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use clap::Args;
use tokio::sync::Notify;

use super::output::{count, grouped, is_watched, plain, say};
use super::subject::{Subject, say_what_holds_up};
use super::values::IdArgs;
use super::{Failure, Session, progress};
use crate::api::{Batch, BatchId, BatchState, Counts};
use crate::client::Client;

/// The interval of checking a batch that waits for the provider, because these states cause no receipt.
const PAUSE: Duration = Duration::from_secs(1);
/// The interval once only receipts are awaited. Receipts trigger a check by themselves; this is for a batch that
/// expires, or that somebody decides about.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// Receipts within this time cause a single check.
const BREATH: Duration = Duration::from_millis(500);
/// How long to wait for a daemon that is restarted meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
/// A receipt may still settle an unconfirmed batch; after this time it counts as the result.
const UNCONFIRMED_PATIENCE: Duration = Duration::from_secs(15);

/// Examples of `receiptd watch`.
pub const EXAMPLES: &str = "Examples:
  receiptd watch 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11
  receiptd watch 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11 --json

It follows the live stream of receipts, and survives a restart of the daemon of up to 30 seconds. With --json it prints the batch or the \
group once, when it has ended; to get each receipt as it arrives, read GET /v1/receipts with `Accept: text/event-stream`.";

/// `receiptd watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    subject: IdArgs,
}

/// `receiptd watch`
pub async fn run(session: &Session, args: WatchArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let subject = Subject::find(&client, args.subject.id.find(&client).await?).await?;
    say_what_holds_up(&client, subject.batches()).await;
    wait(session, &client, subject).await
}

/// Follows a batch or a group to its end, shows the result, and fails if it ended badly. Ctrl-C only ends the
/// following.
pub(super) async fn wait(session: &Session, client: &Client, subject: Subject) -> Result<(), Failure> {
    let id = subject.id();
    let subject = tokio::select! {
        settled = until_settled(client, subject) => settled?,
        Ok(()) = tokio::signal::ctrl_c() => {
            return Err(Failure::Interrupted(format!("Sending goes on without this command. Follow it with: receiptd watch {id}")));
        }
    };
    subject.show(session, client).await?;
    verdict(subject.batches())
}

async fn until_settled(client: &Client, mut subject: Subject) -> Result<Subject, Failure> {
    let bell = Rc::new(Notify::new());
    let following = rt::spawn(follow(client.clone(), subject.clone(), bell.clone()));
    let settled = look_on(client, &mut subject, &bell).await;
    following.abort();
    settled.map(|()| subject)
}

/// Rings the bell at every receipt, across restarts of the daemon.
async fn follow(client: Client, subject: Subject, bell: Rc<Notify>) {
    let ours: Vec<BatchId> = subject.batches().iter().map(|batch| batch.id).collect();
    let one = if let [id] = ours[..] { Some(id) } else { None };
    let mut last = None;
    loop {
        let ended = client
            .follow(one, last, |receipt| match receipt {
                Some(receipt) => {
                    last = Some(receipt.id);
                    if ours.contains(&receipt.batch) {
                        bell.notify_one();
                    }
                }
                // Just connected: something may have happened before.
                None => bell.notify_one(),
            })
            .await;
        if ended.is_err_and(|error| !error.may_pass()) {
            return; // the caller meets the same error and reports it
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Checks the batch whenever the stream reports a receipt: the stream says when, the batch says what is true.
async fn look_on(client: &Client, subject: &mut Subject, bell: &Notify) -> Result<(), Failure> {
    let settled = |counts: Counts| counts.total.saturating_sub(counts.pending());
    let bar = progress::waiting(subject.counts().total, settled(subject.counts()));
    let (mut unconfirmed_since, mut silent_since): (Option<Instant>, Option<Instant>) = (None, None);
    let mut told = String::new();
    loop {
        let line = state_line(subject);
        let counts = subject.counts();
        bar.set_length(counts.total);
        bar.set_position(settled(counts));
        bar.set_message(line.clone());
        if line != told && !is_watched() {
            say(&line);
        }
        told = line;
        match waiting_for(subject.batches()) {
            WaitingFor::Nothing => break,
            WaitingFor::Clearing if unconfirmed_since.get_or_insert_with(Instant::now).elapsed() > UNCONFIRMED_PATIENCE => break,
            WaitingFor::Clearing => {}
            WaitingFor::Receipts => unconfirmed_since = None,
        }
        let handed_over = subject.batches().iter().all(|batch| batch.state.is_settled() || batch.state == BatchState::Submitted);
        let pause = if handed_over && silent_since.is_none() { LONG_PAUSE } else { PAUSE };
        tokio::select! {
            () = bell.notified() => tokio::time::sleep(BREATH).await,
            () = tokio::time::sleep(pause) => {}
        }
        match subject.again(client).await {
            Ok(now) => (*subject, silent_since) = (now, None),
            Err(error) if error.may_pass() && silent_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE => {}
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitingFor {
    Receipts,
    /// Whether everything else is settled and something is unconfirmed.
    Clearing,
    Nothing,
}

fn waiting_for(batches: &[Batch]) -> WaitingFor {
    let open = || batches.iter().filter(|batch| !batch.state.is_settled());
    if open().next().is_none() {
        WaitingFor::Nothing
    } else if open().all(|batch| batch.state == BatchState::Unconfirmed) {
        WaitingFor::Clearing
    } else {
        WaitingFor::Receipts
    }
}

fn state_line(subject: &Subject) -> String {
    let counts = subject.counts();
    let state = match subject {
        Subject::Batch(batch) => batch.state.to_string(),
        Subject::Group(group) => {
            let settled = group.batches.iter().filter(|batch| batch.state.is_settled()).count();
            format!("{settled} of {} settled", count(group.batches.len() as u64, "batch", "batches"))
        }
    };
    let of = [("delivered", counts.delivered), ("failed", counts.failed), ("expired", counts.expired), ("pending", counts.pending())];
    let of: Vec<_> = of.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} {name}", grouped(*n))).collect();
    std::iter::once(state).chain(of).collect::<Vec<_>>().join(", ")
}

/// The worst result of any of the batches.
fn verdict(batches: &[Batch]) -> Result<(), Failure> {
    let first = |state| batches.iter().find(|batch| batch.state == state);
    if let Some(batch) = first(BatchState::Rejected) {
        let why = batch.last_error.as_ref().map(|error| format!(": {}", plain(&error.detail))).unwrap_or_default();
        return Err(Failure::Refused(format!("batch {} was rejected{why}", batch.id)));
    }
    if let Some(batch) = first(BatchState::Unconfirmed) {
        return Err(Failure::Failed(format!(
            "batch {id} is unconfirmed: the provider may or may not have it. A receipt settles it; \
             otherwise check the provider's console, and decide with `receiptd resolve {id} --as …`",
            id = batch.id
        )));
    }
    match first(BatchState::Cancelled) {
        Some(batch) => Err(Failure::Failed(format!("batch {} was cancelled", batch.id))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(state: BatchState) -> Batch {
        let json = serde_json::json!({
            "id": BatchId::random(), "provider_id": null, "group": null, "resend_of": null, "reference": null, "state": state,
            "from": "me", "message": "hello", "parts": 1, "channel": null, "fallback_channels": [], "send_at": null,
            "allow_multi": false, "dry_run": false, "counts": {"total": 1}, "attempts": 0, "last_error": null,
            "created_at": "2026-01-01T09:00:00.000Z", "submitted_at": null, "completed_at": null
        });
        serde_json::from_value(json).expect("a batch")
    }

    fn batches(states: &[BatchState]) -> Vec<Batch> {
        states.iter().copied().map(batch).collect()
    }

    #[test]
    fn the_worst_batch_decides_the_exit_code() {
        use BatchState::{Cancelled, Complete, Rejected, Unconfirmed, Validated};
        let code = |states: &[BatchState]| verdict(&batches(states)).err().map(|failure| failure.exit_code());
        assert_eq!(code(&[Complete, Validated]), None);
        assert_eq!(code(&[Complete, Rejected, Unconfirmed]), Some(5));
        assert_eq!(code(&[Complete, Unconfirmed]), Some(1));
        assert_eq!(code(&[Complete, Cancelled]), Some(1));
    }

    #[test]
    fn what_is_unconfirmed_is_not_waited_for_for_ever() {
        use BatchState::{Complete, Submitted, Unconfirmed};
        assert_eq!(waiting_for(&batches(&[Complete])), WaitingFor::Nothing);
        assert_eq!(waiting_for(&batches(&[Complete, Unconfirmed])), WaitingFor::Clearing);
        assert_eq!(waiting_for(&batches(&[Submitted, Unconfirmed])), WaitingFor::Receipts);
    }
}
