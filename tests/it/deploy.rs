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

/// Each variable is one that the program knows, and together they make a configuration.
#[test]
fn the_compose_file_configures_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "key\n").expect("written");
    let compose = text("compose.yaml");
    let receiptd = compose.split("\n  receiptd:\n").nth(1).and_then(|rest| rest.split("\n  caddy:\n").next()).expect("the service");
    let env: Vec<(String, String)> = receiptd
        .lines()
        .filter_map(|line| line.trim().split_once(": ").filter(|(name, _)| name.starts_with("RECEIPTD_")))
        .map(|(name, value)| {
            let value = value.trim_matches('"').replace("/run/secrets/provider_key", &key.display().to_string());
            (name.to_owned(), value.replace("${RECEIPTD_HOST:?the public name of this machine}", "receipts.example.com"))
        })
        .collect();
    assert!(env.len() >= 5, "{env:?}");
    let loaded = Config::load(&Sources { env, cwd: folder.path().to_owned(), ..Sources::default() }).expect("a configuration");
    let config = loaded.for_daemon().expect("all that the daemon needs");
    assert_eq!(config.public_url.as_str(), "https://receipts.example.com/receipts");
    // In the network `api` alone, and under the address that the service has there.
    assert!(compose.contains(&format!("ipv4_address: {}\n", config.config.api.listen.ip())));
    for used in ["deploy/Caddyfile", "deploy/Containerfile"] {
        assert!(compose.contains(used) && path("..").join(used).exists(), "{used}");
    }
}

/// What packages and tarballs hold besides the program.
#[test]
fn every_link_of_the_installed_documentation_leads_somewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let Ok(made) = Command::new(path("installed-docs")).arg(folder.path()).output() else {
        assert!(std::env::var_os("CI").is_none(), ".ci/run installs python3");
        eprintln!("SKIPPED: there is no python3 here");
        return;
    };
    assert!(made.status.success(), "{}", said(&made));
    let pages = crate::docs::pages_of(folder.path());
    assert!(pages.len() > 10, "{pages:?}");
    let wrong: Vec<String> = pages.iter().flat_map(|page| crate::docs::broken_links(folder.path(), page)).collect();
    assert!(wrong.is_empty(), "they lead nowhere:\n{}", wrong.join("\n"));
    // What the program, the units and the pages say is there.
    let shipped = ["docs/operating.md", "deploy/debian/receiptd.toml", "deploy/debian/postinst", "deploy/receiptd.service"];
    for file in shipped {
        let text = std::fs::read_to_string(path("..").join(file)).expect(file);
        for rest in text.split("/usr/share/doc/receiptd/").skip(1) {
            let name =
                rest.split(|c: char| c.is_whitespace() || "`,;)".contains(c)).next().unwrap_or_default().trim_end_matches(['.', '/']);
            assert!(folder.path().join(name).exists(), "{file} names /usr/share/doc/receiptd/{name}");
        }
    }
}

/// A wheel is a zip archive with a list of its files and their checksums; pip refuses one that is not right.
#[test]
fn the_wheel_holds_the_program_and_says_where_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new(path("wheel")).arg(env!("CARGO_BIN_EXE_receiptd")).arg(env!("CARGO_PKG_VERSION")).arg(folder.path()).output();
    let Ok(made) = made else {
        assert!(std::env::var_os("CI").is_none(), ".ci/run installs python3");
        eprintln!("SKIPPED: there is no python3 here");
        return;
    };
    assert!(made.status.success(), "{}", said(&made));
    let wheel = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let name = format!("receiptd-{}-py3-none-manylinux_2_", env!("CARGO_PKG_VERSION"));
    assert!(wheel.contains(&name) && wheel.ends_with(".whl"), "{wheel}");
    let check = "import base64, csv, hashlib, io, sys, zipfile\n\
                 wheel = zipfile.ZipFile(sys.argv[1])\n\
                 (record,) = [name for name in wheel.namelist() if name.endswith('/RECORD')]\n\
                 rows = {name: digest for name, digest, size in csv.reader(io.StringIO(wheel.read(record).decode()))}\n\
                 assert set(rows) == set(wheel.namelist()), rows\n\
                 for name in set(rows) - {record}:\n\
                 \x20   digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b'=').decode()\n\
                 \x20   assert rows[name] == 'sha256=' + digest, name\n\
                 (program,) = [entry for entry in wheel.infolist() if '.data/scripts/' in entry.filename]\n\
                 assert program.external_attr >> 16 & 0o111, program\n";
    let checked = Command::new("python3").args(["-c", check, &wheel]).output().expect("ran");
    assert!(checked.status.success(), "{}", said(&checked));
}
