//! A binary's lookup table: converted once in a child process, then asked by address.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use symbolic_symcache::SymCache;

use crate::identity::{Identity, parse_elf};
use crate::isolate::{Limits, isolated};
use crate::place::map;
use crate::slim::Slim;
use crate::sources::{Converted, Source, convert};

/// What a look at the headers and a hash of the code may take.
const IDENTIFY: Limits = Limits { wall: Duration::from_secs(20), cpu_seconds: 10, memory: 1 << 30, answer: 1 << 16 };
/// What leaving out the code may take: 2 GiB are read and hashed, at the lowest priority.
const SLIM: Limits = Limits { wall: Duration::from_secs(300), cpu_seconds: 60, memory: 1 << 30, answer: 1 << 16 };
/// What a conversion may take: 2 GiB with debug information need about 40 s of CPU.
const CONVERT: Limits = Limits { wall: Duration::from_secs(180), cpu_seconds: 90, memory: 4 << 30, answer: 1 << 30 };
/// One conversion at a time: each may need gigabytes.
static CONVERTING: Mutex<()> = Mutex::new(());

pub const UNRESOLVED: u8 = 0;
const DYNAMIC: u8 = 1;
const SYMTAB: u8 = 2;
const DEBUG: u8 = 3;

/// Levels of inlining that are kept of one address.
const MAX_CHAIN: usize = 256;

pub struct Table {
    converted: Converted,
}

/// One name of an address, innermost first.
pub struct Line<'a> {
    /// As the symbol table or the debug information has it.
    pub mangled: &'a str,
    pub file: String,
    pub line: u32,
}

/// What a look at a file says.
pub struct Looked {
    pub identity: Identity,
    /// Owner of the file.
    pub uid: u32,
    /// `DEVICE:INODE`.
    pub file: String,
}

pub fn identify(path: &Path, with_content: bool) -> Result<Looked> {
    let bytes = isolated(IDENTIFY, || {
        let mapped = map(path).with_context(|| path.display().to_string())?;
        let elf = parse_elf(&mapped.bytes).with_context(|| path.display().to_string())?;
        let identity = if with_content { Identity::with_content(&elf) } else { Identity::of(&elf) };
        let (device, inode) = mapped.file;
        Ok(format!("{}\n{device}:{inode}\n{}", mapped.uid, identity.to_text()).into_bytes())
    });
    let text = String::from_utf8(bytes.map_err(|error| named(path, error))?)?;
    let (uid, rest) = text.split_once('\n').context("no answer")?;
    let (file, identity) = rest.split_once('\n').context("no answer")?;
    Ok(Looked { identity: Identity::from_text(identity)?, uid: uid.parse()?, file: file.to_owned() })
}

/// See `slim::slim`; nothing on the machine waits for it.
pub fn slim(path: &Path, target: Option<&Path>) -> Result<Slim> {
    let bytes = isolated(SLIM, || {
        lowest_priority();
        let Slim { gnu_build_id, content, bytes, sha256 } = crate::slim::slim(path, target).with_context(|| path.display().to_string())?;
        Ok(format!("{gnu_build_id}\n{content}\n{bytes}\n{sha256}").into_bytes())
    });
    let text = String::from_utf8(bytes.map_err(|error| named(path, error))?)?;
    let mut lines = text.split('\n').map(str::to_owned);
    let mut next = || lines.next().context("no answer");
    Ok(Slim { gnu_build_id: next()?, content: next()?, bytes: next()?.parse()?, sha256: next()? })
}

/// Of this process, for the CPU and the disk. Best effort: a machine that refuses only shares more evenly.
fn lowest_priority() {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IOPRIO_CLASS_IDLE: libc::c_int = 3 << 13;
    // SAFETY: plain system calls on this process.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE);
    }
}

/// Errors of a child that ended early do not name the path yet.
fn named(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let path = path.display().to_string();
    if error.to_string().contains(&path) { error } else { error.context(path) }
}

impl Table {
    /// Converts the binary, with the first of `debug_paths` and of its `.gnu_debuglink` paths that belongs to it.
    pub fn open(path: &Path, debug_paths: &[PathBuf]) -> Result<Table> {
        let _one = CONVERTING.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = isolated(CONVERT, || Ok(to_bytes(convert(path, debug_paths).with_context(|| path.display().to_string())?)));
        Ok(Table { converted: from_bytes(bytes.map_err(|error| named(path, error))?)? })
    }

    pub fn identity(&self) -> &Identity {
        &self.converted.identity
    }

    /// Memory that the table holds.
    pub fn bytes(&self) -> usize {
        self.converted.cache.capacity()
    }

    pub fn source(&self) -> Source {
        self.converted.source
    }

    pub fn problem(&self) -> &str {
        &self.converted.problem
    }

    /// Calls `each` with the quality and the inline chain of every address, in order.
    pub fn resolve(&self, addresses: &[u64], mut each: impl FnMut(u8, &[Line])) -> Result<()> {
        let cache = SymCache::parse(&self.converted.cache)?;
        let plain = if self.converted.has_symtab { SYMTAB } else { DYNAMIC };
        let mut chain = Vec::new();
        for &address in addresses {
            chain.clear();
            let mut quality = UNRESOLVED;
            if let Some(relative) = address.checked_sub(self.converted.load_address) {
                for location in cache.lookup(relative).take(MAX_CHAIN) {
                    let function = location.function();
                    let file = location.file().map(|file| file.full_path()).unwrap_or_default();
                    if function.name() == "?" {
                        continue;
                    }
                    quality = quality.max(if location.line() > 0 { DEBUG } else { plain });
                    chain.push(Line { mangled: function.name(), file, line: location.line() });
                }
            }
            each(quality, &chain);
        }
        Ok(())
    }
}

/// cache | identity and problem | u32 length of both | u64 load address | u8 source | u8 has a symbol table
fn to_bytes(converted: Converted) -> Vec<u8> {
    let identity = format!("{}\n{}", converted.identity.to_text(), converted.problem);
    let mut bytes = converted.cache;
    bytes.extend_from_slice(identity.as_bytes());
    bytes.extend_from_slice(&(identity.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&converted.load_address.to_le_bytes());
    bytes.extend_from_slice(&[converted.source as u8, converted.has_symtab.into()]);
    bytes
}

fn from_bytes(mut bytes: Vec<u8>) -> Result<Converted> {
    let mut take = |length: usize| {
        let at = bytes.len().checked_sub(length).context("its lookup table is cut short")?;
        anyhow::Ok(bytes.split_off(at))
    };
    let kind = take(2)?;
    let load_address = u64::from_le_bytes(take(8)?[..].try_into()?);
    let length = u32::from_le_bytes(take(4)?[..].try_into()?);
    let text = String::from_utf8(take(length as usize)?)?;
    let (identity, problem) = text.rsplit_once('\n').context("its lookup table is cut short")?;
    let (identity, problem) = (Identity::from_text(identity)?, problem.to_owned());
    let source = *Source::ALL.get(usize::from(kind[0])).context("its lookup table is of an unknown source")?;
    // It was read into a buffer that grew by doubling.
    bytes.shrink_to_fit();
    Ok(Converted { cache: bytes, load_address, source, has_symtab: kind[1] != 0, identity, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality_of(table: &Table, address: u64) -> u8 {
        let mut answer = None;
        table.resolve(&[address], |quality, _| answer = Some(quality)).unwrap();
        answer.unwrap()
    }

    #[test]
    fn finds_its_own_functions() {
        let table = Table::open(Path::new("/proc/self/exe"), &[]).unwrap();
        assert_eq!(table.source(), Source::DebugInfo);
        assert_eq!(quality_of(&table, 1), UNRESOLVED);
        assert_eq!(quality_of(&table, u64::MAX), UNRESOLVED);
        assert_eq!(table.identity(), &identify(Path::new("/proc/self/exe"), true).unwrap().identity);
    }

    #[test]
    fn refuses_what_is_not_elf_by_path_and_cause() {
        let error = format!("{:#}", Table::open(Path::new("/etc/passwd"), &[]).err().unwrap());
        assert!(error.starts_with("/etc/passwd: "), "{error}");
        assert!(Table::open(Path::new("/nonexistent"), &[]).is_err());
        assert!(Table::open(Path::new("/dev/zero"), &[]).is_err());
    }
}
