//! What a binary says of itself, and what its code says whatever it claims.

use anyhow::{Context, Result};
use object::read::elf::ProgramHeader as _;
use object::{Object as _, elf};
use sha2::{Digest, Sha256};
use symbolic_debuginfo::Object;
use symbolic_debuginfo::elf::ElfObject;

#[derive(Default, Clone, Debug, PartialEq)]
pub struct Identity {
    /// NT_GNU_BUILD_ID in hex, "" when there is none. A claim: anybody can write one.
    pub gnu_build_id: String,
    /// `process.executable.build_id.htlhash` of OpenTelemetry: 16 bytes of SHA-256 over the file's first and last 4096 bytes
    /// and its length (u64, big-endian). https://opentelemetry.io/docs/specs/semconv/registry/attributes/process/
    pub htl_hash: String,
    /// 16 bytes of SHA-256 over the executable segments and their addresses, in hex: the same for a stripped file, another for
    /// other code under the same build id. "" when the file holds no code (a separate debug file).
    pub content: String,
    pub has_debug_info: bool,
    pub has_symtab: bool,
}

impl Identity {
    /// Without the content: a look at the headers is cheap, a hash of all the code is not.
    pub fn of(elf: &ElfObject<'_>) -> Identity {
        let file = object::File::parse(elf.data()).ok();
        let build_id = file.as_ref().and_then(|file| file.build_id().ok().flatten()).unwrap_or_default();
        Identity {
            gnu_build_id: hex(build_id),
            htl_hash: htl_hash(elf.data()),
            content: String::new(),
            has_debug_info: elf.has_debug_info(),
            has_symtab: file.is_some_and(|file| file.symbol_table().is_some()),
        }
    }

    pub fn with_content(elf: &ElfObject<'_>) -> Identity {
        Identity { content: content(elf.data()), ..Identity::of(elf) }
    }

    /// Lines of text: the fields hold no line break.
    pub fn to_text(&self) -> String {
        let Identity { gnu_build_id, htl_hash, content, has_debug_info, has_symtab } = self;
        format!("{gnu_build_id}\n{htl_hash}\n{content}\n{has_debug_info}\n{has_symtab}")
    }

    pub fn from_text(text: &str) -> Result<Identity> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().context("the answer is cut short");
        Ok(Identity {
            gnu_build_id: next()?.to_owned(),
            htl_hash: next()?.to_owned(),
            content: next()?.to_owned(),
            has_debug_info: next()? == "true",
            has_symtab: next()? == "true",
        })
    }
}

/// Parses an ELF file. Only for a child process.
pub fn parse_elf(bytes: &[u8]) -> Result<ElfObject<'_>> {
    match Object::parse(bytes)? {
        Object::Elf(elf) => Ok(elf),
        _ => anyhow::bail!("not an ELF file"),
    }
}

fn htl_hash(bytes: &[u8]) -> String {
    let part = bytes.len().min(4096);
    let mut hash = Sha256::new();
    hash.update(&bytes[..part]);
    hash.update(&bytes[bytes.len() - part..]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hex(&hash.finalize()[..16])
}

fn content(bytes: &[u8]) -> String {
    let Some(segments) = code_segments(bytes).filter(|segments| !segments.is_empty()) else { return String::new() };
    let mut hash = Sha256::new();
    for (address, code) in segments {
        hash.update(address.to_be_bytes());
        hash.update((code.len() as u64).to_be_bytes());
        hash.update(code);
    }
    hex(&hash.finalize()[..16])
}

/// Executable segments that the file holds: (virtual address, bytes).
fn code_segments(bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let object::File::Elf64(file) = object::File::parse(bytes).ok()? else { return None };
    let endian = file.endian();
    let code = file
        .elf_program_headers()
        .iter()
        .filter(|header| header.p_type(endian) == elf::PT_LOAD && header.p_flags(endian) & elf::PF_X != 0 && header.p_filesz(endian) > 0);
    // A debug file keeps its headers, whose offsets then mean nothing: its text section has no bytes.
    let holds_code = file.section_by_name(".text").is_none_or(|text| {
        matches!(object::ObjectSection::flags(&text), object::SectionFlags::Elf { .. }) && object::ObjectSection::file_range(&text).is_some()
    });
    holds_code.then(|| code.filter_map(|header| Some((header.p_vaddr(endian), header.data(endian, bytes).ok()?))).collect())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_text_form() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let own = Identity::with_content(&parse_elf(&bytes).unwrap());
        assert_eq!(own.content.len(), 32);
        assert_eq!(own.htl_hash.len(), 32);
        assert_eq!(Identity::from_text(&own.to_text()).unwrap(), own);
        assert!(Identity::from_text("a").is_err());
    }

    #[test]
    fn other_code_is_other_content() {
        let mut bytes = std::fs::read("/proc/self/exe").unwrap();
        let before = content(&bytes);
        let (_, code) = code_segments(&bytes).unwrap()[0];
        let at = code.as_ptr() as usize - bytes.as_ptr() as usize + code.len() / 2;
        bytes[at] ^= 1;
        assert_ne!(content(&bytes), before);
        bytes[at] ^= 1;
        bytes.push(0);
        assert_eq!(content(&bytes), before);
    }
}
