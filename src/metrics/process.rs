//! The kernel's figures about this process, under the names that Prometheus client libraries use.

use std::fs;

/// The unit of times in `/proc/self/stat`: USER_HZ, which is 100 on every platform we build for.
const TICKS_A_SECOND: f64 = 100.0;

/// A snapshot of `/proc/self`; values that cannot be read are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time used since the start, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The limit of open file descriptors.
    pub max_fds: Option<u64>,
}

impl Process {
    /// Takes a snapshot. Reads a few small files, and a folder with one entry per file descriptor.
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            cpu_seconds: cpu_seconds(&stat),
            resident_bytes: resident_bytes(&status),
            // Without the descriptor that reads the folder.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1)),
            max_fds: limit.current,
        }
    }
}

/// User plus system time, fields 14 and 15. The name in field 2 may contain spaces and parentheses, so fields are
/// counted from its end.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    Some(kilobytes.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let stat = "4242 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 4 0 100 200 300";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu_seconds(""), resident_bytes("")), (None, None));
    }

    #[test]
    fn this_process_is_read() {
        let process = Process::read();
        assert!(process.cpu_seconds.is_some() && process.resident_bytes > Some(1 << 20) && process.open_fds > Some(2), "{process:?}");
        assert!(process.max_fds.is_none_or(|most| Some(most) >= process.open_fds), "{process:?}");
    }
}
