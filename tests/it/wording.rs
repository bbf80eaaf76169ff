//! Messages, comments and pages use the ordinary words of the field. These tests keep retired words from coming back.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use receiptd::cli::Cli;

/// Words that no message uses any more, with their replacements.
const RETIRED: &[&str] = &[
    "mend",                 // fix
    "mended",               // fixed
    "lead here",            // reach this daemon
    "leads here",           // reaches this daemon
    "leads to this daemon", // reaches this daemon
    "must lead",            // must reach
    "put it right",         // fix it
    "put right",            // fix
    "put them right",       // fix them
    "left out",             // skipped
    "leave out",            // skip, drop
    "leave them out",       // skip them
    "say --",               // pass --
    "name the --",          // pass the --
    "name its",             // pass its
    "take another",         // pass, or choose, another
    "hand over",            // send, submit
    "hands over",           // sends
    "handed over",          // sent, accepted
    "handed to",            // sent to
    "is taken",             // recorded, accepted
    "are taken",            // recorded, accepted
    "all is well",          // no problems found
    "there is none",        // empty
    "anew",                 // again
    "give up",              // discard
    "given up",             // discarded
    "give it up",           // abandon it
    "became of",            // results, outcome
    "the books",            // all counters
    "business",             // (rude)
    "would go",             // would be deleted
    "known already",        // already known
    "thing is wrong",       // problem found
    "things are wrong",     // problems found
    "nothing goes out",     // nothing is sent
    "whoever",              // (of people only, and seldom)
    "once more",            // again
    "for ever",             // forever
    "can't",                // cannot
    "the contract",         // (readers have none)
];

/// Words that nothing uses any more: no source, not even in a comment, and no page.
const RETIRED_EVERYWHERE: &[&str] = &[
    "mend",                 // fix
    "mends",                // fixes
    "mended",               // fixed
    "afresh",               // again
    "anew",                 // again
    "lead home",            // reach this daemon
    "leads home",           // reaches this daemon
    "lead here",            // reach this daemon
    "leads here",           // reaches this daemon
    "leads to this daemon", // reaches this daemon
    "the books",            // the counters
    "books balance",        // all counters agree
    "whoever",              // the client, the provider, anyone who
    "is told",              // (say who reports what)
    "are told",             // (say who reports what)
    "of which nobody",      // (say who does not know what)
    "what became of",       // the outcome, what happened to
    "what becomes of",      // the outcome, what happens to
    "contract",             // docs/api.md, or the interface of the store
];

/// Lines that may use a word all the same: a file, a part of the line, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

fn retired_in(text: &str) -> Option<&'static str> {
    find(RETIRED, text)
}

fn find(retired: &[&'static str], text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    retired.iter().copied().find(|words| {
        text.match_indices(words).any(|(at, _)| {
            let is_inside = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].ends_with(is_inside) && !text[at + words.len()..].starts_with(is_inside)
        })
    })
}

fn each(command: &clap::Command, look: &mut impl FnMut(&clap::Command)) {
    look(command);
    command.get_subcommands().for_each(|command| each(command, look));
}

#[test]
fn no_help_says_what_is_retired() {
    let mut wrong = Vec::new();
    each(&Cli::command(), &mut |command| {
        for help in [command.clone().render_help(), command.clone().render_long_help()] {
            wrong.extend(retired_in(&help.to_string()).map(|words| format!("{}: `{words}`", command.get_name())));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_message_says_what_is_retired() {
    let mut wrong = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source");
        for (line, literal) in literals(text.split("#[cfg(test)]").next().unwrap_or_default()) {
            wrong.extend(retired_in(&literal).map(|words| format!("{}:{line}: `{words}` in {literal:?}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_comment_and_no_page_says_what_is_retired() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = ["src", "docs", "deploy", "benches", ".ci"].iter().flat_map(|folder| texts(&root.join(folder))).collect();
    files.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md", "schema.sql", "justfile"].map(|file| root.join(file)));
    assert!(files.len() > 200, "{}", files.len());
    let (mut wrong, mut used) = (Vec::new(), [false; EXCEPTIONS.len()]);
    for file in files {
        let name = file.strip_prefix(root).expect("below the root").display().to_string();
        for (number, line) in (1..).zip(fs::read_to_string(&file).unwrap_or_default().lines()) {
            let sentence = line.trim_start_matches(['/', '!', '#', '-', '|', ' ']).to_lowercase();
            let starts_oddly = ["the same,", "the same;", "those of which"].into_iter().find(|words| sentence.starts_with(words));
            let Some(words) = find(RETIRED_EVERYWHERE, line).or(starts_oddly) else { continue };
            match EXCEPTIONS.iter().position(|(file, part, _)| *file == name && line.contains(part)) {
                Some(exception) => used[exception] = true,
                None => wrong.push(format!("{name}:{number}: `{words}` in {line:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(used.iter().all(|used| *used), "an exception is no longer needed");
}

/// The text files below a folder.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { texts(&path) } else { vec![path] }).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "dialects");
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") && !is_test => found.push(path),
            false => {}
        }
    }
    found
}

/// The string literals of a source, each with the line in which it begins, without comments.
fn literals(source: &str) -> Vec<(usize, String)> {
    let (mut found, mut line) = (Vec::new(), 1);
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => line += 1,
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|c| *c != '\n').is_some() {},
            '\'' if rest.next_if_eq(&'"').is_some() => {}
            '\\' => drop(rest.next()),
            '"' => {
                let (begun, mut literal) = (line, String::new());
                while let Some(c) = rest.next() {
                    match c {
                        '"' => break,
                        // A line that continues in the next one.
                        '\\' if rest.peek() == Some(&'\n') => {
                            while rest.peek().is_some_and(|c| c.is_whitespace()) {
                                line += usize::from(rest.next() == Some('\n'));
                            }
                        }
                        '\\' => literal.extend(rest.next().map(|c| if c == 'n' { '\n' } else { c })),
                        c => {
                            line += usize::from(c == '\n');
                            literal.push(c);
                        }
                    }
                }
                found.push((begun, literal));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_retired_word_is_found_wherever_it_stands() {
    let source = "// mend\nlet a = 'x'; let q = '\"'; let b = \"it says \\\"mend\\\" \\\n    here\";\nlet c = \"recommend\";";
    let found = literals(source);
    assert_eq!(found[0], (2, "it says \"mend\" here".to_owned()));
    assert_eq!(found.iter().filter_map(|(_, text)| retired_in(text)).collect::<Vec<_>>(), ["mend"]);
    assert_eq!(retired_in("Handed over\n"), Some("handed over"));
}
