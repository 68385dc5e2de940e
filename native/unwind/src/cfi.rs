//! Where `.eh_frame` and `.debug_frame` are, with or without section headers.

use crate::elf::{Elf, Section};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::source::{Source, read};
use crate::window::{Deadline, Window};
use std::io::Read;

/// A CFI section.
pub struct Cfi<'a> {
    pub window: Window<'a>,
    /// ELF virtual address of the first byte; 0 for `.debug_frame`, which is not loaded
    pub address: u64,
    /// Offsets of entries that the search table of `.eh_frame_hdr` names, used when no section header says where the section ends.
    pub listed: Option<Vec<u32>>,
}

/// `.eh_frame`: by its section header, else by the program header that leads to `.eh_frame_hdr`.
pub fn eh_frame<'a>(source: &'a dyn Source, elf: &Elf, limits: &Limits, deadline: Deadline) -> Result<Option<Cfi<'a>>> {
    match elf.section(".eh_frame") {
        Some(section) if section.size > 0 => {
            let window = section_window(source, section, ".eh_frame", limits, deadline)?;
            Ok(Some(Cfi { window, address: section.address, listed: None }))
        }
        _ => eh_frame_by_segment(source, elf, limits, deadline),
    }
}

/// `.debug_frame`, uncompressed if need be. It is not loaded, so a stripped file has none.
pub fn debug_frame<'a>(source: &'a dyn Source, elf: &Elf, limits: &Limits, deadline: Deadline) -> Result<Option<Cfi<'a>>> {
    let Some(section) = elf.section(".debug_frame").or_else(|| elf.section(".zdebug_frame")) else { return Ok(None) };
    let window = section_window(source, section, ".debug_frame", limits, deadline)?;
    Ok(Some(Cfi { window, address: 0, listed: None }))
}

/// The search table of `.eh_frame_hdr` (LSB 5.0, "Exception Frames") gives the address of each entry; its last one bounds the
/// section, which has no length of its own.
fn eh_frame_by_segment<'a>(source: &'a dyn Source, elf: &Elf, limits: &Limits, deadline: Deadline) -> Result<Option<Cfi<'a>>> {
    const DATA_RELATIVE_I32: u8 = 0x3b;
    const PC_RELATIVE_I32: u8 = 0x1b;
    const UNSIGNED_I32: u8 = 0x03;
    let Some(segment) = elf.eh_frame_header() else { return Ok(None) };
    let most = (limits.max_fdes as u64).saturating_mul(8).saturating_add(4096).min(limits.max_section_bytes);
    let header = read(source, ".eh_frame_hdr", segment.offset, segment.file_size, most)?;
    if header.len() < 12 || header[..4] != [1, PC_RELATIVE_I32, UNSIGNED_I32, DATA_RELATIVE_I32] {
        return Err(Error::Unsupported("no section headers, and .eh_frame_hdr is not of the form that linkers write".to_owned()));
    }
    let int = |at: usize| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let address = segment.address.wrapping_add(4).wrapping_add_signed(int(4).into());
    let count = (int(8) as u32 as usize).min((header.len() - 12) / 8);
    if count > limits.max_fdes {
        return Err(Error::TooLarge { what: "entries of .eh_frame_hdr", found: count as u64, limit: limits.max_fdes as u64 });
    }
    let range = elf.file_range(address).ok_or_else(|| Error::Malformed(format!(".eh_frame_hdr leads to {address:#x}, which is not in the file")))?;
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
    let window = Window::of_file(".eh_frame", source, range.start, size, limits.max_section_bytes, deadline)?;
    Ok(Some(Cfi { window, address, listed: Some(listed) }))
}

fn section_window<'a>(source: &'a dyn Source, section: &Section, what: &'static str, limits: &Limits, deadline: Deadline) -> Result<Window<'a>> {
    const ZLIB: u32 = 1;
    const ZSTD: u32 = 2;
    let old_form = section.name.starts_with(".z");
    if !section.compressed && !old_form {
        return Window::of_file(what, source, section.offset, section.size, limits.max_section_bytes, deadline);
    }
    let limit = limits.max_unpacked_bytes;
    let raw = read(source, what, section.offset, section.size, limit)?;
    let unpacked = |bytes| Window::of_bytes(what, bytes, deadline);
    if section.compressed {
        // Elf64_Chdr: type, reserved, size, alignment
        if raw.len() < 24 {
            return Err(Error::Malformed(format!("{what}: compressed, but shorter than its header")));
        }
        let kind = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        return match kind {
            ZLIB => inflate(flate2::read::ZlibDecoder::new(&raw[24..]), what, limit).map(unpacked),
            ZSTD => {
                let decoder =
                    ruzstd::decoding::StreamingDecoder::new(&raw[24..]).map_err(|cause| Error::Malformed(format!("{what}: zstd: {cause}")))?;
                inflate(decoder, what, limit).map(unpacked)
            }
            _ => Err(Error::Unsupported(format!("{what}: compressed by method {kind}"))),
        };
    }
    if raw.starts_with(b"ZLIB") && raw.len() > 12 {
        return inflate(flate2::read::ZlibDecoder::new(&raw[12..]), what, limit).map(unpacked);
    }
    Ok(unpacked(raw))
}

fn inflate(decoder: impl Read, what: &'static str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut bytes).map_err(|cause| Error::Read { what, cause })?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { what, found: bytes.len() as u64, limit });
    }
    Ok(bytes)
}
