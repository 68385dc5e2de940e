//! `perf_event_open` (man 2 perf_event_open): events and their ring buffers.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

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

const TYPE_SOFTWARE: u32 = 1;
const SW_CPU_CLOCK: u64 = 0;
const SAMPLE_IP: u64 = 1;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const DISABLED: u64 = 1;
const EXCLUDE_HV: u64 = 1 << 6;
const EXCLUDE_IDLE: u64 = 1 << 7;
const MMAP: u64 = 1 << 8;
const COMM: u64 = 1 << 9;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const MMAP2: u64 = 1 << 23;
const COMM_EXEC: u64 = 1 << 24;
const BUILD_ID: u64 = 1 << 34;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_PERIOD: libc::c_ulong = 0x4008_2404;
const FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Frames of a call chain, kernel and user together, as `sysctl kernel.perf_event_max_stack` allows by default.
pub const MAX_STACK: u16 = 127;

fn cpu_clock(period: u64, build_ids: bool, watermark: u32) -> Attr {
    let flags = DISABLED | EXCLUDE_HV | EXCLUDE_IDLE | MMAP | COMM | TASK | WATERMARK | SAMPLE_ID_ALL | MMAP2 | COMM_EXEC;
    Attr {
        kind: TYPE_SOFTWARE,
        size: size_of::<Attr>() as u32,
        config: SW_CPU_CLOCK,
        sample_period: period,
        sample_type: SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_CALLCHAIN,
        flags: if build_ids { flags | BUILD_ID } else { flags },
        wakeup: watermark,
        sample_max_stack: MAX_STACK,
        ..Attr::default()
    }
}

/// One CPU's sampling event with its ring buffer.
pub struct CpuEvent {
    fd: OwnedFd,
    base: *mut u8,
    data_bytes: usize,
}

impl CpuEvent {
    /// Whole system, one CPU. `data_pages` must be a power of two.
    pub fn open(cpu: i32, period: u64, data_pages: usize) -> io::Result<CpuEvent> {
        let watermark = (data_pages * PAGE / 2) as u32;
        // MMAP2 records with build ids exist since 5.12; without them the ELF note is read.
        let fd = match perf_event_open(&cpu_clock(period, true, watermark), cpu) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => perf_event_open(&cpu_clock(period, false, watermark), cpu)?,
            other => other?,
        };
        let length = (1 + data_pages) * PAGE;
        // SAFETY: a fresh shared mapping of the descriptor just opened; the result is checked before use.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(CpuEvent { fd, base: base.cast(), data_bytes: data_pages * PAGE })
    }

    pub fn enable(&self) -> io::Result<()> {
        self.ioctl(IOC_ENABLE, 0)
    }

    pub fn set_period(&self, nanoseconds: u64) -> io::Result<()> {
        self.ioctl(IOC_PERIOD, &raw const nanoseconds as usize)
    }

    pub fn raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Copies out every record that is there and frees its space.
    pub fn drain(&self, mut record: impl FnMut(&[u8])) {
        // SAFETY: offsets 1024 and 1032 of `struct perf_event_mmap_page` are data_head and data_tail, both u64 and aligned;
        // the page stays mapped as long as `self` lives. The kernel writes head, this thread alone writes tail.
        let (head, tail) = unsafe { (AtomicU64::from_ptr(self.base.add(1024).cast()), AtomicU64::from_ptr(self.base.add(1032).cast())) };
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        let mut buffer = Vec::new();
        while at < end {
            let mut header = [0u8; 8];
            self.copy(at, &mut header);
            let size = usize::from(u16::from_le_bytes([header[6], header[7]]));
            if size < 8 || size as u64 > end - at {
                at = end;
                break;
            }
            buffer.resize(size, 0);
            self.copy(at, &mut buffer);
            record(&buffer);
            at += size as u64;
        }
        fence(Ordering::AcqRel);
        tail.store(at, Ordering::Release);
    }

    fn copy(&self, at: u64, to: &mut [u8]) {
        let start = (at % self.data_bytes as u64) as usize;
        let first = to.len().min(self.data_bytes - start);
        // SAFETY: both pieces lie within the data pages, which follow the control page; records are never longer than 64 KiB.
        unsafe {
            let data = self.base.add(PAGE);
            std::ptr::copy_nonoverlapping(data.add(start), to.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(data, to.as_mut_ptr().add(first), to.len() - first);
        }
    }

    fn ioctl(&self, request: libc::c_ulong, argument: usize) -> io::Result<()> {
        // SAFETY: the descriptor is a perf event; the argument is 0 or points to a u64 that outlives the call.
        match unsafe { libc::ioctl(self.fd.as_raw_fd(), request, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for CpuEvent {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `open` mapped.
        unsafe { libc::munmap(self.base.cast(), PAGE + self.data_bytes) };
    }
}

const PAGE: usize = 4096;

fn perf_event_open(attr: &Attr, cpu: i32) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is a valid perf_event_attr of the size it states; the result is checked.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, std::ptr::from_ref(attr), -1, cpu, -1, FLAG_FD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// CPUs of a list such as `0-3,8`.
pub fn parse_cpus(text: &str) -> Vec<i32> {
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
