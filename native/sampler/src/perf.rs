//! `perf_event_open` (man 2 perf_event_open): events, their attributes and the CPUs they run on.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `struct perf_event_attr` up to PERF_ATTR_SIZE_VER7 (128 bytes), linux/perf_event.h.
#[repr(C)]
#[derive(Clone, Default)]
pub struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved2: u16,
    aux_sample_size: u32,
    reserved3: u32,
    sig_data: u64,
}

const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const HW_CPU_CYCLES: u64 = 0;
const SW_CPU_CLOCK: u64 = 0;
const SW_DUMMY: u64 = 9;
/// PERF_FORMAT_TOTAL_TIME_ENABLED
const FORMAT_TIME_ENABLED: u64 = 1;
const SAMPLE_IP: u64 = 1;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;
const EXCLUDE_IDLE: u64 = 1 << 7;
const MMAP: u64 = 1 << 8;
const COMM: u64 = 1 << 9;
const FREQ: u64 = 1 << 10;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const MMAP2: u64 = 1 << 23;
const COMM_EXEC: u64 = 1 << 24;
const USE_CLOCKID: u64 = 1 << 25;
const BUILD_ID: u64 = 1 << 34;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_PERIOD: libc::c_ulong = 0x4008_2404;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
const IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
const FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Frames of a call chain, kernel and user together, as `sysctl kernel.perf_event_max_stack` allows by default.
pub const MAX_STACK: u16 = 127;

/// Frames of the kernel's own walks, which end there without a word.
#[cfg(feature = "bpf")]
pub fn allowed_frames() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_max_stack").unwrap_or_default();
    text.trim().parse().ok().filter(|&frames| frames > 0).unwrap_or(MAX_STACK.into())
}
const PROCESS_RECORDS: u64 = MMAP | COMM | TASK | MMAP2 | COMM_EXEC | BUILD_ID;

/// What drives the samples.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Clock {
    /// A timer of the kernel: works everywhere, blind where interrupts are off.
    CpuClock,
    /// A hardware counter with a frequency.
    Cycles,
}

impl Clock {
    /// Cycles where this CPU counts them, and why not where it does not; "" = they are counted.
    pub fn best() -> (Clock, String) {
        let cpu = online_cpus().ok().and_then(|cpus| cpus.first().copied()).unwrap_or(0);
        match Event::open(&sampling(Clock::Cycles, 1), -1, cpu) {
            Ok(_) => (Clock::Cycles, String::new()),
            Err(error) => (Clock::CpuClock, without_cycles(&error)),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Clock::CpuClock => "cpu-clock",
            Clock::Cycles => "cycles",
        }
    }

    /// The attribute's `sample_period` or `sample_freq` for so many samples a second.
    fn period(self, rate: u64) -> u64 {
        match self {
            Clock::CpuClock => 1_000_000_000 / rate,
            Clock::Cycles => rate,
        }
    }
}

fn without_cycles(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => "no counter of cycles can be had here, as in most virtual machines".into(),
        _ => format!("the counter of cycles cannot be opened: {error}"),
    }
}

fn base() -> Attr {
    Attr {
        kind: TYPE_SOFTWARE,
        size: size_of::<Attr>() as u32,
        sample_type: SAMPLE_TID | SAMPLE_TIME,
        read_format: FORMAT_TIME_ENABLED,
        flags: DISABLED | EXCLUDE_HV | SAMPLE_ID_ALL | USE_CLOCKID,
        clockid: libc::CLOCK_MONOTONIC,
        ..Attr::default()
    }
}

/// Samples alone, for a BPF program.
pub fn sampling(clock: Clock, rate: u64) -> Attr {
    let (kind, config, flags) = match clock {
        // A hardware counter does not count while the CPU sleeps, and not every one can be told to leave idle out.
        Clock::Cycles => (TYPE_HARDWARE, HW_CPU_CYCLES, FREQ),
        Clock::CpuClock => (TYPE_SOFTWARE, SW_CPU_CLOCK, EXCLUDE_IDLE),
    };
    let base = base();
    Attr { kind, config, sample_period: clock.period(rate), flags: base.flags | flags, ..base }
}

/// Samples with call chains, for a ring that wakes the reader at `watermark` bytes.
pub fn call_chains(clock: Clock, rate: u64, watermark: u32) -> Attr {
    let attr = sampling(clock, rate);
    Attr {
        sample_type: SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_CALLCHAIN,
        flags: attr.flags | WATERMARK,
        wakeup: watermark,
        sample_max_stack: MAX_STACK,
        ..attr
    }
}

/// Samples, mappings and names of one task and its children, user space only: what a user may see of own processes.
pub fn own_task(rate: u64, watermark: u32) -> Attr {
    let attr = call_chains(Clock::CpuClock, rate, watermark);
    Attr { flags: attr.flags | INHERIT | EXCLUDE_KERNEL | PROCESS_RECORDS, ..attr }
}

/// No samples: starts, mappings, names and ends of processes. Without a privilege older kernels refuse even these for the kernel.
pub fn process_records(watermark: u32) -> Attr {
    let base = base();
    Attr { config: SW_DUMMY, sample_period: 1, flags: base.flags | EXCLUDE_KERNEL | PROCESS_RECORDS | WATERMARK, wakeup: watermark, ..base }
}

pub struct Event {
    fd: OwnedFd,
    clock: Clock,
    /// The kernel puts build ids into mapping records.
    pub build_ids: bool,
    /// Nanoseconds that it had been enabled for when `runs` was called last.
    enabled: Cell<u64>,
}

impl Event {
    /// `pid` -1 is everybody. Kernels before 5.12 know no build ids in mapping records: they are asked again without.
    pub fn open(attr: &Attr, pid: i32, cpu: i32) -> io::Result<Event> {
        let clock = if attr.flags & FREQ == 0 { Clock::CpuClock } else { Clock::Cycles };
        let asked = attr.flags & BUILD_ID != 0;
        let (fd, build_ids) = match perf_event_open(attr, pid, cpu) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && asked => {
                (perf_event_open(&Attr { flags: attr.flags & !BUILD_ID, ..attr.clone() }, pid, cpu)?, false)
            }
            other => (other?, asked),
        };
        Ok(Event { fd, clock, build_ids, enabled: Cell::new(0) })
    }

    pub fn raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    pub fn enable(&self) -> io::Result<()> {
        self.ioctl(IOC_ENABLE, 0)
    }

    pub fn disable(&self) -> io::Result<()> {
        self.ioctl(IOC_DISABLE, 0)
    }

    /// False when its CPU was taken away since the last call, if only for a moment, as while the machine was suspended: the event
    /// never runs again then, and the CPU needs another one.
    pub fn runs(&self) -> bool {
        let mut value_and_time = [0u64; 2];
        // SAFETY: reads at most the 16 bytes of the array, which outlives the call.
        let bytes = unsafe { libc::read(self.fd.as_raw_fd(), value_and_time.as_mut_ptr().cast(), 16) };
        let before = self.enabled.replace(value_and_time[1]);
        bytes == 16 && value_and_time[1] > before
    }

    /// Samples a second.
    pub fn set_rate(&self, rate: u64) -> io::Result<()> {
        let period = self.clock.period(rate);
        self.ioctl(IOC_PERIOD, &raw const period as usize)
    }

    /// Runs the program at each sample; nothing is written to a ring when it returns 0.
    pub fn attach(&self, program: i32) -> io::Result<()> {
        self.ioctl(IOC_SET_BPF, program as usize)
    }

    /// Lets this event write into the other's ring.
    pub fn write_to(&self, other: &Event) -> io::Result<()> {
        self.ioctl(IOC_SET_OUTPUT, other.raw_fd() as usize)
    }

    fn ioctl(&self, request: libc::c_ulong, argument: usize) -> io::Result<()> {
        // SAFETY: the descriptor is a perf event; the argument is a number or points to a u64 that outlives the call.
        match unsafe { libc::ioctl(self.fd.as_raw_fd(), request, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

fn perf_event_open(attr: &Attr, pid: i32, cpu: i32) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is a valid perf_event_attr of the size it states; the result is checked.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, std::ptr::from_ref(attr), pid, cpu, -1, FLAG_FD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Opens something on each CPU. One that went away after the list was read is left out: it comes back like a new one.
pub fn on_each(cpus: &[i32], mut open: impl FnMut(i32) -> io::Result<()>) -> anyhow::Result<()> {
    let gone = |error: &io::Error| error.raw_os_error() == Some(libc::ENODEV) && cpus.len() > 1;
    cpus.iter().try_for_each(|&cpu| match open(cpu) {
        Err(error) if !gone(&error) => Err(explain(&error)),
        _ => Ok(()),
    })
}

/// The cause and what would fix it.
pub fn explain(error: &io::Error) -> anyhow::Error {
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let fix = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            format!("run as root or with CAP_PERFMON, or lower kernel.perf_event_paranoid (now {})", paranoid.trim())
        }
        Some(libc::EMFILE) => "raise the limit on open files".to_owned(),
        Some(libc::ENOMEM) => "no more memory may be locked: raise kernel.perf_event_mlock_kb or RLIMIT_MEMLOCK, or grant CAP_IPC_LOCK".to_owned(),
        Some(libc::ENOSYS | libc::ENOENT) => "this kernel has no perf events, or a seccomp filter hides them".to_owned(),
        _ => "see the kernel log".to_owned(),
    };
    anyhow::anyhow!("perf_event_open: {error}; {fix}")
}

pub fn online_cpus() -> anyhow::Result<Vec<i32>> {
    let path = "/sys/devices/system/cpu/online";
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("cannot list the CPUs: {path}: {error}; mount sysfs"))?;
    Ok(parse_cpus(&text))
}

/// CPUs of a list such as `0-3,8`.
fn parse_cpus(text: &str) -> Vec<i32> {
    text.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<i32>().ok()?..=last.parse::<i32>().ok()?)
        })
        .flatten()
        .take(4096)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attr_has_the_size_it_states() {
        assert_eq!(size_of::<Attr>(), 128);
    }

    #[test]
    fn reads_cpu_lists() {
        assert_eq!(parse_cpus("0-2,5\n"), [0, 1, 2, 5]);
        assert!(parse_cpus("").is_empty());
    }
}
