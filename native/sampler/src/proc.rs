//! What /proc says of a process whose main thread has ended before the others: its own directory is nearly empty then, and that of any
//! thread that lives says all of it. Threads have such directories at the top, too, though /proc does not list them.

use crate::system::{clock, monotonic};

const MAX_THREADS: usize = 4096;

/// Numbers of its threads, none when it is gone.
pub fn threads(pid: u32) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    entries.flatten().take(MAX_THREADS).filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The number below which /proc tells of the process: its own, or that of a thread that has not ended.
pub fn alive(pid: u32) -> u32 {
    // Threads of the kernel have no program either, and no other threads.
    let has_program = |id: &u32| std::fs::read_link(format!("/proc/{id}/exe")).is_ok();
    if has_program(&pid) { pid } else { threads(pid).find(has_program).unwrap_or(pid) }
}

/// `/proc/PID/maps`, empty when the process is gone.
pub fn maps(pid: u32) -> String {
    let read = |id: u32| std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap_or_default();
    let maps = read(pid);
    if maps.is_empty() && alive(pid) != pid { read(alive(pid)) } else { maps }
}

/// Number of its mount name space, 0 when it is gone or not to be seen.
pub fn mount_namespace(pid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{pid}/ns/mnt")).map_or(0, |meta| meta.ino())
}

/// Ticks of /proc, and the time from the start of a process to its record.
const START_TOLERANCE_NS: i64 = 50_000_000;

/// Whether the process that has this number now began at this time of CLOCK_MONOTONIC, in nanoseconds, give or take a little. False
/// when it is gone.
pub fn began_at(pid: u32, time: u64) -> bool {
    // Field 22, in ticks of CLOCK_BOOTTIME; the name, which may hold anything, ends with the last bracket.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19)?.parse::<u64>().ok());
    // SAFETY: takes a number.
    let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    let asleep = clock(libc::CLOCK_BOOTTIME).wrapping_sub(monotonic()) as i64;
    // While the machine is suspended one of the clocks stands still: what began before the last time seems to be later.
    ticks.is_some_and(|ticks| {
        let began = (ticks.saturating_mul(1_000_000_000 / hertz)) as i64;
        let since_boot = time as i64;
        (since_boot.saturating_sub(START_TOLERANCE_NS)..=since_boot.saturating_add(asleep).saturating_add(START_TOLERANCE_NS)).contains(&began)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_by_its_own_number_as_long_as_its_main_thread_lives() {
        let own = std::process::id();
        assert_eq!(alive(own), own);
        assert!(threads(own).any(|tid| tid == own));
        assert!(maps(own).contains("[stack]"));
        assert!(mount_namespace(own) != 0 && mount_namespace(u32::MAX) == 0);
        assert!(!began_at(own, 1) && !began_at(own, u64::MAX / 2) && !began_at(u32::MAX, 1));
        let (before, mut child) = (crate::system::monotonic(), std::process::Command::new("sleep").arg("60").spawn().unwrap());
        assert!(began_at(child.id(), before));
        child.kill().unwrap();
        child.wait().unwrap();
        // Nobody has this number.
        assert_eq!((alive(u32::MAX), threads(u32::MAX).count(), maps(u32::MAX).len()), (u32::MAX, 0, 0));
    }
}
