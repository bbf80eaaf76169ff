//! Where the database really is, and the lock that gives it to one daemon.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::store::error::OpenError;
use crate::store::identity::beside;

/// As many links in a row as Linux follows.
const LINKS: usize = 40;

/// The path with all links followed, so that the lock is one lock whatever name was used. Of a new database too: SQLite
/// makes it where the link leads. Makes nothing.
pub(super) fn real_path(path: &Path) -> io::Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match path.read_link() {
            // What a link says counts from its own folder.
            Ok(target) => path = folder.join(target),
            Err(_) => {
                let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "names no file"))?;
                let folder = folder
                    .canonicalize()
                    .map_err(|error| io::Error::new(error.kind(), format!("the folder {}: {error}", folder.display())))?;
                return Ok(folder.join(name));
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "is a link that leads to links without end"))
}

/// `<database>.lock`, locked as long as the file is open.
pub(super) fn take_lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let file_error = |source| OpenError::File { path: lock_path.clone(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(file_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder); // only for the message
            let holder = if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
            return Err(OpenError::InUse { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(file_error(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())).map_err(file_error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_is_followed_and_nothing_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("there");
        std::fs::create_dir_all(root.join("data/deep")).expect("made");
        let link = |target: &str, name: &str| symlink(target, root.join(name)).expect("made");
        link("data/real.db", "r.db");
        link("r.db", "again.db");
        link(root.join("data/real.db").to_str().expect("text"), "whole.db");
        // `..` counts from where the folder really is.
        link("data/deep", "elsewhere");
        link("../real.db", "data/deep/up.db");
        for name in ["r.db", "again.db", "whole.db", "elsewhere/up.db", "data/real.db"] {
            assert_eq!(real_path(&root.join(name)).expect("found"), root.join("data/real.db"), "{name}");
        }
        assert!(!root.join("data/real.db").exists());
        link("nowhere/real.db", "lost.db");
        let error = real_path(&root.join("lost.db")).expect_err("no folder").to_string();
        assert!(error.contains("nowhere"), "{error}");
        link("round.db", "round.db");
        assert!(real_path(&root.join("round.db")).expect_err("no end").to_string().contains("without end"));
    }
}
