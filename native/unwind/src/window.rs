//! A part of a file, read piece by piece: the unwind section of a large binary has tens of megabytes, and what is made from it is small.

use crate::error::{Error, Result};
use crate::source::Source;
use std::time::{Duration, Instant};

/// What is read at once. Entries stand nearly in the order of the addresses that they describe, so that few pieces are read twice.
const BLOCK: u64 = 64 << 10;

/// Wall time that a file may take. Whatever loops over what a file says, or reads from it, asks.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    pub fn new(limit: Duration) -> Deadline {
        Deadline { started: Instant::now(), limit }
    }

    pub fn check(&self) -> Result<()> {
        let spent = self.started.elapsed();
        if spent > self.limit {
            let (found, limit) = (spent.as_millis() as u64, self.limit.as_millis() as u64);
            return Err(Error::TooLarge { what: "milliseconds to compile CFI", found, limit });
        }
        Ok(())
    }
}

/// Bytes `[0, size)` of a section, of which those from `start` on are in memory.
pub struct Window<'a> {
    what: &'static str,
    /// None: all of it is in memory.
    source: Option<&'a dyn Source>,
    /// Of the section in the file
    offset: u64,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
    /// What is read at once
    block: u64,
    deadline: Deadline,
}

impl<'a> Window<'a> {
    pub fn of_file(what: &'static str, source: &'a dyn Source, offset: u64, size: u64, limit: u64, deadline: Deadline) -> Result<Window<'a>> {
        if size > limit {
            return Err(Error::TooLarge { what, found: size, limit });
        }
        let length = source.size().map_err(|cause| Error::Read { what, cause })?;
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err(Error::Malformed(format!("{what}: {size} bytes at {offset:#x} are beyond the end of the file ({length} bytes)")));
        }
        Ok(Window { what, source: Some(source), offset, size, start: 0, bytes: Vec::new(), block: BLOCK, deadline })
    }

    pub fn of_bytes(what: &'static str, bytes: Vec<u8>, deadline: Deadline) -> Window<'a> {
        Window { what, source: None, offset: 0, size: bytes.len() as u64, start: 0, bytes, block: BLOCK, deadline }
    }

    /// Reads less at once, for few reads all over the section.
    pub fn in_blocks_of(mut self, bytes: u64) -> Self {
        self.block = bytes;
        self
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// None where the section has no such bytes. What it holds in memory is a block, or what was asked for if that is longer.
    pub fn get(&mut self, at: u64, length: u64) -> Result<Option<&[u8]>> {
        let Some(end) = at.checked_add(length).filter(|&end| end <= self.size) else { return Ok(None) };
        let loaded = self.start..=self.start + self.bytes.len() as u64;
        if !loaded.contains(&at) || !loaded.contains(&end) {
            self.load(at, end)?;
        }
        let from = (at - self.start) as usize;
        Ok(Some(&self.bytes[from..from + length as usize]))
    }

    pub fn u32(&mut self, at: u64) -> Result<Option<u32>> {
        Ok(self.get(at, 4)?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?))))
    }

    pub fn u64(&mut self, at: u64) -> Result<Option<u64>> {
        Ok(self.get(at, 8)?.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?))))
    }

    fn load(&mut self, at: u64, end: u64) -> Result<()> {
        self.deadline.check()?;
        let Some(source) = self.source else { return Ok(()) };
        // Blocks begin at their multiples, so that reading backwards costs no more than reading forwards.
        self.start = at / self.block * self.block;
        let length = end.max(self.start + self.block).min(self.size) - self.start;
        self.bytes.resize(length as usize, 0);
        self.bytes.shrink_to((2 * self.block).max(length) as usize);
        let read = source.read_at(self.offset + self.start, &mut self.bytes);
        read.map_err(|cause| {
            self.bytes.clear();
            Error::Read { what: self.what, cause }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline() -> Deadline {
        Deadline::new(Duration::from_secs(60))
    }

    #[test]
    fn the_same_bytes_in_any_order_of_reading() {
        let file: Vec<u8> = (0..5 * BLOCK).map(|at| (at / 251) as u8 ^ at as u8).collect();
        let source: &[u8] = &file;
        let size = 4 * BLOCK + 11;
        let mut window = Window::of_file("section", &source, 7, size, size, deadline()).unwrap();
        let places = [(0, 4), (BLOCK - 2, 4), (3 * BLOCK, BLOCK), (BLOCK - 2, 2 * BLOCK + 4), (size - 1, 1), (5, 0), (0, size - 2)];
        let afterwards = [(size - 2, 2), (2, 9)];
        for (at, length) in places.into_iter().chain(afterwards) {
            let expected = &file[(7 + at) as usize..(7 + at + length) as usize];
            assert_eq!(window.get(at, length).unwrap(), Some(expected), "{length} bytes at {at}");
        }
        assert_eq!(window.get(size, 1).unwrap(), None);
        assert_eq!(window.get(u64::MAX, 2).unwrap(), None);
        assert!(window.bytes.len() as u64 <= BLOCK);
    }

    #[test]
    fn a_section_beyond_its_file_or_the_limit_is_an_error() {
        let source: &[u8] = &[0; 100];
        assert!(matches!(Window::of_file("section", &source, 90, 11, 1000, deadline()), Err(Error::Malformed(_))));
        assert!(matches!(Window::of_file("section", &source, 0, 50, 49, deadline()), Err(Error::TooLarge { limit: 49, .. })));
    }
}
