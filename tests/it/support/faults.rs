//! Storage that fails on request.

use std::path::PathBuf;

use crate::binary::{House, preloaded};

/// Makes the storage of a daemon fail for as long as it is told to.
pub struct Faults(PathBuf);

impl Faults {
    /// Of a house whose daemon is started after this.
    pub fn of(house: House) -> (House, Self) {
        let file = house.path("faults");
        (house.set("LD_PRELOAD", &preloaded("support/faults.c")).set("FAULTS_FILE", &file.display().to_string()), Self(file))
    }

    /// Nothing more can be committed: the disk is full.
    pub fn full_disk(&self) {
        self.fail("write 28 -wal");
    }

    /// Each line names a call, an error and a pattern of the end of a file's name. With error 0 the call waits until no line
    /// says so any more.
    pub fn fail(&self, lines: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, lines).expect("written");
        std::fs::rename(&next, &self.0).expect("renamed"); // at no moment is there none
    }

    /// All is well again.
    pub fn mend(&self) {
        std::fs::remove_file(&self.0).expect("removed");
    }
}
