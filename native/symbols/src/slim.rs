//! A binary without what names do not need, for its way to the symbolizer: headers, symbol tables, debug information, notes and, of
//! a Go binary, what its line table hangs on. All addresses and section numbers stay; code and data are sections without bytes, as
//! `objcopy --only-keep-debug` leaves them. Only for a child process (`isolate`).
//! Layouts: `Elf64_Ehdr`, `Elf64_Phdr`, `Elf64_Shdr` of the generic ABI.

use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use sha2::{Digest, Sha256};

use crate::identity::{Identity, hex, parse_elf};
use crate::place::{Mapped, inside_root, map};
use crate::sources::debug_candidates;

const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const ALIGNMENT: u64 = 16;
/// Notes of this size say more than an identity.
const MAX_NOTE: u64 = 64 << 10;
/// Files are bounded on the way in; sections that overlap must not make more of them.
const MAX_BYTES: u64 = 2 << 30;

/// What variables and unwinding need, and no function's name.
const UNUSED: [&[u8]; 10] = [
    b".debug_loc",
    b".debug_loclists",
    b".debug_macro",
    b".debug_macinfo",
    b".debug_frame",
    b".debug_pubnames",
    b".debug_pubtypes",
    b".debug_names",
    b".debug_gnu_pubnames",
    b".debug_gnu_pubtypes",
];

pub struct Slim {
    pub gnu_build_id: String,
    pub content: String,
    /// Length of the slim file; 0 = the binary has no names to offer.
    pub bytes: u64,
    /// Of the slim file, hex; "" when it was not written.
    pub sha256: String,
}

/// What the slim file of a binary would be; with `target`, a path where nothing is yet, it is written there. Of a stripped binary it
/// is made of the separate debug file, where that is installed.
pub fn slim(path: &Path, target: Option<&Path>) -> Result<Slim> {
    let mapped = map(path)?;
    let elf = parse_elf(&mapped.bytes)?;
    let identity = Identity::with_content(&elf);
    let debug = if identity.has_debug_info { None } else { debug_file(path, elf.data(), &identity.gnu_build_id) };
    let bytes = debug.as_ref().map_or(&mapped.bytes[..], |debug| &debug.bytes[..]);
    let plan = Plan::of(bytes)?;
    let length = if plan.names { plan.length } else { 0 };
    let sha256 = match target {
        Some(target) if length > 0 => {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
            let written = file.map_err(Into::into).and_then(|file| plan.write(bytes, file));
            written.with_context(|| target.display().to_string())?
        }
        _ => String::new(),
    };
    Ok(Slim { gnu_build_id: identity.gnu_build_id, content: identity.content, bytes: length, sha256 })
}

/// The separate debug file of a binary, in the root that the binary is in: where distributions install it, and where its
/// `.gnu_debuglink` points. Only one of the same build id.
fn debug_file(path: &Path, bytes: &[u8], build_id: &str) -> Option<Mapped> {
    let (two, rest) = build_id.split_at_checked(2)?;
    let text = path.to_str()?;
    let root = inside_root(text).map_or("", |(_, inner)| &text[..text.len() - inner.len()]);
    let installed = PathBuf::from(format!("{root}/usr/lib/debug/.build-id/{two}/{rest}.debug"));
    let file = object::File::parse(bytes).ok()?;
    let candidates = debug_candidates(path, &[installed], &file);
    candidates.into_iter().find_map(|(candidate, _)| {
        let mapped = map(&candidate).ok()?;
        let identity = Identity::of(&parse_elf(&mapped.bytes).ok()?);
        (identity.has_debug_info && identity.gnu_build_id == build_id).then_some(mapped)
    })
}

/// The slim file of a binary, whether or not it names functions; for fuzzing.
pub fn slim_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let plan = Plan::of(bytes)?;
    let mut out = Vec::new();
    plan.write(bytes, &mut out)?;
    ensure!(out.len() as u64 == plan.length, "{} bytes were planned, and {} written", plan.length, out.len());
    Ok(out)
}

/// Bytes of the binary, and where they go.
struct Piece {
    from: usize,
    length: usize,
    to: u64,
}

struct Plan {
    /// File and program headers.
    head: Vec<u8>,
    /// In the order of the slim file.
    pieces: Vec<Piece>,
    sections: Vec<u8>,
    sections_at: u64,
    length: u64,
    /// Something in it names functions.
    names: bool,
}

impl Plan {
    fn of(bytes: &[u8]) -> Result<Plan> {
        let header = FileHeader64::<LittleEndian>::parse(bytes).ok().context("not a 64-bit little-endian ELF file")?;
        let little = LittleEndian;
        header.endian().ok().context("not a little-endian ELF file")?;
        let table = header.sections(little, bytes).context("its section headers are unusable")?;
        let raw = section_bytes(header, bytes, table.len())?;
        let is_go = table.iter().any(|section| matches!(table.section_name(little, section), Ok(b".go.buildinfo" | b".note.go.buildid")));
        let loads: Vec<_> = header.program_headers(little, bytes)?.iter().filter(|row| row.p_type(little) == elf::PT_LOAD).collect();
        let mut plan = Plan { head: Vec::new(), pieces: Vec::new(), sections: Vec::new(), sections_at: 0, length: 0, names: false };
        let mut at = (FILE_HEADER + loads.len() * PROGRAM_HEADER) as u64;
        let names_at = header.shstrndx(little, bytes)? as usize;
        for (index, (section, row)) in table.iter().zip(raw.chunks_exact(SECTION_HEADER)).enumerate() {
            let name = table.section_name(little, section).unwrap_or_default();
            let mut row = row.to_vec();
            match (section.file_range(little), index == names_at || keeps(section, name, is_go)) {
                // No section: it holds the numbers that do not fit into the file header.
                _ if index == 0 => {}
                (None, _) => {}
                (Some((offset, size)), true) => {
                    let range = usize::try_from(offset)?..usize::try_from(offset.checked_add(size).context("absurd section")?)?;
                    ensure!(range.end <= bytes.len(), "section {} is cut short", String::from_utf8_lossy(name));
                    at = at.next_multiple_of(ALIGNMENT);
                    put(&mut row, 24, at);
                    plan.names |= names(section, name);
                    plan.pieces.push(Piece { from: range.start, length: range.len(), to: at });
                    at += size;
                    ensure!(at <= MAX_BYTES, "its sections are more than the {MAX_BYTES} bytes that are sent");
                }
                // Code and data keep their place; what has none is no section any more, but keeps its number.
                (Some(_), false) if section.sh_flags(little) & u64::from(elf::SHF_ALLOC) != 0 => {
                    row[4..8].copy_from_slice(&elf::SHT_NOBITS.to_le_bytes());
                    put(&mut row, 24, at);
                }
                (Some(_), false) => row.fill(0),
            }
            plan.sections.extend_from_slice(&row);
        }
        plan.sections_at = at.next_multiple_of(ALIGNMENT);
        plan.length = plan.sections_at + plan.sections.len() as u64;
        // Nowhere, where the binary has none whatever number it states.
        let stated_at = if plan.sections.is_empty() { 0 } else { plan.sections_at };
        plan.head = head(bytes, loads.iter().map(|row| object::pod::bytes_of(*row)), stated_at);
        Ok(plan)
    }

    /// @returns SHA-256 of what was written, hex
    fn write(&self, bytes: &[u8], out: impl Write) -> Result<String> {
        let mut out = Hashed { out: BufWriter::with_capacity(1 << 20, out), hash: Sha256::new(), written: 0 };
        out.put(&self.head)?;
        for piece in &self.pieces {
            out.pad(piece.to)?;
            out.put(&bytes[piece.from..piece.from + piece.length])?;
        }
        out.pad(self.sections_at)?;
        out.put(&self.sections)?;
        ensure!(out.written == self.length, "{} bytes were written instead of {}", out.written, self.length);
        out.out.flush()?;
        Ok(hex(&out.hash.finalize()))
    }
}

struct Hashed<W: Write> {
    out: BufWriter<W>,
    hash: Sha256,
    written: u64,
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }

    fn pad(&mut self, to: u64) -> Result<()> {
        let gap = to.checked_sub(self.written).context("sections overlap")?;
        self.put(&[0; ALIGNMENT as usize][..usize::try_from(gap)?])
    }
}

fn section_bytes<'data>(header: &FileHeader64<LittleEndian>, bytes: &'data [u8], count: usize) -> Result<&'data [u8]> {
    let at = usize::try_from(header.e_shoff(LittleEndian))?;
    let length = count.checked_mul(SECTION_HEADER).context("absurd number of sections")?;
    bytes.get(at..at.saturating_add(length)).context("its section headers are cut short")
}

/// Segments keep their addresses and sizes, from which the load address is told; their bytes are not there.
fn head<'data>(bytes: &[u8], loads: impl Iterator<Item = &'data [u8]>, sections_at: u64) -> Vec<u8> {
    let mut head = bytes[..FILE_HEADER].to_vec();
    let mut count = 0u16;
    for load in loads {
        let mut row = load.to_vec();
        put(&mut row, 8, 0);
        put(&mut row, 32, 0);
        head.extend_from_slice(&row);
        count += 1;
    }
    put(&mut head, 32, FILE_HEADER as u64);
    put(&mut head, 40, sections_at);
    head[56..58].copy_from_slice(&count.to_le_bytes());
    head
}

fn put(row: &mut [u8], at: usize, value: u64) {
    row[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn keeps(section: &elf::SectionHeader64<LittleEndian>, name: &[u8], is_go: bool) -> bool {
    let flags = section.sh_flags(LittleEndian);
    match section.sh_type(LittleEndian) {
        // What was left out before: its name is the one at 0, whatever that is.
        elf::SHT_NULL => false,
        elf::SHT_SYMTAB | elf::SHT_DYNSYM | elf::SHT_STRTAB | elf::SHT_SYMTAB_SHNDX => true,
        elf::SHT_NOTE => section.sh_size(LittleEndian) <= MAX_NOTE,
        _ if name.starts_with(b".debug_") || name.starts_with(b".zdebug_") => !UNUSED.contains(&name),
        _ if name == b".gnu_debugdata" || name.ends_with(b".gopclntab") => true,
        // Go's inlining trees lie in read-only data, and where, only the module data say.
        _ => is_go && flags & u64::from(elf::SHF_ALLOC) != 0 && flags & u64::from(elf::SHF_EXECINSTR) == 0,
    }
}

fn names(section: &elf::SectionHeader64<LittleEndian>, name: &[u8]) -> bool {
    let symbols = matches!(section.sh_type(LittleEndian), elf::SHT_SYMTAB | elf::SHT_DYNSYM);
    symbols || name.starts_with(b".debug_info") || name.starts_with(b".zdebug_info") || name == b".gnu_debugdata" || name.ends_with(b".gopclntab")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_names_need_in_fewer_bytes() {
        let own = Path::new("/proc/self/exe");
        let target = std::env::temp_dir().join(format!("perfleet-slim-{}", std::process::id()));
        let planned = slim(own, None).unwrap();
        let written = slim(own, Some(&target)).unwrap();
        let again = slim(&target, None).unwrap();
        let (length, full) = (std::fs::metadata(&target).unwrap().len(), std::fs::metadata(own).unwrap().len());
        std::fs::remove_file(&target).unwrap();
        assert_eq!((planned.bytes, written.bytes), (length, length));
        assert!(length < full, "{length} of {full}");
        assert_eq!(again.gnu_build_id, written.gnu_build_id);
        assert_eq!((again.bytes, again.content.as_str()), (length, ""));
        assert_ne!(written.content, "");
        assert_eq!(written.sha256.len(), 64);
    }

    #[test]
    fn refuses_what_is_no_binary_and_overwrites_nothing() {
        assert!(slim(Path::new("/etc/passwd"), None).is_err());
        let target = std::env::temp_dir().join(format!("perfleet-slim-there-{}", std::process::id()));
        std::fs::write(&target, "mine").unwrap();
        assert!(slim(Path::new("/proc/self/exe"), Some(&target)).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"mine");
        std::fs::remove_file(&target).unwrap();
    }
}
