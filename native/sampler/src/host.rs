//! This process and the kernel it runs on.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
/// Readable once a signal came, so that one which arrives just before a sleep ends the sleep.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// To be polled together with everything else; -1 (which poll passes over) before `install`.
pub fn wake_descriptor() -> i32 {
    WAKE.load(Ordering::Relaxed)
}

pub fn stop() {
    STOP.store(true, Ordering::Relaxed);
}

pub fn stopping() -> bool {
    STOP.load(Ordering::Relaxed)
}

extern "C" fn on_signal(_: libc::c_int) {
    if STOP.swap(true, Ordering::Relaxed) {
        // Told twice: the parent does not read its pipe any more.
        // SAFETY: _exit may be called in a signal handler.
        unsafe { libc::_exit(0) };
    }
    let one = 1u64;
    // SAFETY: write may be called in a signal handler; it reads 8 bytes that outlive the call.
    unsafe { libc::write(wake_descriptor(), (&raw const one).cast(), 8) };
}

/// Signals end the run in order; the parent's end is a signal, too.
pub fn install() {
    // SAFETY: takes no pointers.
    WAKE.store(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) }, Ordering::Relaxed);
    // SAFETY: the handler only touches atomics, write and _exit; the structures are plain data that the kernel copies.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        for signal in [libc::SIGTERM, libc::SIGINT] {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        // Kernels before 5.11 charge BPF maps to this limit. Where it cannot be raised, loading tells whether it was enough.
        let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &unlimited);
    }
}

/// CPU time in milliseconds, that of ended processes that made tables included, and resident set in kB of this process.
pub fn usage() -> (i64, u64) {
    // SAFETY: getrusage fills the structure that it is given.
    let usage = |who| unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let ms = |t: libc::timeval| t.tv_sec * 1000 + t.tv_usec / 1000;
    let cpu_ms = [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].map(usage).iter().map(|usage| ms(usage.ru_utime) + ms(usage.ru_stime)).sum();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    (cpu_ms, pages * 4)
}

pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// Effective capabilities that matter here, by name.
pub fn capabilities() -> Vec<&'static str> {
    const NAMES: [(u32, &str); 9] = [
        (1, "CAP_DAC_OVERRIDE"),
        (2, "CAP_DAC_READ_SEARCH"),
        (14, "CAP_IPC_LOCK"),
        (19, "CAP_SYS_PTRACE"),
        (21, "CAP_SYS_ADMIN"),
        (24, "CAP_SYS_RESOURCE"),
        (38, "CAP_PERFMON"),
        (39, "CAP_BPF"),
        (40, "CAP_CHECKPOINT_RESTORE"),
    ];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
    let effective = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    NAMES.iter().filter(|(bit, _)| effective >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

/// False in a container with processes of its own: pids of samples and of /proc would not agree.
pub fn sees_host_processes() -> bool {
    const INITIAL: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == INITIAL)
}
