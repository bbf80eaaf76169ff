//! Tests of every rule in every state, without a database.

use proptest::prelude::*;

use super::*;
use crate::domain::{BatchId, Channel, Counts};

/// An event in the life of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Claim { refused: bool },
    Release,
    HandedOver(Handover),
    Interrupted,
    Held,
    Proved { is_proof: bool, learned: bool },
    Polled(PollAnswer, Option<Timestamp>),
    Noted,
    Cancel,
    CancelledAtProvider,
    Resolve(Resolution),
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const NOW: i64 = 5_000;

fn error(kind: &str) -> LastError {
    LastError { at: at(NOW), kind: kind.into(), status: None, detail: String::new() }
}

/// The change that the event causes.
fn happens(batch: &Tracked, event: &Event, now: Timestamp) -> Option<Progress> {
    match event {
        Event::Claim { refused } => claim(batch, refused.then(|| error("too_late")), now).0,
        Event::Release => release(batch, now),
        Event::HandedOver(how) => handed_over(batch, how.clone(), now),
        Event::Interrupted => interrupted(batch, now),
        Event::Held => held(batch, "it is a backup", now),
        Event::Proved { is_proof, learned } => proved(batch, *is_proof, learned.then(|| Identifier::from("learned")).as_ref(), now),
        Event::Polled(answer, before) => Some(polled(batch, *answer, *before, now)),
        Event::Noted => Some(noted(batch, error("not_scheduled"))),
        Event::Cancel => cancel(batch, now).0,
        Event::CancelledAtProvider => cancelled_at_provider(batch, now),
        Event::Resolve(how) => resolve(batch, *how, now).0,
    }
}

fn handovers() -> [Handover; 4] {
    [
        Handover::Accepted(Identifier::from("answered")),
        Handover::NotTaken(error("timeout")),
        Handover::Rejected(error("refused")),
        Handover::Unconfirmed(error("closed")),
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![Event::Release, Event::Interrupted, Event::Held, Event::Noted, Event::Cancel, Event::CancelledAtProvider];
    events.extend([true, false].map(|refused| Event::Claim { refused }));
    events.extend(handovers().map(Event::HandedOver));
    for (is_proof, learned) in [(true, true), (true, false), (false, true), (false, false)] {
        events.push(Event::Proved { is_proof, learned });
    }
    for answer in [PollAnswer::Found, PollAnswer::Gone, PollAnswer::Nothing] {
        events.extend([None, Some(at(0)), Some(at(NOW + 9_000))].map(|before| Event::Polled(answer, before)));
    }
    events.extend([Resolution::Accepted, Resolution::Resubmit, Resolution::Abandoned].map(Event::Resolve));
    events
}

/// A batch that was queued at the time 1,000.
fn queued(send_at: Option<Timestamp>, dry_run: bool) -> Tracked {
    let batch = Batch {
        id: BatchId::random(),
        provider_id: None,
        group: None,
        resend_of: None,
        reference: None,
        state: BatchState::Queued,
        from: "Shop".into(),
        message: Some("Hello".into()),
        parts: 1,
        channel: Some(Channel::Sms),
        fallback_channels: Vec::new(),
        send_at,
        allow_multi: false,
        dry_run,
        counts: Counts::of(BatchState::Queued, 2, 0, 0, 0, 0),
        attempts: 0,
        last_error: None,
        created_at: at(1_000),
        submitted_at: None,
        completed_at: None,
    };
    Tracked { batch, receipts: 0, last_receipt_at: None, polls: Polls::default(), names: Names::default(), doubtful: false }
}

/// The batch as it is read after this change was written.
fn written(before: &Tracked, progress: &Progress, now: Timestamp) -> Tracked {
    let mut after = before.clone();
    let Counts { total, merged, delivered, failed, conflict, .. } = before.counts;
    after.batch.state = progress.state.at(before.send_at, now);
    after.batch.counts = Counts::of(after.batch.state, total, merged, delivered, failed, conflict);
    after.batch.provider_id = progress.names.shown().map(ToOwned::to_owned);
    after.names = progress.names.clone();
    after.doubtful = progress.doubtful;
    after.batch.attempts = progress.attempts;
    after.batch.last_error = progress.last_error.clone();
    after.batch.submitted_at = progress.submitted_at;
    after.batch.completed_at = progress.completed_at;
    after.polls = progress.polls;
    after
}

/// Batches in every state, in every variation that matters to a rule.
fn batches() -> Vec<Tracked> {
    let mut all = Vec::new();
    let counted = [(0, 0, 0), (0, 0, 1), (1, 0, 1), (0, 1, 2), (1, 1, 2), (2, 0, 3)];
    for state in BatchState::ALL.into_iter().filter(|state| *state != BatchState::Scheduled) {
        for send_at in [None, Some(at(2_000)), Some(at(9_000))] {
            for (delivered, failed, receipts) in counted {
                for (dry_run, attempts, name, doubtful) in [
                    (false, 0, None, false),
                    (false, 1, Some(true), false),
                    (true, 1, None, false),
                    (true, 2, Some(true), true),
                    (false, 2, Some(false), true),
                ] {
                    let mut batch = queued(send_at, dry_run);
                    batch.batch.counts = Counts { delivered, failed, ..batch.counts };
                    let is_there = matches!(state, BatchState::Submitted | BatchState::Complete | BatchState::Validated);
                    batch.receipts = receipts;
                    batch.last_receipt_at = (receipts > 0).then(|| at(3_000));
                    batch.polls = Polls { asks: 3, asked_at: Some(at(2_500)), answered_at: None };
                    let is_named = |by_answer| (name == Some(by_answer)).then(|| "named".to_owned());
                    let may_be_doubtful = matches!(state, BatchState::Queued | BatchState::Submitting);
                    let progress = Progress {
                        state,
                        names: Names { answered: is_named(true), learned: is_named(false) },
                        doubtful: state == BatchState::Unconfirmed || (may_be_doubtful && doubtful),
                        attempts,
                        submitted_at: is_there.then(|| at(2_000)),
                        completed_at: state.is_settled().then(|| at(4_000)),
                        ..Progress::of(&batch)
                    };
                    all.push(written(&batch, &progress, at(NOW)));
                }
            }
        }
    }
    all
}

/// The whole state machine, for a batch with two numbers and no receipt that was submitted once. `.` means no change;
/// `?` after a state means that the batch is doubtful.
const MOVES: &str = "
                    queued     submitting  submitted scheduled complete rejected  unconfirmed cancelled validated queued?     submitting?
    claimed         submitting .           .         .         .        .         .           .         .         submitting? .
    refused here    rejected   .           .         .         .        .         .           .         .         unconfirmed .
    release         .          queued      .         .         .        .         .           .         .         .           queued?
    accepted        .          submitted   .         .         .        .         .           .         .         .           submitted
    not taken       .          queued      .         .         .        .         .           .         .         .           queued?
    rejected        .          rejected    .         .         .        .         .           .         .         .           unconfirmed
    unconfirmed     .          unconfirmed .         .         .        .         .           .         .         .           unconfirmed
    interrupted     .          unconfirmed .         .         .        .         .           .         .         .           unconfirmed
    held            unconfirmed .          .         .         .        .         .           .         .         unconfirmed .
    proved          submitted  .           .         .         .        submitted submitted   submitted .         submitted   .
    no proof        .          .           .         .         .        .         .           .         .         .           .
    found           submitted  .           .         .         .        .         submitted   .         .         submitted   .
    found late      submitted  .           complete  .         .        .         submitted   .         .         submitted   .
    gone            .          .           .         .         .        .         .           .         .         .           .
    gone late       .          .           complete  .         .        .         .           .         .         .           .
    nothing late    .          .           .         .         .        .         .           .         .         .           .
    noted           .          .           .         .         .        .         .           .         .         .           .
    cancel          cancelled  .           .         .         .        .         .           .         .         unconfirmed .
    cancelled there .          .           cancelled cancelled .        .         .           .         .         .           .
    as accepted     .          .           .         .         .        .         submitted   .         .         .           .
    as resubmit     .          .           .         .         .        .         queued?     .         .         .           .
    as abandoned    .          .           .         .         .        .         cancelled   .         .         .           .
";

fn named(event: &str) -> Event {
    let [accepted, not_taken, rejected, unconfirmed] = handovers().map(Event::HandedOver);
    let late = Some(at(NOW));
    match event {
        "claimed" => Event::Claim { refused: false },
        "refused here" => Event::Claim { refused: true },
        "release" => Event::Release,
        "accepted" => accepted,
        "not taken" => not_taken,
        "rejected" => rejected,
        "unconfirmed" => unconfirmed,
        "interrupted" => Event::Interrupted,
        "held" => Event::Held,
        "proved" => Event::Proved { is_proof: true, learned: false },
        "no proof" => Event::Proved { is_proof: false, learned: true },
        "found" => Event::Polled(PollAnswer::Found, None),
        "found late" => Event::Polled(PollAnswer::Found, late),
        "gone" => Event::Polled(PollAnswer::Gone, None),
        "gone late" => Event::Polled(PollAnswer::Gone, late),
        "nothing late" => Event::Polled(PollAnswer::Nothing, late),
        "noted" => Event::Noted,
        "cancel" => Event::Cancel,
        "cancelled there" => Event::CancelledAtProvider,
        "as accepted" => Event::Resolve(Resolution::Accepted),
        "as resubmit" => Event::Resolve(Resolution::Resubmit),
        "as abandoned" => Event::Resolve(Resolution::Abandoned),
        other => unreachable!("{other}"),
    }
}

#[test]
fn every_event_moves_every_state_as_the_table_says() {
    let mut lines = MOVES.lines().filter(|line| !line.trim().is_empty());
    let read = |word: &str| -> (BatchState, bool) {
        let state = word.trim_end_matches('?').parse().expect("a state");
        (state, word.ends_with('?') || state == BatchState::Unconfirmed)
    };
    let states: Vec<(BatchState, bool)> = lines.next().expect("a head").split_whitespace().map(read).collect();
    assert_eq!(states.len(), BatchState::ALL.len() + 2);
    for line in lines {
        let (name, cells) = line.trim_start().split_at(16);
        let event = named(name.trim());
        assert_eq!(cells.split_whitespace().count(), states.len(), "{name}");
        for (before, cell) in states.iter().zip(cells.split_whitespace()) {
            let (state, doubtful) = *before;
            let send_at = (state == BatchState::Scheduled).then(|| at(9_000));
            let is_it = |batch: &Tracked| (batch.state, batch.doubtful) == *before && batch.send_at == send_at;
            let mut batch =
                batches().into_iter().find(|batch| is_it(batch) && batch.receipts == 0 && !batch.dry_run).expect("a batch in this state");
            batch.batch.attempts = 1;
            let after = happens(&batch, &event, at(NOW)).map(|progress| (progress.state.at(send_at, at(NOW)), progress.doubtful));
            let expected = if cell == "." { *before } else { read(cell) };
            assert_eq!(after.unwrap_or(*before), expected, "{name} of {state}, {doubtful}");
        }
    }
}

/// What must hold after any event for any batch.
fn assert_sound(before: &Tracked, event: &Event, progress: &Progress, now: Timestamp) {
    let said = format!("{:?} ({:?}) {event:?} → {progress:?}", before.state, before.counts);
    let old = Progress::of(before);
    assert_ne!(progress.state, BatchState::Scheduled, "{said}");
    assert_eq!(progress.state.is_settled(), progress.completed_at.is_some(), "{said}");
    let is_there = matches!(progress.state, BatchState::Submitted | BatchState::Complete | BatchState::Validated);
    assert!(!is_there || progress.submitted_at.is_some(), "{said}");
    if old.submitted_at.is_some() {
        assert_eq!(progress.submitted_at, old.submitted_at, "{said}");
        assert!(!matches!(progress.state, BatchState::Queued | BatchState::Submitting | BatchState::Unconfirmed), "{said}");
    }
    assert!(progress.submitted_at.is_none_or(|at| Some(at) == old.submitted_at || at == now), "{said}");
    let expected = if progress.state == old.state { old.completed_at } else { progress.state.is_settled().then_some(now) };
    assert_eq!(progress.completed_at, expected, "{said}");
    if progress.state == BatchState::Queued && old.state != BatchState::Queued {
        let allowed = match event {
            Event::Release | Event::HandedOver(Handover::NotTaken(_)) => old.state == BatchState::Submitting,
            Event::Resolve(Resolution::Resubmit) => old.state == BatchState::Unconfirmed,
            _ => false,
        };
        assert!(allowed, "{said}");
    }
    // Only a claimed batch is sent, and no batch is claimed twice.
    let is_claimed = *event == Event::Claim { refused: false } && old.state == BatchState::Queued;
    assert_eq!(progress.state == BatchState::Submitting && old.state != BatchState::Submitting, is_claimed, "{said}");
    let attempts = i64::try_from(progress.attempts).expect("few") - i64::try_from(old.attempts).expect("few");
    let released = *event == Event::Release && old.attempts > 0;
    assert_eq!(attempts, i64::from(is_claimed) - i64::from(released), "{said}");
    // A name is only replaced by the provider's answer, and no receipt adds one that passes for an answer.
    let is_answer = matches!(event, Event::HandedOver(Handover::Accepted(_)));
    let by_ours = matches!(event, Event::Polled(PollAnswer::Found, _)) && old.names == Names::default();
    assert!(is_answer || by_ours || progress.names.answered == old.names.answered, "{said}");
    let is_learned = matches!(event, Event::Proved { learned: true, .. }) && old.names == Names::default();
    assert!(is_learned || progress.names.learned == old.names.learned, "{said}");
    // A batch that may have been sent is neither cancelled nor rejected, unless a person gives it up.
    let is_given_up = *event == Event::Resolve(Resolution::Abandoned);
    assert!(!old.doubtful || progress.doubtful || is_there || is_given_up, "{said}");
    assert!(!progress.doubtful || !(is_there || progress.state.is_settled()), "{said}");
    assert!(progress.doubtful || progress.state != BatchState::Unconfirmed, "{said}");
    assert!(old.doubtful || !progress.doubtful || progress.state == BatchState::Unconfirmed, "{said}");
    assert!(progress.last_error.is_some() || old.last_error.is_none(), "{said}");
    assert_eq!(matches!(event, Event::Polled(..)), progress.polls != old.polls, "{said}");
}

#[test]
fn the_times_and_counters_are_sound_after_every_event_in_every_state() {
    for before in batches() {
        for event in events() {
            let Some(progress) = happens(&before, &event, at(NOW)) else { continue };
            assert_sound(&before, &event, &progress, at(NOW));
            // Repeating the rule after a failed commit gives the same result.
            assert_eq!(happens(&before, &event, at(NOW)), Some(progress), "{event:?}");
        }
    }
}

#[test]
fn a_batch_with_a_receipt_never_goes_back_into_the_outbox() {
    for before in batches().iter().filter(|batch| batch.state == BatchState::Submitting && batch.receipts > 0) {
        for how in handovers() {
            let progress = handed_over(before, how, at(NOW)).expect("it is being submitted");
            assert!(matches!(progress.state, BatchState::Submitted | BatchState::Complete | BatchState::Validated), "{progress:?}");
        }
        let released = release(before, at(NOW)).expect("it is being submitted");
        assert!(matches!(released.state, BatchState::Submitted | BatchState::Complete), "{released:?}");
        assert_eq!(interrupted(before, at(NOW)).expect("it is").state == BatchState::Complete, before.counts.settled() == 2);
    }
}

#[test]
fn an_accepted_batch_is_the_same_however_it_became_known() {
    for before in batches() {
        let as_in = |state| Tracked { batch: Batch { state, ..before.batch.clone() }, ..before.clone() };
        if before.state.is_settled() || before.submitted_at.is_some() {
            continue;
        }
        let answered = handed_over(&as_in(BatchState::Submitting), Handover::Accepted(Identifier::from("a")), at(NOW)).expect("moved");
        let (resolved, told) = resolve(&as_in(BatchState::Unconfirmed), Resolution::Accepted, at(NOW));
        let found = polled(&as_in(BatchState::Unconfirmed), PollAnswer::Found, None, at(NOW));
        assert_eq!(told, Ok(()));
        for progress in [resolved.expect("moved"), found] {
            assert_eq!(progress.state, answered.state);
            assert_eq!((progress.submitted_at, progress.completed_at), (answered.submitted_at, answered.completed_at));
        }
        assert_eq!(answered.submitted_at, Some(at(NOW)), "a dry run, too");
    }
}

#[test]
fn a_batch_that_late_receipts_complete_was_completed_by_them_and_one_that_is_complete_stays_so() {
    for before in batches().iter().filter(|batch| batch.state.is_settled()) {
        let proved = proved(before, true, None, at(NOW));
        match before.state {
            BatchState::Rejected | BatchState::Cancelled if before.counts.settled() == 2 => {
                let after = proved.expect("moved");
                assert_eq!((after.state, after.completed_at), (BatchState::Complete, Some(at(NOW))));
            }
            BatchState::Rejected | BatchState::Cancelled => assert_eq!(proved.expect("moved").state, BatchState::Submitted),
            _ => assert_eq!(proved, None),
        }
    }
}

#[test]
fn the_identifier_of_the_answer_replaces_one_that_a_receipt_told() {
    let mut batch = queued(None, false);
    batch.batch.state = BatchState::Submitting;
    let learned = proved(&batch, true, Some(&Identifier::from("learned")), at(NOW)).expect("learned");
    assert_eq!((learned.state, learned.names.shown()), (BatchState::Submitting, Some("learned")));
    batch = written(&batch, &learned, at(NOW));
    let answered = handed_over(&batch, Handover::Accepted(Identifier::from("answered")), at(NOW)).expect("moved");
    assert_eq!(answered.names.shown(), Some("answered"));
    batch = written(&batch, &answered, at(NOW));
    assert_eq!(proved(&batch, true, Some(&Identifier::from("another")), at(NOW)), None);
}

#[test]
fn who_cancels_is_told_what_to_do() {
    for batch in batches() {
        let (progress, told) = cancel(&batch, at(NOW));
        match batch.state {
            BatchState::Queued if batch.doubtful => {
                assert_eq!((progress.map(|p| p.state), told), (Some(BatchState::Unconfirmed), Cancellation::Doubtful));
            }
            BatchState::Queued => assert_eq!((progress.map(|p| p.state), told), (Some(BatchState::Cancelled), Cancellation::Done)),
            BatchState::Scheduled => {
                // The name from a receipt may belong to another batch.
                let name = batch.names.answered.as_deref().map(Identifier::from);
                assert_eq!((progress, told), (None, Cancellation::AtProvider(name)));
            }
            state => assert_eq!((progress, told), (None, Cancellation::TooLate(state))),
        }
    }
}

#[test]
fn only_a_sent_batch_expires_and_only_past_its_deadline() {
    for batch in batches() {
        let expires = |before| polled(&batch, PollAnswer::Gone, before, at(NOW)).state != batch.state.stored();
        let is_awaited = batch.state == BatchState::Submitted && !batch.dry_run;
        assert!(!expires(None) && !expires(Some(batch.sent_at())), "{:?}", batch.state);
        assert_eq!(expires(Some(at(batch.sent_at().as_millis() + 1))), is_awaited, "{:?}", batch.state);
    }
}

#[test]
fn questions_are_counted_from_the_last_receipt_on() {
    let mut batch = queued(None, false);
    for expected in 1..4 {
        let progress = polled(&batch, PollAnswer::Nothing, None, at(NOW + expected));
        assert_eq!((i64::from(progress.polls.asks), progress.polls.answered_at), (expected, None));
        batch = written(&batch, &progress, at(NOW));
    }
    (batch.receipts, batch.last_receipt_at) = (1, Some(at(NOW + 10)));
    assert_eq!(batch.polls.in_silence(batch.last_receipt_at), 0);
    let polls = polled(&batch, PollAnswer::Gone, None, at(NOW + 11)).polls;
    assert_eq!(polls, Polls { asks: 1, asked_at: Some(at(NOW + 11)), answered_at: Some(at(NOW + 11)) });
}

#[test]
fn retention_counts_from_the_time_at_which_a_batch_was_settled() {
    for batch in batches() {
        assert!(!is_due(&batch, at(4_000)));
        assert_eq!(is_due(&batch, at(4_001)), batch.state.is_settled(), "{:?}", batch.state);
    }
}

/// An event, or a receipt for one of the two destinations or for a number that is not in the batch.
fn steps() -> impl Strategy<Value = (Option<Event>, Option<bool>)> {
    prop_oneof![
        4 => prop::sample::select(events()).prop_map(|event| (Some(event), None)),
        1 => prop::option::of(any::<bool>()).prop_map(|delivered| (None, delivered)),
    ]
}

proptest! {
    /// An independent check: if the provider may have the batch, nothing puts it back into the outbox, and nothing says
    /// that nobody received it.
    #[test]
    fn what_the_provider_may_have_is_never_queued_cancelled_or_rejected(
        steps in prop::collection::vec(steps(), 1..40), is_later in any::<bool>(), dry_run in any::<bool>()
    ) {
        let mut batch = queued(is_later.then(|| at(20_000)), dry_run);
        let (mut now, mut may_have_it, mut in_doubt) = (NOW, false, false);
        for (event, receipt) in steps {
            now += 1_000;
            let event = event.unwrap_or_else(|| {
                batch.receipts += 1;
                batch.last_receipt_at = Some(at(now));
                match receipt {
                    Some(true) if batch.counts.settled() < 2 => batch.batch.counts.delivered += 1,
                    Some(false) if batch.counts.settled() < 2 => batch.batch.counts.failed += 1,
                    _ => {}
                }
                may_have_it = true;
                Event::Proved { is_proof: true, learned: true }
            });
            batch.batch.state = batch.state.stored().at(batch.send_at, at(now));
            let Some(progress) = happens(&batch, &event, at(now)) else { continue };
            assert_sound(&batch, &event, &progress, at(now));
            match &event {
                Event::HandedOver(Handover::Unconfirmed(_)) | Event::Interrupted | Event::Held => in_doubt = true,
                Event::Resolve(Resolution::Abandoned) => in_doubt = false,
                _ => {}
            }
            match &event {
                Event::Claim { refused: false } | Event::Held => may_have_it = true,
                Event::Release | Event::HandedOver(Handover::NotTaken(_) | Handover::Rejected(_)) => may_have_it = batch.receipts > 0,
                Event::Resolve(Resolution::Resubmit) => may_have_it = false, // a person is responsible for that
                _ => {}
            }
            batch = written(&batch, &progress, at(now));
            prop_assert!(!(may_have_it && batch.state == BatchState::Queued), "{:?} after {:?}", batch.state, event);
            in_doubt &= !matches!(progress.state, BatchState::Submitted | BatchState::Complete | BatchState::Validated);
            let is_said_to_be_nowhere = matches!(batch.state, BatchState::Cancelled | BatchState::Rejected);
            prop_assert!(!(in_doubt && is_said_to_be_nowhere), "{:?} after {:?}", batch.state, event);
            prop_assert_eq!(batch.doubtful, in_doubt);
        }
    }
}

#[test]
fn a_claim_says_whether_the_batch_is_handed_over() {
    let batch = queued(None, false);
    assert!(claim(&batch, None, at(NOW)).1);
    assert!(!claim(&batch, Some(error("too_late")), at(NOW)).1);
    let mut submitting = queued(None, false);
    submitting.batch.state = BatchState::Submitting;
    assert_eq!(claim(&submitting, None, at(NOW)), (None, false));
}

#[test]
fn a_receipt_at_the_moment_of_a_question_leaves_the_silence_unbroken() {
    let polls = Polls { asks: 3, asked_at: Some(at(5)), answered_at: None };
    assert_eq!(polls.in_silence(Some(at(4))), 3);
    assert_eq!(polls.in_silence(Some(at(5))), 3);
    assert_eq!(polls.in_silence(Some(at(6))), 0);
}

#[test]
fn the_provider_may_know_a_batch_by_its_own_name_and_by_ours() {
    let mut batch = queued(None, false).batch;
    let ours = Identifier::Uuid(*batch.id.as_uuid());
    assert_eq!(batch.names(), std::slice::from_ref(&ours));
    batch.provider_id = Some(batch.id.to_string());
    assert_eq!(batch.names(), std::slice::from_ref(&ours), "the same name is not listed twice");
    batch.provider_id = Some("theirs".into());
    assert_eq!(batch.names(), [Identifier::from("theirs"), ours]);
}
