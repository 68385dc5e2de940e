//! Rung 1: a BPF program at every tick of each CPU counts stacks in the kernel (bpf/sampler.bpf.c); this side sleeps, then
//! switches buffers and reads the old one.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use libbpf_rs::{MapCore, Object, ObjectBuilder, PrintLevel};

use crate::bpf_maps::{self as maps, Books, Count, Key, Stack};
use crate::cgroups::Controller;
use crate::perf::{self, Clock, Event as PerfEvent, online_cpus};
use crate::records::Record;
use crate::resolver::{Resolver, Sample, Thread};
use crate::sampler::{Lost, Sampler};
use crate::sideband::Sideband;

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sampler.bpf.o"));
const MIN_STACKS: u64 = 2048;
const MAX_STACKS: u64 = 32_768;
/// How long a switched buffer may take to come to rest. A run of the program takes microseconds.
const REST: Duration = Duration::from_millis(200);

pub struct Bpf {
    clock: Clock,
    rate: u64,
    stacks: u64,
    events: BTreeMap<i32, PerfEvent>,
    sideband: Sideband,
    /// Records younger than the last switch of buffers.
    records: Vec<Record>,
    /// Owns what the descriptors name.
    _object: Object,
    fds: Descriptors,
    active: u32,
    /// Read from each buffer so far: samples of counts.
    drained: [u64; 2],
    books: [Books; 2],
    resolver: Resolver,
}

struct Descriptors {
    program: i32,
    active: i32,
    books: i32,
    stacks: [i32; 2],
    counts: [i32; 2],
}

impl Bpf {
    pub fn open(rate: u64, window_seconds: u64, only_pid: Option<u32>, controller: Option<&str>) -> Result<Bpf> {
        let cpus = online_cpus()?;
        // A sample has at most two stacks that nobody had before it.
        let stacks = (2 * rate * window_seconds * cpus.len() as u64).next_power_of_two().clamp(MIN_STACKS, MAX_STACKS);
        let controller = Controller::choose(controller)?;
        libbpf_rs::set_print(Some((PrintLevel::Warn, |_, text| {
            let mut last = MESSAGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            last.push(text);
            let surplus = last.len().saturating_sub(40);
            last.drain(..surplus);
        })));
        let object = load(stacks as u32, only_pid.unwrap_or(0), controller.as_ref().map(|controller| controller.index)).map_err(explain)?;
        let fds = Descriptors::of(&object)?;
        let clock = Clock::best();
        let sideband = Sideband::open(&cpus)?;
        let mut sampler = Bpf {
            clock,
            rate,
            stacks,
            events: BTreeMap::new(),
            sideband,
            records: Vec::new(),
            _object: object,
            fds,
            active: 0,
            drained: [0; 2],
            books: [Books::default(); 2],
            resolver: Resolver::new(controller.map_or(String::new(), |controller| controller.name)),
        };
        sampler.resolver.processes.read_all();
        for cpu in cpus {
            sampler.add(cpu).map_err(|error| perf::explain(&error))?;
        }
        Ok(sampler)
    }

    fn add(&mut self, cpu: i32) -> io::Result<()> {
        let event = PerfEvent::open(&perf::sampling(self.clock, self.rate), -1, cpu)?;
        event.attach(self.fds.program)?;
        event.enable()?;
        self.events.insert(cpu, event);
        Ok(())
    }

    /// Makes the other buffer the active one and waits until nobody writes to the old one. Its index and books, and when it was
    /// switched (nanoseconds of CLOCK_MONOTONIC).
    fn switch(&mut self) -> Result<(usize, u64)> {
        let old = self.active as usize;
        let switched = monotonic();
        maps::update(self.fds.active, 0, 1 - self.active).context("cannot switch the buffers")?;
        self.active = 1 - self.active;
        // Runs of the program are read-side sections of RCU: after this none is left that saw the old buffer as active.
        // SAFETY: membarrier(MEMBARRIER_CMD_GLOBAL) takes no pointers.
        if unsafe { libc::syscall(libc::SYS_membarrier, 1, 0, 0) } != 0 {
            // Kernels with nohz_full CPUs have no such barrier.
            std::thread::sleep(Duration::from_millis(20));
        }
        let deadline = Instant::now() + REST;
        loop {
            self.books[old] = maps::books(self.fds.books, old as u32)?;
            if self.books[old].balanced() || Instant::now() > deadline {
                return Ok((old, switched));
            }
            std::thread::yield_now();
        }
    }

    fn drain_buffer(&mut self) -> Result<()> {
        let (old, switched) = self.switch()?;
        let mut stacks: HashMap<u64, Stack> = HashMap::new();
        maps::take_all::<u64, Stack>(self.fds.stacks[old], |&id, stack| {
            stacks.insert(id, *stack);
        })?;
        let mut counts: Vec<(Key, Count)> = Vec::new();
        maps::take_all::<Key, Count>(self.fds.counts[old], |key, count| counts.push((*key, *count)))?;
        counts.sort_by_key(|row| row.1.first_ns);
        self.drained[old] += counts.iter().map(|row| row.1.samples).sum::<u64>();
        if self.sideband.read(&mut self.records) {
            self.resolver.processes.forget_all();
        }
        self.records.sort_by_key(|record| record.time);
        self.resolver.processes.refresh_perf_maps();
        let later = self.records.partition_point(|record| record.time <= switched);
        let mut records = self.records.drain(..later).peekable();
        for (key, count) in &counts {
            while let Some(record) = records.next_if(|record| record.time <= count.first_ns) {
                self.resolver.apply(record.event);
            }
            let (kernel, user) = (maps::stack(&stacks, key.kernel_stack), maps::stack(&stacks, key.user_stack));
            self.resolver.sample(&Sample {
                pid: key.tgid,
                thread: Thread::Name(&key.thread_name()),
                cgroup_v2: key.cgroup_v2,
                cgroup_v1: key.cgroup_v1,
                kernel,
                user,
                cut: kernel.len() == maps::MAX_DEPTH || user.len() == maps::MAX_DEPTH,
                count: count.samples,
            });
        }
        for record in records {
            self.resolver.apply(record.event);
        }
        Ok(())
    }
}

impl Sampler for Bpf {
    fn rung(&self) -> u32 {
        1
    }

    fn event(&self) -> &'static str {
        self.clock.name()
    }

    fn cpus(&self) -> usize {
        self.events.len()
    }

    fn descriptors(&self) -> Vec<i32> {
        self.sideband.descriptors().collect()
    }

    fn drain_interval_ms(&self) -> u64 {
        (self.stacks / 2 * 800 / (self.rate * self.events.len().max(1) as u64)).max(200)
    }

    fn set_rate(&mut self, rate: u64) -> Result<()> {
        for event in self.events.values() {
            event.set_rate(rate).context("cannot change the rate")?;
        }
        self.rate = rate;
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        self.drain_buffer()
    }

    fn stop(&mut self) {
        for event in self.events.values() {
            let _ = event.disable();
        }
    }

    fn refresh(&mut self) {
        for cpu in online_cpus().unwrap_or_default() {
            if !self.events.contains_key(&cpu) {
                let _ = self.sideband.add(cpu).and_then(|()| self.add(cpu));
            }
        }
    }

    fn taken(&self) -> u64 {
        self.books.iter().map(|books| books.taken).sum()
    }

    fn lost(&self) -> Lost {
        Lost {
            map_full: self.books.iter().map(|books| books.map_full).sum(),
            map_busy: self.books.iter().map(|books| books.map_busy).sum(),
            ..Lost::default()
        }
    }

    fn sideband_lost(&self) -> u64 {
        self.sideband.lost
    }

    fn undrained(&self) -> u64 {
        let stored: u64 = self.books.iter().map(|books| books.stored).sum();
        stored.saturating_sub(self.drained.iter().sum())
    }

    fn resolver(&mut self) -> &mut Resolver {
        &mut self.resolver
    }
}

impl Descriptors {
    fn of(object: &Object) -> Result<Descriptors> {
        let map = |name: &str| {
            let found = object.maps().find(|map| map.name() == name).map(|map| map.as_fd().as_raw_fd());
            found.with_context(|| format!("the BPF object has no map {name}"))
        };
        let program = object.progs().find(|program| program.name() == "take_sample").context("the BPF object has no program take_sample")?;
        Ok(Descriptors {
            program: program.as_fd().as_raw_fd(),
            active: map("active")?,
            books: map("books")?,
            stacks: [map("stacks_0")?, map("stacks_1")?],
            counts: [map("counts_0")?, map("counts_1")?],
        })
    }
}

/// What libbpf said last: the verifier's words when a program is refused.
static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn load(stacks: u32, only_tgid: u32, subsys: Option<u32>) -> Result<Object> {
    let mut open = ObjectBuilder::default().open_memory(PROGRAM)?;
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name.starts_with("stacks_") || name.starts_with("counts_") {
            map.set_max_entries(stacks)?;
        } else if name.ends_with(".rodata") {
            // struct config of the program.
            let mut config = Vec::new();
            config.extend_from_slice(&only_tgid.to_le_bytes());
            config.extend_from_slice(&subsys.unwrap_or(u32::MAX).to_le_bytes());
            config.extend_from_slice(&seed().to_le_bytes());
            let value = map.initial_value_mut().context("the BPF object has no configuration")?;
            value.get_mut(..config.len()).context("the BPF object's configuration is too short")?.copy_from_slice(&config);
        }
    }
    Ok(open.load()?)
}

/// Nobody can prepare stacks whose hashes are equal.
fn seed() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: fills at most the buffer's length.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u64::from_le_bytes(bytes)
}

fn explain(error: anyhow::Error) -> anyhow::Error {
    let said = MESSAGES.lock().map(|messages| messages.join("").trim().replace('\n', " | ")).unwrap_or_default();
    let said: String = said.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    let fix = if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        "the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF"
    } else if format!("{error:#}").contains("ermission") || format!("{error:#}").contains("permitted") {
        "run as root or with CAP_BPF and CAP_PERFMON; where the kernel locks down BPF, nothing but another rung helps"
    } else {
        "kernels from 5.10 on are known to work"
    };
    anyhow!("eBPF: {error:#}; {fix}{}{said}", if said.is_empty() { "" } else { "; libbpf: " })
}

fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
