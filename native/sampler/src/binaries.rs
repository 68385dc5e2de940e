//! ELF files behind mappings, each read once.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

use crate::build_id::BuildId;
use crate::elf::ElfInfo;
use crate::proc;
use perfleet_files::{open_in_root, open_regular};

const MAX_BINARIES: usize = 20_000;

/// Device, inode, size, time of the last change: the same file as long as all are the same.
type FileKey = (u64, u64, u64, i64, i64);

#[derive(Default)]
pub struct Binaries {
    by_build_id: HashMap<BuildId, Rc<ElfInfo>>,
    by_file: HashMap<FileKey, Option<Rc<ElfInfo>>>,
}

/// What is known of a mapping's file.
pub struct Wanted<'a> {
    pub pid: u32,
    pub start: u64,
    pub end: u64,
    pub path: &'a str,
    pub build_id: BuildId,
    /// 0 = unknown.
    pub inode: u64,
}

impl Binaries {
    /// None when the very file that was mapped cannot be read any more; one that took its place is not taken for it.
    pub fn find(&mut self, wanted: &Wanted) -> Option<Rc<ElfInfo>> {
        if wanted.build_id.is_known()
            && let Some(elf) = self.by_build_id.get(&wanted.build_id)
        {
            return Some(Rc::clone(elf));
        }
        self.open(wanted).map(|(_, elf)| elf)
    }

    /// The file itself, as `find` finds it.
    pub fn open(&mut self, wanted: &Wanted) -> Option<(File, Rc<ElfInfo>)> {
        if self.by_file.len() > MAX_BINARIES {
            self.by_file.clear();
            self.by_build_id.clear();
        }
        let Wanted { pid, start, end, path, .. } = *wanted;
        // The first is the mapped file itself, whatever became of its name; it needs a privilege and an uncut mapping.
        let certain = open_regular(&format!("/proc/{}/map_files/{start:x}-{end:x}", proc::alive(pid))).ok();
        if let Some(file) = certain
            && let Some(elf) = self.read(&file).filter(|elf| matches_build_id(elf, wanted))
        {
            return Some((file, elf));
        }
        let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        let file = if gone { open_regular(path) } else { open_in_root(proc::alive(pid), path, true) }.ok()?;
        let proved = wanted.build_id.is_known() || (wanted.inode != 0 && file.metadata().is_ok_and(|meta| meta.ino() == wanted.inode));
        if !proved {
            return None;
        }
        let elf = self.read(&file).filter(|elf| matches_build_id(elf, wanted))?;
        Some((file, elf))
    }

    fn read(&mut self, file: &File) -> Option<Rc<ElfInfo>> {
        let meta = file.metadata().ok()?;
        let key = (meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
        let elf = self.by_file.entry(key).or_insert_with(|| ElfInfo::read(file).map(Rc::new)).clone()?;
        if elf.id.is_known() {
            self.by_build_id.insert(elf.id, Rc::clone(&elf));
        }
        Some(elf)
    }
}

fn matches_build_id(elf: &ElfInfo, wanted: &Wanted) -> bool {
    !wanted.build_id.is_known() || elf.id == wanted.build_id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, build_id: &[u8], inode: u64) -> Option<Rc<ElfInfo>> {
        let build_id = BuildId::of(build_id);
        Binaries::default().find(&Wanted { pid: std::process::id(), start: 0, end: 1, path, build_id, inode })
    }

    #[test]
    fn takes_a_file_only_when_it_is_the_one_that_was_mapped() {
        let own = std::env::current_exe().unwrap();
        let (path, inode) = (own.to_str().unwrap(), own.metadata().unwrap().ino());
        assert!(find(path, b"", inode).is_some());
        assert!(find(path, b"", inode + 1).is_none());
        assert!(find(path, b"", 0).is_none());
        assert!(find(path, b"\0", inode).is_none());
        assert!(find("/dev/null", b"", 5).is_none());
    }
}
