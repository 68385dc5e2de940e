//! Turns samples with raw addresses into rows of a window, by what the kernel's records and /proc tell of processes.

use std::collections::HashMap;
use std::rc::Rc;

use crate::address_space::Mapping;
use crate::elf::ElfInfo;
use crate::kallsyms::Kallsyms;
use crate::processes::{Place, Processes};
use crate::records::Event;
use crate::sampler::Lost;
use crate::window::{Frame, NO_BINARY, Process, Window, WindowHead};

const MAX_TRACING_FRAMES: usize = 16;
const STACK_CUT: u32 = 1;
const STACK_USER_MISSING: u32 = 2;

pub enum Thread<'a> {
    Id(u32),
    Name(&'a str),
}

/// Equal samples. Addresses leaf first, as the processor had them.
pub struct Sample<'a> {
    pub pid: u32,
    pub thread: Thread<'a>,
    /// 0 = unknown.
    pub cgroup_v2: u64,
    pub cgroup_v1: u64,
    /// Nanoseconds of CLOCK_MONOTONIC: of the first of them.
    pub time: u64,
    pub kernel: &'a [u64],
    pub user: &'a [u64],
    /// At the depth limit.
    pub cut: bool,
    pub count: u64,
    /// Each stands for so many.
    pub one_in: u32,
    /// Nanoseconds that threads were blocked here; None = samples of CPU time.
    pub blocked_ns: Option<u64>,
}

type BinaryRow = (u32, Rc<str>, Rc<ElfInfo>);

/// Rows of the window for what most frames have in common, which need not be looked up by their texts then.
#[derive(Default)]
struct Rows {
    /// By address.
    kernel: HashMap<u64, u32>,
    /// By path and file as they are in memory. Held, so that these stay what they are.
    binaries: HashMap<(*const str, *const ElfInfo), BinaryRow>,
    /// Of `native`.
    native: Option<u32>,
}

pub struct Resolver {
    pub processes: Processes,
    kallsyms: Kallsyms,
    modules: Vec<u8>,
    window: Window,
    rows: Rows,
    window_start: u64,
    /// When the last buffer was closed, which may have been read some time later.
    closed: Option<u64>,
    /// Of the hierarchy that `cgroup_v1` ids belong to, "" = none.
    controller: String,
}

impl Resolver {
    pub fn new(controller: String, kallsyms: Kallsyms) -> Resolver {
        Resolver {
            processes: Processes::default(),
            kallsyms,
            modules: loaded_modules(),
            window: Window::new(),
            rows: Rows::default(),
            window_start: crate::now(),
            closed: None,
            controller,
        }
    }

    /// Samples are taken from now on.
    pub fn begin(&mut self) {
        self.window_start = crate::now();
    }

    /// Samples that are taken from now on come with a later drain.
    pub fn close(&mut self) {
        self.closed = Some(crate::now());
    }

    /// A record that tells of a process.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Mmap { pid, start, length, offset, executable: true, build_id, inode, path } => {
                if let Some(mapping) = Mapping::new(start, length, offset, path, build_id, inode) {
                    self.processes.mapped(pid, mapping);
                }
            }
            Event::Comm { pid, tid, exec, comm } => self.processes.named(pid, tid, exec, comm),
            Event::Fork { pid, parent, time, .. } => self.processes.forked(pid, parent, time),
            Event::Exit { pid, tid } => self.processes.exited(pid, tid),
            _ => {}
        }
    }

    pub fn sample(&mut self, sample: &Sample) {
        let window = &mut self.window;
        let process = self.processes.get(sample.pid, (sample.cgroup_v2, sample.cgroup_v1));
        let thread = match sample.thread {
            Thread::Id(tid) => process.thread(tid),
            Thread::Name(name) => name,
        };
        let row = Process {
            pid: sample.pid,
            comm: window.string(if process.comm.is_empty() { thread } else { &process.comm }),
            executable: window.string(&process.executable),
            cgroup_file: window.string(&process.cgroup_file),
            cgroup_v2: sample.cgroup_v2,
            cgroup_v1: sample.cgroup_v1,
            cgroup_v1_controller: if sample.cgroup_v1 == 0 { 0 } else { window.string(&self.controller) },
        };
        let (thread, row) = (window.string(thread), window.process(row));
        let mut frames = Vec::with_capacity(sample.kernel.len() + sample.user.len());
        let own = if sample.blocked_ns.is_some() { self.frames_of_tracing(sample.kernel) } else { 0 };
        frames.extend(call_sites(sample.kernel).skip(own).map(|address| self.kernel_frame(address)));
        frames.extend(call_sites(sample.user).map(|address| self.user_frame(sample.pid, address, sample.time)));
        let missing = if sample.user.is_empty() { STACK_USER_MISSING } else { 0 };
        let flags = missing | if sample.cut { STACK_CUT } else { 0 };
        match sample.blocked_ns {
            None => self.window.sample(row, thread, frames, flags, sample.one_in, sample.count),
            Some(ns) => self.window.blocked(row, thread, frames, flags, sample.count, ns),
        }
    }

    pub fn window_is_large(&self) -> bool {
        self.window.is_large()
    }

    /// Ends the window and begins the next.
    pub fn finish(&mut self, last: bool, rate: u64, taken: u64, lost: &Lost) -> Vec<u8> {
        let end = self.closed.take().unwrap_or_else(crate::now);
        let head = WindowHead { last, start: self.window_start, end, period: 1_000_000_000 / rate, taken, lost: &lost.rows() };
        let bytes = std::mem::replace(&mut self.window, Window::new()).encode(&head);
        self.rows = Rows::default();
        self.window_start = end;
        self.processes.end_window();
        let modules = loaded_modules();
        if modules != self.modules {
            self.modules = modules;
            self.kallsyms = Kallsyms::load();
        }
        bytes
    }

    /// The kernel's stack of a switch begins with the frames of the tracepoint and of the BPF program.
    fn frames_of_tracing(&self, kernel: &[u64]) -> usize {
        let is_scheduler = |&address: &u64| self.kallsyms.lookup(address).is_some_and(|(name, _)| name.starts_with("__schedule"));
        kernel.iter().take(MAX_TRACING_FRAMES).position(is_scheduler).unwrap_or(0)
    }

    fn kernel_frame(&mut self, address: u64) -> u32 {
        if let Some(&row) = self.rows.kernel.get(&address) {
            return row;
        }
        let (function, file) = self.kallsyms.lookup(address).unwrap_or(("", "[kernel]"));
        let (function, file) = (self.window.string(function), self.window.string(file));
        let kind = self.window.string("kernel");
        let row = self.window.frame(Frame { kind, binary: NO_BINARY, address: 0, function, file });
        self.rows.kernel.insert(address, row);
        row
    }

    fn user_frame(&mut self, pid: u32, address: u64, time: u64) -> u32 {
        let (window, rows) = (&mut self.window, &mut self.rows);
        let native = *rows.native.get_or_insert_with(|| window.string("native"));
        let frame = match self.processes.place(pid, address, time) {
            Place::Binary { path, elf, address } => {
                let known = rows.binaries.entry((Rc::as_ptr(&path), Rc::as_ptr(&elf)));
                let (binary, ..) = *known.or_insert_with(|| (window.binary(&path, &elf.build_id, &elf.htl_hash), path, elf));
                Frame { kind: native, binary, address, function: 0, file: 0 }
            }
            Place::Named { kind, function, file } => {
                Frame { kind: window.string(kind), binary: NO_BINARY, address: 0, function: window.string(&function), file: window.string(&file) }
            }
            Place::Anonymous(name) => Frame { kind: native, binary: NO_BINARY, address: 0, function: 0, file: window.string(&name) },
        };
        window.frame(frame)
    }
}

/// Every address but the first is a return address: the call lies before it.
fn call_sites(addresses: &[u64]) -> impl Iterator<Item = u64> {
    addresses.iter().enumerate().map(|(depth, &address)| if depth == 0 { address } else { address.saturating_sub(1) })
}

/// Names of the modules; their use counts, which change all the time, are left out.
fn loaded_modules() -> Vec<u8> {
    let text = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    text.lines().flat_map(|line| line.split(' ').next().unwrap_or("").bytes().chain([b' '])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_keeps_its_address() {
        assert_eq!(call_sites(&[10, 10, 0]).collect::<Vec<_>>(), [10, 9, 0]);
    }
}
