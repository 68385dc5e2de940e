//! The memory that the BPF program reads tables and mappings from (bpf/tables.h): one array of 64-bit words, shared with the
//! kernel by mmap, so that filling it costs no system call. Mapped are parts that were touched, and few at a time: the kernel maps
//! every page of an array at once, and each would count as resident memory of the sampler besides that of the kernel.

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::extents::Extents;

/// Words of a part: 256 KiB.
const PART_WORDS: u32 = 1 << 15;
/// Parts that are mapped at most, 4 MiB: those that walks and new tables go to are few.
const MAX_MAPPED: usize = 16;

pub struct Arena {
    view: View,
    extents: Extents,
    /// Given back, but programs that run now may still read it.
    limbo: Vec<(u32, u32)>,
}

impl Arena {
    /// Of the array of a descriptor, which must stay open; `capacity` is its number of words.
    pub fn map(fd: RawFd, capacity: u32) -> io::Result<Arena> {
        Ok(Arena { view: View::open(fd, capacity)?, extents: Extents::new(capacity), limbo: Vec::new() })
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

    pub fn write(&mut self, at: u32, words: impl IntoIterator<Item = u64>) {
        for (at, word) in (at..).zip(words) {
            self.view.with(at, |place| place.store(word, Ordering::Relaxed));
        }
    }

    pub fn read_half(&self, at: u32) -> u32 {
        (self.view.with(at >> 1, |place| place.load(Ordering::Relaxed)) >> ((at & 1) * 32)) as u32
    }
}

/// Addresses for the whole array, of which some parts are mapped.
struct View {
    fd: RawFd,
    words: *mut AtomicU64,
    capacity: u32,
    mapped: RefCell<Vec<u32>>,
}

impl View {
    /// An array that cannot be mapped at all shows here.
    fn open(fd: RawFd, capacity: u32) -> io::Result<View> {
        // SAFETY: fresh addresses without memory behind them; the result is checked before use.
        let words = unsafe { libc::mmap(ptr::null_mut(), bytes(capacity), libc::PROT_NONE, RESERVED, -1, 0) };
        if words == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let view = View { fd, words: words.cast(), capacity, mapped: RefCell::default() };
        view.map(0)?;
        Ok(view)
    }

    /// Does something to a word. The place is good until `use_it` returns.
    fn with<R>(&self, at: u32, use_it: impl FnOnce(&AtomicU64) -> R) -> R {
        assert!(at < self.capacity, "word {at} of an arena of {}", self.capacity);
        let part = at / PART_WORDS;
        if !self.mapped.borrow().contains(&part) {
            self.map(part).unwrap_or_else(|error| panic!("cannot map part {part} of the tables of the BPF program: {error}"));
        }
        // SAFETY: inside a part that is mapped and stays so meanwhile; the kernel reads these words without writing them.
        use_it(unsafe { &*self.words.add(at as usize) })
    }

    /// The part that was mapped first goes for it when there are many.
    fn map(&self, part: u32) -> io::Result<()> {
        let mut mapped = self.mapped.borrow_mut();
        if mapped.len() == MAX_MAPPED {
            let oldest = mapped[0];
            self.place(oldest, libc::PROT_NONE, RESERVED | libc::MAP_FIXED, -1)?;
            mapped.remove(0);
        }
        self.place(part, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED, self.fd)?;
        mapped.push(part);
        Ok(())
    }

    fn place(&self, part: u32, access: libc::c_int, flags: libc::c_int, fd: RawFd) -> io::Result<()> {
        let first = part * PART_WORDS;
        let length = bytes(PART_WORDS.min(self.capacity - first));
        // SAFETY: replaces addresses that `open` took for the array and that no reference points to: `with` hands none out.
        let placed = unsafe { libc::mmap(self.words.add(first as usize).cast(), length, access, flags, fd, bytes(first) as libc::off_t) };
        if placed == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `open` took.
        unsafe { libc::munmap(self.words.cast(), bytes(self.capacity)) };
    }
}

const RESERVED: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

fn bytes(words: u32) -> usize {
    words as usize * 8
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// A file stands in for the array: it is mapped alike.
    fn arena(words: u32) -> (std::fs::File, Arena) {
        // SAFETY: the name is a constant with its end; the descriptor is nobody else's.
        let file = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(libc::memfd_create(c"arena".as_ptr(), 0)) };
        file.set_len(u64::from(words) * 8).unwrap();
        let arena = Arena::map(file.as_raw_fd(), words).unwrap();
        (file, arena)
    }

    #[test]
    fn keeps_few_parts_mapped_and_what_was_written_to_all() {
        let words = PART_WORDS * (2 * MAX_MAPPED as u32) + 512;
        let (_file, mut arena) = arena(words);
        // Across every border between two parts, and the last word of the short last part.
        let places: Vec<u32> = (1..=2 * MAX_MAPPED as u32).map(|part| part * PART_WORDS - 1).chain([words - 2]).collect();
        for &at in &places {
            arena.write(at, [u64::from(at) << 32 | 1, u64::from(at) << 32 | 2]);
        }
        for &at in places.iter().chain(places.iter().rev()) {
            assert_eq!([0, 1, 2, 3].map(|half| arena.read_half(at * 2 + half)), [1, at, 2, at]);
            assert!(arena.view.mapped.borrow().len() <= MAX_MAPPED);
        }
    }
}
