//! What is asked of the process that opens files (`opener.rs`), and what it answers. A request is a length and its bytes; an answer, too, with
//! the file beside it. Answers are made of files of anybody, by a process that may have been taken over by one: they are checked.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::build_id::BuildId;
use crate::elf::{ElfInfo, MAX_PROGRAM_HEADERS, u32_at, u64_at};

/// Of a path that the kernel takes, and what stands before it.
pub const MAX_REQUEST: usize = 32 + libc::PATH_MAX as usize;
pub const MAX_ANSWER: usize = 16 << 10;
const MAX_TEXT: usize = 256;

/// A file, by where it is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Behind a mapping of a process. The path is what the mapping is called.
    Mapped { pid: u32, start: u64, end: u64, path: &'a str },
    /// As a process sees it.
    InRoot { pid: u32, path: &'a str },
    /// As this program sees it.
    Here { path: &'a str },
    /// What a process wrote about itself. Only what is behind `from` will be read.
    Own { pid: u32, path: &'a str, from: u64 },
}

/// Device, inode, size, time of the last change: the same file as long as all are the same.
pub type FileKey = [u64; 5];

pub fn key_of(meta: &Metadata) -> FileKey {
    [meta.dev(), meta.ino(), meta.size(), meta.mtime() as u64, meta.mtime_nsec() as u64]
}

/// A file that could be opened.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub key: FileKey,
    /// None when it is no ELF file, or was not asked for it.
    pub elf: Option<ElfInfo>,
}

pub struct Answer {
    /// CPU time of the process so far.
    pub cpu_ns: u64,
    /// Or a number of errno(3).
    pub found: Result<Found, i32>,
}

impl Place<'_> {
    pub fn path(&self) -> &str {
        match *self {
            Place::Mapped { path, .. } | Place::InRoot { path, .. } | Place::Here { path } | Place::Own { path, .. } => path,
        }
    }

    /// Whose view it is; 0 = this program's.
    pub fn pid(&self) -> u32 {
        match *self {
            Place::Mapped { pid, .. } | Place::InRoot { pid, .. } | Place::Own { pid, .. } => pid,
            Place::Here { .. } => 0,
        }
    }

    pub fn to_bytes(self) -> Vec<u8> {
        let (kind, a, b) = match self {
            Place::Mapped { start, end, .. } => (0u32, start, end),
            Place::InRoot { .. } => (1, 0, 0),
            Place::Here { .. } => (2, 0, 0),
            Place::Own { from, .. } => (3, from, 0),
        };
        // What a mapping is called may be longer than a path can be, and does not lead to its file.
        let path = if kind == 0 { &[] } else { self.path().as_bytes() };
        let mut bytes = ((24 + path.len()) as u32).to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(self.pid().to_le_bytes());
        bytes.extend(a.to_le_bytes());
        bytes.extend(b.to_le_bytes());
        bytes.extend(path);
        bytes
    }

    /// `bytes` without the length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Place<'_>> {
        let (kind, pid, a, b) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?, u64_at(bytes, 8)?, u64_at(bytes, 16)?);
        let path = std::str::from_utf8(&bytes[24..]).ok()?;
        Some(match kind {
            0 => Place::Mapped { pid, start: a, end: b, path },
            1 => Place::InRoot { pid, path },
            2 => Place::Here { path },
            3 => Place::Own { pid, path, from: a },
            _ => return None,
        })
    }
}

impl Answer {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend(self.cpu_ns.to_le_bytes());
        bytes.extend(self.found.as_ref().err().copied().unwrap_or(0).to_le_bytes());
        if let Ok(Found { key, elf }) = &self.found {
            key.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
            bytes.extend(u32::from(elf.is_some()).to_le_bytes());
            if let Some(elf) = elf {
                for text in [&elf.build_id, &elf.htl_hash] {
                    bytes.extend((text.len() as u32).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
                bytes.extend((elf.segments.len() as u32).to_le_bytes());
                elf.segments.iter().flat_map(|&(a, b, c)| [a, b, c]).for_each(|word| bytes.extend(word.to_le_bytes()));
            }
        }
        let length = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// `bytes` without the length.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Answer> {
        Answer::read(&mut Words(bytes)).ok_or_else(|| io::Error::other("an answer that is none"))
    }

    fn read(words: &mut Words) -> Option<Answer> {
        let (cpu_ns, error) = (words.u64()?, words.u32()? as i32);
        if error != 0 {
            return Some(Answer { cpu_ns, found: Err(error) });
        }
        let mut key = FileKey::default();
        for word in &mut key {
            *word = words.u64()?;
        }
        let elf = if words.u32()? == 0 { None } else { Some(words.elf()?) };
        words.0.is_empty().then_some(Answer { cpu_ns, found: Ok(Found { key, elf }) })
    }
}

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn u32(&mut self) -> Option<u32> {
        let word = u32_at(self.0, 0)?;
        self.0 = &self.0[4..];
        Some(word)
    }

    fn u64(&mut self) -> Option<u64> {
        let word = u64_at(self.0, 0)?;
        self.0 = &self.0[8..];
        Some(word)
    }

    /// Hexadecimal.
    fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        let text = std::str::from_utf8(self.0.get(..length.min(MAX_TEXT + 1))?).ok()?;
        (length <= MAX_TEXT && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(())?;
        self.0 = &self.0[length..];
        Some(text.to_owned())
    }

    fn elf(&mut self) -> Option<ElfInfo> {
        let (build_id, htl_hash) = (self.text()?, self.text()?);
        let count = self.u32()?;
        (u64::from(count) <= MAX_PROGRAM_HEADERS).then_some(())?;
        let segments = (0..count).map(|_| Some((self.u64()?, self.u64()?, self.u64()?))).collect::<Option<Vec<_>>>()?;
        let bytes = build_id.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let id = BuildId::of(&bytes.collect::<Option<Vec<u8>>>()?);
        Some(ElfInfo { segments, id, build_id, htl_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf() -> ElfInfo {
        ElfInfo::read(&std::fs::File::open("/proc/self/exe").unwrap()).unwrap()
    }

    #[test]
    fn requests_arrive_as_they_were() {
        for place in [
            Place::Mapped { pid: 7, start: 1 << 40, end: u64::MAX, path: "" },
            Place::InRoot { pid: u32::MAX, path: "/usr/lib/ä b.so" },
            Place::Here { path: "" },
            Place::Own { pid: 1, path: "/tmp/perf-1.map", from: 1 << 33 },
        ] {
            let bytes = place.to_bytes();
            assert_eq!(u32_at(&bytes, 0).unwrap() as usize, bytes.len() - 4);
            assert_eq!(Place::from_bytes(&bytes[4..]), Some(place));
        }
        assert_eq!(Place::from_bytes(&[0; 23]), None);
        assert_eq!(Place::from_bytes(&[9; 24]), None);
    }

    #[test]
    fn answers_arrive_as_they_were_and_no_part_of_one_is_taken() {
        for found in [Err(libc::ENOENT), Ok(Found { key: [1, 2, 3, 4, 5], elf: None }), Ok(Found { key: [0; 5], elf: Some(elf()) })] {
            let bytes = Answer { cpu_ns: 1 << 50, found }.to_bytes();
            assert!(bytes.len() <= MAX_ANSWER);
            let answer = Answer::from_bytes(&bytes[4..]).unwrap();
            assert_eq!(answer.to_bytes(), bytes);
            assert!((4..bytes.len()).all(|end| Answer::from_bytes(&bytes[4..end]).is_err()));
        }
    }

    #[test]
    fn any_change_of_a_byte_is_read_or_refused() {
        let bytes = Answer { cpu_ns: 1, found: Ok(Found { key: [0; 5], elf: Some(elf()) }) }.to_bytes();
        for at in 4..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = Answer::from_bytes(&changed[4..]);
            }
        }
    }
}
