//! Compressed debug sections (SHF_COMPRESSED: zlib and zstd), unpacked under a bound before anything parses them.
//! https://www.sco.com/developers/gabi/latest/ch4.sheader.html, ELFCOMPRESS_ZSTD of the generic ABI.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, SectionFlags, elf};

/// All sections of a file together; the largest known debug file unpacks to half of this.
const MAX_BYTES: u64 = 2 << 30;

/// Fields of `Elf64_Shdr` in bytes from its start, and its size.
const FLAGS: usize = 8;
const OFFSET: usize = 24;
const SIZE: usize = 32;
const HEADER: usize = 64;

/// The file with every compressed debug section in plain, at its end; None when there is none.
pub fn inflate(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    inflate_to(bytes, MAX_BYTES)
}

fn inflate_to(bytes: &[u8], most: u64) -> Result<Option<Vec<u8>>> {
    let file = object::File::parse(bytes)?;
    if !file.is_64() || !file.is_little_endian() {
        return Ok(None);
    }
    let packed = |section: &object::Section<'_, '_>| {
        matches!(section.flags(), SectionFlags::Elf { sh_flags } if sh_flags & u64::from(elf::SHF_COMPRESSED) != 0)
            && section.name().is_ok_and(|name| name.starts_with(".debug"))
    };
    let sections: Vec<_> = file.sections().filter(packed).collect();
    if sections.is_empty() {
        return Ok(None);
    }
    let table = u64::from_le_bytes(bytes.get(40..48).context("no header")?.try_into()?) as usize;
    let mut out = bytes.to_vec();
    let mut total = 0u64;
    for section in sections {
        let name = section.name().unwrap_or_default().to_owned();
        let data = section.compressed_data().with_context(|| name.clone())?;
        total = total.saturating_add(data.uncompressed_size);
        ensure!(total <= most, "{name}: its sections claim to unpack to {total} bytes, more than the {most} that are read");
        let plain = data.decompress().with_context(|| name.clone())?;
        ensure!(plain.len() as u64 == data.uncompressed_size, "{name}: it unpacks to {} bytes instead of {}", plain.len(), data.uncompressed_size);
        let header = section.index().0.checked_mul(HEADER).and_then(|at| at.checked_add(table)).context("no section header")?;
        let offset = out.len() as u64;
        out.extend_from_slice(&plain);
        let row = out.get_mut(header..header + HEADER).context("no section header")?;
        let flags = u64::from_le_bytes(row[FLAGS..FLAGS + 8].try_into()?) & !u64::from(elf::SHF_COMPRESSED);
        row[FLAGS..FLAGS + 8].copy_from_slice(&flags.to_le_bytes());
        row[OFFSET..OFFSET + 8].copy_from_slice(&offset.to_le_bytes());
        row[SIZE..SIZE + 8].copy_from_slice(&(plain.len() as u64).to_le_bytes());
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_plain_files_alone() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(inflate_to(&own, 1 << 30).unwrap().is_none());
        assert!(inflate_to(b"nothing", 1 << 30).is_err());
    }
}
