//! What /proc says of a process whose main thread has ended before the others: its own directory is nearly empty then, and that of any
//! thread that lives says all of it. Threads have such directories at the top, too, though /proc does not list them.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_by_its_own_number_as_long_as_its_main_thread_lives() {
        let own = std::process::id();
        assert_eq!(alive(own), own);
        assert!(threads(own).any(|tid| tid == own));
        assert!(maps(own).contains("[stack]"));
        // Nobody has this number.
        assert_eq!((alive(u32::MAX), threads(u32::MAX).count(), maps(u32::MAX).len()), (u32::MAX, 0, 0));
    }
}
