//! A start among hundreds of busy processes. Among equals a turn comes once in half a second and lasts milliseconds, so a start that
//! takes a third of a second of CPU lasts twenty seconds, and a nice value helps only against processes of the same cgroup. A policy of real
//! time goes before all of them, whatever the weights of cgroups: it is for the start alone, which is short, and bounded by the kernel.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// `--first COMMAND ARGUMENTS`: becomes that command.
pub const FIRST: &str = "--first";
/// `--settle PID`: that process takes turns with others again.
pub const SETTLE: &str = "--settle";

/// Of a start; the command of the image that starts something else takes its turn.
const WHO: &str = "collector";
/// The lowest of real time: watchdogs and what else there is of the kernel's go before it.
const PRIORITY: i32 = 1;
/// A nice value for where the cgroup has no share of real time (CONFIG_RT_GROUP_SCHED).
const NICE: i32 = -20;
/// Seconds of CPU without a pause after which the kernel ends a thread of real time: the start has a third of one in all.
const MAX_BUSY_SECONDS: u64 = 5;
/// Longer than the windows that whoever starts a sampler waits for (`window_lengths.rs`).
const START: Duration = Duration::from_secs(3);

/// Does what it is asked for by the command line. None: something else is.
pub fn serve(arguments: &[String]) -> Option<i32> {
    match arguments {
        [flag, program, rest @ ..] if flag == FIRST => {
            if rest.iter().any(|argument| argument == WHO)
                && let Err(error) = go_first()
            {
                eprintln!(
                    "perfleet-sampler: the collector's start takes turns with other processes, which lasts long where all CPUs are busy: {error} \
                     (it takes CAP_SYS_NICE)"
                );
            }
            let error = Command::new(program).args(rest).exec();
            eprintln!("perfleet-sampler: {program} cannot be started: {error}");
            Some(127)
        }
        [flag, pid] if flag == SETTLE => Some(match pid.parse().map_err(io::Error::other).and_then(settle) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("perfleet-sampler: process {pid} keeps its priority: {error}");
                1
            }
        }),
        _ => None,
    }
}

/// This process and all that it starts from now on.
fn go_first() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: MAX_BUSY_SECONDS * 1_000_000, rlim_max: MAX_BUSY_SECONDS * 1_000_000 };
    // SAFETY: reads a structure that outlives the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_RTTIME, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    schedule(0, libc::SCHED_RR, PRIORITY).or_else(|error| {
        // SAFETY: takes no pointers; 0 is this process.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } == 0 { Ok(()) } else { Err(error) }
    })
}

/// All threads of a process; one that ends meanwhile needs nothing.
fn settle(pid: u32) -> io::Result<()> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let Some(tid) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        schedule(tid, libc::SCHED_OTHER, 0).or_else(|error| if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

/// This thread, and what it starts from now on, takes turns with others. To give up what one has needs no privilege.
pub fn take_turns() {
    // SAFETY: takes no pointers; 0 is this thread.
    if unsafe { libc::sched_getscheduler(0) } == libc::SCHED_RR {
        let _ = schedule(0, libc::SCHED_OTHER, 0);
    }
}

/// For a loop that begins with its process: takes turns from the first call on that comes after the start.
pub struct Start(Option<Instant>);

impl Start {
    /// It begins now.
    pub fn now() -> Start {
        Start(Some(Instant::now()))
    }

    pub fn end_when_over(&mut self) {
        if self.0.is_some_and(|began| began.elapsed() >= START) {
            self.0 = None;
            take_turns();
        }
    }
}

/// @param `tid` 0 for this thread
fn schedule(tid: i32, policy: i32, priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: reads a structure that outlives the call.
    if unsafe { libc::sched_setscheduler(tid, policy, &parameters) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
