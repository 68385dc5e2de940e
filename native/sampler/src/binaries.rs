//! ELF files behind mappings, each read once.

use std::collections::HashMap;
use std::fs::File;
use std::rc::{Rc, Weak};

use crate::address_space::InodePlace;
use crate::build_id::BuildId;
use crate::elf::ElfInfo;
use crate::open_messages::{FileKey, Found, Place};
use crate::opener::Opener;
use crate::proc;

const MAX_BINARIES: usize = 20_000;

#[derive(Default)]
pub struct Binaries {
    by_build_id: HashMap<BuildId, Rc<ElfInfo>>,
    by_file: HashMap<FileKey, Rc<ElfInfo>>,
    by_number: HashMap<Numbered, Weak<Held>>,
    pub opener: Opener,
}

/// What /proc calls a mapped file by. A number of an inode is used again when nobody has the file any more, and subvolumes of one device
/// number theirs alike, hence the path and where it leads.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Numbered {
    pub place: InodePlace,
    pub inode: u64,
    pub path: Rc<str>,
}

/// What the mappings of one file share: as long as one of them has it, the file is mapped, and no other one has its number.
#[derive(Debug)]
pub struct Held {
    pub elf: Rc<ElfInfo>,
}

/// What is known of a mapping's file.
#[derive(Clone, Copy)]
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
    /// As `find`, without a look at the file if another mapping has the one of that number. Of what runs when the sampler starts /proc
    /// tells no build ids, and each look costs another process's turn, the file's headers and their hash.
    pub fn hold(&mut self, wanted: &Wanted, number: Option<Numbered>) -> Option<Rc<Held>> {
        // With a build id it is looked up by that.
        let number = number.filter(|_| !wanted.build_id.is_known());
        if let Some(held) = number.as_ref().and_then(|number| self.by_number.get(number)?.upgrade()) {
            return Some(held);
        }
        let held = Rc::new(Held { elf: self.find(wanted)? });
        if let Some(number) = number {
            if self.by_number.len() > MAX_BINARIES {
                self.by_number.retain(|_, held| held.strong_count() > 0);
            }
            if self.by_number.len() <= MAX_BINARIES {
                self.by_number.insert(number, Rc::downgrade(&held));
            }
        }
        Some(held)
    }

    /// None when the very file that was mapped cannot be read any more; one that took its place is not taken for it.
    pub fn find(&mut self, wanted: &Wanted) -> Option<Rc<ElfInfo>> {
        if wanted.build_id.is_known()
            && let Some(elf) = self.by_build_id.get(&wanted.build_id)
        {
            return Some(Rc::clone(elf));
        }
        self.look(wanted).map(|(_, elf)| elf)
    }

    /// The file itself, as `find` finds it.
    pub fn open(&mut self, wanted: &Wanted) -> Option<(File, Rc<ElfInfo>)> {
        let (file, elf) = self.look(wanted)?;
        Some((file?, elf))
    }

    /// None for the file when it must not be read from here.
    fn look(&mut self, wanted: &Wanted) -> Option<(Option<File>, Rc<ElfInfo>)> {
        if self.by_file.len() > MAX_BINARIES {
            self.by_file.clear();
            self.by_build_id.clear();
        }
        let Wanted { pid, start, end, path, .. } = *wanted;
        let alive = proc::alive(pid);
        // The first is the mapped file itself, whatever became of its name; it needs a privilege and an uncut mapping.
        if let Ok((file, found)) = self.opener.open(Place::Mapped { pid: alive, start, end, path })
            && let Some(elf) = self.known(found).filter(|elf| matches_build_id(elf, wanted))
        {
            return Some((file, elf));
        }
        let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        let place = if gone { Place::Here { path } } else { Place::InRoot { pid: alive, path } };
        let (file, found) = self.opener.open(place).ok()?;
        let [_, inode, ..] = found.key;
        let proved = wanted.build_id.is_known() || (wanted.inode != 0 && inode == wanted.inode);
        if !proved {
            return None;
        }
        let elf = self.known(found).filter(|elf| matches_build_id(elf, wanted))?;
        Some((file, elf))
    }

    /// One for all mappings of a file.
    fn known(&mut self, Found { key, elf }: Found) -> Option<Rc<ElfInfo>> {
        let elf = Rc::clone(self.by_file.entry(key).or_insert(Rc::new(elf?)));
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
    use std::os::unix::fs::MetadataExt;

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

    #[test]
    fn a_file_is_looked_at_once_as_long_as_a_mapping_has_it() {
        let own = std::env::current_exe().unwrap();
        let (path, inode) = (own.to_str().unwrap(), own.metadata().unwrap().ino());
        let number = |namespace| Some(Numbered { place: InodePlace { device: (8, 1), namespace }, inode, path: path.into() });
        let mapped = Wanted { pid: std::process::id(), start: 0, end: 1, path, build_id: BuildId::default(), inode };
        // Whoever has to look finds nothing: there is no such file.
        let blind = Wanted { path: "/nowhere", ..mapped };
        let mut binaries = Binaries::default();
        assert!(binaries.hold(&blind, number(1)).is_none());
        let held = binaries.hold(&mapped, number(1)).unwrap();
        assert!(Rc::ptr_eq(&held, &binaries.hold(&blind, number(1)).unwrap()));
        assert!(binaries.hold(&blind, number(2)).is_none() && binaries.hold(&blind, None).is_none());
        // A build id says more than a number.
        assert!(binaries.hold(&Wanted { build_id: BuildId::of(b"x"), ..blind }, number(1)).is_none());
        drop(held);
        assert!(binaries.hold(&blind, number(1)).is_none());
    }
}
