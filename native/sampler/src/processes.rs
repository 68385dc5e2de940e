//! What is known of processes: names, mappings, cgroups. Kept from the kernel's own records; /proc fills in what began before.

use std::collections::HashMap;
use std::rc::Rc;

use perfleet_jitdump::CodeName;

use crate::address_space::{AddressSpace, Mapping};
use crate::binaries::Binaries;
use crate::elf::ElfInfo;
use crate::jit_dump::ProcessDump;
use crate::opener::Opener;
use crate::perf_map::ProcessMap;
use crate::proc;
use crate::vdso::{VDSO, VdsoFunctions};

#[derive(Default)]
pub struct Process {
    pub comm: Rc<str>,
    pub executable: Rc<str>,
    pub cgroup_file: String,
    /// Of threads other than the first, whose name is that of the process.
    threads: HashMap<u32, Rc<str>>,
    space: AddressSpace,
    perf_map: Option<ProcessMap>,
    jit_dump: Option<ProcessDump>,
    inner_pid: u32,
    /// Its mappings are known from its first moment on, by the kernel's records.
    complete: bool,
    read: bool,
    /// CLOCK_MONOTONIC, in nanoseconds, where the record of its start was seen.
    started: Option<u64>,
    /// Windows that ended since it did. Its last samples can come one window late.
    exited: Option<u32>,
    cgroups: (u64, u64),
}

/// Where an address of a process belongs.
pub enum Place {
    Binary { path: Rc<str>, elf: Rc<ElfInfo>, address: u64 },
    Named { kind: &'static str, function: String, file: String },
    Anonymous(Rc<str>),
}

const MAX_CGROUP_BYTES: usize = 16 << 10;
const MAX_READ_AT_START: usize = 4096;

#[derive(Default)]
pub struct Processes {
    by_pid: HashMap<u32, Process>,
    pub binaries: Binaries,
    /// Read at the first need.
    vdso: Option<VdsoFunctions>,
}

impl Processes {
    /// Reads what runs already, so that a process that ends in the first window has names, too.
    pub fn read_all(&mut self) {
        self.read(&running());
    }

    pub fn read(&mut self, pids: &[u32]) {
        for &pid in pids {
            let process = self.by_pid.entry(pid).or_default();
            if !process.read {
                process.read_proc(pid);
            }
        }
    }

    /// The process, with what /proc tells read once at first sight. `cgroups` are the ids seen with the sample, 0 = not known: when
    /// they change, the text of /proc/PID/cgroup is read again.
    pub fn get(&mut self, pid: u32, cgroups: (u64, u64)) -> &mut Process {
        let process = self.by_pid.entry(pid).or_default();
        if !process.read {
            process.read_proc(pid);
        } else if process.cgroups != cgroups && process.started.is_none_or(|time| proc::began_at(pid, time)) {
            process.read_cgroup(pid);
        }
        process.cgroups = cgroups;
        process
    }

    pub fn mapped(&mut self, pid: u32, mapping: Mapping) {
        let process = self.by_pid.entry(pid).or_default();
        if process.executable.is_empty() && process.complete && mapping.path.starts_with('/') {
            // The first thing that a new program maps is itself.
            process.executable = Rc::clone(&mapping.path);
        }
        process.space.map(mapping);
    }

    pub fn named(&mut self, pid: u32, tid: u32, exec: bool, comm: Rc<str>) {
        let process = self.by_pid.entry(pid).or_default();
        if exec {
            // A new program: nothing of the old one is left. Its mappings come as records after this one.
            *process = Process { complete: true, started: process.started, ..Process::default() };
        }
        if pid == tid {
            process.comm = comm;
        } else {
            process.threads.insert(tid, comm);
        }
    }

    /// `time` is that of the record.
    pub fn forked(&mut self, pid: u32, parent: u32, time: u64) {
        if pid == parent {
            return;
        }
        let known = self.by_pid.entry(parent).or_default();
        if !known.complete && !known.read {
            // The child may be gone before anybody looks at it; what it runs is what its parent has mapped.
            known.read_proc(parent);
        }
        let child = Process {
            comm: Rc::clone(&known.comm),
            executable: Rc::clone(&known.executable),
            space: known.space.copy(),
            complete: known.complete || !known.space.is_empty(),
            started: Some(time),
            ..Process::default()
        };
        self.by_pid.insert(pid, child);
    }

    pub fn exited(&mut self, pid: u32, tid: u32) {
        if let Some(process) = self.by_pid.get_mut(&pid) {
            process.threads.remove(&tid);
            if pid == tid {
                process.exited = Some(0);
            }
        }
    }

    /// Forgets what ended before the window that ends now.
    pub fn end_window(&mut self) {
        self.by_pid.retain(|_, process| {
            process.exited = process.exited.map(|windows| windows + 1);
            process.exited.is_none_or(|windows| windows < 2)
        });
    }

    /// After a loss of records nothing that was built from them can be trusted: /proc is read again.
    pub fn forget_all(&mut self) {
        self.by_pid.clear();
    }

    /// Lets runtimes' maps and dumps be read again: they grow.
    pub fn refresh_jit_names(&mut self) {
        for (&pid, process) in &mut self.by_pid {
            let inner = process.inner_pid;
            if let Some(map) = &mut process.perf_map {
                map.refresh(pid, inner, &mut self.binaries.opener);
            }
            if let Some(dump) = &mut process.jit_dump {
                dump.refresh(pid, &mut self.binaries.opener);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// Where an address belonged at a time (nanoseconds of CLOCK_MONOTONIC).
    pub fn place(&mut self, pid: u32, address: u64, time: u64) -> Place {
        let process = self.by_pid.entry(pid).or_default();
        let Some(mapping) = process.space.find(address) else {
            return process.jit(pid, address, time, &mut self.binaries.opener).unwrap_or_else(|| Place::Anonymous("[unknown]".into()));
        };
        if !mapping.is_file() {
            if &*mapping.path == VDSO {
                let vdso = self.vdso.get_or_insert_with(VdsoFunctions::own);
                if let Some(function) = vdso.name(address - mapping.start, mapping.end - mapping.start) {
                    return Place::Named { kind: "native", function: function.to_owned(), file: VDSO.to_owned() };
                }
            }
            let name = if mapping.path.starts_with('[') { Rc::clone(&mapping.path) } else { "[anon]".into() };
            return process.jit(pid, address, time, &mut self.binaries.opener).unwrap_or(Place::Anonymous(name));
        }
        let (start, offset, path, memfd) = (mapping.start, mapping.offset, Rc::clone(&mapping.path), mapping.is_memfd());
        let elf = mapping.elf(pid, &mut self.binaries);
        // Without its headers an offset is not an address: better the file's name alone than another function's.
        match elf.and_then(|elf| elf.virtual_address(address - start + offset).map(|address| (elf, address))) {
            Some((elf, address)) => Place::Binary { path, elf, address },
            None if memfd => process.jit(pid, address, time, &mut self.binaries.opener).unwrap_or(Place::Anonymous("[anon]".into())),
            None => Place::Anonymous(path),
        }
    }
}

impl Process {
    pub fn thread(&self, tid: u32) -> &str {
        self.threads.get(&tid).unwrap_or(&self.comm)
    }

    fn read_proc(&mut self, pid: u32) {
        self.read = true;
        // Its samples come after it may have ended, and another process may have its number by now.
        if self.started.is_some_and(|time| !proc::began_at(pid, time)) {
            return;
        }
        // What the records said is of the moment of the sample; /proc may have a later program's.
        if (self.executable.is_empty() || !self.complete)
            && let Ok(link) = std::fs::read_link(format!("/proc/{}/exe", proc::alive(pid)))
        {
            self.executable = link.to_string_lossy().trim_end_matches(" (deleted)").into();
        }
        if (self.comm.is_empty() || !self.complete)
            && let Ok(comm) = std::fs::read_to_string(format!("/proc/{pid}/comm"))
        {
            self.comm = comm.trim_end().into();
        }
        self.read_cgroup(pid);
        self.inner_pid = inner_pid(pid).unwrap_or(pid);
        for tid in proc::threads(pid).filter(|&tid| tid != pid) {
            if let Ok(name) = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")) {
                self.threads.entry(tid).or_insert_with(|| name.trim_end().into());
            }
        }
        if !self.complete {
            self.space.add_of_process(pid);
        }
    }

    fn read_cgroup(&mut self, pid: u32) {
        match std::fs::read_to_string(format!("/proc/{pid}/cgroup")) {
            Ok(text) if text.len() <= MAX_CGROUP_BYTES => self.cgroup_file = text,
            _ => {}
        }
    }

    /// A dump knows what was at an address before, so it is asked first.
    fn jit(&mut self, pid: u32, address: u64, time: u64, opener: &mut Opener) -> Option<Place> {
        if self.jit_dump.is_none()
            && let Some(path) = self.space.jit_dump()
        {
            let mut dump = ProcessDump::new(path);
            dump.refresh(pid, opener);
            self.jit_dump = Some(dump);
        }
        if let Some(symbol) = self.jit_dump.as_ref().and_then(|dump| dump.lookup(address, time)) {
            return Some(self.named(symbol));
        }
        let inner = if self.inner_pid == 0 { pid } else { self.inner_pid };
        let map = self.perf_map.get_or_insert_with(|| {
            let mut map = ProcessMap::default();
            map.refresh(pid, inner, opener);
            map
        });
        let symbol = map.lookup(address, time)?.clone();
        Some(self.named(symbol))
    }

    fn named(&self, CodeName { kind, function, file }: CodeName) -> Place {
        let kind = if self.executable.rsplit('/').next() == Some("node") { "v8js" } else { kind };
        Place::Named { kind, function, file }
    }
}

/// What runs, as far as it is read at the start.
pub fn running() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(MAX_READ_AT_START).collect()
}

/// Pid in the innermost namespace: the last number of NSpid in /proc/PID/status.
fn inner_pid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build_id::BuildId;

    #[test]
    fn a_child_starts_with_its_parents_mappings_and_exec_drops_them() {
        let mut processes = Processes::default();
        processes.mapped(1, Mapping::new(0x1000, 0x1000, 0, "/a".into(), BuildId::default(), 0).unwrap());
        processes.forked(2, 1, 0);
        assert!(processes.by_pid.get_mut(&2).unwrap().space.find(0x1000).is_some());
        processes.named(2, 2, true, "other".into());
        assert!(processes.by_pid.get_mut(&2).unwrap().space.find(0x1000).is_none());
        assert_eq!(&*processes.by_pid[&2].comm, "other");
    }

    /// This program stands for the one that has the number by the time that samples of the earlier one are looked at.
    #[test]
    fn a_process_is_not_described_by_the_next_one_with_its_number() {
        let own = std::process::id();
        let mut processes = Processes::default();
        processes.mapped(1, Mapping::new(0x1000, 0x1000, 0, "/a".into(), BuildId::default(), 0).unwrap());
        processes.forked(own, 1, 1);
        processes.named(own, own, true, "earlier".into());
        processes.mapped(own, Mapping::new(0x2000, 0x1000, 0, "/bin/earlier".into(), BuildId::default(), 0).unwrap());
        let process = processes.get(own, (1, 1));
        assert_eq!((&*process.comm, &*process.executable, &*process.cgroup_file), ("earlier", "/bin/earlier", ""));
        // The one that is in /proc is.
        let mut processes = Processes::default();
        let process = processes.get(own, (1, 1));
        assert!(process.executable.contains("perfleet_sampler") && !process.cgroup_file.is_empty(), "{}", process.executable);
    }
}
