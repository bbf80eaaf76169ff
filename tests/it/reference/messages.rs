//! docs/troubleshooting.md quotes messages of the program: each must still be one.

use std::path::{Path, PathBuf};

#[test]
fn every_message_on_the_troubleshooting_page_is_one_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).expect("there");
    let said = what_the_program_says(&root.join("src"));
    let (mut quoted, mut wrong) = (0, Vec::new());
    for (line, row) in page.lines().enumerate().filter(|(_, row)| row.starts_with("| `")) {
        let message = row.split('`').nth(1).expect("a message");
        quoted += 1;
        if !message.split('…').map(str::trim).filter(|part| part.len() > 3).all(|part| said.contains(part)) {
            wrong.push(format!("docs/troubleshooting.md:{}: {message}", line + 1));
        }
    }
    assert!(quoted > 40, "{quoted}");
    assert!(wrong.is_empty(), "the program does not say:\n{}", wrong.join("\n"));
}

/// All sources without their tests, as strings read: without escapes, and with broken lines in one.
fn what_the_program_says(folder: &Path) -> String {
    let (mut text, mut folders): (String, Vec<PathBuf>) = (String::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).expect("a source");
                let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let mut broken = false;
                for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    let line = if broken { line.trim_start() } else { line };
                    broken = line.ends_with('\\');
                    text.push_str(line.trim_end_matches('\\'));
                    if !broken {
                        text.push('\n');
                    }
                }
            }
        }
    }
    text.replace("\\\"", "\"")
}
