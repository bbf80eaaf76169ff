//! What is in `deploy/`: that its files agree with each other and with the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use receiptd::config::{Config, Sources};

use crate::binary::said;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect(name)
}

fn values(unit: &str, key: &str) -> Vec<String> {
    text(unit).lines().filter_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned())).collect()
}

#[test]
fn the_package_s_configuration_is_one_and_agrees_with_the_units() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(path("debian/receiptd.toml"), folder.path().join("receiptd.toml")).expect("copied");
    std::fs::write(folder.path().join("provider.key"), "key\n").expect("written");
    let env = vec![("RECEIPTD_PUBLIC_URL".to_owned(), "https://receipts.example.com".to_owned())];
    let loaded = Config::load(&Sources { env, cwd: folder.path().to_owned(), ..Sources::default() }).expect("a configuration");
    let config = loaded.for_daemon().expect("all that the daemon needs").config;
    assert_eq!(values("receiptd.socket", "ListenStream"), [config.callback.listen.to_string()]);
    let state = Path::new("/var/lib").join(&values("receiptd.service", "StateDirectory")[0]);
    assert_eq!(config.database.parent(), Some(&*state));
    // Beside the configuration, where the package makes it.
    assert_eq!(config.api.token_file, folder.path().join("receiptd.token"));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_little_exposed() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        assert!(std::env::var_os("CI").is_none(), ".ci/run installs systemd");
        eprintln!("SKIPPED: there is no systemd-analyze here");
        return;
    };
    assert!(version.status.success());
    // `verify` looks for the programs of the units where they are once installed.
    let folder = tempfile::tempdir().expect("a folder");
    let units = ["receiptd.service", "receiptd.socket", "receiptd-backup.service", "receiptd-backup.timer"];
    for unit in units {
        let here = text(unit).replace("/usr/bin/receiptd", "/bin/true").replace("/usr/lib/receiptd/backup", "/bin/true");
        std::fs::write(folder.path().join(unit), here).expect("written");
    }
    let analyze =
        |words: &[&str]| Command::new("systemd-analyze").args(words).args(units).current_dir(folder.path()).output().expect("ran");
    let verified = analyze(&["verify", "--man=no"]);
    let complaints = said(&verified);
    let ours = complaints.lines().find(|line| line.contains("receiptd") && !line.contains("Failed to prepare filename"));
    assert!(verified.status.success() && ours.is_none(), "{complaints}");
    for unit in ["receiptd.service", "receiptd-backup.service"] {
        let found = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=15", "--no-pager", &format!("./{unit}")])
            .current_dir(folder.path())
            .output()
            .expect("ran");
        assert!(found.status.success(), "{unit} is exposed by 1.5 or more: {}", said(&found));
    }
}
