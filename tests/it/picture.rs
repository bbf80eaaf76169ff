//! The picture in the README shows what `receiptd demo` really prints.
//!
//! `RECEIPTD_BLESS=1 cargo test --test it picture` records a run and draws it again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::binary::said;

fn picture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/demo.svg")
}

/// What a run prints; the temporary folder has one name everywhere.
fn run() -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Command::new(env!("CARGO_BIN_EXE_receiptd"))
        .arg("demo")
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .env("COLUMNS", "100")
        .output()
        .expect("it ran");
    assert!(run.status.success(), "{}", said(&run));
    let printed = String::from_utf8(run.stdout).expect("text");
    printed.replace(folder.path().to_str().expect("text"), "/tmp").lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A line without what differs from run to run: figures, ids, and the widths that depend on them. Lines of codes are one.
fn skeleton(lines: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        let words = line.split_whitespace().map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
        let words = words.collect::<Vec<_>>().join(" ");
        let is_code = words.trim_start_matches(['│', '|', ' ']).starts_with("failed");
        let line = if is_code { "failed".to_owned() } else { words };
        if kept.last() != Some(&line) {
            kept.push(line);
        }
    }
    kept
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn draw(lines: &[String]) -> String {
    const LINE: usize = 20;
    let lines: Vec<String> = std::iter::once("$ receiptd demo".to_owned()).chain(lines.iter().cloned()).collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let (width, height) = (columns * 42 / 5 + 40, lines.len() * LINE + 36);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>Output of receiptd demo</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1d2430\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\" fill=\"#e6eaf0\">\n"
    );
    for (n, line) in lines.iter().enumerate() {
        svg.push_str(&format!("<text x=\"20\" y=\"{}\" xml:space=\"preserve\">{}</text>\n", 34 + n * LINE, escaped(line)));
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// The lines of text in the picture, but the command.
fn drawn(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter_map(|line| line.strip_prefix("<text ")?.split_once('>')?.1.strip_suffix("</text>"));
    texts.skip(1).map(|text| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
}

#[test]
fn the_picture_in_the_readme_shows_what_the_demo_prints() {
    let lines = run();
    if std::env::var_os("RECEIPTD_BLESS").is_some() {
        fs::write(picture(), draw(&lines)).expect("written");
    }
    let shown = drawn(&fs::read_to_string(picture()).expect("docs/demo.svg"));
    assert_eq!(skeleton(&shown), skeleton(&lines), "draw it again: RECEIPTD_BLESS=1 cargo test --test it picture");
}
