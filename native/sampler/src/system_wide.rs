//! Rung 2: a software clock on every CPU through `perf_event_open`, call chains by frame pointers, names from mapping records.

use std::io;

use anyhow::{Context, Result};

use crate::kallsyms::Kallsyms;
use crate::perf::{CpuEvent, MAX_STACK, parse_cpus};
use crate::processes::{Place, Processes};
use crate::records::{Event, Record, parse};
use crate::window::{Frame, NO_BINARY, Process, Window, WindowHead};

/// Markers in a call chain: what follows is of this context (enum perf_callchain_context).
const CONTEXT_KERNEL: u64 = -128i64 as u64;
const CONTEXT_USER: u64 = -512i64 as u64;
const CONTEXT_MAX: u64 = -4095i64 as u64;
const STACK_CUT: u32 = 1;
const STACK_USER_MISSING: u32 = 2;

pub struct SystemWide {
    events: Vec<CpuEvent>,
    processes: Processes,
    kallsyms: Kallsyms,
    window: Window,
    window_start: u64,
    period: u64,
    only_pid: Option<u32>,
    counted: u64,
    lost: u64,
}

impl SystemWide {
    pub fn open(rate: u64, window_seconds: u64, only_pid: Option<u32>) -> Result<SystemWide> {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").context("cannot list CPUs: /sys/devices/system/cpu/online")?;
        // Room for a window of full stacks, between 256 KiB and 8 MiB a CPU.
        let pages = ((rate * window_seconds * 1100) / 4096).clamp(64, 2048).next_power_of_two() as usize;
        let period = 1_000_000_000 / rate;
        let events = parse_cpus(&online).into_iter().map(|cpu| CpuEvent::open(cpu, period, pages)).collect::<io::Result<Vec<_>>>().map_err(explain)?;
        for event in &events {
            event.enable().map_err(explain)?;
        }
        Ok(SystemWide {
            events,
            processes: Processes::default(),
            kallsyms: Kallsyms::load(),
            window: Window::new(),
            window_start: crate::now(),
            period,
            only_pid,
            counted: 0,
            lost: 0,
        })
    }

    pub fn cpus(&self) -> usize {
        self.events.len()
    }

    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.events.iter().map(CpuEvent::raw_fd)
    }

    pub fn set_rate(&mut self, rate: u64) -> Result<()> {
        self.period = 1_000_000_000 / rate;
        for event in &self.events {
            event.set_period(self.period).context("cannot change the rate")?;
        }
        Ok(())
    }

    pub fn taken(&self) -> u64 {
        self.counted + self.lost
    }

    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub fn process_count(&self) -> usize {
        self.processes.len()
    }

    /// Takes in everything the kernel has recorded, in the order of its clock.
    pub fn drain(&mut self) {
        let mut records: Vec<Record> = Vec::new();
        for event in &self.events {
            event.drain(|bytes| records.extend(parse(bytes)));
        }
        records.sort_by_key(|record| record.time);
        self.processes.refresh_perf_maps();
        for record in records {
            self.apply(record.event);
        }
    }

    /// Ends the window and begins the next.
    pub fn finish(&mut self, last: bool) -> Vec<u8> {
        self.drain();
        let end = crate::now();
        let lost = [("ring-full", self.lost)];
        let head = WindowHead { last, start: self.window_start, end, period: self.period, taken: self.taken(), lost: &lost };
        let bytes = std::mem::replace(&mut self.window, Window::new()).encode(&head);
        self.window_start = end;
        self.processes.forget_exited();
        bytes
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Sample { pid, tid, chain } => self.sample(pid, tid, &chain),
            Event::Mmap { pid, start, length, offset, executable, build_id, path } => {
                if executable {
                    self.processes.mapped(pid, start, length, offset, &build_id, &path);
                }
            }
            Event::Comm { pid, tid, exec, comm } => self.processes.named(pid, tid, exec, comm),
            Event::Fork { pid, parent } => self.processes.forked(pid, parent),
            Event::Exit { pid, tid } => self.processes.exited(pid, tid),
            // With one process chosen nobody knows whose samples these were: none of them counts.
            Event::Lost(count) if self.only_pid.is_none() => self.lost += count,
            Event::Lost(_) => {}
        }
    }

    fn sample(&mut self, pid: u32, tid: u32, chain: &[u64]) {
        if pid == 0 || self.only_pid.is_some_and(|only| only != pid) {
            return;
        }
        self.counted += 1;
        let process = self.processes.get(pid);
        let (comm, executable) = (self.window.string(&process.comm), self.window.string(&process.executable));
        let cgroup_file = self.window.string(&process.cgroup_file);
        let thread = self.window.string(process.thread(tid));
        let row = self.window.process(Process { pid, comm, executable, cgroup_file, cgroup_v2: 0, cgroup_v1: 0, cgroup_v1_controller: 0 });
        let mut frames = Vec::with_capacity(chain.len());
        let mut context = CONTEXT_USER;
        let mut first = true;
        let mut user = false;
        for &ip in chain {
            if ip >= CONTEXT_MAX {
                context = ip;
                first = true;
                continue;
            }
            // Every address but a context's first is a return address: the call lies before it.
            let address = if first { ip } else { ip.saturating_sub(1) };
            first = false;
            match context {
                CONTEXT_KERNEL => frames.push(self.kernel_frame(address)),
                CONTEXT_USER => {
                    user = true;
                    frames.push(self.user_frame(pid, address));
                }
                _ => {}
            }
        }
        let mut flags = 0;
        if frames.len() + 2 >= usize::from(MAX_STACK) {
            flags |= STACK_CUT;
        }
        if !user {
            flags |= STACK_USER_MISSING;
        }
        self.window.sample(row, thread, frames, flags);
    }

    fn kernel_frame(&mut self, address: u64) -> u32 {
        let (function, file) = self.kallsyms.lookup(address).unwrap_or(("", "[kernel]"));
        let (function, file) = (self.window.string(function), self.window.string(file));
        let kind = self.window.string("kernel");
        self.window.frame(Frame { kind, binary: NO_BINARY, address: 0, function, file })
    }

    fn user_frame(&mut self, pid: u32, address: u64) -> u32 {
        let window = &mut self.window;
        let frame = match self.processes.place(pid, address) {
            Place::Binary { path, build_id, address } => {
                Frame { kind: window.string("native"), binary: window.binary(&path, &build_id), address, function: 0, file: 0 }
            }
            Place::Named { kind, function, file } => {
                Frame { kind: window.string(kind), binary: NO_BINARY, address: 0, function: window.string(&function), file: window.string(&file) }
            }
            Place::Anonymous(name) => Frame { kind: window.string("native"), binary: NO_BINARY, address: 0, function: 0, file: window.string(&name) },
        };
        window.frame(frame)
    }
}

/// The cause and what would fix it.
fn explain(error: io::Error) -> anyhow::Error {
    let fix = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "run as root or with CAP_PERFMON, or set kernel.perf_event_paranoid to -1",
        Some(libc::EMFILE) => "raise the limit on open files",
        Some(libc::ENOMEM) => "raise kernel.perf_event_mlock_kb",
        Some(libc::ENOSYS | libc::ENOENT) => "this kernel has no perf events",
        _ => "see the kernel log",
    };
    anyhow::anyhow!("perf_event_open: {error}; {fix}")
}
