//! `doctor`: what is wrong, and how to mend it.

mod files;
mod finding;

use std::time::Duration;

use clap::Args;

use self::finding::{Finding, rendered};
use super::output::count;
use super::session::read_token;
use super::{Failure, Session};
use crate::api::{Condition, Look, Traffic};
use crate::client::{Client, ClientError};
use crate::clock::Clock;
use crate::config::{ConfigError, Loaded};
use crate::domain::Timestamp;

/// `receiptd doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// The daemon's clock and ours may differ by so much: `Date` knows no more than seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The same for the provider's clock, which sits a journey away.
const PROVIDER_CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// `receiptd doctor`
pub async fn run(session: &Session, _: DoctorArgs) -> Result<(), Failure> {
    let findings = match session.load() {
        Ok(loaded) => checks(&loaded, session).await,
        Err(failure) => {
            let finding = Finding::bad("configuration", failure.to_string(), "put it right; `receiptd config` shows what is in effect");
            session.output.show(&[&finding], |screen| rendered(std::slice::from_ref(&finding), screen))?;
            return Err(Failure::Usage("the configuration is wrong".to_owned()));
        }
    };
    session.output.show(&findings, |screen| rendered(&findings, screen))?;
    match findings.iter().filter(|finding| !finding.ok).count() as u64 {
        0 => Ok(()),
        bad => Err(Failure::Failed(count(bad, "thing is wrong", "things are wrong"))),
    }
}

/// All looks, in the order in which they are shown. A new one is a line here.
async fn checks(loaded: &Loaded, session: &Session) -> Vec<Finding> {
    let Ok(client) = session.client_without_token() else { return vec![configuration(loaded)] };
    let daemon = daemon(&client).await;
    let mut findings = vec![configuration(loaded), daemon_configuration(loaded, daemon.answers)];
    findings.extend(files::looks(loaded));
    findings.extend(daemon.findings);
    if !daemon.answers {
        return findings; // the rest would only say the same again
    }
    let outward = match read_token(&loaded.config.api.token_file) {
        Ok(_) => match session.client() {
            Ok(client) => outward(&client).await,
            Err(failure) => Outward::only(Finding::bad("token", failure.to_string(), "see above")),
        },
        Err(failure) => Outward::only(Finding::bad("token", failure.to_string(), "without it no command reaches the daemon")),
    };
    // What the daemon has noticed by itself needs no line where a look of our own has just found it.
    let noticed = daemon.noticed.into_iter().filter(|(kind, _)| !outward.found.contains(kind));
    findings.extend(noticed.map(|(kind, what)| degraded(kind, what)));
    findings.extend(clock(&client).await);
    findings.extend(outward.findings);
    findings
}

fn configuration(loaded: &Loaded) -> Finding {
    let file = loaded.file.display();
    let detail = if loaded.file_found { format!("{file} is read") } else { format!("there is no {file}: defaults and environment hold") };
    Finding::good("configuration", detail)
}

/// The key among other things; it is not shown. A daemon that answers has one, even where only its own user may read it,
/// or systemd alone hands it over.
fn daemon_configuration(loaded: &Loaded, answers: bool) -> Finding {
    let check = "daemon's configuration";
    match loaded.for_daemon() {
        Ok(_) => Finding::good(check, "the daemon can run with it; there is a key"),
        Err(ConfigError::Invalid(problems)) if answers && problems.iter().all(|problem| problem.key == "provider.key") => {
            Finding::good(check, "the daemon runs with it; its key is none of this user's business")
        }
        Err(error) => Finding::bad(check, error.to_string(), "put it right, then restart the daemon"),
    }
}

/// What the daemon says of itself.
struct Daemon {
    answers: bool,
    findings: Vec<Finding>,
    /// What it has noticed, though receipts are taken.
    noticed: Vec<(Condition, String)>,
}

async fn daemon(client: &Client) -> Daemon {
    let readiness = match client.ready().await {
        Ok(readiness) => readiness,
        Err(error) => {
            let mend = "start it with `receiptd serve`, or name its configuration with --config";
            let findings = vec![Finding::bad("daemon", error.to_string(), mend)];
            return Daemon { answers: false, findings, noticed: Vec::new() };
        }
    };
    let mut findings = vec![Finding::good("daemon", "it answers")];
    if !readiness.ready {
        findings.push(Finding::bad("receipts", readiness.reasons.join("; "), "receipts can't be recorded until that is mended"));
    }
    let noticed = readiness.degraded().map(|(kind, what)| (kind, what.to_owned())).collect();
    Daemon { answers: true, findings, noticed }
}

fn degraded(kind: Condition, what: String) -> Finding {
    let mend = match kind {
        Condition::Submitting | Condition::Asking => PROVIDER,
        Condition::Paused => "`receiptd resume`, when things may go out again",
        Condition::PublicUrl => PUBLIC_URL,
        _ => "receipts are taken all the same; what to do stands above, or in the daemon's log",
    };
    Finding::bad("degraded", what, mend)
}

async fn clock(client: &Client) -> Option<Finding> {
    Some(clock_finding(client.clock().await.ok()??, Clock::system().now()))
}

fn clock_finding(theirs: Timestamp, ours: Timestamp) -> Finding {
    let apart = ours.since(theirs).max(theirs.since(ours));
    let shown = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    if apart <= CLOCK_TOLERANCE {
        Finding::good("clock", "the daemon's clock and ours agree")
    } else {
        Finding::bad("clock", format!("the daemon's clock and ours are {shown} apart"), "let both be set by NTP: send_at depends on it")
    }
}

/// What to do about the provider, and about the public URL.
const PROVIDER: &str = "look at provider.base_url and the key; batches wait in the outbox until it answers";
const PUBLIC_URL: &str = "public_url must lead to callback.listen: look at DNS, the proxy and the firewall";

/// What the daemon finds when it is told to look out.
struct Outward {
    findings: Vec<Finding>,
    /// What of it the daemon may have noticed by itself.
    found: Vec<Condition>,
}

impl Outward {
    fn only(finding: Finding) -> Self {
        Self { findings: vec![finding], found: Vec::new() }
    }
}

/// The daemon looks out: at its public URL, and at the provider.
async fn outward(client: &Client) -> Outward {
    let probed = match client.probe().await {
        Ok(probed) => probed,
        Err(error) => return Outward::only(daemons_view(&error)),
    };
    let mut found = Vec::new();
    found.extend((!probed.public_url.ok).then_some(Condition::PublicUrl));
    found.extend([Condition::Submitting, Condition::Asking].into_iter().filter(|_| !probed.provider.ok));
    let look = |check, look: Look, mend: &str| match look.ok {
        true => Finding::good(check, look.detail),
        false => Finding::bad(check, look.detail, mend),
    };
    let mut findings = vec![look("public URL", probed.public_url, PUBLIC_URL)];
    let mend = "have the proxy pass bodies as large as callback.max_body (nginx: client_max_body_size), or lower callback.max_body";
    findings.extend(probed.largest_body.map(|found| look("large callbacks", found, mend)));
    findings.push(look("provider", probed.provider, PROVIDER));
    findings.extend(probed.provider_clock_ahead.map(provider_clock));
    findings.extend(habits(&probed.traffic));
    Outward { findings, found }
}

fn daemons_view(error: &ClientError) -> Finding {
    match error.problem(401) {
        Some(_) => Finding::bad(
            "token",
            "the daemon refuses the token of this token file",
            "the file is not that of the daemon at this address: name the daemon's configuration with --config",
        ),
        None => Finding::bad("daemon's view", error.to_string(), "see the daemon's log"),
    }
}

/// What traffic has taught about the provider. Nothing of it is wrong: the daemon copes with all of it.
fn habits(traffic: &Traffic) -> Vec<Finding> {
    let Traffic { batches, renamed, early, repeated } = *traffic;
    let of = format!("of the last {}", count(batches, "batch", "batches"));
    let habit = |detail| Finding::good("provider's habits", detail);
    let repeats = match repeated {
        0 => "it has repeated no receipt since the daemon was started".to_owned(),
        _ => format!("it repeats receipts: {} since the daemon was started, each counted once", count(repeated, "time", "times")),
    };
    if batches == 0 {
        return vec![habit("nothing was submitted yet that they could be seen by".to_owned()), habit(repeats)];
    }
    vec![
        habit(match renamed {
            0 => format!("it keeps our id {of}"),
            _ => format!("it ignores our id, and gave another to {renamed} {of}; receipts are matched by either"),
        }),
        habit(match early {
            0 => format!("no receipt came before the answer to its submission, {of}"),
            _ => format!("receipts came before the answer to their submission for {early} {of}; they count"),
        }),
        habit(repeats),
    ]
}

fn provider_clock(ahead: i64) -> Finding {
    let apart = Duration::from_secs(ahead.unsigned_abs());
    if apart <= PROVIDER_CLOCK_TOLERANCE {
        return Finding::good("provider's clock", "it agrees with the daemon's");
    }
    let (shown, way) = (humantime::format_duration(apart), if ahead > 0 { "behind" } else { "ahead of" });
    Finding::bad(
        "provider's clock",
        format!("the daemon's clock is {shown} {way} the provider's"),
        "let this machine's clock be set by NTP: send_at means the provider's time",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::Screen;

    #[test]
    fn what_is_degraded_is_told_with_its_own_advice() {
        let mend = |kind| degraded(kind, "as the daemon words it".into()).mend.unwrap_or_default();
        assert!(mend(Condition::PublicUrl).contains("callback.listen"));
        assert!(mend(Condition::Paused).contains("receiptd resume"));
        assert!(mend(Condition::Submitting).contains("provider.base_url") && mend(Condition::Asking).contains("provider.base_url"));
        assert!(mend(Condition::Other).contains("stands above"));
    }

    #[test]
    fn habits_are_told_as_they_were_seen() {
        let screen = Screen::of_width(None, Timestamp::from_millis(0));
        let told = |traffic| rendered(&habits(&traffic), &screen);
        let shy = told(Traffic::default());
        assert!(shy.contains("nothing was submitted yet") && shy.contains("has repeated no receipt"), "{shy}");
        let calm = told(Traffic { batches: 3, ..Traffic::default() });
        assert!(calm.contains("keeps our id of the last 3 batches") && calm.contains("no receipt came before"), "{calm}");
        let odd = told(Traffic { batches: 9, renamed: 2, early: 1, repeated: 7 });
        for words in ["gave another to 2 of the last 9 batches", "for 1 of the last 9", "7 times"] {
            assert!(odd.contains(words), "{odd}");
        }
        assert!(habits(&Traffic { batches: 9, renamed: 9, early: 9, repeated: 9 }).iter().all(|finding| finding.ok));
    }

    #[test]
    fn clocks_may_be_a_few_seconds_apart() {
        let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1000);
        assert!(clock_finding(at(0), at(5)).ok && clock_finding(at(5), at(0)).ok);
        assert!(!clock_finding(at(0), at(6)).ok && !clock_finding(at(90), at(0)).ok);
    }

    #[test]
    fn a_provider_whose_clock_is_elsewhere_is_told_with_its_direction() {
        assert!(provider_clock(30).ok && provider_clock(-30).ok);
        assert!(provider_clock(31).detail.contains("31s behind"));
        assert!(provider_clock(-3600).detail.contains("1h ahead of"));
    }
}
