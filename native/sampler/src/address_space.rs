//! The executable mappings of a process, kept from the kernel's own records; /proc fills in what began before.

use std::rc::Rc;

use crate::binaries::{Binaries, Held, Numbered, Wanted};
use crate::build_id::BuildId;
use crate::elf::ElfInfo;
use crate::proc;

#[derive(Debug)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    /// Of `start` in the file.
    pub offset: u64,
    pub path: Rc<str>,
    build_id: BuildId,
    /// 0 = unknown.
    inode: u64,
    /// Where the inode's number is unique, of what was read from /proc.
    place: Option<InodePlace>,
    /// Looked for at the first need: None = not yet, Some(None) = not to be had.
    elf: Option<Option<Rc<Held>>>,
}

/// A device as /proc writes it (major, minor), seen from a mount name space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InodePlace {
    pub device: (u32, u32),
    pub namespace: u64,
}

/// Sorted by start, without overlaps.
#[derive(Default)]
pub struct AddressSpace {
    mappings: Vec<Mapping>,
}

impl Mapping {
    /// None when it would end beyond the address space. `inode` 0 = unknown.
    pub fn new(start: u64, length: u64, offset: u64, path: Rc<str>, build_id: BuildId, inode: u64) -> Option<Mapping> {
        Some(Mapping { start, end: start.checked_add(length)?, offset, path, build_id, inode, place: None, elf: None })
    }

    fn copy(&self) -> Mapping {
        Mapping { path: Rc::clone(&self.path), elf: self.elf.clone(), ..*self }
    }

    /// Not anonymous memory, which the kernel names `[…]`, `//anon`, `/dev/zero` or not at all.
    pub fn is_file(&self) -> bool {
        self.path.starts_with('/') && !["//anon", "/dev/zero", "/SYSV", "/anon_hugepage"].iter().any(|prefix| self.path.starts_with(prefix))
    }

    /// A file without a place in the file system: a program's binary or what a runtime made.
    pub fn is_memfd(&self) -> bool {
        self.path.starts_with("/memfd:")
    }

    /// What the mapped file says of itself, where it can be had.
    pub fn elf(&mut self, pid: u32, binaries: &mut Binaries) -> Option<Rc<ElfInfo>> {
        if self.elf.is_none() {
            self.elf = Some(binaries.hold(&self.wanted(pid), self.numbered()));
        }
        self.elf.iter().flatten().next().map(|held| Rc::clone(&held.elf))
    }

    /// What no other file is called as long as this one is mapped.
    fn numbered(&self) -> Option<Numbered> {
        let place = self.place.filter(|place| place.namespace != 0 && self.inode != 0)?;
        Some(Numbered { place, inode: self.inode, path: Rc::clone(&self.path) })
    }

    pub fn wanted(&self, pid: u32) -> Wanted<'_> {
        Wanted { pid, start: self.start, end: self.end, path: &self.path, build_id: self.build_id, inode: self.inode }
    }
}

impl AddressSpace {
    /// Empty when the process is gone.
    pub fn of_process(pid: u32) -> AddressSpace {
        let mut space = AddressSpace::default();
        space.add_of_process(pid);
        space
    }

    /// Adds what /proc knows of the process.
    pub fn add_of_process(&mut self, pid: u32) {
        let namespace = proc::mount_namespace(proc::alive(pid));
        for mapping in proc::maps(pid).lines().filter_map(|line| parse_maps_line(line, namespace)) {
            self.map(mapping);
        }
    }

    pub fn copy(&self) -> AddressSpace {
        AddressSpace { mappings: self.mappings.iter().map(Mapping::copy).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// Adds a mapping; what it covers of others is gone.
    pub fn map(&mut self, new: Mapping) {
        let at = self.mappings.partition_point(|mapping| mapping.start < new.start);
        let free = |rows: &[Mapping]| rows.last().is_none_or(|before| before.end <= new.start);
        if free(&self.mappings[..at]) && self.mappings.get(at).is_none_or(|after| after.start >= new.end) {
            return self.mappings.insert(at, new);
        }
        let mut kept = Vec::with_capacity(self.mappings.len() + 1);
        for old in self.mappings.drain(..) {
            if old.end <= new.start || old.start >= new.end {
                kept.push(old);
                continue;
            }
            if old.start < new.start {
                kept.push(Mapping { end: new.start, ..old.copy() });
            }
            if old.end > new.end {
                kept.push(Mapping { start: new.end, offset: old.offset + (new.end - old.start), ..old });
            }
        }
        let at = kept.partition_point(|mapping| mapping.start < new.start);
        kept.insert(at, new);
        self.mappings = kept;
    }

    pub fn find(&mut self, address: u64) -> Option<&mut Mapping> {
        let row = self.mappings.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
        let mapping = &mut self.mappings[row];
        (address < mapping.end).then_some(mapping)
    }

    /// The file that a runtime marks as its jitdump by mapping it.
    pub fn jit_dump(&self) -> Option<Rc<str>> {
        self.mappings.iter().find(|mapping| perfleet_jitdump::is_dump(&mapping.path)).map(|mapping| Rc::clone(&mapping.path))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Mapping> {
        self.mappings.iter_mut()
    }
}

/// Executable mappings of /proc/PID/maps: `start-end perms offset dev inode path`; `namespace` is the process's.
fn parse_maps_line(line: &str, namespace: u64) -> Option<Mapping> {
    let mut parts = line.splitn(6, ' ');
    let (start, end) = parts.next()?.split_once('-')?;
    let executable = parts.next()?.contains('x');
    let offset = parts.next()?;
    let (major, minor) = parts.next()?.split_once(':')?;
    let inode = parts.next()?.parse().ok()?;
    let path = parts.next().unwrap_or("").trim_start().trim_end_matches(" (deleted)");
    let parse = |text| u64::from_str_radix(text, 16).ok();
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let (start, end) = (parse(start)?, parse(end)?);
    executable.then_some(())?;
    let mapping = Mapping::new(start, end.checked_sub(start)?, parse(offset)?, path.into(), BuildId::default(), inode)?;
    Some(Mapping { place: Some(InodePlace { device, namespace }), ..mapping })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_mapping_cuts_what_it_covers() {
        let mapping = |start, length, path: &str| Mapping::new(start, length, 0, path.into(), BuildId::default(), 0).unwrap();
        let mut space = AddressSpace::default();
        space.map(mapping(0x1000, 0x3000, "/a"));
        space.map(mapping(0x2000, 0x1000, "/b"));
        let rows: Vec<_> = space.mappings.iter().map(|m| (m.start, m.end, m.offset, &*m.path)).collect();
        assert_eq!(rows, [(0x1000, 0x2000, 0, "/a"), (0x2000, 0x3000, 0, "/b"), (0x3000, 0x4000, 0x2000, "/a")]);
        assert_eq!(space.find(0x2fff).unwrap().start, 0x2000);
        assert!(space.find(0x4000).is_none());
    }

    #[test]
    fn reads_maps_lines() {
        let mapping = parse_maps_line("7f00-7fff r-xp 00001000 08:01 42                 /usr/lib/a b.so (deleted)", 7).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset, mapping.inode, &*mapping.path), (0x7f00, 0x7fff, 0x1000, 42, "/usr/lib/a b.so"));
        assert_eq!(mapping.place, Some(InodePlace { device: (8, 1), namespace: 7 }));
        assert!(parse_maps_line("7f00-7fff rw-p 0 0:0 0", 7).is_none());
        assert!(parse_maps_line("nonsense", 7).is_none());
    }
}
