use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use receiptd::cli;
use receiptd::config::{Config, ConfigError, DEFAULT_FILE, Entry, KeySource, Loaded, LogFormat, Origin, Sources, WireNames};
use receiptd::secret::Secret;
use tempfile::TempDir;

/// A working folder, and what else the configuration is made of.
struct Setting {
    folder: TempDir,
    sources: Sources,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cwd = folder.path().to_owned();
        let sources = Sources { cwd, ..Sources::default() };
        Self { folder, sources }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    fn file(self, text: &str) -> Self {
        self.write("receiptd.toml", text)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.overrides.push((key.into(), value.into()));
        self
    }

    fn load(&self) -> Loaded {
        Config::load(&self.sources).expect("a configuration")
    }

    fn error(&self) -> String {
        let error = Config::load(&self.sources).expect_err("no configuration");
        error.to_string()
    }

    fn daemon_error(&self) -> String {
        let error = self.load().for_daemon().expect_err("no daemon");
        error.to_string()
    }
}

fn entry<'a>(loaded: &'a Loaded, key: &str) -> &'a Entry {
    let mut entries = loaded.entries.iter();
    entries.find(|entry| entry.key == key).expect(key)
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

// ---- defaults and the file that documents them

#[test]
fn without_any_source_the_defaults_of_the_contract_hold() {
    let setting = Setting::new();
    let loaded = setting.load();
    let config = &loaded.config;
    assert_eq!(config.database, setting.path("receiptd.db"));
    assert_eq!(config.public_url, None);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(10));
    assert_eq!(config.callback.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.callback.max_body, ByteSize::kib(256));
    assert_eq!(config.callback.max_connections, 2000);
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.api.token_file, setting.path("receiptd.token"));
    assert!(!config.api.allow_remote);
    assert_eq!(config.provider.base_url.as_str(), "https://mplus.instagiv.com");
    assert_eq!(config.provider.key, KeySource::Unset);
    assert_eq!(config.provider.wire_names, WireNames::Both);
    assert_eq!(config.provider.timeout, Duration::from_secs(30));
    assert_eq!(config.provider.concurrency, 4);
    assert_eq!(config.provider.rate, None);
    assert_eq!(config.provider.max_destinations, 10_000);
    assert_eq!(config.provider.default_region, None);
    assert_eq!(config.reconcile.after, Duration::from_secs(15 * 60));
    assert_eq!(config.reconcile.deadline, Duration::from_secs(72 * 60 * 60));
    assert_eq!(config.retention.receipts, None);
    assert_eq!(config.retention.messages, None);
    assert_eq!(config.quarantine.max_count, 100_000);
    assert_eq!(config.quarantine.max_bytes, ByteSize::mib(64));
    assert_eq!(config.log.filter(), "info");
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(loaded.file, setting.path("receiptd.toml"));
    assert!(!loaded.file_found);
}

#[test]
fn the_default_file_says_exactly_the_defaults() {
    let setting = Setting::new();
    let built_in = setting.load();
    let from_file = setting.file(DEFAULT_FILE).load();
    assert_eq!(from_file.config, built_in.config);
    for (ours, theirs) in built_in.entries.iter().zip(&from_file.entries) {
        assert_eq!((ours.key, &ours.value), (theirs.key, &theirs.value));
    }
}

#[test]
fn the_default_file_has_every_key_and_its_examples_are_right() {
    let example = |line: &str| {
        let (key, _) = line.strip_prefix("# ")?.split_once(" = \"")?;
        let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_key.then(|| line.trim_start_matches("# ").to_owned())
    };
    let lines = DEFAULT_FILE.lines();
    let uncommented: Vec<String> = lines.map(|line| example(line).unwrap_or_else(|| line.to_owned())).collect();
    let setting = Setting::new().file(&uncommented.join("\n"));
    let loaded = setting.load();
    for entry in &loaded.entries {
        // The key itself has no place in a file.
        let origin = match entry.key {
            "provider.key" => Origin::File(setting.path("provider.key")),
            _ => Origin::File(setting.path("receiptd.toml")),
        };
        assert_eq!(entry.origin, origin, "{}", entry.key);
    }
}

// ---- precedence and origin

#[test]
fn the_later_source_wins_and_is_named() {
    let setting = Setting::new()
        .file("[provider]\nconcurrency = 5\nrate = 50\ntimeout = \"5s\"\n")
        .env("RECEIPTD_PROVIDER__RATE", "60")
        .env("RECEIPTD_PROVIDER__TIMEOUT", "6s")
        .flag("provider.timeout", "7s");
    let loaded = setting.load();
    assert_eq!(loaded.config.provider.concurrency, 5);
    assert_eq!(loaded.config.provider.rate.map(u32::from), Some(60));
    assert_eq!(loaded.config.provider.timeout, Duration::from_secs(7));
    let origin = |key| entry(&loaded, key).origin.clone();
    assert_eq!(origin("provider.max_destinations"), Origin::Default);
    assert_eq!(origin("provider.concurrency"), Origin::File(setting.path("receiptd.toml")));
    assert_eq!(origin("provider.rate"), Origin::Variable("RECEIPTD_PROVIDER__RATE".into()));
    assert_eq!(origin("provider.timeout"), Origin::Flag);
}

#[test]
fn of_two_flags_for_one_key_the_last_counts() {
    let setting = Setting::new().flag("provider.rate", "1").flag("provider.rate", "2");
    assert_eq!(setting.load().config.provider.rate.map(u32::from), Some(2));
}

#[test]
fn the_environment_sets_values_of_every_type() {
    let loaded = Setting::new()
        .env("RECEIPTD_PUBLIC_URL", " https://a.example/in/ ")
        .env("RECEIPTD_CALLBACK__MAX_BODY", "1MiB")
        .env("RECEIPTD_CALLBACK__MAX_CONNECTIONS", "12")
        .env("RECEIPTD_API__ALLOW_REMOTE", "True")
        .env("RECEIPTD_API__LISTEN", "[::1]:9")
        .env("RECEIPTD_PROVIDER__WIRE_NAMES", "table")
        .env("RECEIPTD_PROVIDER__DEFAULT_REGION", "gb")
        .env("RECEIPTD_RETENTION__RECEIPTS", "90d")
        .env("RECEIPTD_QUARANTINE__MAX_BYTES", "4096")
        .env("RECEIPTD_LOG__FORMAT", "json")
        .load();
    let config = loaded.config;
    assert_eq!(config.public_url.expect("set").prefix(), "/in");
    assert_eq!(config.callback.max_body, ByteSize::mib(1));
    assert_eq!(config.callback.max_connections, 12);
    assert!(config.api.allow_remote);
    assert_eq!(config.api.listen.to_string(), "[::1]:9");
    assert_eq!(config.provider.wire_names, WireNames::Table);
    assert_eq!(config.provider.default_region, Some(phonenumber::country::Id::GB));
    assert_eq!(config.retention.receipts, Some(Duration::from_secs(90 * 24 * 60 * 60)));
    assert_eq!(config.quarantine.max_bytes, ByteSize::b(4096));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let setting = Setting::new()
        .env("RECEIPTD_PROVIDER__RATE", "")
        .env("RECEIPTD_PROVIDER__KEY", "  ")
        .env("RECEIPTD_CONFIG", "")
        .env("RUST_LOG", "");
    let loaded = setting.load();
    assert_eq!(loaded.config.provider.rate, None);
    assert_eq!(loaded.config.provider.key, KeySource::Unset);
    assert_eq!(loaded.config.log.filter(), "info");
}

#[test]
fn rust_log_wins_over_the_level() {
    let setting = Setting::new().flag("log.level", "WARN");
    let loaded = setting.load();
    assert_eq!(loaded.config.log.filter(), "warn");
    assert_eq!(entry(&loaded, "log.level").shown(), "warn");
    let loaded = setting.env("RUST_LOG", "receiptd=trace").load();
    assert_eq!(loaded.config.log.filter(), "receiptd=trace");
    let level = entry(&loaded, "log.level");
    assert_eq!(level.shown(), "receiptd=trace");
    assert_eq!(level.origin.to_string(), "RUST_LOG");
}

// ---- which file, and which folder

#[test]
fn a_named_file_is_read_and_must_exist() {
    let setting = Setting::new().file("[provider]\nrate = 1").write("b.toml", "provider.rate = 2");
    let mut by_variable = setting.env("RECEIPTD_CONFIG", "b.toml");
    assert_eq!(by_variable.load().config.provider.rate.map(u32::from), Some(2));
    by_variable.sources.file = Some("receiptd.toml".into());
    assert_eq!(by_variable.load().config.provider.rate.map(u32::from), Some(1));
    by_variable.sources.file = Some("none.toml".into());
    assert_says(&by_variable.error(), &["none.toml (named by --config) cannot be read"]);
    let setting = Setting::new().env("RECEIPTD_CONFIG", "/nowhere/c.toml");
    assert_says(&setting.error(), &["/nowhere/c.toml", "RECEIPTD_CONFIG"]);
}

#[test]
fn relative_paths_count_from_the_folder_of_the_file() {
    let mut setting = Setting::new()
        .write("etc/r.toml", "database = \"../data/a.db\"\n[provider]\nkey_file = \"/run/key\"")
        .env("RECEIPTD_API__TOKEN_FILE", "b.token");
    setting.sources.file = Some("etc/r.toml".into());
    let config = setting.load().config;
    assert_eq!(config.database, setting.path("etc/../data/a.db"));
    assert_eq!(config.api.token_file, setting.path("etc/b.token"));
    assert_eq!(config.provider.key, KeySource::File("/run/key".into()));
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_place_and_without_the_line() {
    let setting = Setting::new().file("database = \"a.db\"\n[provider]\nkey = s3cr3t\n");
    let error = setting.error();
    assert_says(&error, &["receiptd.toml, line 3, column 7"]);
    assert!(!error.contains("s3cr3t"), "{error}");
    for text in ["[provider]\nkey = \"s3cr3t\n", "provider.key: s3cr3t", "key = s3cr3t\n"] {
        let error = Setting::new().file(text).error();
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_folder_in_place_of_the_file_is_an_error() {
    let setting = Setting::new();
    fs::create_dir(setting.path("receiptd.toml")).expect("a folder");
    assert_says(&setting.error(), &["receiptd.toml cannot be read"]);
}

// ---- unknown keys

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_one() {
    let path = |setting: &Setting| setting.path("receiptd.toml").display().to_string();
    for (text, written, nearest) in [
        ("databse = \"a\"", "databse", "database"),
        ("[provider]\ntimout = \"a\"", "provider.timout", "provider.timeout"),
        ("timeout = \"3s\"", "timeout", "provider.timeout"),
        ("[provider.timout]\na = 1", "provider.timout", "provider.timeout"),
        ("[reconsile]\nafter = \"1s\"", "[reconsile]", "[reconcile]"),
    ] {
        let setting = Setting::new().file(text);
        let error = setting.error();
        assert_says(&error, &["unknown", written, &path(&setting)]);
        assert_says(&error, &[&format!("the nearest is {nearest}")]);
    }
}

#[test]
fn an_unknown_variable_or_flag_is_named_with_the_nearest_one() {
    let error = Setting::new().env("RECEIPTD_PROVIDER_KEY", "s3cr3t").error();
    assert_says(&error, &["RECEIPTD_PROVIDER_KEY is unknown", "RECEIPTD_PROVIDER__KEY"]);
    assert!(!error.contains("s3cr3t"), "{error}");
    let error = Setting::new().flag("provider.rat", "5").error();
    assert_says(&error, &["provider.rat on the command line", "provider.rate"]);
    let error = Setting::new().flag("provider", "5").error();
    assert_says(&error, &["provider on the command line is a section"]);
}

#[test]
fn variables_of_kubernetes_and_of_others_are_left_alone() {
    Setting::new()
        .env("RECEIPTD_CONFIG", "")
        .env("RECEIPTD_SERVICE_HOST", "10.0.0.1")
        .env("RECEIPTD_SERVICE_PORT", "8080")
        .env("RECEIPTD_SERVICE_PORT_HTTP", "8080")
        .env("RECEIPTD_PORT", "tcp://10.0.0.1:8080")
        .env("RECEIPTD_PORT_8080_TCP_ADDR", "10.0.0.1")
        .env("RECEIPTD_API_PORT_8081_TCP", "tcp://10.0.0.1:8081")
        .env("PATH", "/bin")
        .env("receiptd_public_url", "x")
        .load();
    let error = Setting::new().env("RECEIPTD_CALLBACK__PORT", "80").error();
    assert_says(&error, &["RECEIPTD_CALLBACK__PORT is unknown"]);
}

#[test]
fn a_section_in_place_of_a_key_and_the_other_way_round_are_told_apart() {
    let error = Setting::new().file("callback = 8080").error();
    assert_says(&error, &["callback in", "is a section", "callback.listen"]);
    let error = Setting::new().file("[database]\nfile = \"a\"").error();
    assert_says(&error, &["database in", "single value"]);
    let error = Setting::new().file("public_url = [\"https://a.example\"]").error();
    assert_says(&error, &["public_url in", "single value"]);
    let error = Setting::new().file("[[provider]]\nrate = 1").error();
    assert_says(&error, &["provider in", "is a section"]);
}

// ---- wrong values

#[test]
fn a_wrong_value_is_shown_with_its_key_its_place_and_what_would_be_right() {
    for (text, parts) in [
        ("shutdown_timeout = 30", ["shutdown_timeout is 30", "duration with its unit"]),
        ("[provider]\ntimeout = \"soon\"", ["timeout is \"soon\"", "such as \"30s\""]),
        ("[provider]\ntimeout = \"0\"", ["timeout is \"0\"", "longer than 0"]),
        ("[provider]\ntimeout = \"0s\"", ["timeout is \"0s\"", "longer than 0"]),
        ("[reconcile]\ndeadline = \"999years\"", ["\"999years\"", "at most 100 years"]),
        ("[retention]\nreceipts = \"-1d\"", ["receipts is \"-1d\"", "or \"0\""]),
        ("[callback]\nmax_body = \"lots\"", ["max_body is \"lots\"", "\"256KiB\""]),
        ("[callback]\nmax_body = \"1023B\"", ["max_body is \"1023B\"", "at least 1.0 KiB"]),
        ("[callback]\nmax_body = 1.5", ["max_body is 1.5", "a size"]),
        ("[quarantine]\nmax_bytes = \"99999EiB\"", ["\"99999EiB\"", "a size"]),
        ("[callback]\nmax_connections = 9", ["max_connections is 9", "from 10"]),
        ("[callback]\nmax_connections = \"99\"", ["max_connections is \"99\"", "whole number"]),
        ("[api]\nallow_remote = \"true\"", ["allow_remote is \"true\"", "without quotes"]),
        ("[api]\nallow_remote = 1", ["allow_remote is 1", "true or false"]),
        ("[api]\nlisten = \"localhost\"", ["listen is \"localhost\"", "127.0.0.1:8081"]),
        ("[provider]\nconcurrency = 65", ["concurrency is 65", "from 1 to 64"]),
        ("[provider]\nconcurrency = 0", ["concurrency is 0", "from 1 to 64"]),
        ("[provider]\nmax_destinations = 50001", ["is 50001", "from 1 to 50000"]),
        ("[provider]\nmax_destinations = 0", ["is 0", "from 1 to 50000"]),
        ("[provider]\nrate = -1", ["rate is -1", "from 0"]),
        ("[provider]\nrate = 2.5", ["rate is 2.5", "whole number"]),
        ("[provider]\nwire_names = \"Both\"", ["\"Both\"", "\"table\" or \"example\""]),
        ("[provider]\ndefault_region = \"UK\"", ["default_region is \"UK\"", "\"GB\""]),
        ("[provider]\nbase_url = \"mplus\"", ["base_url is \"mplus\"", "begin with http"]),
        ("[log]\nlevel = \"loud\"", ["level is \"loud\"", "\"debug\""]),
        ("[log]\nformat = true", ["format is true", "\"text\" or \"json\""]),
        ("database = \"\"", ["database is \"\"", "path of a file"]),
        ("database = 5", ["database is 5", "path of a file"]),
        ("public_url = 5", ["public_url is 5", "an address"]),
    ] {
        let setting = Setting::new().file(text);
        let error = setting.error();
        assert_says(&error, &parts);
        assert_says(&error, &[&format!("in {}", setting.path("receiptd.toml").display())]);
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let error = Setting::new().env("RECEIPTD_API__ALLOW_REMOTE", "maybe").error();
    assert_says(&error, &["api.allow_remote is \"maybe\" in RECEIPTD_API__ALLOW_REMOTE"]);
}

#[test]
fn a_wrong_flag_is_named() {
    let error = Setting::new().flag("provider.rate", "fast").error();
    assert_says(&error, &["provider.rate is \"fast\" on the command line"]);
    let error = Setting::new().flag("public_url", "").error();
    assert_says(&error, &["public_url is \"\" (not a valid address) on the command line"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let setting = Setting::new()
        .file("databse = \"a\"\n[provider]\nrate = \"x\"\ntimeout = 5")
        .env("RECEIPTD_NONSENSE", "1")
        .flag("log.level", "loud");
    let error = Config::load(&setting.sources).expect_err("mistakes");
    assert_says(&error.to_string(), &["5 mistakes:\n- "]);
    let ConfigError::Invalid(problems) = error else {
        unreachable!("mistakes in keys and values");
    };
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected = ["databse", "RECEIPTD_NONSENSE", "log.level", "provider.timeout", "provider.rate"];
    for key in expected {
        assert!(keys.contains(&key), "{key} is not in {keys:?}");
    }
}

// ---- what the daemon needs

fn with_key_and_url() -> Setting {
    Setting::new().env("RECEIPTD_PROVIDER__KEY", "s3cr3t").env("RECEIPTD_PUBLIC_URL", "https://a.example")
}

#[test]
fn what_the_daemon_misses_is_told_with_what_to_write_where() {
    let setting = Setting::new();
    let error = setting.daemon_error();
    let file = setting.path("receiptd.toml").display().to_string();
    assert_says(
        &error,
        &[
            "2 mistakes",
            &format!("public_url is not set. Write `public_url = \"https://…\"` into {file}"),
            "or set RECEIPTD_PUBLIC_URL. It is the address at which the provider reaches \
             callback.listen (0.0.0.0:8080)",
            &format!("`key_file = \"provider.key\"` under [provider] in {file}"),
            "or set RECEIPTD_PROVIDER__KEY",
        ],
    );
}

#[test]
fn with_url_and_key_the_daemon_can_run() {
    let daemon = with_key_and_url().load().for_daemon().expect("all there");
    assert_eq!(daemon.public_url.as_str(), "https://a.example");
    assert_eq!(daemon.key, Secret::from("s3cr3t"));
}

#[test]
fn an_api_beyond_loopback_is_refused_unless_allowed_in_so_many_words() {
    for listen in ["0.0.0.0:8081", "[::]:8081", "192.0.2.1:8081"] {
        let setting = with_key_and_url().env("RECEIPTD_API__LISTEN", listen);
        // The commands may well talk to a daemon elsewhere.
        setting.load();
        assert_says(&setting.daemon_error(), &[listen, "in RECEIPTD_API__LISTEN", "not a loopback", "allow_remote = true"]);
        let allowed = setting.flag("api.allow_remote", "true").load();
        assert!(allowed.for_daemon().is_ok(), "{listen}");
    }
    for listen in ["127.0.0.5:8081", "[::1]:8081", "[::ffff:127.0.0.1]:8081"] {
        let loaded = with_key_and_url().env("RECEIPTD_API__LISTEN", listen).load();
        assert!(loaded.for_daemon().is_ok(), "{listen}");
    }
}

#[test]
fn both_listeners_on_one_port_are_refused() {
    let on = |callback: &str, api: &str| with_key_and_url().flag("callback.listen", callback).flag("api.listen", api);
    for callback in ["127.0.0.1:8081", "0.0.0.0:8081", "[::]:8081"] {
        let error = on(callback, "127.0.0.1:8081").daemon_error();
        assert_says(&error, &[callback, "cannot share port 8081"]);
    }
    for (callback, api) in [("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.2:1", "127.0.0.1:1")] {
        assert!(on(callback, api).load().for_daemon().is_ok(), "{callback} {api}");
    }
}

// ---- the key

#[test]
fn the_key_is_refused_in_the_file_and_on_the_command_line() {
    let in_file = Setting::new().file("[provider]\nkey = \"s3cr3t\"").error();
    assert_says(&in_file, &["provider.key in", "refused", "key_file", "RECEIPTD_PROVIDER__KEY"]);
    let in_flag = Setting::new().flag("provider.key", "s3cr3t").error();
    assert_says(&in_flag, &["provider.key cannot be given on the command line", "key_file"]);
    assert!(!in_file.contains("s3cr3t") && !in_flag.contains("s3cr3t"));
}

#[test]
fn the_key_is_read_from_its_file_only_for_the_daemon() {
    let setting = with_key_file("  s3cr3t\r\n");
    fs::remove_file(setting.path("provider.key")).expect("removed");
    let loaded = setting.load();
    let error = loaded.for_daemon().expect_err("no key").to_string();
    let path = setting.path("provider.key");
    assert_says(&error, &["key cannot be read from", &path.display().to_string()]);
    let setting = setting.write("provider.key", "  s3cr3t\r\n");
    let daemon = setting.load().for_daemon().expect("a key");
    assert_eq!(daemon.key.expose(), "s3cr3t");
}

#[test]
fn what_editors_and_shells_leave_around_a_key_is_no_part_of_it() {
    for around in [
        "\u{feff}s3cr3t\r\n",
        "\u{feff}\u{feff} s3cr3t",
        "\"s3cr3t\"\n",
        "'s3cr3t'",
        "`s3cr3t`",
        "“s3cr3t”",
        "\u{200b}s3cr3t\u{200b}\u{a0}\n\n",
        "\u{feff}\" \u{2060}s3cr3t \"\r\n",
    ] {
        let daemon = with_key_file(around).load().for_daemon().expect("a key");
        assert_eq!(daemon.key.expose(), "s3cr3t", "{around:?}");
    }
    let variable = Setting::new().env("RECEIPTD_PUBLIC_URL", "https://a.example").env("RECEIPTD_PROVIDER__KEY", "\"s3cr3t\"");
    assert_eq!(variable.load().for_daemon().expect("a key").key.expose(), "s3cr3t");
}

fn with_key_file(content: &str) -> Setting {
    Setting::new().file("public_url = \"https://a.example\"\n[provider]\nkey_file = \"provider.key\"").write("provider.key", content)
}

#[test]
fn a_key_file_that_holds_no_key_is_an_error_that_does_not_show_it() {
    for (content, says) in [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("s3cr3t\ns3cr3t2", "must hold nothing but the key"),
        ("key: s3cr3t", "must hold nothing but the key"),
        ("s3c\u{200b}r3t", "must hold nothing but the key"),
        ("\u{feff}\"\"\n", "is empty"),
        (&"s3cr3t".repeat(1000), "longer than 4096 bytes"),
    ] {
        let error = with_key_file(content).daemon_error();
        assert_says(&error, &["provider's key", "provider.key", says]);
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn the_key_variable_wins_over_a_key_file_and_a_flag_over_both() {
    let key = |setting: &Setting| setting.load().for_daemon().expect("a key").key;
    let setting = with_key_file("of-file").env("RECEIPTD_PROVIDER__KEY", "of-variable");
    assert_eq!(key(&setting).expose(), "of-variable");
    let setting = setting.write("other", "of-flag").flag("provider.key_file", "other");
    assert_eq!(key(&setting).expose(), "of-flag");
}

#[test]
fn the_key_that_systemd_hands_over_is_used_where_none_is_set() {
    let setting = Setting::new().write("credentials/provider.key", "of-systemd\n").env("RECEIPTD_PUBLIC_URL", "https://a.example");
    let folder = setting.path("credentials").display().to_string();
    let setting = setting.env("CREDENTIALS_DIRECTORY", &folder);
    let loaded = setting.load();
    let path = setting.path("credentials/provider.key");
    assert_eq!(entry(&loaded, "provider.key").origin, Origin::File(path));
    let key = |setting: &Setting| setting.load().for_daemon().expect("a key").key;
    assert_eq!(key(&setting).expose(), "of-systemd");
    // It stands for the file that root alone may read.
    let setting = setting.write("receiptd.toml", "[provider]\nkey_file = \"/root/provider.key\"\n");
    assert_eq!(key(&setting).expose(), "of-systemd");
    let setting = setting.env("RECEIPTD_PROVIDER__KEY", "of-variable");
    assert_eq!(key(&setting).expose(), "of-variable");
}

#[test]
fn the_file_of_the_machine_is_read_where_nobody_names_one_and_the_folder_has_none() {
    let mut setting = Setting::new().write("etc/receiptd.toml", "shutdown_timeout = \"1s\"");
    let patience = |setting: &Setting| setting.load().config.shutdown_timeout.as_secs();
    setting.sources.system_file = Some(setting.path("nowhere/receiptd.toml"));
    assert_eq!(patience(&setting), 10);
    setting.sources.system_file = Some(setting.path("etc/receiptd.toml"));
    assert_eq!(patience(&setting), 1);
    // What is relative in it counts from its own folder.
    assert_eq!(setting.load().config.api.token_file, setting.path("etc/receiptd.token"));
    let setting = setting.write("receiptd.toml", "shutdown_timeout = \"2s\"");
    assert_eq!(patience(&setting), 2);
    let setting = setting.write("other.toml", "shutdown_timeout = \"3s\"").env("RECEIPTD_CONFIG", "other.toml");
    assert_eq!(patience(&setting), 3);
}

// ---- nothing shows a secret

#[test]
fn nothing_shows_the_key() {
    let setting = with_key_and_url();
    let loaded = setting.load();
    let daemon = loaded.for_daemon().expect("all there");
    let key = entry(&loaded, "provider.key");
    assert_eq!(key.shown(), "[hidden]");
    assert_eq!(key.origin.to_string(), "RECEIPTD_PROVIDER__KEY");
    let json = serde_json::to_string_pretty(&loaded.entries).expect("JSON");
    for shown in [
        format!("{:?}", setting.sources),
        format!("{loaded:#?}"),
        format!("{daemon:?}"),
        cli::tables::config(&loaded.entries, &cli::screen::Screen::pipe()),
        json,
    ] {
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}

#[test]
fn a_refused_address_does_not_show_what_may_be_a_key() {
    for url in ["https://a.example/batch?key=s3cr3t", "https://me:s3cr3t@a.example"] {
        let error = Setting::new().env("RECEIPTD_PROVIDER__BASE_URL", url).error();
        assert_says(&error, &["provider.base_url is \"https://", "a.example"]);
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

// ---- `receiptd config`

#[test]
fn the_table_shows_each_key_with_value_and_origin() {
    let setting = Setting::new().env("RECEIPTD_PROVIDER__RATE", "50");
    let table = cli::tables::config(&setting.load().entries, &cli::screen::Screen::pipe());
    let words = |key: &str| -> Vec<&str> {
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find(|words| words.first() == Some(&key)).expect(key)
    };
    assert_eq!(words("key"), ["key", "value", "from"]);
    assert_eq!(words("provider.rate"), ["provider.rate", "50", "RECEIPTD_PROVIDER__RATE"]);
    assert_eq!(words("reconcile.deadline"), ["reconcile.deadline", "72h", "default"]);
    assert_eq!(words("public_url"), ["public_url", "(not", "set)", "default"]);
    let database = setting.path("receiptd.db").display().to_string();
    assert_eq!(words("database"), ["database", &database, "default"]);
}

#[test]
fn the_json_has_numbers_and_switches_as_such() {
    let setting = Setting::new().env("RECEIPTD_PROVIDER__RATE", "50");
    let json = serde_json::to_string_pretty(&setting.load().entries).expect("JSON");
    let entries: Vec<serde_json::Value> = serde_json::from_str(&json).expect("an array");
    let of = |key: &str| entries.iter().find(|entry| entry["key"] == key).expect(key);
    assert_eq!(of("provider.rate")["value"], 50);
    assert_eq!(of("provider.rate")["origin"], "RECEIPTD_PROVIDER__RATE");
    assert_eq!(of("api.allow_remote")["value"], false);
    assert!(of("public_url")["value"].is_null());
    assert_eq!(of("provider.timeout")["value"], "30s");
}

#[test]
fn the_process_itself_is_a_source() {
    let sources = Sources::from_process(Some(PathBuf::from("x.toml")), Vec::new());
    let sources = sources.expect("a working folder");
    assert!(sources.cwd.is_absolute());
    assert_eq!(sources.file.as_deref(), Some(Path::new("x.toml")));
    assert!(sources.env.iter().all(|(name, _)| name != "PATH"));
}
