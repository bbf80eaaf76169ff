//! Files that are complete or absent, even if the process is killed or the power fails: each is written under a new
//! name, synced and renamed, and then its folder is synced.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The ending of a draft's file name.
const ENDING: &str = ".new";

/// A new file, readable only by its owner, that does not have its final name yet. It is deleted if it never gets it.
pub(crate) struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Creates an empty file `<target>.<random>.new`. Follows no links, and opens no existing file.
    pub fn of(target: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut name = target.as_os_str().to_owned();
        let mut suffix = String::from(".");
        random.iter().try_for_each(|byte| write!(suffix, "{byte:02x}")).map_err(io::Error::other)?;
        name.push(suffix + ENDING);
        let path = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, target: target.to_owned() })
    }

    /// The path of the draft, until it is renamed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the draft to the target, replacing an existing file. Durable on return.
    pub fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.target)?;
        sync_folder_of(&self.target)
    }

    /// Renames the draft to the target. Fails if something has that name already. Durable on return.
    pub fn create(self) -> io::Result<()> {
        self.file.sync_all()?;
        match std::fs::hard_link(&self.path, &self.target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A file system without hard links.
            Err(_) if self.target.symlink_metadata().is_err() => std::fs::rename(&self.path, &self.target)?,
            Err(error) => return Err(error),
        }
        let _ = std::fs::remove_file(&self.path); // fails if it was renamed: the name is gone
        sync_folder_of(&self.target).inspect_err(|_| drop(std::fs::remove_file(&self.target)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // fails if it was renamed
    }
}

/// Writes a file, replacing an existing one. Durable on return.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = Draft::of(path)?;
    draft.file.write_all(content)?;
    draft.replace()
}

/// Writes a file. Fails if it exists already. Durable on return.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = Draft::of(path)?;
    draft.file.write_all(content)?;
    draft.create()
}

/// Syncs the folder of a file, so that the names in it are durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Deletes the drafts of a file that a killed process left behind. No other draft of it may be in use.
pub(crate) fn delete_drafts(target: &Path) {
    for draft in drafts(target) {
        let _ = std::fs::remove_file(draft); // a leftover only takes up space
    }
}

/// The existing drafts of a file.
pub(crate) fn drafts(target: &Path) -> Vec<PathBuf> {
    let (name, entries) = (target.file_name().and_then(|name| name.to_str()), std::fs::read_dir(folder_of(target)));
    let (Some(name), Ok(entries)) = (name, entries) else { return Vec::new() };
    let drafts = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|other| is_draft(other, name)));
    drafts.map(|entry| entry.path()).collect()
}

fn is_draft(name: &str, of: &str) -> bool {
    let random = name.strip_prefix(of).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(ENDING));
    random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The folder that contains a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_created_or_replaced_for_its_owner_alone_and_no_draft_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        create(&path, b"one").expect("created");
        assert_eq!(create(&path, b"two").expect_err("it exists").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("there"), b"one");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        replace(&path, b"three").expect("replaced");
        assert_eq!(std::fs::read(&path).expect("there"), b"three");
        drop(Draft::of(&path).expect("made"));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_link_is_not_followed_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
        std::fs::write(&precious, "mine").expect("written");
        symlink(&precious, &link).expect("made");
        assert_eq!(create(&link, b"new").expect_err("it exists").kind(), io::ErrorKind::AlreadyExists);
        replace(&link, b"new").expect("replaced");
        assert_eq!(std::fs::read(&precious).expect("there"), b"mine");
        assert_eq!(std::fs::read(&link).expect("there"), b"new");
    }

    #[test]
    fn drafts_that_were_left_are_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let kept = ["file", "file.0123456789abcdef", "file.0123456789abcdeg.new", "file.new", "file2.0123456789abcdef.new"];
        for name in kept.iter().chain(&["file.0123456789abcdef.new"]) {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        delete_drafts(&path);
        assert_eq!(names(folder.path()), kept);
    }
}
