//! The checks of files: whether they exist, who owns and may read them, and which disk they are on.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::config::{KeySource, Loaded};

/// The least free space in bytes: enough for about two million receipts.
const LEAST_ROOM: u64 = 512 << 20;

/// The numbers of network file systems in `statfs(2)`.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [(u32, &str); 6] =
    [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x517B, "SMB"), (0x0102_1997, "9P"), (0x00C3_6400, "Ceph")];

/// All file checks, the database first.
pub(super) fn looks(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = vec![database(loaded)];
    findings.extend(disk(loaded));
    findings.extend(owners(loaded));
    findings.extend(permissions("token file", &loaded.config.api.token_file, 0o037));
    findings.extend(permissions("identity file", &beside(loaded, ".identity"), 0o077));
    if let KeySource::File(file) = &loaded.config.provider.key {
        findings.extend(permissions("key file", file, 0o077));
    }
    findings
}

fn database(loaded: &Loaded) -> Finding {
    let file = &loaded.config.database;
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Finding::good("database", format!("{} exists", file.display())),
        Ok(_) => Finding::bad("database", format!("{} is not a file", file.display()), "set `database` to a file"),
        Err(error) => Finding::bad(
            "database",
            format!("{}: {error}", file.display()),
            "the daemon creates it on first start, in a folder that it can write to",
        ),
    }
}

fn beside(loaded: &Loaded, tail: &str) -> PathBuf {
    let mut path = loaded.config.database.clone().into_os_string();
    path.push(tail);
    path.into()
}

fn folder(loaded: &Loaded) -> &Path {
    loaded.config.database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that belongs to somebody else keeps the daemon from writing, for instance after root ran a command. The
/// reference is the owner of the folder, which is the service's own. A folder owned by root says nothing; then the
/// reference is the owner of the database.
fn owners(loaded: &Loaded) -> Vec<Finding> {
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|found| found.uid());
    let measure = if owner(folder(loaded)).is_some_and(|uid| uid != 0) { folder(loaded) } else { &loaded.config.database };
    let Some(expected) = owner(measure) else { return Vec::new() };
    let token = Some(loaded.config.api.token_file.clone()).filter(|token| !shared(token, measure));
    let files = ["", "-wal", "-shm", ".identity"].map(|tail| beside(loaded, tail)).into_iter().chain(token);
    files.filter_map(|file| stranger(&file, owner(&file)?, measure, expected)).collect()
}

/// Whether the daemon's group may read the file. This is enough for the token, which the Debian package creates as
/// root's.
fn shared(token: &Path, measure: &Path) -> bool {
    let (Ok(token), Ok(measure)) = (std::fs::metadata(token), std::fs::metadata(measure)) else { return false };
    token.gid() == measure.gid() && token.permissions().mode() & 0o040 != 0
}

fn stranger(file: &Path, owner: u32, measure: &Path, expected: u32) -> Option<Finding> {
    let (shown, measure) = (file.display(), measure.display());
    (owner != expected).then(|| {
        Finding::bad(
            "owner",
            format!("{shown} belongs to the user id {owner}, {measure} to {expected}"),
            format!("sudo chown --reference='{measure}' '{shown}'; run commands as the user the daemon runs as, not as root"),
        )
    })
}

/// Checks that nobody but the owner has the permissions in `forbidden`. (The API token may be shared with a group whose
/// members use the command line.) Other checks report that a file is missing.
fn permissions(check: &'static str, file: &Path, forbidden: u32) -> Option<Finding> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let shown = file.display();
    Some(match mode & forbidden {
        0 => Finding::good(check, format!("{shown} has mode {mode:04o}")),
        _ => Finding::bad(check, format!("{shown} has mode {mode:04o}: others may read or write it"), format!("chmod 600 '{shown}'")),
    })
}

/// The free space on the disk, and whether it is one on which SQLite's locks and syncs can be trusted.
fn disk(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(found) = rustix::fs::statvfs(folder(loaded)) {
        findings.push(room(found.f_bavail.saturating_mul(found.f_frsize)));
    }
    #[cfg(target_os = "linux")]
    if let Ok(found) = rustix::fs::statfs(folder(loaded))
        && let Some((_, name)) = NETWORK_FILE_SYSTEMS
            .iter()
            .find(|(magic, _)| u64::try_from(found.f_type).is_ok_and(|kind| kind & 0xffff_ffff == u64::from(*magic)))
    {
        let fix = "keep the database on a local disk: locks and syncs are unreliable over a network";
        findings.push(Finding::bad("file system", format!("{} is on {name}", loaded.config.database.display()), fix));
    }
    findings
}

fn room(free: u64) -> Finding {
    let shown = bytesize::ByteSize(free);
    if free >= LEAST_ROOM {
        Finding::good("disk", format!("{shown} free"))
    } else {
        Finding::bad("disk", format!("only {shown} free"), "free some space: while the disk is full, receipts are answered 503")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        assert!(room(LEAST_ROOM).ok && !room(LEAST_ROOM - 1).ok);
    }

    #[test]
    fn a_file_of_somebody_else_is_told_with_its_fix() {
        let (file, folder) = (Path::new("/var/lib/receiptd/receiptd.db-wal"), Path::new("/var/lib/receiptd"));
        assert_eq!(stranger(file, 990, folder, 990), None);
        let told = stranger(file, 0, folder, 990).expect("told");
        let fix = told.fix.expect("a fix");
        assert!(fix.starts_with("sudo chown --reference='/var/lib/receiptd' '/var/lib/receiptd/receiptd.db-wal'"), "{fix}");
    }

    #[test]
    fn a_token_of_root_that_the_daemon_s_group_may_read_is_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = folder.path().join("receiptd.token");
        std::fs::write(&token, "token").expect("written");
        for (mode, enough) in [(0o640, true), (0o440, true), (0o600, false), (0o604, false)] {
            std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(shared(&token, folder.path()), enough, "{mode:o}");
        }
        assert!(!shared(Path::new("/nowhere/at/all"), folder.path()));
    }

    #[test]
    fn a_file_that_others_may_read_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for (mode, forbidden, ok) in [
            (0o600, 0o077, true),
            (0o400, 0o077, true),
            (0o640, 0o077, false),
            (0o604, 0o077, false),
            (0o640, 0o037, true),
            (0o660, 0o037, false),
        ] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(permissions("token file", file.path(), forbidden).map(|finding| finding.ok), Some(ok), "{mode:o}");
        }
        assert_eq!(permissions("token file", Path::new("/nowhere/at/all"), 0o077), None);
    }
}
