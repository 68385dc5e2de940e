//! Lookup tables as files: made once in a child process, mapped when they are used, found again after a restart. A table belongs to
//! one state of one file and of the separate debug files that there were for it.

use std::fs::{File, OpenOptions};
use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::identity::{Identity, hex, parse_elf};
use crate::isolate::{Limits, is_out_of_memory, isolated};
use crate::lookup::{Head, Lookup, VERSION, write};
use crate::place::{Mapped, map};
use crate::room::Room;
use crate::sources::{Converted, convert, debug_candidates};
use crate::split_dwarf::Skeletons;
use crate::split_places::packages;

/// What a conversion may take besides memory: 2 GiB with debug information need about 40 s of CPU.
const CONVERT: Limits = Limits { wall: Duration::from_secs(180), cpu_seconds: 90, memory: 0, answer: 1 << 16, file: 4 * MAX_TABLE };
const MAX_TABLE: u64 = 1 << 30;
/// A conversion has at least so much memory; most need less.
const SHARE: u64 = 128 << 20;
/// Conversions that run, each with a share of the memory, or one with all of it.
static ROOM: Room = Room::new();

/// Where tables are kept, and what making one may take.
#[derive(Clone)]
pub struct Keeping {
    /// A directory that nobody else writes to; without it tables are in memory.
    pub directory: Option<PathBuf>,
    /// Private memory of a conversion, bytes.
    pub memory: u64,
}

/// The table of a binary: a kept one, or a new one that is then kept.
pub fn table_of(path: &Path, debug_paths: &[PathBuf], keeping: &Keeping) -> Result<Mmap> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    in_shares((keeping.memory / SHARE).clamp(1, cores), &ROOM, path, debug_paths, keeping)
}

/// With one of so many shares of the memory, and where that is not enough with all of it.
fn in_shares(shares: u64, room: &Room, path: &Path, debug_paths: &[PathBuf], keeping: &Keeping) -> Result<Mmap> {
    if shares > 1 {
        let _part = room.enter(1, shares);
        match made(path, debug_paths, &Keeping { memory: keeping.memory / shares, ..keeping.clone() }) {
            Err(error) if is_out_of_memory(&error) => {}
            result => return result,
        }
    }
    // It needs more than others leave.
    let _all = room.enter(shares, shares);
    made(path, debug_paths, keeping)
}

fn made(path: &Path, debug_paths: &[PathBuf], keeping: &Keeping) -> Result<Mmap> {
    if let Some(table) = attempt(path, debug_paths, keeping, true)? {
        return Ok(table);
    }
    attempt(path, debug_paths, keeping, false)?.context("its lookup table cannot be kept")
}

/// None when the kept table is damaged; it is removed.
fn attempt(path: &Path, debug_paths: &[PathBuf], keeping: &Keeping, use_kept: bool) -> Result<Option<Mmap>> {
    let directory = keeping.directory.as_deref();
    let part = Part::create(directory)?;
    // Gone with the child, whose name for it they lose at once.
    let scratch = || directory.map_or_else(in_memory, |directory| Part::create(Some(directory))?.file.try_clone().context("scratch file"));
    let limits = Limits { memory: keeping.memory, ..CONVERT };
    let answer = isolated(limits, || {
        let answer = make(path, debug_paths, directory.filter(|_| use_kept), &part.file, &scratch);
        answer.with_context(|| path.display().to_string()).map(String::into_bytes)
    })?;
    let answer = String::from_utf8(answer)?;
    let (state, name) = answer.split_once(' ').context("no answer")?;
    let Some(directory) = directory else { return mapped(&part.file).map(Some) };
    let kept = directory.join(name);
    if state == "made" {
        let table = mapped(&part.file)?;
        std::fs::rename(&part.path, &kept).with_context(|| kept.display().to_string())?;
        return Ok(Some(table));
    }
    let opened = File::open(&kept).context("it went away").and_then(|file| {
        // Best effort: it says which ones may go first.
        let _ = file.set_modified(SystemTime::now());
        mapped(&file)
    });
    if opened.is_err() {
        let _ = std::fs::remove_file(&kept);
    }
    Ok(opened.ok())
}

/// In the child. @returns `kept NAME` or `made NAME`
fn make(path: &Path, debug_paths: &[PathBuf], kept_in: Option<&Path>, out: &File, scratch: &dyn Fn() -> Result<File>) -> Result<String> {
    let binary = map(path)?;
    let name = name_of(path, &binary, debug_paths)?;
    if kept_in.is_some_and(|directory| directory.join(&name).exists()) {
        return Ok(format!("kept {name}"));
    }
    write_table(&convert(path, &binary.bytes, debug_paths, scratch)?, out)?;
    Ok(format!("made {name}"))
}

fn write_table(converted: &Converted, out: &File) -> Result<()> {
    let description = format!("{}\n{}", converted.identity.to_text(), converted.problem);
    let head =
        Head { load_address: converted.load_address, source: converted.source as u8, has_symtab: converted.has_symtab, description: &description };
    write(&head, &converted.parts, MAX_TABLE, out).map(drop)
}

/// The table of a binary, made here and now; for fuzzing.
pub fn table_bytes(bytes: &[u8]) -> Result<Mmap> {
    let out = in_memory()?;
    write_table(&convert(Path::new("/nonexistent"), bytes, &[], &in_memory)?, &out)?;
    mapped(&out)
}

/// Build id, and a hash over what the table is made of: the state of the binary and of each separate debug file that is there.
fn name_of(path: &Path, binary: &Mapped, debug_paths: &[PathBuf]) -> Result<String> {
    let elf = parse_elf(&binary.bytes)?;
    let identity = Identity::of(&elf);
    let file = object::File::parse(elf.data())?;
    let mut hash = Sha256::new();
    hash.update(format!("{VERSION}\n{}\n{}", binary.stamp, identity.to_text()));
    let debug_files: Vec<_> = debug_candidates(path, debug_paths, &file).into_iter().map(|(path, _)| path).collect();
    let split = Skeletons::of(&file).map_or_else(|| packages(path, &debug_files), |skeletons| skeletons.candidates(path, &debug_files));
    for candidate in debug_files.into_iter().chain(split) {
        let stamp = map(&candidate).map(|mapped| mapped.stamp).unwrap_or_default();
        hash.update(format!("\n{}\n{stamp}", candidate.display()));
    }
    // A build id is anybody's text of any length.
    let build_id = Some(identity.gnu_build_id).filter(|id| !id.is_empty()).unwrap_or_else(|| "none".to_owned());
    Ok(format!("{}-{}.table", &build_id[..build_id.len().min(40)], hex(&hash.finalize()[..16])))
}

fn mapped(file: &File) -> Result<Mmap> {
    // SAFETY: the mapping is read-only, and nobody but this module writes to such files, once.
    let table = unsafe { Mmap::map(file)? };
    Lookup::check(&table)?;
    Ok(table)
}

/// A file that is being written; gone again unless it was renamed.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    fn create(directory: Option<&Path>) -> Result<Part> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(directory) = directory else { return Ok(Part { file: in_memory()?, path: PathBuf::new() }) };
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let path = directory.join(format!("{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        Ok(Part { file: file.with_context(|| path.display().to_string())?, path })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

pub fn in_memory() -> Result<File> {
    // SAFETY: a name that ends with a zero.
    let descriptor = unsafe { libc::memfd_create(c"perfleet-table".as_ptr(), libc::MFD_CLOEXEC) };
    ensure!(descriptor.as_raw_fd() >= 0, "no file in memory: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is new and owned by nobody else.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_table_once_and_again_when_it_is_damaged() {
        let directory = std::env::temp_dir().join(format!("perfleet-tables-{}", std::process::id()));
        let keeping = Keeping { directory: Some(directory.clone()), memory: 1 << 30 };
        let own = Path::new("/bin/sh");
        let first = table_of(own, &[], &keeping).unwrap().to_vec();
        let names = || std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let [kept] = &names()[..] else { panic!("{:?}", names()) };
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
        let before = inode(kept);
        assert!(table_of(own, &[], &keeping).unwrap()[..] == first[..]);
        assert_eq!(inode(kept), before);
        // Another file beside it is another table.
        let debug = directory.join("debug");
        std::fs::copy(own, &debug).unwrap();
        table_of(own, std::slice::from_ref(&debug), &keeping).unwrap();
        assert_eq!(names().len(), 3);

        let mut bytes = first.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(kept, &bytes).unwrap();
        assert!(table_of(own, &[], &keeping).unwrap()[..] == first[..]);
        assert!(std::fs::read(kept).unwrap() == first);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn is_refused_the_memory_that_it_may_not_take() {
        let keeping = Keeping { directory: None, memory: 1 << 20 };
        // Less than a share: there is only one.
        let error = format!("{:#}", table_of(Path::new("/proc/self/exe"), &[], &keeping).unwrap_err());
        assert!(error.contains("more than 1 MiB of memory"), "{error}");
    }

    #[test]
    fn takes_all_of_the_memory_where_a_share_is_not_enough() {
        let own = Path::new("/proc/self/exe");
        let with = |memory| Keeping { directory: None, memory };
        let is_enough = |memory: &u64| match made(own, &[], &with(*memory)) {
            Ok(_) => true,
            Err(error) => {
                assert!(is_out_of_memory(&error), "{error:#}");
                false
            }
        };
        // Half of it is too little, and more than any of the shares below.
        let enough = (22..34).map(|power| 1u64 << power).find(is_enough).expect("16 GiB are enough");
        assert!(enough > 1 << 22);
        let room = Room::new();
        let (room, memory, shares) = (&room, 2 * enough, 8);
        let lengths: Vec<_> = std::thread::scope(|scope| {
            let work = || in_shares(shares, room, own, &[], &with(memory)).map(|table| table.len());
            let many: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
            many.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    }
}
