//! Opening and mapping files of anybody. Only for a child process (`isolate`), which a hostile file may end.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use memmap2::Mmap;

/// Larger files are refused: conversion needs memory in proportion.
const MAX_FILE_BYTES: u64 = 2 << 30;

pub struct Mapped {
    pub bytes: Mmap,
    /// Owner of the file.
    pub uid: u32,
    /// Device and inode: the same file under another name.
    pub file: (u64, u64),
    /// Another one when the file is another, or was written to: its place, size, and times of its content and inode.
    pub stamp: String,
}

/// Maps a regular file. `/proc/PID/root/REST` is resolved as that process would: its links end below its root, and the file
/// must belong to root or to the process's user, so that nobody has a stranger's file read in his name. Any other path is
/// resolved as this program sees it.
pub fn map(path: &Path) -> Result<Mapped> {
    let text = path.to_str().context("its name is not UTF-8")?;
    let file = match inside_root(text) {
        Some((pid, inner)) => {
            let file = perfleet_files::open_in_root(pid, inner, true)?;
            let owner = file.metadata()?.uid();
            ensure!(may_stand_for(pid, owner)?, "it belongs to user {owner}, not to root or to the user of process {pid}");
            file
        }
        None => perfleet_files::open_regular(text)?,
    };
    map_file(&file)
}

fn map_file(file: &File) -> Result<Mapped> {
    let meta = file.metadata()?;
    ensure!(meta.len() > 0, "the file is empty");
    ensure!(meta.len() <= MAX_FILE_BYTES, "{} bytes are more than the {MAX_FILE_BYTES} that are read", meta.len());
    // SAFETY: the mapping is private and read-only. A file that is cut short meanwhile raises SIGBUS, in the child only.
    let bytes = unsafe { Mmap::map(file)? };
    let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    let stamp = format!("{}:{}:{}:{times:?}", meta.dev(), meta.ino(), meta.len());
    Ok(Mapped { bytes, uid: meta.uid(), file: (meta.dev(), meta.ino()), stamp })
}

/// `/proc/PID/root/REST` as (PID, `/REST`).
pub fn inside_root(path: &str) -> Option<(u32, &str)> {
    let (pid, rest) = path.strip_prefix("/proc/")?.split_once('/')?;
    let inner = rest.strip_prefix("root")?;
    Some((pid.parse().ok()?, inner)).filter(|_| inner.starts_with('/'))
}

/// The root of a user namespace may read and run whatever its container holds.
fn may_stand_for(pid: u32, owner: u32) -> Result<bool> {
    if owner == 0 {
        return Ok(true);
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let Some(line) = status.lines().find_map(|line| line.strip_prefix("Uid:")) else { bail!("its process has no user") };
    let users: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let root = namespace_root(&std::fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap_or_default());
    Ok(users.contains(&owner) || users.get(1).is_some_and(|user| *user == root))
}

/// User 0 of a namespace, as this program's namespace numbers it: rows are (inside, outside, count).
fn namespace_root(uid_map: &str) -> u32 {
    let mut rows = uid_map.lines().map(|line| line.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).collect::<Vec<_>>());
    rows.find(|row| row.first() == Some(&0)).and_then(|row| row.get(1).copied()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_paths_below_a_root() {
        assert_eq!(inside_root("/proc/12/root/usr/bin/x"), Some((12, "/usr/bin/x")));
        assert_eq!(inside_root("/proc/self/root/usr/bin/x"), None);
        assert_eq!(inside_root("/proc/12/rootx/y"), None);
        assert_eq!(inside_root("/usr/bin/x"), None);
    }

    #[test]
    fn knows_the_root_of_a_user_namespace() {
        assert_eq!(namespace_root("         0          0 4294967295\n"), 0);
        assert_eq!(namespace_root("0 100000 65536\n"), 100_000);
        assert_eq!(namespace_root(""), 0);
    }

    #[test]
    fn takes_files_of_root_and_of_the_process_only() {
        let own = std::process::id();
        // SAFETY: asks for this process's user.
        let user = unsafe { libc::geteuid() };
        assert!(may_stand_for(own, 0).unwrap());
        assert!(may_stand_for(own, user).unwrap());
        assert_eq!(may_stand_for(own, 54_321).unwrap(), user == 0);
        assert!(may_stand_for(u32::MAX, 54_321).is_err());
    }
}
