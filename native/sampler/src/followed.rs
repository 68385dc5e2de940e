//! Processes whose stacks are walked, as they are now: what they have mapped, kept by the kernel's records.

use std::collections::HashMap;
use std::rc::Rc;

use crate::address_space::{AddressSpace, Mapping};
use crate::kernel_tables::KernelTables;
use crate::records::Event;
use crate::table_maps::Mapped;

#[derive(Default)]
pub struct Process {
    pub space: AddressSpace,
    /// Has mappings in the kernel, of this address space.
    pub installed: Option<u64>,
    /// `space` is younger than `mappings`.
    pub changed: bool,
    /// `mappings` are younger than those in the kernel.
    pub fresh: bool,
    /// A sample found nothing in the kernel, or too little; its address space.
    pub missed: Option<u64>,
    pub recheck_ns: u64,
    /// Of the last look at `space`.
    pub mappings: Rc<[Mapped]>,
}

#[derive(Default)]
pub struct Followed {
    pub by_pid: HashMap<u32, Process>,
}

impl Followed {
    /// Takes in a record. What the kernel has of a process that ends, or becomes another, goes.
    pub fn apply(&mut self, event: &Event, tables: &mut KernelTables) {
        match event {
            Event::Mmap { pid, start, length, offset, executable: true, build_id, inode, path } => {
                // What is not known yet is read from /proc when a sample comes, this mapping with it.
                if let Some(process) = self.by_pid.get_mut(pid)
                    && let Some(mapping) = Mapping::new(*start, *length, *offset, Rc::clone(path), *build_id, *inode)
                {
                    process.space.map(mapping);
                    process.changed = true;
                }
            }
            Event::Comm { pid, exec: true, .. } => {
                tables.remove(*pid);
                self.by_pid.insert(*pid, Process { changed: true, ..Process::default() });
            }
            Event::Fork { pid, parent, .. } if pid != parent => {
                let space = match self.by_pid.get(parent) {
                    Some(known) => known.space.copy(),
                    // The child may be gone before anybody looks at it; what it runs is what its parent has mapped.
                    None => {
                        let space = AddressSpace::of_process(*parent);
                        let copy = space.copy();
                        self.by_pid.insert(*parent, Process { space, changed: true, ..Process::default() });
                        copy
                    }
                };
                tables.remove(*pid);
                self.by_pid.insert(*pid, Process { space, changed: true, ..Process::default() });
            }
            Event::Exit { pid, tid } if pid == tid => {
                tables.remove(*pid);
                self.by_pid.remove(pid);
            }
            _ => {}
        }
    }

    /// Read from /proc if it is not known yet.
    pub fn get(&mut self, pid: u32) -> &mut Process {
        self.by_pid.entry(pid).or_insert_with(|| Process { space: AddressSpace::of_process(pid), changed: true, ..Process::default() })
    }

    /// Processes of which the kernel should know more.
    pub fn due(&self) -> Vec<u32> {
        self.by_pid
            .iter()
            .filter(|(_, process)| process.missed.is_some() || (process.changed && process.installed.is_some()))
            .map(|(&pid, _)| pid)
            .collect()
    }
}
