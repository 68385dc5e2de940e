//! The bytes of `.eh_frame` and `.debug_frame`, with or without section headers, and where their entries begin.

use crate::elf::{Elf, Section};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::source::{Source, read};
use std::io::Read;

/// A CFI section in memory.
#[derive(Debug)]
pub struct Cfi {
    pub bytes: Vec<u8>,
    /// ELF virtual address of the first byte; 0 for `.debug_frame`, which is not loaded
    pub address: u64,
    /// `.eh_frame` (true) or `.debug_frame`: they differ in how an entry names its CIE.
    pub eh: bool,
    /// Offsets of entries that the search table of `.eh_frame_hdr` names, used when no section header says where the section ends.
    listed: Option<Vec<u32>>,
}

/// `.eh_frame`: by its section header, else by the program header that leads to `.eh_frame_hdr`.
pub fn eh_frame(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Cfi>> {
    match elf.section(".eh_frame") {
        Some(section) if section.size > 0 => {
            let bytes = section_bytes(source, section, ".eh_frame", limits)?;
            Ok(Some(Cfi { bytes, address: section.address, eh: true, listed: None }))
        }
        _ => eh_frame_by_segment(source, elf, limits),
    }
}

/// `.debug_frame`, uncompressed if need be. It is not loaded, so a stripped file has none.
pub fn debug_frame(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Cfi>> {
    let Some(section) = elf.section(".debug_frame").or_else(|| elf.section(".zdebug_frame")) else { return Ok(None) };
    let bytes = section_bytes(source, section, ".debug_frame", limits)?;
    Ok(Some(Cfi { bytes, address: 0, eh: false, listed: None }))
}

/// The search table of `.eh_frame_hdr` (LSB 5.0, "Exception Frames") gives the address of each entry; its last one bounds the
/// section, which has no length of its own.
fn eh_frame_by_segment(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Cfi>> {
    const DATA_RELATIVE_I32: u8 = 0x3b;
    const PC_RELATIVE_I32: u8 = 0x1b;
    const UNSIGNED_I32: u8 = 0x03;
    let Some(segment) = elf.eh_frame_header() else { return Ok(None) };
    let header = read(source, ".eh_frame_hdr", segment.offset, segment.file_size, limits.max_section_bytes)?;
    if header.len() < 12 || header[..4] != [1, PC_RELATIVE_I32, UNSIGNED_I32, DATA_RELATIVE_I32] {
        return Err(Error::Unsupported("no section headers, and .eh_frame_hdr is not of the form that linkers write".to_owned()));
    }
    let int = |at: usize| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let address = segment.address.wrapping_add(4).wrapping_add_signed(int(4).into());
    let count = (int(8) as u32 as usize).min((header.len() - 12) / 8);
    if count > limits.max_fdes {
        return Err(Error::TooLarge { what: "entries of .eh_frame_hdr", found: count as u64, limit: limits.max_fdes as u64 });
    }
    let range = elf
        .file_range(address)
        .ok_or_else(|| Error::Malformed(format!(".eh_frame_hdr leads to {address:#x}, which is not in the file")))?;
    let mut listed: Vec<u32> = (0..count)
        .filter_map(|index| {
            let entry = segment.address.wrapping_add_signed(int(12 + 8 * index + 4).into());
            u32::try_from(entry.checked_sub(address)?).ok()
        })
        .collect();
    listed.sort_unstable();
    listed.dedup();
    let Some(&last) = listed.last() else { return Ok(None) };
    let mut length = [0; 4];
    let at = range.start.saturating_add(last.into());
    source.read_at(at, &mut length).map_err(|cause| Error::Read { what: "last entry of .eh_frame", cause })?;
    let size = u64::from(last) + 4 + u64::from(u32::from_le_bytes(length));
    let size = size.min(range.end.saturating_sub(range.start));
    let bytes = read(source, ".eh_frame", range.start, size, limits.max_section_bytes)?;
    Ok(Some(Cfi { bytes, address, eh: true, listed: Some(listed) }))
}

fn section_bytes(source: &dyn Source, section: &Section, what: &'static str, limits: &Limits) -> Result<Vec<u8>> {
    let limit = limits.max_section_bytes;
    let raw = read(source, what, section.offset, section.size, limit)?;
    const ZLIB: u32 = 1;
    const ZSTD: u32 = 2;
    if section.compressed {
        // Elf64_Chdr: type, reserved, size, alignment
        if raw.len() < 24 {
            return Err(Error::Malformed(format!("{what}: compressed, but shorter than its header")));
        }
        let kind = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        return match kind {
            ZLIB => inflate(flate2::read::ZlibDecoder::new(&raw[24..]), what, limit),
            ZSTD => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(&raw[24..])
                    .map_err(|cause| Error::Malformed(format!("{what}: zstd: {cause}")))?;
                inflate(decoder, what, limit)
            }
            _ => Err(Error::Unsupported(format!("{what}: compressed by method {kind}"))),
        };
    }
    if section.name.starts_with(".z") && raw.starts_with(b"ZLIB") && raw.len() > 12 {
        return inflate(flate2::read::ZlibDecoder::new(&raw[12..]), what, limit);
    }
    Ok(raw)
}

fn inflate(decoder: impl Read, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut bytes).map_err(|cause| Error::Read { what, cause })?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { what, found: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

impl Cfi {
    /// Calls `fde` with the offset of each entry that is not a CIE. Returns false where a length cannot be trusted, which loses
    /// the rest of the section.
    pub fn entries(&self, mut fde: impl FnMut(u32) -> Result<()>) -> Result<bool> {
        if let Some(listed) = &self.listed {
            for &offset in listed {
                fde(offset)?;
            }
            return Ok(true);
        }
        let bytes = &self.bytes;
        let int = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?));
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?));
        let mut at = 0;
        while at < bytes.len() {
            let Some(short) = int(at) else { return Ok(false) };
            // A length of zero ends what one object file brought; the linker may have put more behind it.
            if short == 0 {
                at += 4;
                continue;
            }
            let wide = short == u32::MAX;
            let (id_at, length) = if wide { (at + 12, word(at + 4).unwrap_or(u64::MAX)) } else { (at + 4, u64::from(short)) };
            let Some(next) = (id_at as u64).checked_add(length).filter(|&next| next <= bytes.len() as u64) else { return Ok(false) };
            let cie = match (self.eh, wide) {
                (true, _) => int(id_at) == Some(0),
                (false, false) => int(id_at) == Some(u32::MAX),
                (false, true) => word(id_at) == Some(u64::MAX),
            };
            if !cie {
                let offset =
                    u32::try_from(at).map_err(|_| Error::TooLarge { what: "offset in CFI", found: at as u64, limit: u32::MAX.into() })?;
                fde(offset)?;
            }
            at = next as usize;
        }
        Ok(true)
    }
}
