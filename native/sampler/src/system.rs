//! Calls of the system that the sampler's loop needs.

use std::time::Duration;

/// On a busy machine a sampler that gets no CPU cannot read its buffers in time. It needs little, so it may go first; without the
/// privilege everything stays as it is.
pub fn be_punctual() {
    // SAFETY: takes no pointers; 0 is this thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
}

/// Sleeps until one of the descriptors is readable or the time is over.
pub fn poll(fds: &[i32], time: Duration) {
    let mut fds: Vec<libc::pollfd> = fds.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the array holds as many entries as stated and outlives the call.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, time.as_millis() as i32) };
}

/// Returns when no run of a BPF program is left that was under way: they are read-side sections of RCU.
pub fn grace_period() {
    // SAFETY: membarrier(MEMBARRIER_CMD_GLOBAL) takes no pointers.
    if unsafe { libc::syscall(libc::SYS_membarrier, 1, 0, 0) } != 0 {
        // Kernels with nohz_full CPUs have no such barrier.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of one of the system's clocks.
pub fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the structure that it is given.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
