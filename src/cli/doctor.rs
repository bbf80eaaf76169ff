//! `doctor`: what is wrong, and how to mend it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::output::{count, plain};
use super::session::read_token;
use super::{Failure, Session};
use crate::api::Look;
use crate::client::Client;
use crate::clock::Clock;
use crate::config::{KeySource, Loaded};
use crate::domain::Timestamp;

/// `receiptd doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// The daemon's clock and ours may differ by so much: `Date` knows no more than seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The same for the provider's clock, which sits a journey away.
const PROVIDER_CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// Less room than this is too little: some two million receipts.
const LEAST_ROOM: u64 = 512 << 20;

/// `statfs(2)`'s numbers of file systems that are somewhere else.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [(u32, &str); 6] =
    [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x517B, "SMB"), (0x0102_1997, "9P"), (0x00C3_6400, "Ceph")];

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    check: &'static str,
    /// Nothing is wrong with it.
    ok: bool,
    /// What was found.
    detail: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), mend: None }
    }

    /// Something is wrong, and this is how to mend it.
    pub fn bad(check: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, ok: false, detail: detail.into(), mend: Some(mend.into()) }
    }
}

/// `receiptd doctor`
pub async fn run(session: &Session, _: DoctorArgs) -> Result<(), Failure> {
    let findings = match session.load() {
        Ok(loaded) => checks(&loaded, session).await,
        Err(failure) => {
            let finding = Finding::bad("configuration", failure.to_string(), "put it right; `receiptd config` shows what is in effect");
            session.output.show(&[&finding], || rendered(std::slice::from_ref(&finding)))?;
            return Err(Failure::Usage("the configuration is wrong".to_owned()));
        }
    };
    session.output.show(&findings, || rendered(&findings))?;
    match findings.iter().filter(|finding| !finding.ok).count() as u64 {
        0 => Ok(()),
        bad => Err(Failure::Failed(count(bad, "thing is wrong", "things are wrong"))),
    }
}

/// All looks, in the order in which they are shown. A new one is a line here.
async fn checks(loaded: &Loaded, session: &Session) -> Vec<Finding> {
    let mut findings = vec![configuration(loaded), daemon_configuration(loaded), database(loaded)];
    findings.extend(disk(loaded));
    findings.extend(private_files(loaded).iter().filter_map(|(check, file)| permissions(check, file)));
    let Ok(client) = session.client_without_token() else { return findings };
    findings.extend(readiness(&client).await);
    if !findings.iter().any(|finding| finding.check == "daemon" && finding.ok) {
        return findings; // the rest would only say the same again
    }
    findings.extend(clock(&client).await);
    match read_token(&loaded.config.api.token_file) {
        Ok(_) => match session.client() {
            Ok(client) => findings.extend(outward(&client).await),
            Err(failure) => findings.push(Finding::bad("token", failure.to_string(), "see above")),
        },
        Err(failure) => findings.push(Finding::bad("token", failure.to_string(), "without it no command reaches the daemon")),
    }
    findings
}

fn configuration(loaded: &Loaded) -> Finding {
    let file = loaded.file.display();
    let detail = if loaded.file_found { format!("{file} is read") } else { format!("there is no {file}: defaults and environment hold") };
    Finding::good("configuration", detail)
}

/// The key among other things; it is not shown. One that only the daemon's user may read is no fault.
fn daemon_configuration(loaded: &Loaded) -> Finding {
    let check = "daemon's configuration";
    if let KeySource::File(file) = &loaded.config.provider.key
        && std::fs::File::open(file).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    {
        return Finding::bad(
            check,
            format!("the key file {} can't be read by this user", file.display()),
            "run doctor as the user the daemon runs as",
        );
    }
    match loaded.for_daemon() {
        Ok(_) => Finding::good(check, "the daemon can run with it; there is a key"),
        Err(error) => Finding::bad(check, error.to_string(), "put it right, then restart the daemon"),
    }
}

fn database(loaded: &Loaded) -> Finding {
    let file = &loaded.config.database;
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Finding::good("database", format!("{} is there", file.display())),
        Ok(_) => Finding::bad("database", format!("{} is no file", file.display()), "set `database` to a file"),
        Err(error) => Finding::bad(
            "database",
            format!("{}: {error}", file.display()),
            "the daemon makes it when it starts for the first time, in a folder that it may write to",
        ),
    }
}

fn private_files(loaded: &Loaded) -> Vec<(&'static str, PathBuf)> {
    let mut identity = loaded.config.database.clone().into_os_string();
    identity.push(".identity");
    let mut files = vec![("token file", loaded.config.api.token_file.clone()), ("identity file", identity.into())];
    if let KeySource::File(file) = &loaded.config.provider.key {
        files.push(("key file", file.clone()));
    }
    files
}

/// Nobody but its owner may read it. That it is not there is told by other looks.
#[cfg(unix)]
fn permissions(check: &'static str, file: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let shown = file.display();
    Some(match mode & 0o077 {
        0 => Finding::good(check, format!("{shown} has mode {mode:04o}")),
        _ => Finding::bad(check, format!("{shown} has mode {mode:04o}: others may read or write it"), format!("chmod 600 '{shown}'")),
    })
}

#[cfg(not(unix))]
fn permissions(_: &'static str, _: &Path) -> Option<Finding> {
    None
}

async fn readiness(client: &Client) -> Vec<Finding> {
    let readiness = match client.ready().await {
        Ok(readiness) => readiness,
        Err(error) => {
            let mend = "start it with `receiptd serve`, or name its configuration with --config";
            return vec![Finding::bad("daemon", error.to_string(), mend)];
        }
    };
    let mut findings = vec![Finding::good("daemon", "it answers")];
    if !readiness.ready {
        findings.push(Finding::bad("receipts", readiness.reasons.join("; "), "receipts can't be recorded until that is mended"));
    }
    findings.extend(readiness.degraded.into_iter().map(|what| Finding::bad("degraded", what, "receipts are taken all the same")));
    findings
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

/// What the daemon finds when it looks out: its public URL, the provider.
async fn outward(client: &Client) -> Vec<Finding> {
    let probed = match client.probe().await {
        Ok(probed) => probed,
        Err(error) => return vec![Finding::bad("daemon's view", error.to_string(), "see the daemon's log")],
    };
    let look = |check, look: Look, mend: &str| match look.ok {
        true => Finding::good(check, look.detail),
        false => Finding::bad(check, look.detail, mend),
    };
    let mut findings = vec![
        look("public URL", probed.public_url, "public_url must lead to callback.listen: look at DNS, the proxy and the firewall"),
        look("provider", probed.provider, "look at provider.base_url and the key; batches wait in the outbox until it answers"),
    ];
    findings.extend(probed.provider_clock_ahead.map(provider_clock));
    findings
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

/// Room on the disk, and whether it is one that SQLite's locks and syncs can be trusted on.
fn disk(loaded: &Loaded) -> Vec<Finding> {
    let file = &loaded.config.database;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = Vec::new();
    if let Ok(found) = rustix::fs::statvfs(folder) {
        findings.push(room(found.f_bavail.saturating_mul(found.f_frsize)));
    }
    #[cfg(target_os = "linux")]
    if let Ok(found) = rustix::fs::statfs(folder)
        && let Some((_, name)) = NETWORK_FILE_SYSTEMS
            .iter()
            .find(|(magic, _)| u64::try_from(found.f_type).is_ok_and(|kind| kind & 0xffff_ffff == u64::from(*magic)))
    {
        let mend = "keep the database on a local disk: over a network, locks and syncs do not hold what they promise";
        findings.push(Finding::bad("file system", format!("{} is on {name}", file.display()), mend));
    }
    findings
}

fn room(free: u64) -> Finding {
    let shown = bytesize::ByteSize(free);
    if free >= LEAST_ROOM {
        Finding::good("disk", format!("{shown} are free"))
    } else {
        Finding::bad("disk", format!("only {shown} are free"), "make room: when it is full, receipts are answered 503 until there is some")
    }
}

fn rendered(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.ok { '✓' } else { '✗' };
        let detail = plain(&finding.detail).replace('\n', "\n    ");
        text.push_str(&format!("{mark} {}: {detail}\n", finding.check));
        if let Some(mend) = &finding.mend {
            text.push_str(&format!("    → {}\n", plain(mend)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mend_stands_below_what_is_wrong() {
        let findings = [Finding::good("daemon", "it answers"), Finding::bad("clock", "9s apart", "NTP")];
        assert_eq!(rendered(&findings), "✓ daemon: it answers\n✗ clock: 9s apart\n    → NTP\n");
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

    #[test]
    fn little_room_is_told_before_there_is_none() {
        assert!(room(LEAST_ROOM).ok && !room(LEAST_ROOM - 1).ok);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().expect("a file");
        for (mode, ok) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(permissions("token file", file.path()).map(|finding| finding.ok), Some(ok), "{mode:o}");
        }
        assert_eq!(permissions("token file", Path::new("/nowhere/at/all")), None);
    }
}
