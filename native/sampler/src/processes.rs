//! What is known of processes: names, mappings, cgroups. Kept from the kernel's own records; /proc fills in what began before.

use std::collections::HashMap;
use std::rc::Rc;

use crate::elf::ElfInfo;
use crate::perf_map::PerfMap;

pub struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    pub path: Rc<str>,
    build_id: Rc<str>,
}

#[derive(Default)]
pub struct Process {
    pub comm: String,
    pub executable: String,
    pub cgroup_file: String,
    threads: HashMap<u32, String>,
    mappings: Vec<Mapping>,
    perf_map: Option<PerfMap>,
    inner_pid: u32,
    /// Its mappings are known from its first moment on, by the kernel's records.
    complete: bool,
    read: bool,
    exited: bool,
}

/// Where an address of a process belongs.
pub enum Place {
    Binary { path: Rc<str>, build_id: Rc<str>, address: u64 },
    Named { kind: &'static str, function: String, file: String },
    Anonymous(Rc<str>),
}

const MAX_CGROUP_BYTES: usize = 16 << 10;
const MAX_BINARIES: usize = 20_000;

#[derive(Default)]
pub struct Processes {
    by_pid: HashMap<u32, Process>,
    /// By path and build id: None where there was no ELF file to read.
    binaries: HashMap<(Rc<str>, Rc<str>), Option<Rc<ElfInfo>>>,
}

impl Processes {
    /// The process, with what /proc tells read once at first sight.
    pub fn get(&mut self, pid: u32) -> &mut Process {
        let process = self.by_pid.entry(pid).or_default();
        if !process.read {
            process.read_proc(pid);
        }
        process
    }

    pub fn mapped(&mut self, pid: u32, start: u64, length: u64, offset: u64, build_id: &str, path: &str) {
        let Some(end) = start.checked_add(length) else { return };
        self.by_pid.entry(pid).or_default().map(Mapping { start, end, offset, path: path.into(), build_id: build_id.into() });
    }

    pub fn named(&mut self, pid: u32, tid: u32, exec: bool, comm: String) {
        let process = self.by_pid.entry(pid).or_default();
        if exec {
            // A new program: nothing of the old one is left. Its mappings come as records after this one.
            *process = Process { complete: true, ..Process::default() };
        }
        if pid == tid {
            process.comm.clone_from(&comm);
        }
        process.threads.insert(tid, comm);
    }

    pub fn forked(&mut self, pid: u32, parent: u32) {
        if pid == parent {
            return;
        }
        let mut child = Process::default();
        if let Some(parent) = self.by_pid.get(&parent) {
            child.comm.clone_from(&parent.comm);
            child.executable.clone_from(&parent.executable);
            child.cgroup_file.clone_from(&parent.cgroup_file);
            child.complete = parent.complete || parent.read;
            child.mappings = parent.mappings.iter().map(Mapping::copy).collect();
        }
        self.by_pid.insert(pid, child);
    }

    pub fn exited(&mut self, pid: u32, tid: u32) {
        if let Some(process) = self.by_pid.get_mut(&pid) {
            process.threads.remove(&tid);
            process.exited |= pid == tid;
        }
    }

    /// Forgets what ended; called between windows, so that last samples still find their process.
    pub fn forget_exited(&mut self) {
        self.by_pid.retain(|_, process| !process.exited);
        if self.binaries.len() > MAX_BINARIES {
            self.binaries.clear();
        }
    }

    /// Lets runtimes' maps be read again: they grow.
    pub fn refresh_perf_maps(&mut self) {
        for (&pid, process) in &mut self.by_pid {
            let inner = process.inner_pid;
            if let Some(map) = &mut process.perf_map {
                map.refresh(pid, inner);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    pub fn place(&mut self, pid: u32, address: u64) -> Place {
        let process = self.by_pid.entry(pid).or_default();
        let Some(row) = process.find(address) else {
            return process.jit(pid, address).unwrap_or_else(|| Place::Anonymous("[unknown]".into()));
        };
        let Mapping { start, offset, path, build_id, .. } = process.mappings[row].copy();
        if !path.starts_with('/') || ["//anon", "/memfd:", "/dev/zero"].iter().any(|prefix| path.starts_with(prefix)) {
            let name = if path.starts_with('[') { path } else { "[anon]".into() };
            return process.jit(pid, address).unwrap_or(Place::Anonymous(name));
        }
        let elf = self
            .binaries
            .entry((Rc::clone(&path), Rc::clone(&build_id)))
            .or_insert_with(|| read_elf(pid, &path, &build_id).map(Rc::new));
        let offset = address - start + offset;
        let address = elf.as_ref().and_then(|elf| elf.virtual_address(offset)).unwrap_or(offset);
        let build_id = match elf {
            Some(elf) if build_id.is_empty() => elf.build_id.as_str().into(),
            _ => build_id,
        };
        Place::Binary { path, build_id, address }
    }
}

/// Through the process's own root, so that a container's file is the container's. A file replaced since is not taken for it.
fn read_elf(pid: u32, path: &str, build_id: &str) -> Option<ElfInfo> {
    let elf = ElfInfo::open(&format!("/proc/{pid}/root{path}")).or_else(|| ElfInfo::open(path))?;
    (build_id.is_empty() || elf.build_id == build_id).then_some(elf)
}

impl Mapping {
    fn copy(&self) -> Mapping {
        Mapping { path: Rc::clone(&self.path), build_id: Rc::clone(&self.build_id), ..*self }
    }
}

impl Process {
    pub fn thread(&self, tid: u32) -> &str {
        self.threads.get(&tid).unwrap_or(&self.comm)
    }

    fn read_proc(&mut self, pid: u32) {
        self.read = true;
        if let Ok(link) = std::fs::read_link(format!("/proc/{pid}/exe")) {
            self.executable = link.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
        }
        if let Ok(comm) = std::fs::read_to_string(format!("/proc/{pid}/comm")) {
            self.comm = comm.trim_end().to_owned();
        }
        if let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/cgroup")) {
            if text.len() <= MAX_CGROUP_BYTES {
                self.cgroup_file = text;
            }
        }
        self.inner_pid = inner_pid(pid).unwrap_or(pid);
        for (tid, name) in threads(pid) {
            self.threads.entry(tid).or_insert(name);
        }
        if !self.complete {
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            for mapping in maps.lines().filter_map(parse_maps_line) {
                self.map(mapping);
            }
        }
    }

    /// Adds a mapping; what it covers of others is gone.
    fn map(&mut self, new: Mapping) {
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

    fn find(&self, address: u64) -> Option<usize> {
        let row = self.mappings.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
        (address < self.mappings[row].end).then_some(row)
    }

    fn jit(&mut self, pid: u32, address: u64) -> Option<Place> {
        let inner = if self.inner_pid == 0 { pid } else { self.inner_pid };
        let map = self.perf_map.get_or_insert_with(|| {
            let mut map = PerfMap::default();
            map.refresh(pid, inner);
            map
        });
        let symbol = map.lookup(address)?;
        Some(Place::Named { kind: symbol.kind, function: symbol.function.clone(), file: symbol.file.clone() })
    }
}

/// Pid in the innermost namespace: the last number of NSpid in /proc/PID/status.
fn inner_pid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_ascii_whitespace().last()?.parse().ok()
}

fn threads(pid: u32) -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries
        .flatten()
        .take(4096)
        .filter_map(|entry| {
            let tid = entry.file_name().to_str()?.parse().ok()?;
            Some((tid, std::fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned()))
        })
        .collect()
}

/// Executable mappings of /proc/PID/maps: `start-end perms offset dev inode path`.
fn parse_maps_line(line: &str) -> Option<Mapping> {
    let mut parts = line.splitn(6, ' ');
    let (start, end) = parts.next()?.split_once('-')?;
    let executable = parts.next()?.contains('x');
    let offset = parts.next()?;
    let (_, _) = (parts.next()?, parts.next()?);
    let path = parts.next().unwrap_or("").trim_start().trim_end_matches(" (deleted)");
    let parse = |text| u64::from_str_radix(text, 16).ok();
    executable.then_some(())?;
    Some(Mapping { start: parse(start)?, end: parse(end)?, offset: parse(offset)?, path: path.into(), build_id: "".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_mapping_cuts_what_it_covers() {
        let mut processes = Processes::default();
        processes.mapped(1, 0x1000, 0x3000, 0, "", "/a");
        processes.mapped(1, 0x2000, 0x1000, 0, "", "/b");
        let process = &processes.by_pid[&1];
        let rows: Vec<_> = process.mappings.iter().map(|m| (m.start, m.end, m.offset, &*m.path)).collect();
        assert_eq!(rows, [(0x1000, 0x2000, 0, "/a"), (0x2000, 0x3000, 0, "/b"), (0x3000, 0x4000, 0x2000, "/a")]);
        assert_eq!(process.find(0x2fff), Some(1));
        assert_eq!(process.find(0x4000), None);
    }

    #[test]
    fn a_child_starts_with_its_parents_mappings_and_exec_drops_them() {
        let mut processes = Processes::default();
        processes.mapped(1, 0x1000, 0x1000, 0, "", "/a");
        processes.forked(2, 1);
        assert_eq!(processes.by_pid[&2].find(0x1000), Some(0));
        processes.named(2, 2, true, "other".into());
        assert_eq!(processes.by_pid[&2].find(0x1000), None);
        assert_eq!(processes.by_pid[&2].comm, "other");
    }

    #[test]
    fn reads_maps_lines() {
        let mapping = parse_maps_line("7f00-7fff r-xp 00001000 08:01 42                 /usr/lib/a b.so (deleted)").unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset, &*mapping.path), (0x7f00, 0x7fff, 0x1000, "/usr/lib/a b.so"));
        assert!(parse_maps_line("7f00-7fff rw-p 0 0:0 0").is_none());
        assert!(parse_maps_line("nonsense").is_none());
    }
}
