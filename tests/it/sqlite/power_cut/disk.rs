//! A disk of which the power can be cut at any record of a recording: what it then holds of the folder.
//!
//! What was synced is there. Of what was written since, any sectors of any writes are there, in any order; of the names that
//! were given, changed or taken since their folder was synced, any are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::random::Random;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// One thing that the daemon did, in the order in which it did them.
#[derive(Debug, Clone)]
pub enum Record {
    /// A new, empty file.
    Create {
        inode: u64,
        name: String,
    },
    Truncate {
        inode: u64,
        size: usize,
    },
    Write {
        inode: u64,
        at: usize,
        data: Vec<u8>,
    },
    /// A file is durable as far as it was written before `since`, a byte of the recording.
    Sync {
        inode: u64,
        name: String,
        since: u64,
    },
    /// The names in the folder are.
    SyncFolder {
        since: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Link {
        from: String,
        to: String,
    },
    Unlink {
        name: String,
    },
    /// The daemon was started.
    Start,
    /// Bytes on their way to somebody at this port.
    Sent {
        port: u16,
        data: Vec<u8>,
    },
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { inode, name } => write!(f, "create {name} as {inode}"),
            Self::Truncate { inode, size } => write!(f, "truncate {inode} to {size}"),
            Self::Write { inode, at, data } => write!(f, "write {} bytes of {inode} at {at}", data.len()),
            Self::Sync { name, .. } => write!(f, "sync {name}"),
            Self::SyncFolder { .. } => write!(f, "sync the folder"),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Link { from, to } => write!(f, "link {from} as {to}"),
            Self::Unlink { name } => write!(f, "unlink {name}"),
            Self::Start => write!(f, "start"),
            Self::Sent { port, data } => write!(f, "send {} bytes to {port}", data.len()),
        }
    }
}

/// All records, each with the byte of the recording where it begins.
pub fn read(recording: &[u8]) -> Vec<(u64, Record)> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < recording.len() {
        let number = |from: usize, bytes: usize| {
            let mut padded = [0; 8];
            padded[..bytes].copy_from_slice(&recording[at + from..][..bytes]);
            u64::from_le_bytes(padded)
        };
        let size = |number: u64| usize::try_from(number).expect("small");
        let (kind, length, a, b) = (recording[at], size(number(4, 4)), number(8, 8), number(16, 8));
        let data = &recording[at + 24..][..length];
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).expect("a name");
        let names = || (text(&data[..size(a)]), text(&data[size(a)..]));
        let record = match kind {
            b'b' => Record::Start,
            b'c' => Record::Create { inode: a, name: text(data) },
            b't' => Record::Truncate { inode: a, size: size(b) },
            b'w' => Record::Write { inode: a, at: size(b), data: data.to_vec() },
            b's' if data.is_empty() => Record::SyncFolder { since: b },
            b's' => Record::Sync { inode: a, name: text(data), since: b },
            b'r' => Some(names()).map(|(from, to)| Record::Rename { from, to }).expect("two"),
            b'l' => Some(names()).map(|(from, to)| Record::Link { from, to }).expect("two"),
            b'u' => Record::Unlink { name: text(data) },
            b'n' => Record::Sent { port: u16::try_from(a).expect("a port"), data: data.to_vec() },
            kind => unreachable!("a record of kind {kind} at {at}"),
        };
        records.push((at as u64, record));
        at += 24 + length;
    }
    records
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Truncate(usize),
}

impl Change {
    /// With those sectors alone that `is_kept` says.
    fn apply(&self, to: &mut Vec<u8>, mut is_kept: impl FnMut() -> bool) {
        match self {
            Self::Truncate(size) => {
                if is_kept() {
                    to.resize(*size, 0);
                }
            }
            Self::Write { at, data } => {
                let (mut from, end) = (*at, at + data.len());
                while from < end {
                    let next = (from / SECTOR + 1) * SECTOR;
                    let until = next.min(end);
                    if is_kept() {
                        if to.len() < until {
                            to.resize(until, 0);
                        }
                        to[from..until].copy_from_slice(&data[from - at..until - at]);
                    }
                    from = until;
                }
            }
        }
    }
}

#[derive(Clone)]
enum Naming {
    Give { name: String, file: usize },
    Take { name: String },
    Move { from: String, to: String, file: usize },
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Give { name, file } => drop(names.insert(name.clone(), *file)),
            Self::Take { name } => drop(names.remove(name)),
            Self::Move { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

/// How much of what was not synced is there after the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    Nothing,
    Everything,
    /// All up to some moment, and half of what was written then.
    UpTo,
    /// Each write and each name by chance.
    Some,
    /// Each sector by chance, and of the names those up to some moment.
    Sectors,
    /// Of each file nothing, all, or each sector by chance.
    ByFile,
}

impl Keeping {
    pub const ALL: [Self; 6] = [Self::Nothing, Self::Everything, Self::UpTo, Self::Some, Self::Sectors, Self::ByFile];
}

/// The folder, as it is in memory and on the disk.
#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    inodes: HashMap<u64, usize>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<(u64, Naming)>,
}

impl Disk {
    pub fn perform(&mut self, at: u64, record: &Record) {
        match record {
            Record::Create { inode, name } => {
                self.files.push(File::default());
                self.inodes.insert(*inode, self.files.len() - 1);
                self.rename(at, Naming::Give { name: name.clone(), file: self.files.len() - 1 });
            }
            Record::Truncate { inode, size } => self.change(at, *inode, Change::Truncate(*size)),
            Record::Write { inode, at: offset, data } => self.change(at, *inode, Change::Write { at: *offset, data: data.clone() }),
            Record::Sync { inode, since, .. } => {
                let file = &mut self.files[self.inodes[inode]];
                let done = file.pending.partition_point(|(at, _)| at < since);
                file.pending.drain(..done).for_each(|(_, change)| change.apply(&mut file.durable, || true));
            }
            Record::SyncFolder { since } => {
                let done = self.pending_names.partition_point(|(at, _)| at < since);
                self.pending_names.drain(..done).for_each(|(_, naming)| naming.apply(&mut self.durable_names));
            }
            Record::Rename { from, to } => self.rename(at, Naming::Move { from: from.clone(), to: to.clone(), file: self.names[from] }),
            Record::Link { from, to } => self.rename(at, Naming::Give { name: to.clone(), file: self.names[from] }),
            Record::Unlink { name } => self.rename(at, Naming::Take { name: name.clone() }),
            Record::Start | Record::Sent { .. } => {}
        }
    }

    fn change(&mut self, at: u64, inode: u64, change: Change) {
        self.files[self.inodes[&inode]].pending.push((at, change));
    }

    fn rename(&mut self, at: u64, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending_names.push((at, naming));
    }

    /// What the disk holds where the power is cut now.
    pub fn cut(&self, keeping: Keeping, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let pending = self.files.iter().flat_map(|file| &file.pending).map(|(at, _)| *at);
        let moments: Vec<u64> = pending.chain(self.pending_names.iter().map(|(at, _)| *at)).collect();
        let moment = moments.get(random.below(moments.len().max(1))).copied().unwrap_or(0);
        let by_moment = match keeping {
            Keeping::UpTo => true,
            Keeping::Sectors | Keeping::ByFile => random.below(2) == 0,
            _ => false,
        };
        let mut names = self.durable_names.clone();
        for (at, naming) in &self.pending_names {
            let is_kept = match keeping {
                Keeping::Nothing => false,
                Keeping::Everything => true,
                _ if by_moment => *at < moment,
                _ => random.below(2) == 0,
            };
            if is_kept {
                naming.apply(&mut names);
            }
        }
        names.iter().map(|(name, file)| (name.clone(), self.files[*file].cut(keeping, moment, random))).collect()
    }
}

impl File {
    fn cut(&self, keeping: Keeping, moment: u64, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        let keeping = match keeping {
            Keeping::ByFile => [Keeping::Nothing, Keeping::Everything, Keeping::Sectors][random.below(3)],
            keeping => keeping,
        };
        for (at, change) in &self.pending {
            match keeping {
                Keeping::Nothing => {}
                Keeping::Everything => change.apply(&mut content, || true),
                Keeping::UpTo if *at < moment => change.apply(&mut content, || true),
                Keeping::UpTo if *at > moment => {}
                Keeping::Some => {
                    let is_kept = random.below(2) == 0;
                    change.apply(&mut content, || is_kept);
                }
                Keeping::UpTo | Keeping::Sectors | Keeping::ByFile => change.apply(&mut content, || random.below(2) == 0),
            }
        }
        content
    }
}
