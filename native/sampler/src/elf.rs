//! The little of an ELF file that the sampler needs: loadable segments and the GNU build id. Bounded reads of untrusted files.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::build_id::BuildId;
use crate::sha256::sha256;

#[derive(Default, Debug, PartialEq)]
pub struct ElfInfo {
    /// (file offset, size in the file, virtual address) of each PT_LOAD.
    pub segments: Vec<(u64, u64, u64)>,
    /// Unknown when there is none.
    pub id: BuildId,
    /// Hexadecimal, empty when there is none.
    pub build_id: String,
    /// `process.executable.build_id.htlhash` of OpenTelemetry: 16 bytes of SHA-256 over the file's first and last 4096 bytes and
    /// its length, hexadecimal.
    pub htl_hash: String,
}

const HTL_BYTES: u64 = 4096;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
pub const MAX_PROGRAM_HEADERS: u64 = 256;
const MAX_NOTE_BYTES: u64 = 64 << 10;

impl ElfInfo {
    /// None for what is not a readable 64-bit little-endian ELF file.
    pub fn read(file: &File) -> Option<ElfInfo> {
        let mut header = [0u8; 64];
        file.read_exact_at(&mut header, 0).ok()?;
        if &header[..6] != b"\x7fELF\x02\x01" {
            return None;
        }
        let (offset, size, count) = (u64_at(&header, 32)?, u64::from(u16_at(&header, 54)?), u64::from(u16_at(&header, 56)?));
        if size != 56 || count > MAX_PROGRAM_HEADERS {
            return None;
        }
        let mut info = ElfInfo::default();
        let mut table = vec![0u8; (size * count) as usize];
        file.read_exact_at(&mut table, offset).ok()?;
        for row in table.chunks_exact(56) {
            let (kind, offset, address, length) = (u32_at(row, 0)?, u64_at(row, 8)?, u64_at(row, 16)?, u64_at(row, 32)?);
            if kind == PT_LOAD {
                info.segments.push((offset, length, address));
            } else if kind == PT_NOTE && info.build_id.is_empty() {
                let mut notes = vec![0u8; length.min(MAX_NOTE_BYTES) as usize];
                if file.read_exact_at(&mut notes, offset).is_ok() {
                    let found = build_id(&notes).unwrap_or_default();
                    (info.id, info.build_id) = (BuildId::of(found), hex(found));
                }
            }
        }
        info.htl_hash = htl_hash(file)?;
        Some(info)
    }

    /// ELF virtual address of a file offset. Mappings start at page boundaries, so a segment is taken from its page's start.
    pub fn virtual_address(&self, offset: u64) -> Option<u64> {
        let inside = |&&(start, size, _): &&(u64, u64, u64)| offset >= (start & !0xfff) && offset < start.saturating_add(size);
        let &(start, _, address) = self.segments.iter().filter(inside).max_by_key(|segment| segment.0)?;
        Some(address.wrapping_add(offset.wrapping_sub(start)))
    }
}

fn htl_hash(file: &File) -> Option<String> {
    let length = file.metadata().ok()?.len();
    let part = length.min(HTL_BYTES);
    let mut bytes = vec![0u8; (2 * part) as usize];
    let (head, tail) = bytes.split_at_mut(part as usize);
    file.read_exact_at(head, 0).ok()?;
    file.read_exact_at(tail, length - part).ok()?;
    bytes.extend_from_slice(&length.to_be_bytes());
    Some(hex(&sha256(&bytes)[..16]))
}

/// NT_GNU_BUILD_ID (type 3, owner "GNU") among the notes of a segment.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    while notes.len() >= 12 {
        let (name, data, kind) = (u32_at(notes, 0)? as usize, u32_at(notes, 4)? as usize, u32_at(notes, 8)?);
        let data_at = 12usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let end = data_at.checked_add(data)?;
        let body = notes.get(data_at..end)?;
        if kind == 3 && notes.get(12..16) == Some(b"GNU\0") && (4..=64).contains(&data) {
            return Some(body);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
    None
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_offsets_through_segments() {
        let info = ElfInfo { segments: vec![(0, 0x800, 0x400000), (0x1200, 0x500, 0x402200)], ..ElfInfo::default() };
        assert_eq!(info.virtual_address(0x10), Some(0x400010));
        assert_eq!(info.virtual_address(0x1234), Some(0x402234));
        assert_eq!(info.virtual_address(0x1000), Some(0x402000));
        assert_eq!(info.virtual_address(0x9999), None);
    }

    #[test]
    fn reads_itself_and_refuses_others() {
        let read = |path| ElfInfo::read(&File::open(path).unwrap());
        let own = read("/proc/self/exe").unwrap();
        assert!(!own.segments.is_empty());
        assert_eq!(own.htl_hash.len(), 32);
        assert_eq!(read("/etc/passwd"), None);
    }

    /// Of the headers, which decide what is read.
    #[test]
    fn any_change_of_a_byte_is_read_or_refused() {
        let seed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/x86-64")).unwrap();
        let path = std::env::temp_dir().join(format!("perfleet-elf-{}", std::process::id()));
        std::fs::write(&path, &seed).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let (mut read, mut refused) = (0, 0);
        for at in 0..(64 + 56 * 12).min(seed.len()) {
            for value in [0, 0x7f, 0xff] {
                file.write_all_at(&[value], at as u64).unwrap();
                match ElfInfo::read(&file) {
                    Some(elf) => {
                        read += 1;
                        let _ = [0, 0x1000, u64::MAX].map(|offset| elf.virtual_address(offset));
                    }
                    None => refused += 1,
                }
            }
            file.write_all_at(&seed[at..=at], at as u64).unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read > 500 && refused > 20, "{read} read, {refused} refused");
    }

    #[test]
    fn odd_notes_end_the_search() {
        assert_eq!(build_id(b"\x04\0\0\0\xff\xff\xff\xff\x03\0\0\0GNU\0"), None);
        assert_eq!(build_id(b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0\xde\xad\xbe\xef"), Some(&b"\xde\xad\xbe\xef"[..]));
    }
}
