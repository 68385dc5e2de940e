//! Loads the programs, opens the events, and reads what runs already.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use libbpf_rs::{MapCore, RingBufferBuilder};

use super::Bpf;
use crate::bpf_load::{self, Descriptors, Sizes};
use crate::buffers::Buffers;
use crate::cgroups::Controller;
use crate::deferred::Deferred;
use crate::kallsyms::Kallsyms;
use crate::kernel_tables::KernelTables;
use crate::off_cpu::OffCpu;
use crate::options::Options;
use crate::perf::{self, Clock, Event as PerfEvent, online_cpus};
use crate::processes;
use crate::resolver::Resolver;
use crate::sideband::Sideband;
use crate::system::be_punctual;
use crate::unwinder::Unwinder;
use crate::walks::Walks;

const MIN_STACKS: u64 = 2048;
const MAX_STACKS: u64 = 32_768;
/// As in the BPF program.
const MAX_KERNEL_FRAMES: u32 = 127;
/// Entries of the kernel's map of processes.
const PROCESSES: u32 = 16_384;
/// How long the first window may wait for the tables of its samples: everything is new then, and somebody waits for it. Each one after
/// it may wait twice as long.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);
/// Processes between two looks at the ring.
const READ_AT_ONCE: usize = 16;

impl Bpf {
    pub fn open(options: &Options) -> Result<Bpf> {
        let Options { rate, window, .. } = *options;
        let cpus = online_cpus()?;
        // A sample has at most two stacks that nobody had before it. A window may last longer while it waits for tables.
        let enough = (2 * rate * (window + super::PATIENCE.as_secs() + 1) * cpus.len() as u64).next_power_of_two();
        let stacks = options.stacks.unwrap_or(enough.clamp(MIN_STACKS, MAX_STACKS));
        be_punctual();
        // While the programs are loaded. What it needs to see addresses may be given up afterwards.
        let kallsyms = std::thread::spawn(Kallsyms::load);
        let controller = Controller::choose(options.cgroup_controller.as_deref())?;
        let mut sizes = Sizes {
            stacks: stacks as u32,
            arena_words: (options.table_memory << 17) as u32,
            processes: PROCESSES,
            ring_bytes: (rate * cpus.len() as u64 * (16 << 10)).next_power_of_two().clamp(1 << 20, 4 << 20) as u32,
            cpus: libbpf_rs::num_possible_cpus()? as u32,
            off_cpu: options.off_cpu,
            kernel_frames: options.kernel_frames.unwrap_or(MAX_KERNEL_FRAMES).min(perf::allowed_frames()),
        };
        let subsys = controller.as_ref().map(|controller| controller.index);
        let load = |sizes: &Sizes| bpf_load::load(sizes, options.pid.unwrap_or(0), subsys, options.walk_by_calls).map_err(bpf_load::explain);
        let (object, without_off_cpu) = match load(&sizes) {
            // A kernel that takes the rest gets the rest.
            Err(error) if sizes.off_cpu => {
                sizes.off_cpu = false;
                (load(&sizes)?, format!("{error:#}"))
            }
            loaded => (loaded?, String::new()),
        };
        let fds = Descriptors::of(&object)?;
        let off_cpu = if sizes.off_cpu { Some(OffCpu::of(&object, fds.by_calls)?) } else { None };
        let kallsyms = kallsyms.join().unwrap_or_default();
        // Nothing is loaded after this; and there are no other threads any more, or yet.
        crate::privileges::reduce();
        let tables = KernelTables::new(bpf_load::table_descriptors(&object)?, sizes.arena_words, PROCESSES as usize);
        let deferred = Rc::new(RefCell::new(Vec::new()));
        let ring = {
            let map = object.maps().find(|map| map.name() == "deferred_ring").context("the BPF object has no ring")?;
            let into = Rc::clone(&deferred);
            let mut builder = RingBufferBuilder::new();
            builder.add(&map, move |bytes: &[u8]| {
                into.borrow_mut().extend(Deferred::parse(bytes));
                0
            })?;
            builder.build().context("cannot map the ring of the BPF program")?
        };
        let (clock, without_cycles) = Clock::best();
        let mut sampler = Bpf {
            clock,
            without_cycles,
            rate,
            stacks,
            events: BTreeMap::new(),
            sideband: Sideband::open(&cpus)?,
            records: Vec::new(),
            records_lost: false,
            patience: FIRST_PATIENCE,
            ring,
            deferred,
            object,
            off_cpu,
            without_off_cpu,
            fds,
            buffers: Buffers::default(),
            unwinder: Unwinder::new(tables.context("cannot map the tables of the BPF program")?)?,
            walks: Walks::default(),
            resolver: Resolver::new(controller.map_or(String::new(), |controller| controller.name), kallsyms),
        };
        sampler.resolver.begin();
        perf::on_each(&cpus, |cpu| sampler.add(cpu))?;
        sampler.attach_off_cpu();
        sampler.read_running()?;
        Ok(sampler)
    }

    /// While it samples: where thousands of processes run this takes as long as a window. The first samples of all of them are for user
    /// space to walk, and their ring is small.
    fn read_running(&mut self) -> Result<()> {
        for pids in processes::running().chunks(READ_AT_ONCE) {
            self.resolver.processes.read(pids);
            self.pump()?;
        }
        Ok(())
    }

    fn attach_off_cpu(&mut self) {
        if let Some(off_cpu) = &mut self.off_cpu
            && let Err(error) = off_cpu.attach(&mut self.object, self.rate)
        {
            self.without_off_cpu = format!("{error:#}");
            self.off_cpu = None;
        }
    }

    pub(super) fn add(&mut self, cpu: i32) -> io::Result<()> {
        let event = PerfEvent::open(&perf::sampling(self.clock, self.rate), -1, cpu)?;
        event.attach(self.fds.program)?;
        event.enable()?;
        self.events.insert(cpu, event);
        Ok(())
    }
}
