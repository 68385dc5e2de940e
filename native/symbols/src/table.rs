//! A binary's lookup table: converted once in a child process, then asked by address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use memmap2::Mmap;

use crate::columns::Columns;
use crate::identity::{Identity, parse_elf};
use crate::isolate::{Limits, isolated};
use crate::kept_tables::{Keeping, table_of};
use crate::lookup::{Lookup, NONE};
use crate::place::map;
use crate::slim::Slim;
use crate::sources::Source;

/// What a look at the headers and a hash of the code may take.
const IDENTIFY: Limits = Limits { wall: Duration::from_secs(20), cpu_seconds: 10, memory: 1 << 30, answer: 1 << 16, file: 0 };
/// What leaving out the code may take: 2 GiB are read and hashed, at the lowest priority.
const SLIM: Limits = Limits { wall: Duration::from_secs(300), cpu_seconds: 60, memory: 1 << 30, answer: 1 << 16, file: 2 << 30 };

pub const UNRESOLVED: u8 = 0;
const DYNAMIC: u8 = 1;
const SYMTAB: u8 = 2;
const DEBUG: u8 = 3;

/// Levels of inlining that are kept of one address.
const MAX_CHAIN: usize = 256;

pub struct Table {
    bytes: Mmap,
    identity: Identity,
    source: Source,
    problem: String,
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
    /// Of the binary, with the first of `debug_paths` and of its `.gnu_debuglink` paths that belongs to it.
    pub fn open(path: &Path, debug_paths: &[PathBuf], keeping: &Keeping) -> Result<Table> {
        let bytes = table_of(path, debug_paths, keeping).map_err(|error| named(path, error))?;
        let lookup = Lookup::parse(&bytes)?;
        let (identity, problem) = lookup.description.rsplit_once('\n').context("its lookup table is cut short")?;
        let (identity, problem) = (Identity::from_text(identity)?, problem.to_owned());
        let source = *Source::ALL.get(usize::from(lookup.source)).context("its lookup table is of an unknown source")?;
        Ok(Table { bytes, identity, source, problem })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Memory that the table may take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn source(&self) -> Source {
        self.source
    }

    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Names of addresses, in order.
    pub fn resolve(&self, addresses: &[u64]) -> Result<Columns> {
        let lookup = Lookup::parse(&self.bytes)?;
        let plain = if lookup.has_symtab { SYMTAB } else { DYNAMIC };
        let mut columns = Columns::with_capacity(addresses.len());
        for &address in addresses {
            let mut quality = UNRESOLVED;
            let mut next = address.checked_sub(lookup.load_address).and_then(|relative| lookup.node_at(relative));
            for _ in 0..MAX_CHAIN {
                let Some(node) = next.and_then(|number| lookup.node(number)) else { break };
                quality = quality.max(if node.line > 0 { DEBUG } else { plain });
                columns.push(&lookup, &node);
                next = Some(node.parent).filter(|parent| *parent != NONE);
            }
            columns.end_row(quality);
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_MEMORY: Keeping = Keeping { directory: None, memory: 1 << 30 };

    fn quality_of(table: &Table, address: u64) -> u8 {
        table.resolve(&[address]).unwrap().quality[0]
    }

    #[test]
    fn finds_its_own_functions() {
        let table = Table::open(Path::new("/proc/self/exe"), &[], &IN_MEMORY).unwrap();
        assert_eq!(table.source(), Source::DebugInfo);
        assert_eq!(quality_of(&table, 1), UNRESOLVED);
        assert_eq!(quality_of(&table, u64::MAX), UNRESOLVED);
        assert_eq!(table.identity(), &identify(Path::new("/proc/self/exe"), true).unwrap().identity);
    }

    #[test]
    fn refuses_what_is_not_elf_by_path_and_cause() {
        let error = format!("{:#}", Table::open(Path::new("/etc/passwd"), &[], &IN_MEMORY).err().unwrap());
        assert!(error.starts_with("/etc/passwd: "), "{error}");
        assert!(Table::open(Path::new("/nonexistent"), &[], &IN_MEMORY).is_err());
        assert!(Table::open(Path::new("/dev/zero"), &[], &IN_MEMORY).is_err());
    }
}
