//! What this process may still do once its programs are loaded. It goes on reading what others made (ELF headers, single unwind rules,
//! names of code), and a mistake there should find as little as possible: capabilities that are not needed any more are given up for
//! good, and so are system calls that change the machine or reach into other processes. Both hold for one thread and those that it
//! starts: to be called before there are others.

use std::io;

use crate::protocol;

/// Number and why it stays.
const KEPT: [(u32, &str); 9] = [
    (2, "CAP_DAC_READ_SEARCH: files and directories of others"),
    (5, "CAP_KILL: processes that make tables and have another user"),
    (6, "CAP_SETGID: the same, which give up what they have"),
    (7, "CAP_SETUID: the same"),
    (14, "CAP_IPC_LOCK: rings of CPUs that come"),
    (19, "CAP_SYS_PTRACE: /proc of others"),
    (34, "CAP_SYSLOG: addresses of the kernel's symbols"),
    (38, "CAP_PERFMON: events of CPUs that come"),
    (39, "CAP_BPF: maps of the loaded programs"),
];
/// Needed for links of /proc/PID/map_files.
const CHECKPOINT_RESTORE: u32 = 40;
const SYS_ADMIN: u32 = 21;
const SYS_PTRACE: u32 = 19;
/// What CAP_SYS_ADMIN stands for where they were not granted.
const PART_OF_SYS_ADMIN: [u32; 2] = [38, 39];

/// Calls that nothing here makes: they change the machine, its name spaces or keys, or reach into other processes.
const DENIED: [libc::c_long; 24] = [
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
];
/// Commands of bpf(2) that are left (include/uapi/linux/bpf.h): elements of maps whose descriptors are here, and the tracepoint of blocked
/// time. No new maps, programs and types, and none of somebody else's by its number or path.
const ALLOWED_BPF: [(u32, &str); 11] = [
    (1, "BPF_MAP_LOOKUP_ELEM"),
    (2, "BPF_MAP_UPDATE_ELEM"),
    (3, "BPF_MAP_DELETE_ELEM"),
    (4, "BPF_MAP_GET_NEXT_KEY"),
    (15, "BPF_OBJ_GET_INFO_BY_FD: the ring; run times"),
    (17, "BPF_RAW_TRACEPOINT_OPEN"),
    (21, "BPF_MAP_LOOKUP_AND_DELETE_ELEM"),
    (24, "BPF_MAP_LOOKUP_BATCH"),
    (25, "BPF_MAP_LOOKUP_AND_DELETE_BATCH"),
    (26, "BPF_MAP_UPDATE_BATCH"),
    (27, "BPF_MAP_DELETE_BATCH"),
];

/// Says what it could not give up.
pub fn reduce() {
    let paranoid = perf_event_paranoid();
    if let Err(error) = change_capabilities(|permitted| kept(permitted, paranoid), |_| 0).and_then(|()| deny_calls()) {
        // A parent that is gone shows at the first window.
        let _ = protocol::log("warn", &format!("privileges that are not needed stay: {error}"));
    }
}

/// Debian's kernels ask for CAP_SYS_ADMIN at every event above this value of kernel.perf_event_paranoid, whatever CAP_PERFMON says.
const PARANOID_OF_LINUX: i32 = 2;

fn perf_event_paranoid() -> i32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    text.trim().parse().unwrap_or(PARANOID_OF_LINUX)
}

/// Of what is there, what stays.
fn kept(permitted: u64, paranoid: i32) -> u64 {
    let has = |bit: u32| permitted >> bit & 1 == 1;
    // Without it others' /proc opens only to those that have every capability which they have.
    if !has(SYS_PTRACE) {
        return permitted;
    }
    let mut wanted = KEPT.iter().fold(1 << CHECKPOINT_RESTORE, |all, (bit, _)| all | 1 << bit);
    if !PART_OF_SYS_ADMIN.into_iter().all(has) || paranoid > PARANOID_OF_LINUX {
        wanted |= 1 << SYS_ADMIN;
    }
    permitted & wanted
}

/// What opening files of others takes: the process that does it keeps nothing else.
const FOR_FILES: [u32; 3] = [2, SYS_PTRACE, CHECKPOINT_RESTORE];

/// Gives up, in the process that opens files, what is not for that.
pub fn keep_for_files() -> io::Result<()> {
    let for_files = |permitted: u64| {
        // As in `kept`.
        if permitted >> SYS_PTRACE & 1 == 0 {
            return permitted;
        }
        let wanted = FOR_FILES.iter().fold(0, |all, bit| all | 1u64 << bit);
        // It stands for the last of them where that was not granted, and before Linux 5.9.
        let stands_for = if permitted >> CHECKPOINT_RESTORE & 1 == 0 { 1 << SYS_ADMIN } else { 0 };
        permitted & (wanted | stands_for)
    };
    change_capabilities(for_files, |_| 0)
}

/// Between fork and exec: capabilities of another user than root end with exec if they are not marked as ambient. Makes system calls only.
pub fn pass_on() -> io::Result<()> {
    change_capabilities(|permitted| permitted, |permitted| permitted)?;
    for bit in FOR_FILES.into_iter().chain([SYS_ADMIN]) {
        // SAFETY: takes numbers. It fails for what is not there.
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, bit, 0, 0) };
    }
    Ok(())
}

/// Man 2 capset, version 3: effective, permitted and inheritable of the lower 32 bits, then of the upper ones.
fn change_capabilities(permitted: impl Fn(u64) -> u64, inheritable: impl Fn(u64) -> u64) -> io::Result<()> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut sets = [0u32; 6];
    // SAFETY: both arrays have the sizes that this version states and outlive the call.
    checked(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    let before = u64::from(sets[1]) | u64::from(sets[4]) << 32;
    let (left, inherited) = (permitted(before), inheritable(before));
    for (at, shift) in [(0, 0), (3, 32)] {
        sets[at] &= (left >> shift) as u32;
        sets[at + 1] &= (left >> shift) as u32;
        sets[at + 2] = (inherited >> shift) as u32;
    }
    // SAFETY: as above.
    checked(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// They fail with EPERM. A program that is started from here (the one that makes tables) gains nothing by it.
fn deny_calls() -> io::Result<()> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    // struct seccomp_data: nr, arch, instruction pointer, arguments; the first argument's lower half.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const COMMAND: u32 = 16;
    let row = |code: u32, yes: u8, no: u8, k: u32| libc::sock_filter { code: code as u16, jt: yes, jf: no, k };
    let denied = row(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    let mut rows =
        vec![row(LOAD, 0, 0, ARCH), row(EQUAL, 1, 0, AUDIT_ARCH), row(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS), row(LOAD, 0, 0, NUMBER)];
    for call in DENIED {
        rows.extend([row(EQUAL, 0, 1, call as u32), denied]);
    }
    rows.extend([row(EQUAL, 1, 0, libc::SYS_bpf as u32), row(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW), row(LOAD, 0, 0, COMMAND)]);
    for (command, _) in ALLOWED_BPF {
        rows.extend([row(EQUAL, 0, 1, command), row(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)]);
    }
    rows.push(denied);
    let program = libc::sock_fprog { len: rows.len() as u16, filter: rows.as_mut_ptr() };
    // SAFETY: numbers; the program outlives the call, which copies it.
    unsafe {
        checked(libc::c_long::from(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))?;
        checked(libc::c_long::from(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_needed_and_what_stands_for_it() {
        let all = (1 << 41) - 1;
        assert_eq!([2, 3].map(|paranoid| kept(all, paranoid) >> SYS_ADMIN & 1), [0, 1]);
        assert_eq!(kept(all, 3) & (1 << 1 | 1 << 12 | 1 << 16), 0);
        assert_eq!(kept(1 << SYS_ADMIN | 1 << SYS_PTRACE | 1 << 12, 2), 1 << SYS_ADMIN | 1 << SYS_PTRACE);
        assert_eq!(kept(1 << 38 | 1 << 39 | 1 << 21, 2), 1 << 38 | 1 << 39 | 1 << 21);
        assert_eq!(kept(0, 2), 0);
    }

    /// The kernel looks at a command's arguments, which are nowhere here, after the filter has looked at the command.
    #[test]
    fn leaves_of_bpf_what_works_on_maps_that_are_open() {
        // SAFETY: takes nothing.
        if unsafe { libc::geteuid() } != 0 {
            return println!("SKIP leaves_of_bpf_what_works_on_maps_that_are_open: others than root get EPERM for everything");
        }
        let answers = || -> Vec<i32> {
            let ask = |command: libc::c_int| {
                // SAFETY: the kernel refuses an address that is not mapped.
                unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::null::<u8>(), 64) };
                io::Error::last_os_error().raw_os_error().unwrap()
            };
            (0..40).map(ask).collect()
        };
        let before = answers();
        // Filters are a thread's own.
        let after = std::thread::spawn(move || deny_calls().map(|()| answers())).join().unwrap().unwrap();
        for (command, (before, after)) in before.into_iter().zip(after).enumerate() {
            let allowed = ALLOWED_BPF.iter().any(|(number, _)| *number == command as u32);
            assert_eq!(after, if allowed { libc::EFAULT } else { libc::EPERM }, "command {command}, {before} before");
        }
    }
}
