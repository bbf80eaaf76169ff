//! `init`: a configuration and a key file from a few answers.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::terminal::Terminal;
use super::{Failure, Session};
use crate::config::{Config, Sources};
use crate::durable;
use crate::secret::Secret;

/// Every key with its default and its explanation.
const TEMPLATE: &str = include_str!("../../deploy/receiptd.toml");
/// The key that `receiptd sandbox` accepts by default.
const SANDBOX_KEY: &str = "sandbox-key";

/// Examples of `receiptd init`.
pub const EXAMPLES: &str = "Examples:
  receiptd init                  asks for what it needs
  receiptd init --sandbox        uses a simulated provider
  receiptd init --public-url https://receipts.example.com --key-from key.txt

It writes receiptd.toml in this folder, or the file given with --config, and provider.key beside it. Existing files are never overwritten.";

/// `receiptd init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Use the sandbox, a simulated provider on this machine; nothing is sent to anybody
    #[arg(long, conflicts_with_all = ["public_url", "key_from"])]
    sandbox: bool,
    /// URL where the provider reaches this machine, for instance https://receipts.example.com
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// File with the provider key, which is copied; `-` is standard input
    #[arg(long, value_name = "FILE")]
    key_from: Option<PathBuf>,
    /// Country whose national numbers are read, for instance GB for 07700 900123
    #[arg(long, value_name = "COUNTRY")]
    region: Option<String>,
}

/// The content of the files.
struct Answers {
    sandbox: bool,
    public_url: String,
    region: Option<String>,
    key: Option<Secret>,
}

/// What was written, for programs.
#[derive(Serialize)]
struct Written {
    config: PathBuf,
    key_file: PathBuf,
    /// Whether the file contains a key now.
    has_key: bool,
    sandbox: bool,
}

/// `receiptd init`
pub async fn run(session: &Session, args: InitArgs) -> Result<(), Failure> {
    let config = session.config_file().unwrap_or(Path::new("receiptd.toml")).to_owned();
    let key_file = durable::folder_of(&config).join("provider.key");
    let there = |path: &Path| path.symlink_metadata().is_ok();
    if there(&config) {
        return Err(Failure::Failed(format!("{} exists already and was not changed", config.display())));
    }
    let answers = answers(args, there(&key_file))?;
    if answers.key.is_some() && there(&key_file) {
        return Err(Failure::Failed(format!("{} exists already and was not changed; move it away first", key_file.display())));
    }
    check(&answers)?;
    write(&config, &key_file, &answers)?;
    let written = Written { has_key: there(&key_file), sandbox: answers.sandbox, config, key_file };
    session.output.show(&written, |_| told(&written))
}

/// Takes the answers from the flags, and asks for the rest on the terminal.
fn answers(args: InitArgs, has_key: bool) -> Result<Answers, Failure> {
    let sandbox =
        |region| Answers { sandbox: true, public_url: "http://127.0.0.1:8080".to_owned(), region, key: Some(Secret::from(SANDBOX_KEY)) };
    if args.sandbox {
        return Ok(sandbox(args.region));
    }
    let key = args.key_from.as_deref().map(key_from).transpose()?;
    if let Some(public_url) = args.public_url {
        return Ok(Answers { sandbox: false, public_url, region: args.region, key });
    }
    let Some(terminal) = Terminal::open() else {
        return Err(Failure::Usage("there is no terminal to ask on: pass --public-url and --key-from, or --sandbox".to_owned()));
    };
    let unreadable = |error: io::Error| Failure::Failed(format!("cannot read the answer: {error}; nothing was written"));
    if key.is_none() && terminal.ask_whether("Use the sandbox, a simulated provider, for now?", true).map_err(unreadable)? {
        return Ok(sandbox(args.region));
    }
    let public_url = terminal.ask("URL where the provider reaches this machine (https://…):").map_err(unreadable)?;
    let key = match key {
        None if !has_key => {
            let typed =
                terminal.ask_secretly("Key of your Messaging Plus account (not shown; Enter to add it later):").map_err(unreadable)?;
            (!typed.is_empty()).then(|| Secret::from(typed.as_str()))
        }
        key => key,
    };
    let region = match args.region {
        None => {
            let typed = terminal.ask("Country whose national numbers are read, such as GB (Enter for none):").map_err(unreadable)?;
            (!typed.is_empty()).then_some(typed)
        }
        region => region,
    };
    Ok(Answers { sandbox: false, public_url, region, key })
}

fn key_from(file: &Path) -> Result<Secret, Failure> {
    let shown = file.display();
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = read.map_err(|error| Failure::Usage(format!("cannot read the key from {shown}: {error}")))?;
    match text.trim() {
        "" => Err(Failure::Usage(format!("{shown} contains no key"))),
        key => Ok(Secret::from(key)),
    }
}

/// Reads the answers as the daemon would.
fn check(answers: &Answers) -> Result<(), Failure> {
    if answers.public_url.is_empty() {
        return Err(Failure::Usage("the daemon needs a public URL; nothing was written".to_owned()));
    }
    let region = answers.region.clone().map(|region| ("provider.default_region".to_owned(), region));
    let overrides = [("public_url".to_owned(), answers.public_url.clone())].into_iter().chain(region).collect();
    // A folder without files that would be read together with the answers.
    Config::load(&Sources { overrides, cwd: "/nonexistent".into(), ..Sources::default() })?;
    Ok(())
}

/// Writes both files or none, and overwrites nothing.
fn write(config: &Path, key_file: &Path, answers: &Answers) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| Failure::Failed(format!("cannot write {path}: {error}"))
    };
    if let Some(key) = &answers.key {
        durable::create(key_file, format!("{}\n", key.expose()).as_bytes()).map_err(failed(key_file))?;
    }
    let written = durable::create(config, text(answers).as_bytes());
    // Contains no secret, and the daemon may run as another user.
    written.and_then(|()| fs::set_permissions(config, Permissions::from_mode(0o644))).map_err(|error| {
        if answers.key.is_some() {
            let _ = fs::remove_file(key_file); // it did not exist before
        }
        failed(config)(error)
    })
}

/// The complete configuration with the answers filled in.
fn text(answers: &Answers) -> String {
    let value = |text: &str| serde_json::Value::from(text).to_string(); // a JSON string is a TOML string
    let mut text = String::with_capacity(TEMPLATE.len() + 200);
    for line in TEMPLATE.lines() {
        let is = |key: &str| line.trim_start_matches("# ").strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "));
        let answer = match line {
            _ if is("public_url") => Some(format!("public_url = {}", value(&answers.public_url))),
            _ if is("key_file") => Some("key_file = \"provider.key\"".to_owned()),
            _ if is("base_url") && answers.sandbox => Some("base_url = \"http://127.0.0.1:8090\"".to_owned()),
            _ if is("default_region") => answers.region.as_deref().map(|region| format!("default_region = {}", value(region))),
            "listen = \"0.0.0.0:8080\"" if answers.sandbox => Some("listen = \"127.0.0.1:8080\"".to_owned()),
            _ => None,
        };
        text.push_str(answer.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

fn told(written: &Written) -> String {
    let (config, key_file) = (written.config.display(), written.key_file.display());
    let option = if written.config == Path::new("receiptd.toml") { String::new() } else { format!(" --config {config}") };
    let key = if written.has_key { format!("Wrote {config}; the key is in {key_file}.") } else { format!("Wrote {config}.") };
    let mut next = Vec::new();
    if !written.has_key {
        next.push(format!("put the provider key into {key_file}, mode 0600"));
    }
    if written.sandbox {
        next.push("start the sandbox: receiptd sandbox".to_owned());
    }
    next.push(format!("start the daemon, in another terminal: receiptd serve{option}"));
    next.push(format!("check everything: receiptd doctor{option}"));
    let steps: Vec<_> = next.iter().enumerate().map(|(n, step)| format!("  {}. {step}", n + 1)).collect();
    format!("{key}\nNext:\n{}", steps.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(answers: &Answers) -> crate::config::Loaded {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, key_file) = (folder.path().join("receiptd.toml"), folder.path().join("provider.key"));
        write(&config, &key_file, answers).expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&config), 0o644);
        assert!(answers.key.is_none() || mode(&key_file) == 0o600);
        let loaded = Config::load(&Sources { file: Some(config), ..Sources::default() }).expect("a configuration");
        assert!(answers.key.is_none() || loaded.for_daemon().is_ok());
        loaded
    }

    #[test]
    fn the_answers_are_what_the_daemon_reads() {
        let real = Answers {
            sandbox: false,
            public_url: "https://receipts.example.com/sms".into(),
            region: Some("GB".into()),
            key: Some(Secret::from("secret")),
        };
        let config = loaded(&real).config;
        assert_eq!(config.public_url.map(|url| url.to_string()).as_deref(), Some("https://receipts.example.com/sms"));
        assert!(config.provider.default_region.is_some() && config.provider.base_url.to_string().contains("mplus"));
        let sandbox =
            Answers { sandbox: true, public_url: "http://127.0.0.1:8080".into(), region: None, key: Some(Secret::from(SANDBOX_KEY)) };
        let config = loaded(&sandbox).config;
        assert!(config.provider.base_url.to_string().contains("127.0.0.1:8090") && config.callback.listen.ip().is_loopback());
        loaded(&Answers { key: None, ..real });
    }

    #[test]
    fn an_answer_that_the_daemon_would_refuse_is_refused() {
        for url in ["", "receipts.example.com", "ftp://x"] {
            let answers = Answers { sandbox: false, public_url: url.into(), region: None, key: None };
            assert_eq!(check(&answers).err().map(|failure| failure.exit_code()), Some(2), "{url}");
        }
        let answers = Answers { sandbox: false, public_url: "https://x.example".into(), region: Some("ZZ".into()), key: None };
        assert!(check(&answers).is_err());
    }
}
