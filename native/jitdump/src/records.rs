//! The records of a file, one after another, as far as it has been written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0x4a69_5444;
const HEADER: usize = 40;
/// Of every record: id, size, time.
const PREFIX: usize = 16;
/// Times are of the processor's own counter, which nothing here can compare.
const FLAG_ARCH_TIMESTAMP: u64 = 1;
const MAX_TEXT: usize = 1024;
/// Of one call, so that a file of tiny records does not hold up a window.
const MAX_RECORDS: usize = 50_000;
const LOAD: u32 = 0;
const MOVE: u32 = 1;
const DEBUG_INFO: u32 = 2;

/// Where bytes come from: a file, or memory.
pub trait Source {
    /// As many as there are, up to the buffer's length.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or(&[]);
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// No jitdump of this machine's byte order.
    NotADump,
    /// A record that cannot be; nothing after it can be found.
    Damaged,
    Unreadable,
}

/// A function's code, from this time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Nanoseconds of the clock that the runtime uses, by convention CLOCK_MONOTONIC; 0 = not known.
    pub time: u64,
    pub address: u64,
    pub size: u64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Compiled {
        name: String,
        /// Source file of its first line, "" = not told.
        file: String,
    },
    /// The function that was at this address before.
    Moved { from: u64 },
}

/// How far a file has been read.
#[derive(Default)]
pub struct JitDump {
    at: u64,
    timed: bool,
    /// Of the function that the next record loads.
    debug: Option<(u64, String)>,
    broken: bool,
}

impl JitDump {
    /// Bytes that are read and not asked for again.
    pub fn read_to(&self) -> u64 {
        self.at
    }

    /// Hands over what was added since the last call. A record that is not whole yet waits for the next one. After an error nothing
    /// more is read of this file.
    pub fn read_on(&mut self, source: &impl Source, mut each: impl FnMut(Code)) -> Result<(), Error> {
        if self.broken {
            return Ok(());
        }
        let result = self.read_records(source, &mut each);
        self.broken = result.is_err();
        result
    }

    fn read_records(&mut self, source: &impl Source, each: &mut impl FnMut(Code)) -> Result<(), Error> {
        if self.at == 0 && !self.read_header(source)? {
            return Ok(());
        }
        for _ in 0..MAX_RECORDS {
            let Some(prefix) = read::<PREFIX>(source, self.at)? else { return Ok(()) };
            let (id, size, time) = (u32_at(&prefix, 0), u64::from(u32_at(&prefix, 4)), u64_at(&prefix, 8));
            if size < PREFIX as u64 {
                // A file that was made larger than what is written so far ends in zeros.
                return if prefix == [0; PREFIX] { Ok(()) } else { Err(Error::Damaged) };
            }
            let end = self.at.checked_add(size).ok_or(Error::Damaged)?;
            if read::<1>(source, end - 1)?.is_none() {
                return Ok(());
            }
            let body = self.at + PREFIX as u64;
            let time = if self.timed { time } else { 0 };
            match id {
                LOAD => each(self.load(source, body, end, time)?),
                MOVE => each(moved(source, body, end, time)?),
                DEBUG_INFO => self.debug = debug(source, body, end)?,
                _ => {}
            }
            self.at = end;
        }
        Ok(())
    }

    /// False when it is not written yet.
    fn read_header(&mut self, source: &impl Source) -> Result<bool, Error> {
        let Some(header) = read::<HEADER>(source, 0)? else { return Ok(false) };
        let size = u64::from(u32_at(&header, 8));
        if u32_at(&header, 0) != MAGIC || size < HEADER as u64 {
            return Err(Error::NotADump);
        }
        self.timed = u64_at(&header, 32) & FLAG_ARCH_TIMESTAMP == 0;
        self.at = size;
        Ok(true)
    }

    fn load(&mut self, source: &impl Source, body: u64, end: u64, time: u64) -> Result<Code, Error> {
        let fixed = fixed::<40>(source, body, end)?;
        let (address, size) = (u64_at(&fixed, 16), u64_at(&fixed, 24));
        let name = text(source, body + 40, end)?;
        let file = self.debug.take().filter(|debug| debug.0 == address).map_or(String::new(), |debug| debug.1);
        Ok(Code { time, address, size, what: What::Compiled { name, file } })
    }
}

fn moved(source: &impl Source, body: u64, end: u64, time: u64) -> Result<Code, Error> {
    let fixed = fixed::<48>(source, body, end)?;
    let (from, address, size) = (u64_at(&fixed, 16), u64_at(&fixed, 24), u64_at(&fixed, 32));
    Ok(Code { time, address, size, what: What::Moved { from } })
}

/// Address and first source file of a function.
fn debug(source: &impl Source, body: u64, end: u64) -> Result<Option<(u64, String)>, Error> {
    let fixed = fixed::<16>(source, body, end)?;
    if u64_at(&fixed, 8) == 0 || body + 32 > end {
        return Ok(None);
    }
    Ok(Some((u64_at(&fixed, 0), text(source, body + 32, end)?)))
}

/// None when the file ends before.
fn read<const N: usize>(source: &impl Source, at: u64) -> Result<Option<[u8; N]>, Error> {
    let mut bytes = [0; N];
    let length = source.read_at(&mut bytes, at).map_err(|_| Error::Unreadable)?;
    Ok((length == N).then_some(bytes))
}

/// The first bytes of a record's body.
fn fixed<const N: usize>(source: &impl Source, body: u64, end: u64) -> Result<[u8; N], Error> {
    if end - body < N as u64 {
        return Err(Error::Damaged);
    }
    read(source, body)?.ok_or(Error::Damaged)
}

/// Up to a zero, the end of the record or the bound.
fn text(source: &impl Source, at: u64, end: u64) -> Result<String, Error> {
    let mut bytes = [0; MAX_TEXT];
    let length = usize::try_from(end.saturating_sub(at)).unwrap_or(MAX_TEXT).min(MAX_TEXT);
    let length = source.read_at(&mut bytes[..length], at).map_err(|_| Error::Unreadable)?;
    let zero = bytes[..length].iter().position(|&b| b == 0).unwrap_or(length);
    Ok(String::from_utf8_lossy(&bytes[..zero]).into_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
