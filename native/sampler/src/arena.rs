//! The memory that the BPF program reads tables and mappings from (bpf/tables.h): one array of 64-bit words, shared with the
//! kernel by mmap, so that filling it costs no system call.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::extents::Extents;

pub struct Arena {
    words: *mut AtomicU64,
    extents: Extents,
    /// Given back, but programs that run now may still read it.
    limbo: Vec<(u32, u32)>,
}

impl Arena {
    /// Maps the array of a descriptor; `capacity` is its number of words.
    pub fn map(fd: i32, capacity: u32) -> io::Result<Arena> {
        let bytes = capacity as usize * 8;
        // SAFETY: a fresh shared mapping of an open descriptor; the result is checked before use.
        let words = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd, 0) };
        if words == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Arena { words: words.cast(), extents: Extents::new(capacity), limbo: Vec::new() })
    }

    pub fn capacity(&self) -> u32 {
        self.extents.capacity()
    }

    pub fn used(&self) -> u32 {
        self.extents.capacity() - self.extents.free_total()
    }

    pub fn take(&mut self, words: u32) -> Option<u32> {
        self.extents.take(words)
    }

    /// Whatever pointed there must point there no more. It can be used again after `settle`.
    pub fn give_back(&mut self, at: u32, words: u32) {
        self.limbo.push((at, words));
    }

    /// Words that will be free after `settle`.
    pub fn in_limbo(&self) -> u32 {
        self.limbo.iter().map(|part| part.1).sum()
    }

    /// To be called when all runs of the program that were under way at the last `give_back` have ended.
    pub fn settle(&mut self) {
        for (at, words) in self.limbo.drain(..) {
            self.extents.give_back(at, words);
        }
    }

    fn word(&self, at: u32) -> &AtomicU64 {
        assert!(at < self.extents.capacity(), "word {at} of an arena of {}", self.extents.capacity());
        // SAFETY: inside the mapping, which lives as long as `self`; the kernel reads these words without writing them.
        unsafe { &*self.words.add(at as usize) }
    }

    pub fn write(&mut self, at: u32, words: impl IntoIterator<Item = u64>) {
        for (at, word) in (at..).zip(words) {
            self.word(at).store(word, Ordering::Relaxed);
        }
    }

    pub fn read_half(&self, at: u32) -> u32 {
        (self.word(at >> 1).load(Ordering::Relaxed) >> ((at & 1) * 32)) as u32
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `map` mapped.
        unsafe { libc::munmap(self.words.cast(), self.extents.capacity() as usize * 8) };
    }
}
