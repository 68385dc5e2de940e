//! A binary's lookup table: converted once from symtab and DWARF, then asked by address.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use memmap2::Mmap;
use symbolic_common::{Name, NameMangling, Language};
use symbolic_debuginfo::elf::ElfObject;
use symbolic_debuginfo::Object;
use symbolic_demangle::{Demangle, DemangleOptions};
use symbolic_symcache::{SymCache, SymCacheConverter};

/// Larger files are refused: conversion needs memory in proportion.
const MAX_FILE_BYTES: u64 = 2 << 30;

pub const UNRESOLVED: u8 = 0;
const DYNAMIC: u8 = 1;
const SYMTAB: u8 = 2;
const DEBUG: u8 = 3;

pub struct Identity {
    pub gnu_build_id: String,
    pub has_debug_info: bool,
    pub has_symtab: bool,
}

pub struct Table {
    /// In symcache format; addresses are relative to `load_address`.
    cache: Vec<u8>,
    load_address: u64,
    /// Quality of a name without a line.
    plain: u8,
    pub gnu_build_id: String,
}

/// One name of an address, innermost first.
pub struct Line<'a> {
    pub function: Cow<'a, str>,
    pub file: String,
    pub line: u32,
}

pub fn identify(path: &Path) -> Result<Identity> {
    with_object(path, |elf| Ok(Identity { gnu_build_id: build_id(elf), has_debug_info: elf.has_debug_info(), has_symtab: has_symtab(elf) }))
}

impl Table {
    /// Converts the first of `debug_paths` that belongs to the binary, or the binary itself.
    pub fn open(path: &Path, debug_paths: &[PathBuf]) -> Result<Table> {
        let own = with_object(path, |elf| Ok((build_id(elf), elf.has_debug_info())))?;
        if !own.1 {
            for candidate in debug_paths {
                let separate = with_object(candidate, |elf| {
                    ensure!(!own.0.is_empty() && build_id(elf) == own.0, "its build id differs");
                    Self::convert(elf)
                });
                if let Ok(table) = separate {
                    return Ok(table);
                }
            }
        }
        with_object(path, Self::convert)
    }

    fn convert(elf: &ElfObject<'_>) -> Result<Table> {
        let mut converter = SymCacheConverter::new();
        converter.process_object(elf).context("cannot read its symbols")?;
        let mut cache = Vec::new();
        converter.serialize(&mut cache)?;
        SymCache::parse(&cache).context("its lookup table is unusable")?;
        let plain = if has_symtab(elf) { SYMTAB } else { DYNAMIC };
        Ok(Table { cache, load_address: elf.load_address(), plain, gnu_build_id: build_id(elf) })
    }

    /// Calls `each` with the quality and the inline chain of every address, in order.
    pub fn resolve(&self, addresses: &[u64], mut each: impl FnMut(u8, &[Line])) -> Result<()> {
        let cache = SymCache::parse(&self.cache)?;
        let mut chain = Vec::new();
        for &address in addresses {
            chain.clear();
            let mut quality = UNRESOLVED;
            if let Some(relative) = address.checked_sub(self.load_address) {
                for location in cache.lookup(relative).take(256) {
                    let function = location.function();
                    let file = location.file().map(|file| file.full_path()).unwrap_or_default();
                    if function.name() == "?" {
                        continue;
                    }
                    quality = quality.max(if location.line() > 0 { DEBUG } else { self.plain });
                    chain.push(Line { function: demangle(function.name()), file, line: location.line() });
                }
            }
            each(quality, &chain);
        }
        Ok(())
    }
}

fn demangle(name: &str) -> Cow<'_, str> {
    let mangled = Name::new(name, NameMangling::Unknown, Language::Unknown);
    match mangled.demangle(DemangleOptions::complete().return_type(false)) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(name),
    }
}

/// Opens and parses an ELF file. Every error names the path and the cause; a panic in a parser is such an error too.
fn with_object<T>(path: &Path, work: impl FnOnce(&ElfObject<'_>) -> Result<T>) -> Result<T> {
    let attempt = || -> Result<T> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        ensure!(meta.is_file(), "not a regular file");
        ensure!(meta.len() <= MAX_FILE_BYTES, "{} bytes are more than the {MAX_FILE_BYTES} that are read", meta.len());
        // SAFETY: the mapping is private and read-only. A file that is cut short meanwhile raises SIGBUS; installed binaries are
        // replaced by rename, not rewritten in place.
        let map = unsafe { Mmap::map(&file)? };
        let parsed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match Object::parse(&map)? {
            Object::Elf(elf) => work(&elf),
            _ => bail!("not an ELF file"),
        }));
        parsed.unwrap_or_else(|_| bail!("the file is corrupt"))
    };
    attempt().with_context(|| format!("{}", path.display()))
}

fn build_id(elf: &ElfObject<'_>) -> String {
    elf.code_id().map(|id| id.to_string()).filter(|_| has_build_id_note(elf)).unwrap_or_default()
}

/// `code_id` falls back to a hash of the text section; only the note identifies a build.
fn has_build_id_note(elf: &ElfObject<'_>) -> bool {
    use object::{Object as _, read::elf::ElfFile64};
    ElfFile64::<object::Endianness>::parse(elf.data()).ok().and_then(|file| file.build_id().ok().flatten().map(|_| ())).is_some()
}

fn has_symtab(elf: &ElfObject<'_>) -> bool {
    use object::{Object as _, read::elf::ElfFile64};
    ElfFile64::<object::Endianness>::parse(elf.data()).is_ok_and(|file| file.symbol_table().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_one(table: &Table, address: u64) -> (u8, Vec<(String, u32)>) {
        let mut answer = None;
        table.resolve(&[address], |quality, chain| answer = Some((quality, chain.iter().map(|l| (l.function.to_string(), l.line)).collect()))).unwrap();
        answer.unwrap()
    }

    #[test]
    fn demangles_cpp_and_rust() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core::fmt::Formatter::pad");
        assert_eq!(demangle("plain"), "plain");
    }

    #[test]
    fn finds_its_own_functions() {
        let table = Table::open(Path::new("/proc/self/exe"), &[]).unwrap();
        assert_eq!(resolve_one(&table, 1).0, UNRESOLVED);
        assert_eq!(resolve_one(&table, u64::MAX).0, UNRESOLVED);
    }

    #[test]
    fn refuses_what_is_not_elf_by_path_and_cause() {
        let error = format!("{:#}", Table::open(Path::new("/etc/passwd"), &[]).err().unwrap());
        assert!(error.starts_with("/etc/passwd: "), "{error}");
        assert!(Table::open(Path::new("/nonexistent"), &[]).is_err());
        assert!(Table::open(Path::new("/dev/zero"), &[]).is_err());
    }
}
