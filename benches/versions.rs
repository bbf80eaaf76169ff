//! Compares two versions of receiptd receiving the same receipts. They take turns, so that noise on the machine affects
//! both.
//!
//!     BENCH_OLD=/path/to/receiptd cargo bench --bench versions
//!     BENCH_NEW=/path/to/another BENCH_OLD=… BENCH_ROUNDS=9 cargo bench --bench versions
//!
//! Prints the requests (for arrays: receipts) per second of each round, and the ratio of new to old, round by round.

use std::path::PathBuf;

use common::{PER_BATCH, Receiptd, drive, median, setting};

mod common;

/// The number of requests per measurement.
const REQUESTS: usize = 40_000;
/// Requests of one measurement on one connection.
const ONE_BY_ONE: usize = 2_000;

fn main() {
    let (destinations, rounds) = (setting("BENCH_DESTINATIONS", 1_000_000), setting("BENCH_ROUNDS", 7));
    let program = |variable: &str, default: Option<&str>| {
        let named = std::env::var(variable).ok().or(default.map(str::to_owned));
        PathBuf::from(named.expect("BENCH_OLD names the program to compare with"))
    };
    let programs = [program("BENCH_OLD", None), program("BENCH_NEW", Some(env!("CARGO_BIN_EXE_receiptd")))];
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let daemons: Vec<Receiptd> = programs
        .iter()
        .zip(&folders)
        .map(|(program, folder)| {
            let mut daemon = Receiptd::of(program, folder.path());
            daemon.take_in(destinations, |_| {});
            daemon
        })
        .collect();
    // Every receipt is the first of its destination: single ones go to the first two thirds, those in arrays to the rest.
    let singles = destinations / 3 * 2;
    let per_round = REQUESTS.min((singles / rounds - ONE_BY_ONE) / 2);
    let arrays = 400.min((destinations - singles - PER_BATCH) / rounds / 100);
    let scatter = |n: usize| n * 7_919 % singles;
    let in_arrays = singles.next_multiple_of(PER_BATCH);
    let mut next = 0;
    for (what, connections) in
        [("64 connections", 64), ("1,000 connections", 1_000), ("arrays of 100, 16 connections", 16), ("1 connection", 1)]
    {
        let mut rates: [Vec<f64>; 2] = Default::default();
        let mut p99: [Vec<f64>; 2] = Default::default();
        let mut cpu = [0.0; 2];
        for round in 0..rounds {
            // The one that starts changes from round to round.
            for n in [round % 2, 1 - round % 2] {
                let daemon = &daemons[n];
                let (requests, each): (Vec<_>, f64) = match connections {
                    16 => ((0..arrays).map(|n| daemon.post_hundred(in_arrays + (round * arrays + n) * 100, |k| k * 31)).collect(), 100.0),
                    1 => ((next..next + ONE_BY_ONE).map(|n| daemon.post(scatter(n))).collect(), 1.0),
                    _ => ((next..next + per_round).map(|n| daemon.post(scatter(n))).collect(), 1.0),
                };
                let before = daemon.cpu();
                let measured = drive(daemon.address, requests, connections);
                cpu[n] += daemon.cpu() - before;
                rates[n].push(measured.rate * each);
                p99[n].push(measured.latency[1]);
            }
            next += match connections {
                16 => 0,
                1 => ONE_BY_ONE,
                _ => per_round,
            };
        }
        let ratios: Vec<f64> = rates[0].iter().zip(&rates[1]).map(|(old, new)| new / old).collect();
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let ([old, new], [old99, new99]) = (rates.map(median), p99.map(median));
        println!(
            "{what}: old {old:.0}/s (p99 {old99:.2} ms), new {new:.0}/s (p99 {new99:.2} ms); new/old {:.3} ({})",
            median(ratios),
            each.join(" ")
        );
        println!("    processor time, new/old: {:.3}", cpu[1] / cpu[0]);
    }
    for (name, daemon) in ["old", "new"].iter().zip(&daemons) {
        println!("{name}: resident {:.1} MB, at most {:.1} MB", daemon.resident().0, daemon.resident().1);
    }
}
