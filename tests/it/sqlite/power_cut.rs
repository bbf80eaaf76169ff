//! The power is cut: whatever a disk may then hold, the next start finds all that was acknowledged, and sends nothing twice.
//!
//! A daemon is recorded while it works (`recorder.c`, preloaded). Then the folder is made again as a disk might hold it that
//! lost its power at some record: what was synced is there, of the rest any part (`disk.rs`). `TRUST_CUTS=10000 cargo test
//! --release --test it power_cut` tries more of them; a failure names the `TRUST_SEED` and leaves the folder behind.

mod checks;
mod disk;
mod load;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use receiptd::domain::BatchId;

use self::checks::Before;
use self::disk::{Disk, Keeping, Record};
use self::load::{Recorded, Said, record};
use self::random::Random;
use crate::binary::House;
use crate::support::accept_copied_file;

/// What is cut in one recording.
const CUTS_OF_ONE: usize = 1_000;
/// Threads that try cuts.
const THREADS: usize = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn recorded() -> Recorded {
    actix_web::rt::System::new().block_on(record())
}

/// One for the tests of this process.
fn shared() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(recorded)
}

/// The records before which the power is cut: half of them anywhere, half close to where names change, files shrink, or
/// something is said to the provider.
fn moments(recorded: &Recorded, count: usize, random: &mut Random) -> Vec<usize> {
    let is_rare = |record: &Record| match record {
        Record::Write { .. } | Record::Sent { .. } => false,
        Record::Sync { name, .. } => !name.ends_with("-wal"),
        _ => true,
    };
    let handed_over = recorded.said.iter().filter(|(_, said)| matches!(said, Said::HandedOver { .. })).map(|(at, _)| *at);
    let rare = recorded.records.iter().enumerate().filter(|(_, (_, record))| is_rare(record)).map(|(at, _)| at);
    let special: Vec<usize> = rare.chain(handed_over).collect();
    let last = recorded.records.len();
    let mut moments: Vec<usize> = (0..count)
        .map(|n| match n % 2 {
            0 => random.below(last + 1),
            _ => (special[random.below(special.len())] + random.below(4)).saturating_sub(1).min(last),
        })
        .collect();
    moments.sort_unstable();
    moments
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>, random: &mut Random) {
    for (name, content) in files {
        // It is in memory alone, and made again by whoever opens the database first; whatever the disk has of it is nonsense.
        let is_shared_memory = name.ends_with("-shm");
        let nonsense = || (0..32_768).map(|at| (at % 251) as u8).collect();
        match is_shared_memory {
            false => std::fs::write(folder.join(name), content).expect("written"),
            true if random.below(2) == 0 => std::fs::write::<_, Vec<u8>>(folder.join(name), nonsense()).expect("written"),
            true => {}
        }
    }
    std::fs::write(folder.join("receiptd.toml"), "").expect("written");
    accept_copied_file(folder);
}

/// In memory where that can be: what is tried here was on a disk before.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Cuts the power at these moments. The first that shows something else than what was said, or nothing.
fn cut(recorded: &Recorded, swallowed: impl Fn(&Record) -> bool + Sync, moments: &[usize], seed: u64) -> Result<(), String> {
    let each = moments.len().div_ceil(THREADS);
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let swallowed = &swallowed;
        let threads: Vec<_> = moments.chunks(each).map(|moments| scope.spawn(move || cut_at(recorded, swallowed, moments, seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    outcomes.into_iter().collect()
}

fn cut_at(recorded: &Recorded, swallowed: impl Fn(&Record) -> bool, moments: &[usize], seed: u64) -> Result<(), String> {
    let system = actix_web::rt::System::new();
    let (mut disk, mut done) = (Disk::default(), 0);
    for (nth, &moment) in moments.iter().enumerate() {
        for (at, record) in &recorded.records[done..moment] {
            if !swallowed(record) {
                disk.perform(*at, record);
            }
        }
        done = moment;
        let mut random = Random::new(seed ^ (moment + (nth << 32)) as u64);
        let keeping = Keeping::ALL[random.below(Keeping::ALL.len())];
        let folder = folder();
        write(folder.path(), &disk.cut(keeping, &mut random), &mut random);
        let before = Before::new(recorded, moment);
        if let Err(error) = system.block_on(before.holds(folder.path())) {
            let folder = folder.keep();
            let last: Vec<String> =
                recorded.records[moment.saturating_sub(8)..moment].iter().map(|(_, record)| record.to_string()).collect();
            let (of, last, folder) = (recorded.records.len(), last.join("\n  "), folder.display());
            return Err(format!("{error}\nTRUST_SEED={seed}, cut at {moment} of {of}, keeping {keeping:?}, in {folder}, after\n  {last}"));
        }
    }
    Ok(())
}

fn seed() -> u64 {
    number("TRUST_SEED").unwrap_or_else(|| BatchId::random().as_uuid().as_u64_pair().0)
}

#[test]
fn the_recording_of_a_daemon_tells_all_that_became_of_its_files() {
    let recorded = shared();
    let mut disk = Disk::default();
    recorded.records.iter().for_each(|(at, record)| disk.perform(*at, record));
    let mut files = disk.cut(Keeping::Everything, &mut Random::new(1));
    files.retain(|name, _| !name.ends_with("-shm"));
    assert_eq!(files.keys().collect::<Vec<_>>(), recorded.files.keys().collect::<Vec<_>>());
    for (name, content) in files {
        assert!(recorded.files[&name] == content, "{name}");
    }
}

#[test]
fn what_was_said_before_the_power_was_cut_is_true_after_it() {
    let cuts = number("TRUST_CUTS").and_then(|cuts| usize::try_from(cuts).ok()).unwrap_or(300);
    let (seed, mut left) = (seed(), cuts);
    while left > 0 {
        let some = left.min(CUTS_OF_ONE);
        let another = (left < cuts).then(recorded);
        let recorded = another.as_ref().unwrap_or_else(|| shared());
        let seed = seed ^ left as u64;
        if let Err(error) = cut(recorded, |_| false, &moments(recorded, some, &mut Random::new(seed)), seed) {
            unreachable!("{error}");
        }
        left -= some;
    }
}

#[test]
fn a_first_start_that_ends_anywhere_leaves_what_the_next_one_accepts() {
    let recorded = shared();
    let first = recorded.said.iter().find(|(_, said)| matches!(said, Said::Done(_))).map_or(0, |(at, _)| *at);
    let moments: Vec<usize> = (0..=first).flat_map(|moment| [moment; 2]).collect();
    if let Err(error) = cut(recorded, |_| false, &moments, seed()) {
        unreachable!("{error}");
    }
}

#[test]
fn a_sync_that_never_reaches_the_disk_is_noticed() {
    let recorded = shared();
    let of = |suffix: &'static str| move |record: &Record| matches!(record, Record::Sync { name, .. } if name.contains(suffix));
    let seed = seed();
    let moments = moments(recorded, 60, &mut Random::new(seed));
    for suffix in ["-wal", ".identity", "first.db"] {
        assert!(cut(recorded, of(suffix), &moments, seed).is_err(), "{suffix}");
    }
    assert!(cut(recorded, |record| matches!(record, Record::SyncFolder { .. }), &moments, seed).is_err(), "the folder");
}

#[actix_web::test]
async fn a_daemon_that_starts_after_the_power_was_cut_hands_nothing_over_again() {
    let recorded = actix_web::rt::task::spawn_blocking(shared).await.expect("no panic");
    let mut random = Random::new(seed());
    for moment in moments(recorded, 6, &mut random) {
        let mut disk = Disk::default();
        recorded.records[..moment].iter().for_each(|(at, record)| disk.perform(*at, record));
        let house = House::new();
        let keeping = Keeping::ALL[random.below(Keeping::ALL.len())];
        write(house.folder.path(), &disk.cut(keeping, &mut random), &mut random);
        let daemon = house.serve().await;
        daemon.api("POST", "/v1/resume", None).await;
        let accepted = daemon.submit("hello", &["+447700900001"]).await;
        // What was queued before it goes out before it.
        daemon.until(&accepted, "submitted").await;
        let before: BTreeSet<String> = Before::new(recorded, moment).handed_over.into_keys().collect();
        let now: BTreeSet<String> = house.simulator.submissions().into_iter().filter_map(|submission| submission.uuid).collect();
        assert!(before.is_disjoint(&now), "cut {moment}, keeping {keeping:?}: {before:?}, {now:?}");
    }
}
