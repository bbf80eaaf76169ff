//! `doctor`: what is wrong, and how to fix it.

mod files;
mod finding;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use self::finding::{Finding, rendered};
use super::output::count;
use super::{Failure, Session, start};
use crate::api::{Condition, Look, Probed, Traffic};
use crate::client::Client;
use crate::clock::Clock;
use crate::config::{ConfigError, Loaded};
use crate::domain::Timestamp;
use crate::durable::folder_of;

/// `receiptd doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// The tolerated difference between the daemon's clock and ours: `Date` has a resolution of one second.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The tolerated difference to the provider's clock, which is a round trip away.
const PROVIDER_CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// `receiptd doctor`
pub async fn run(session: &Session, _: DoctorArgs) -> Result<(), Failure> {
    let findings = match session.load() {
        Ok(loaded) => checks(&loaded, session).await,
        Err(failure) => {
            let finding = Finding::bad("configuration", failure.to_string(), "fix it; `receiptd config` shows the values in use");
            session.output.show(&[&finding], |screen| rendered(std::slice::from_ref(&finding), screen))?;
            return Err(Failure::Usage("the configuration is invalid".to_owned()));
        }
    };
    session.output.show(&findings, |screen| rendered(&findings, screen))?;
    match findings.iter().filter(|finding| !finding.ok).count() as u64 {
        0 => Ok(()),
        bad => Err(Failure::Failed(format!("{} found", count(bad, "problem", "problems")))),
    }
}

/// All checks, in display order. A new check is one more line here.
async fn checks(loaded: &Loaded, session: &Session) -> Vec<Finding> {
    let Ok(client) = session.client_without_token() else { return vec![configuration(loaded)] };
    let daemon = daemon(&client, loaded).await;
    let outward = if daemon.answers { Some(outward(session, loaded).await) } else { None };
    let is_ours = daemon.answers && !matches!(outward, Some(Err(_)));
    let mut findings = vec![configuration(loaded), daemon_configuration(loaded, is_ours)];
    findings.extend(files::looks(loaded));
    let outward = match outward {
        Some(Ok(outward)) => outward,
        // If a stranger answers, nothing else is of interest; if nobody answers, nothing else can be checked.
        Some(Err(stranger)) => return findings.into_iter().chain([stranger]).collect(),
        None => return findings.into_iter().chain(daemon.findings).collect(),
    };
    findings.extend(daemon.findings);
    // What the daemon noticed by itself needs no line if a check has just found the same.
    let noticed = daemon.noticed.into_iter().filter(|(kind, _)| !outward.found.contains(kind));
    findings.extend(noticed.map(|(kind, what)| degraded(kind, what)));
    findings.extend(clock(&client).await);
    findings.extend(outward.findings);
    findings
}

fn configuration(loaded: &Loaded) -> Finding {
    let file = loaded.file.display();
    let detail =
        if loaded.file_found { format!("read from {file}") } else { format!("there is no {file}; using defaults and the environment") };
    Finding::good("configuration", detail)
}

/// Checks the daemon's configuration, including the key, which is not shown. A daemon that answers has a key, even if
/// only its own user or systemd may read it.
fn daemon_configuration(loaded: &Loaded, answers: bool) -> Finding {
    let check = "daemon's configuration";
    match loaded.for_daemon() {
        Ok(_) => Finding::good(check, "valid; a provider key is set"),
        Err(ConfigError::Invalid(problems)) if answers && problems.iter().all(|problem| problem.key == "provider.key") => {
            Finding::good(check, "valid; the provider key is readable only by the daemon")
        }
        Err(error) => Finding::bad(check, error.to_string(), "fix it, then restart the daemon"),
    }
}

/// What the daemon reports about itself.
struct Daemon {
    answers: bool,
    findings: Vec<Finding>,
    /// Other problems that it has noticed while receipts are recorded.
    noticed: Vec<(Condition, String)>,
}

async fn daemon(client: &Client, loaded: &Loaded) -> Daemon {
    let readiness = match client.ready().await {
        Ok(readiness) => readiness,
        Err(error) => {
            let fix = format!("start it: {}", start::command(loaded));
            let findings = vec![Finding::bad("daemon", error.to_string(), fix)];
            return Daemon { answers: false, findings, noticed: Vec::new() };
        }
    };
    let mut findings = vec![Finding::good("daemon", format!("answers at {}", loaded.config.api.listen))];
    if !readiness.ready {
        findings.push(Finding::bad("receipts", readiness.reasons.join("; "), "receipts cannot be recorded until this is fixed"));
    }
    let noticed = readiness.degraded().map(|(kind, what)| (kind, what.to_owned())).collect();
    Daemon { answers: true, findings, noticed }
}

/// The finding that the daemon that answers has another configuration.
fn stranger(loaded: &Loaded, why: &str) -> Finding {
    Finding::bad(
        "daemon",
        format!("another receiptd answers at {}: {why}", loaded.config.api.listen),
        format!(
            "pass that one's configuration with --config; or start this one, at another api.listen if both are to run: {}",
            start::command(loaded)
        ),
    )
}

fn degraded(kind: Condition, what: String) -> Finding {
    let fix = match kind {
        Condition::Submitting | Condition::Asking => PROVIDER,
        Condition::Paused => "run `receiptd resume` to send again",
        Condition::PublicUrl => PUBLIC_URL,
        _ => "receipts are still recorded; see the daemon's log",
    };
    Finding::bad("degraded", what, fix)
}

async fn clock(client: &Client) -> Option<Finding> {
    Some(clock_finding(client.clock().await.ok()??, Clock::system().now()))
}

fn clock_finding(theirs: Timestamp, ours: Timestamp) -> Finding {
    let apart = ours.since(theirs).max(theirs.since(ours));
    let shown = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    if apart <= CLOCK_TOLERANCE {
        Finding::good("clock", "the daemon's clock and this machine's agree")
    } else {
        Finding::bad(
            "clock",
            format!("the daemon's clock and this machine's are {shown} apart"),
            "set both by NTP: send_at depends on them",
        )
    }
}

/// The advice about the provider and the public URL.
const PROVIDER: &str = "check provider.base_url and the key; batches stay queued until it answers";
const PUBLIC_URL: &str = "public_url must reach callback.listen: check DNS, the proxy and the firewall";

/// The results of the checks that the daemon makes.
struct Outward {
    findings: Vec<Finding>,
    /// The conditions among them that the daemon may also have noticed by itself.
    found: Vec<Condition>,
}

impl Outward {
    fn only(finding: Finding) -> Self {
        Self { findings: vec![finding], found: Vec::new() }
    }
}

/// Has the daemon check its public URL and the provider. The error is the finding that another daemon answers.
async fn outward(session: &Session, loaded: &Loaded) -> Result<Outward, Finding> {
    let token_file = &loaded.config.api.token_file;
    if !token_file.exists() && folder_of(token_file).read_dir().is_ok() {
        return Err(stranger(
            loaded,
            &format!("the daemon of this configuration has never run, since there is no {}", token_file.display()),
        ));
    }
    let client = match session.client() {
        Ok(client) => client,
        Err(failure) => return Ok(Outward::only(Finding::bad("token", failure.to_string(), "without it no command reaches the daemon"))),
    };
    let probed = match client.probe().await {
        Ok(probed) => probed,
        Err(error) if error.problem(401).is_some() => {
            return Err(stranger(loaded, &format!("it refuses the token in {}", token_file.display())));
        }
        Err(error) => return Ok(Outward::only(Finding::bad("daemon's view", error.to_string(), "see the daemon's log"))),
    };
    let ours = &loaded.config.database;
    if ours.canonicalize().is_ok_and(|real| real != Path::new(&probed.database)) {
        return Err(stranger(
            loaded,
            &format!("its database is {}, and the one of this configuration {}", probed.database, ours.display()),
        ));
    }
    Ok(looks(probed))
}

/// The findings for what the daemon has found.
fn looks(probed: Probed) -> Outward {
    let mut found = Vec::new();
    found.extend((!probed.public_url.ok).then_some(Condition::PublicUrl));
    found.extend([Condition::Submitting, Condition::Asking].into_iter().filter(|_| !probed.provider.ok));
    let look = |check, look: Look, fix: &str| match look.ok {
        true => Finding::good(check, look.detail),
        false => Finding::bad(check, look.detail, fix),
    };
    let mut findings = vec![look("public URL", probed.public_url, PUBLIC_URL)];
    let fix = "let the proxy pass bodies as large as callback.max_body (nginx: client_max_body_size), or lower callback.max_body";
    findings.extend(probed.largest_body.map(|found| look("large callbacks", found, fix)));
    findings.push(look("provider", probed.provider, PROVIDER));
    findings.extend(probed.provider_clock_ahead.map(provider_clock));
    findings.extend(habits(&probed.traffic));
    Outward { findings, found }
}

/// What the traffic shows of the provider. None of it is a problem, because the daemon copes with all of it.
fn habits(traffic: &Traffic) -> Vec<Finding> {
    let Traffic { batches, renamed, early, repeated } = *traffic;
    let last = format!("the last {}", count(batches, "batch", "batches"));
    let habit = |detail| Finding::good("provider's habits", detail);
    let repeats = match repeated {
        0 => "no receipt was posted twice since the daemon started".to_owned(),
        _ => format!("receipts were posted again {} since the daemon started; each counts once", count(repeated, "time", "times")),
    };
    if batches == 0 {
        return vec![habit("nothing submitted yet, so nothing observed".to_owned()), habit(repeats)];
    }
    vec![
        habit(match renamed {
            0 => format!("kept our id in {last}"),
            _ => format!("gave {renamed} of {last} an id of its own; receipts are matched by either id"),
        }),
        habit(match early {
            0 => format!("no receipt came before the answer to its submission, in {last}"),
            _ => format!("receipts came before the answer to their submission in {early} of {last}; they count"),
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
        let fix = |kind| degraded(kind, "as the daemon words it".into()).fix.unwrap_or_default();
        assert!(fix(Condition::PublicUrl).contains("callback.listen"));
        assert!(fix(Condition::Paused).contains("receiptd resume"));
        assert!(fix(Condition::Submitting).contains("provider.base_url") && fix(Condition::Asking).contains("provider.base_url"));
        assert!(fix(Condition::Other).contains("the daemon's log"));
    }

    #[test]
    fn habits_are_told_as_they_were_seen() {
        let screen = Screen::of_width(None, Timestamp::from_millis(0));
        let told = |traffic| rendered(&habits(&traffic), &screen);
        let shy = told(Traffic::default());
        assert!(shy.contains("nothing submitted yet") && shy.contains("no receipt was posted twice"), "{shy}");
        let calm = told(Traffic { batches: 3, ..Traffic::default() });
        assert!(calm.contains("kept our id in the last 3 batches") && calm.contains("no receipt came before"), "{calm}");
        let odd = told(Traffic { batches: 9, renamed: 2, early: 1, repeated: 7 });
        for words in ["gave 2 of the last 9 batches an id of its own", "in 1 of the last 9", "7 times"] {
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
