//! Which file of a crate uses which: read out of its source, without compiling it.
//!
//! A path is followed to the file that defines what it names: through `use`, `pub use`, `self` and `super`. That a module
//! shows what its own files hold (`pub use file::Item`) is no use of it, unless the module's code speaks of it as well.

use std::collections::{BTreeMap, BTreeSet};

/// The source files of a crate, by the path of their module: `store::sqlite::rows`; the root is empty.
pub struct Sources(BTreeMap<String, File>);

/// One source file, without its tests.
#[derive(Default)]
struct File {
    /// `mod` declarations.
    children: Vec<String>,
    /// What `use` brings in, by its name here.
    imports: BTreeMap<String, Path>,
    /// What is shown again: name, and path.
    shown: Vec<(String, Path)>,
    /// All other paths.
    paths: Vec<Path>,
    /// Every word of its code, `use` items left out.
    words: BTreeSet<String>,
}

type Path = Vec<String>;

/// Paths deeper than this through re-exports lead in a circle.
const DEEPEST: usize = 20;

impl Sources {
    /// From paths below `src` and texts.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut all, mut tests) = (BTreeMap::new(), Vec::new());
        for (path, text) in files {
            let module = module(path);
            let mut tokens = tokens(text);
            tests.extend(without_tests(&mut tokens).into_iter().map(|child| join(&module, &child)));
            all.insert(module, File::read(&tokens));
        }
        all.retain(|module: &String, _| !tests.iter().any(|test| is_within(module, test)));
        Self(all)
    }

    /// All modules but the root and the program itself.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|module| !module.is_empty() && *module != "main")
    }

    /// The modules of the first level that a file names, and those that define what it uses.
    pub fn modules_used(&self, module: &str) -> BTreeSet<String> {
        let named = self.paths(module).filter_map(|path| self.start(module, path)).map(|(start, rest)| join(&start, &rest.join("::")));
        let first = |path: String| path.split("::").next().unwrap_or_default().to_owned();
        named.chain(self.uses(module)).map(first).collect()
    }

    /// The other crates that a file names.
    pub fn crates_used(&self, module: &str) -> BTreeSet<String> {
        self.paths(module).filter(|path| self.start(module, path).is_none()).filter_map(|path| path.first().cloned()).collect()
    }

    fn paths(&self, module: &str) -> impl Iterator<Item = &Path> {
        let file = self.0.get(module);
        file.into_iter().flat_map(|file| file.paths.iter().chain(file.shown.iter().map(|(_, path)| path)))
    }

    /// The modules whose definitions a file uses.
    pub fn uses(&self, module: &str) -> BTreeSet<String> {
        let Some(file) = self.0.get(module) else { return BTreeSet::new() };
        let spoken_of = file.shown.iter().filter(|(name, path)| {
            let is_own = self.start(module, path).is_some_and(|(start, _)| is_within(&start, module));
            !is_own || file.words.contains(name)
        });
        let all = file.paths.iter().chain(spoken_of.map(|(_, path)| path));
        all.filter_map(|path| self.defining(module, path, 0)).filter(|used| used != module && !used.is_empty()).collect()
    }

    /// Every circle: files that use each other, directly or through others. Each is sorted.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let uses: BTreeMap<&str, BTreeSet<String>> = self.modules().map(|module| (module, self.uses(module))).collect();
        let reaches: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|from| (*from, reachable(&uses, from))).collect();
        let mut circles = BTreeSet::new();
        for (from, reached) in &reaches {
            if reached.contains(from) {
                let circle = reached.iter().filter(|to| reaches[*to].contains(from)).map(|to| (*to).to_owned());
                circles.insert(circle.collect::<Vec<String>>());
            }
        }
        circles.into_iter().collect()
    }

    /// Where a path begins, in a module of this crate, and the rest of it. `None`: it is another crate's.
    fn start(&self, module: &str, path: &[String]) -> Option<(String, Path)> {
        let mut start = match path.first()?.as_str() {
            "crate" => String::new(),
            "self" | "super" => module.to_owned(),
            word if self.0.get(module)?.children.iter().any(|child| child == word) => return Some((module.to_owned(), path.to_vec())),
            _ => return None,
        };
        let mut rest = path;
        while let Some(word) = rest.first().filter(|word| ["crate", "self", "super"].contains(&word.as_str())) {
            if word == "super" {
                start = start.rsplit_once("::").map_or_else(String::new, |(parent, _)| parent.to_owned());
            }
            rest = &rest[1..];
        }
        // `super` and `self` alone say where a path begins; the rest says where it leads.
        let mut rest = rest.to_vec();
        while let Some(child) = rest.first().map(|word| join(&start, word)).filter(|child| self.0.contains_key(child)) {
            start = child;
            rest.remove(0);
        }
        Some((start, rest))
    }

    /// The module that defines what a path names. `None`: it is another crate's.
    fn defining(&self, module: &str, path: &[String], depth: usize) -> Option<String> {
        assert!(depth < DEEPEST, "{module}: {path:?} leads in a circle");
        let Some((mut at, mut rest)) = self.start(module, path) else {
            // A name that `use` has brought in.
            let imported = self.0.get(module)?.imports.get(path.first()?)?;
            let longer: Path = imported.iter().chain(&path[1..]).cloned().collect();
            return (longer != path).then(|| self.defining(module, &longer, depth + 1)).flatten();
        };
        while let Some(word) = rest.first() {
            let child = join(&at, word);
            if self.0.contains_key(&child) {
                at = child;
                rest.remove(0);
                continue;
            }
            let file = self.0.get(&at)?;
            let shown = file.shown.iter().find(|(name, _)| name == word).map(|(_, path)| path);
            let Some(further) = shown.or_else(|| file.imports.get(word)) else { break };
            let longer: Path = further.iter().chain(&rest[1..]).cloned().collect();
            return self.defining(&at, &longer, depth + 1);
        }
        Some(at)
    }
}

fn reachable<'a>(uses: &'a BTreeMap<&str, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = next.pop() {
        for used in uses.get(&*module).into_iter().flatten() {
            if reached.insert(used.as_str()) {
                next.push(used.clone());
            }
        }
    }
    reached
}

impl File {
    fn read(tokens: &[String]) -> Self {
        let (mut file, mut at) = (Self::default(), 0);
        while at < tokens.len() {
            match tokens[at].as_str() {
                "mod" if tokens.get(at + 2).is_some_and(|token| token == ";") => {
                    file.children.push(tokens[at + 1].clone());
                    at += 3;
                }
                "use" if tokens.get(at + 1).is_some_and(|token| is_word(token)) => {
                    let is_shown = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
                    let mut found = Vec::new();
                    at = use_tree(tokens, at + 1, &[], &mut found) + 1;
                    for (name, path) in found {
                        if is_shown {
                            file.shown.push((name, path));
                        } else {
                            // What is brought in for its methods alone has no name, and still is used.
                            file.paths.push(path.clone());
                            file.imports.insert(name, path);
                        }
                    }
                }
                word if is_word(word) => {
                    let is_middle = at > 0 && (tokens[at - 1] == "." || tokens[at - 1] == "::");
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|token| token == "::") && tokens.get(at + 2).is_some_and(|token| is_word(token)) {
                        at += 2;
                        path.push(tokens[at].clone());
                    }
                    file.words.extend(path.iter().cloned());
                    if path.len() > 1 && !is_middle {
                        file.paths.push(path);
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
        file
    }
}

/// Reads `a::{b, c as d}` into names and paths; returns where it ends.
fn use_tree(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<(String, Path)>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = use_tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some("as") => {
                found.push((tokens[at + 1].clone(), path));
                return at + 2;
            }
            Some("::") => at += 1,
            Some("*") => {
                found.push((format!("* of {}", path.join("::")), path));
                return at + 1;
            }
            Some("self") if path.len() > before.len() || !before.is_empty() => at += 1, // `a::{self}` is `a`
            Some(word) if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => {
                found.extend(path.last().cloned().map(|name| (name, path)));
                return at;
            }
        }
    }
}

/// Words and signs of a source, without comments, texts and lifetimes. A path's `::` is one.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    let from = |at: usize| chars[at..].iter().collect::<String>();
    while at < chars.len() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '/' if next == '/' => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            '/' if next == '*' => at += from(at).find("*/").map_or(usize::MAX / 2, |end| from(at)[..end].chars().count() + 2),
            '"' => at = after_text(&chars, at + 1),
            'r' | 'b' if raw_hashes(&chars, at).is_some() => {
                let (start, hashes) = raw_hashes(&chars, at).unwrap_or_default();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at = start + chars[start..].windows(end.len()).position(|part| part == end).expect("the end of a raw text") + end.len();
            }
            '\'' if next == '\\' => at += 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1,
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            '\'' => at += 1 + chars[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
            ':' if next == ':' => {
                tokens.push("::".to_owned());
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                at += word.chars().count();
                tokens.push(word);
            }
            c => {
                tokens.push(c.to_string());
                at += 1;
            }
        }
    }
    tokens
}

/// After the end of a text that began before `at`.
fn after_text(chars: &[char], mut at: usize) -> usize {
    while chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where the text of `r#"…"#` begins, and how many hashes end it.
fn raw_hashes(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let prefix = chars[at..].iter().take_while(|c| matches!(c, 'r' | 'b')).count();
    let is_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let hashes = chars[at + prefix..].iter().take_while(|c| **c == '#').count();
    let is_raw = !is_word && chars[at..at + prefix].contains(&'r') && chars.get(at + prefix + hashes) == Some(&'"');
    is_raw.then_some((at + prefix + hashes + 1, hashes))
}

/// Takes out what is compiled for tests only; returns the modules among it that have a file.
fn without_tests(tokens: &mut Vec<String>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut files = Vec::new();
    while let Some(start) = tokens.windows(mark.len()).position(|part| part == mark) {
        let (mut end, mut depth) = (start + mark.len(), 0i32);
        while let Some(token) = tokens.get(end) {
            end += 1;
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth -= 1;
                    if depth == 0 && token == "}" {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        let item: Vec<String> = tokens.drain(start..end).collect();
        if let [.., word, name, last] = &*item
            && word == "mod"
            && last == ";"
        {
            files.push(name.clone());
        }
    }
    files
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_') && token != "as"
}

fn module(path: &str) -> String {
    let path = path.trim_end_matches(".rs").replace('/', "::");
    let path = path.strip_suffix("::mod").unwrap_or(&path);
    if path == "lib" { String::new() } else { path.to_owned() }
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}::{child}") }
}

/// Whether a module is another one, or lies below it.
pub fn is_within(module: &str, other: &str) -> bool {
    module.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
