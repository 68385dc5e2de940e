//! The parts of an ELF file that say where its CFI is: the header, the program headers and the section headers.
//!
//! Written out rather than taken from a library because every table is read by position with a bound of its own; the libraries
//! want the whole file mapped, or read what the file asks for. Format: System V ABI, "Object Files" (gABI 4.3), 64-bit, little
//! endian.

use crate::error::{Error, Result};
use crate::source::{Source, read};
use crate::table::Arch;
use std::ops::Range;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PF_X: u32 = 1;
const SHT_NOBITS: u32 = 8;
const SHF_COMPRESSED: u64 = 1 << 11;
const ET_REL: u16 = 1;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

const MAX_HEADERS: u64 = 1 << 16;
const MAX_NAMES_BYTES: u64 = 4 << 20;
const MAX_NOTE_BYTES: u64 = 4096;
const MAX_NOTES: usize = 16;

#[derive(Debug)]
pub struct Elf {
    pub arch: Arch,
    pub segments: Vec<Segment>,
    /// Empty when the section headers were stripped or cannot be read.
    pub sections: Vec<Section>,
}

/// A program header.
#[derive(Clone, Debug)]
pub struct Segment {
    kind: u32,
    flags: u32,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
}

/// A section header with bytes in the file.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    pub compressed: bool,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

impl Elf {
    pub fn parse(source: &dyn Source) -> Result<Elf> {
        let header = read(source, "ELF header", 0, 64, 64)?;
        if header[..4] != *b"\x7fELF" {
            return Err(Error::Unsupported("not an ELF file".to_owned()));
        }
        if header[4..6] != [2, 1] {
            return Err(Error::Unsupported("not a 64-bit little-endian ELF file".to_owned()));
        }
        let arch = match half(&header, 18) {
            EM_X86_64 => Arch::X86_64,
            EM_AARCH64 => Arch::Arm64,
            machine => return Err(Error::Unsupported(format!("instruction set {machine} of the ELF specification"))),
        };
        if half(&header, 16) == ET_REL {
            return Err(Error::Unsupported("an object file that is not linked has no addresses".to_owned()));
        }
        Ok(Elf { arch, segments: segments(source, &header)?, sections: sections(source, &header).unwrap_or_default() })
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub fn eh_frame_header(&self) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == PT_GNU_EH_FRAME)
    }

    /// Code: segments that are loaded with the right to execute.
    pub fn code(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.flags & PF_X != 0)
    }

    /// Where the bytes from `address` to the end of its segment are in the file.
    pub fn file_range(&self, address: u64) -> Option<Range<u64>> {
        self.segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|segment| {
            let within = address.checked_sub(segment.address).filter(|&within| within < segment.file_size)?;
            Some(segment.offset.checked_add(within)?..segment.offset.checked_add(segment.file_size)?)
        })
    }

    /// The Go linker leaves its sections, or at least the note with its build id.
    pub fn is_go(&self, source: &dyn Source) -> bool {
        self.section(".gopclntab").is_some()
            || self.segments.iter().filter(|segment| segment.kind == PT_NOTE).take(MAX_NOTES).any(|segment| {
                let note = read(source, "note", segment.offset, segment.file_size.min(MAX_NOTE_BYTES), MAX_NOTE_BYTES);
                note.is_ok_and(|note| note.len() >= 16 && note[12..16] == *b"Go\0\0")
            })
    }
}

fn segments(source: &dyn Source, header: &[u8]) -> Result<Vec<Segment>> {
    let entry = u64::from(half(header, 54));
    let count = u64::from(half(header, 56));
    if count == 0 {
        return Ok(Vec::new());
    }
    if entry < 56 {
        return Err(Error::Malformed(format!("program headers of {entry} bytes")));
    }
    let table = read(source, "program headers", word(header, 32), count * entry, MAX_HEADERS * 64)?;
    let rows = table.chunks_exact(entry as usize);
    Ok(rows
        .map(|row| Segment { kind: int(row, 0), flags: int(row, 4), offset: word(row, 8), address: word(row, 16), file_size: word(row, 32) })
        .collect())
}

fn sections(source: &dyn Source, header: &[u8]) -> Result<Vec<Section>> {
    let (offset, entry) = (word(header, 40), u64::from(half(header, 58)));
    if offset == 0 || entry < 64 {
        return Ok(Vec::new());
    }
    // More sections than the header can count are counted in the first section header.
    let first = read(source, "section headers", offset, entry, MAX_HEADERS)?;
    let count = match half(header, 60) {
        0 => word(&first, 32),
        count => u64::from(count),
    };
    let names_index = match half(header, 62) {
        0xffff => u64::from(int(&first, 40)),
        index => u64::from(index),
    };
    let size = count.saturating_mul(entry);
    let table = read(source, "section headers", offset, size, MAX_HEADERS * 64)?;
    let rows = || table.chunks_exact(entry as usize);
    let Some(names) = rows().nth(names_index as usize) else { return Ok(Vec::new()) };
    let names = read(source, "names of sections", word(names, 24), word(names, 32), MAX_NAMES_BYTES)?;
    Ok(rows()
        .filter(|row| int(row, 4) != SHT_NOBITS)
        .filter_map(|row| {
            let name = names.get(int(row, 0) as usize..)?;
            // Names that are wanted are short; a cut name matches none of them.
            let name = &name[..name.len().min(32)];
            let name = &name[..name.iter().position(|&byte| byte == 0)?];
            Some(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                compressed: word(row, 8) & SHF_COMPRESSED != 0,
                address: word(row, 16),
                offset: word(row, 24),
                size: word(row, 32),
            })
        })
        .collect())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from(int(bytes, at)) | u64::from(int(bytes, at + 4)) << 32
}
