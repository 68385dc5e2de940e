//! A binary's lookup table: converted once from symtab and DWARF, then asked by address.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use memmap2::Mmap;
use symbolic_common::{Name, NameMangling, Language};
use symbolic_debuginfo::elf::ElfObject;
use symbolic_debuginfo::Object;
use symbolic_demangle::{Demangle, DemangleOptions};
use symbolic_symcache::{SymCache, SymCacheConverter};

use crate::isolate::{Limits, isolated};

/// Larger files are refused: conversion needs memory in proportion.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// What a look at the headers may take.
const IDENTIFY: Limits = Limits { wall: Duration::from_secs(10), cpu_seconds: 5, memory: 1 << 30, answer: 1 << 16 };
/// What a conversion may take: 2 GiB with debug information need about 40 s of CPU.
const CONVERT: Limits = Limits { wall: Duration::from_secs(180), cpu_seconds: 90, memory: 4 << 30, answer: 1 << 30 };
/// One conversion at a time: each may need gigabytes.
static CONVERTING: Mutex<()> = Mutex::new(());

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
    let bytes = isolated(IDENTIFY, || {
        with_object(path, |elf| {
            let mut bytes = vec![elf.has_debug_info() as u8, has_symtab(elf) as u8];
            bytes.extend_from_slice(build_id(elf).as_bytes());
            Ok(bytes)
        })
    });
    let bytes = bytes.map_err(|error| named(path, error))?;
    let (flags, id) = bytes.split_at_checked(2).context("no answer")?;
    Ok(Identity { gnu_build_id: String::from_utf8_lossy(id).into_owned(), has_debug_info: flags[0] != 0, has_symtab: flags[1] != 0 })
}

/// Errors of a child that ended early do not name the path yet.
fn named(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let path = path.display().to_string();
    if error.to_string().contains(&path) { error } else { error.context(path) }
}

impl Table {
    /// Converts the first of `debug_paths` that belongs to the binary, or the binary itself.
    pub fn open(path: &Path, debug_paths: &[PathBuf]) -> Result<Table> {
        let _one = CONVERTING.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = isolated(CONVERT, || Ok(Self::build(path, debug_paths)?.into_bytes()));
        Self::from_bytes(bytes.map_err(|error| named(path, error))?)
    }

    fn build(path: &Path, debug_paths: &[PathBuf]) -> Result<Table> {
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

    /// cache | build id | u64 load address | u16 length of the build id | u8 plain
    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.cache;
        bytes.extend_from_slice(self.gnu_build_id.as_bytes());
        bytes.extend_from_slice(&self.load_address.to_le_bytes());
        bytes.extend_from_slice(&(self.gnu_build_id.len() as u16).to_le_bytes());
        bytes.push(self.plain);
        bytes
    }

    fn from_bytes(mut bytes: Vec<u8>) -> Result<Table> {
        let mut take = |length: usize| {
            let at = bytes.len().checked_sub(length).context("its lookup table is cut short")?;
            anyhow::Ok(bytes.split_off(at))
        };
        let plain = take(1)?[0];
        let id_length = u16::from_le_bytes(take(2)?[..].try_into()?);
        let load_address = u64::from_le_bytes(take(8)?[..].try_into()?);
        let gnu_build_id = String::from_utf8(take(id_length.into())?)?;
        Ok(Table { cache: bytes, load_address, plain, gnu_build_id })
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

/// Opens and parses an ELF file. Every error names the path and the cause. Only for a child process (`isolated`).
fn with_object<T>(path: &Path, work: impl FnOnce(&ElfObject<'_>) -> Result<T>) -> Result<T> {
    let attempt = || -> Result<T> {
        // Opening a device can have effects and opening a pipe waits for its writer: only regular files are opened.
        ensure!(std::fs::metadata(path)?.is_file(), "not a regular file");
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let meta = file.metadata()?;
        ensure!(meta.is_file(), "not a regular file");
        ensure!(meta.len() <= MAX_FILE_BYTES, "{} bytes are more than the {MAX_FILE_BYTES} that are read", meta.len());
        // SAFETY: the mapping is private and read-only. A file that is cut short meanwhile raises SIGBUS, in the child only.
        let map = unsafe { Mmap::map(&file)? };
        match Object::parse(&map)? {
            Object::Elf(elf) => work(&elf),
            _ => bail!("not an ELF file"),
        }
    };
    attempt().with_context(|| format!("{}", path.display()))
}

fn build_id(elf: &ElfObject<'_>) -> String {
    elf.code_id().map(|id| id.to_string()).filter(|_| has_build_id_note(elf)).unwrap_or_default()
}

/// `code_id` falls back to a hash of the text section; only the note identifies a build.
fn has_build_id_note(elf: &ElfObject<'_>) -> bool {
    use object::Object as _;
    object::File::parse(elf.data()).is_ok_and(|file| matches!(file.build_id(), Ok(Some(_))))
}

fn has_symtab(elf: &ElfObject<'_>) -> bool {
    use object::Object as _;
    object::File::parse(elf.data()).is_ok_and(|file| file.symbol_table().is_some())
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
