//! The ring buffer of a perf event (man 2 perf_event_open, "MMAP layout").

use std::io;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::perf::Event;

pub const PAGE: usize = 4096;

/// An event and the ring that it, and events redirected to it, write to.
pub struct Ring {
    pub event: Event,
    base: *mut u8,
    data_bytes: usize,
}

impl Ring {
    /// `data_pages` must be a power of two.
    pub fn new(event: Event, data_pages: usize) -> io::Result<Ring> {
        let length = (1 + data_pages) * PAGE;
        // SAFETY: a fresh shared mapping of an open descriptor; the result is checked before use.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, event.raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            // The kernel's way to say that no more memory may be locked, which is not a matter of perf events as such.
            return Err(if error.raw_os_error() == Some(libc::EPERM) { io::Error::from_raw_os_error(libc::ENOMEM) } else { error });
        }
        Ok(Ring { event, base: base.cast(), data_bytes: data_pages * PAGE })
    }

    /// The largest ring that may be locked: `pages`, or less. `open` gets the bytes after which it should wake the reader.
    pub fn largest(pages: usize, open: impl Fn(u32) -> io::Result<Event>) -> io::Result<Ring> {
        let mut pages = pages;
        loop {
            match Ring::new(open((pages * PAGE / 2) as u32)?, pages) {
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && pages > 1 => pages = (pages / 4).max(1),
                other => return other,
            }
        }
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
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `open` mapped.
        unsafe { libc::munmap(self.base.cast(), PAGE + self.data_bytes) };
    }
}
