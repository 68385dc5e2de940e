//! Time that threads are blocked (bpf/off_cpu.h says what is measured, and how it is estimated): settings, counts and stacks of that
//! program. Its counts have the two buffers of all counts; its stacks stay in the kernel, since a thread may be blocked for many
//! windows, and what was walked here waits here until the block has ended. Stacks of blocks that were told before their end
//! (open_blocks.rs) are kept here, since the kernel forgets those that it has not seen for long.

use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result};
use libbpf_rs::{Link, Object};
use serde_json::{Value, json};

use crate::bpf_load::{map_fd, program_fd};
use crate::bpf_maps as maps;
use crate::bpf_structs::{Key, OFF_INTERVAL_NS, OffBooks, OffCount, OffSettings, Stop};
use crate::buffers::Row;
use crate::chunks::{Chunk, stack_of};
use crate::deferred::Walked;
use crate::open_blocks::{OffBlock, OpenBlocks};
use crate::unwinder::Finished;
use crate::walks::Walks;

/// Walks of a CPU for each tick that it has in the same time.
const WALKS_A_TICK: u64 = 4;
/// Stacks that were walked here and whose blocks have not ended. More than this are forgotten, the oldest first.
const MAX_HELD: usize = 8192;
/// Chosen blocks that have not ended: threads.
pub const MAX_BLOCKS: u32 = 8192;
/// Chunks of stacks, at 272 bytes.
pub const MAX_CHUNKS: u32 = 8192;

struct Descriptors {
    program: i32,
    settings: i32,
    books: i32,
    stacks: i32,
    blocks: i32,
    counts: [i32; 2],
}

/// Of a block, leaf first.
struct Stacks {
    kernel: Vec<u64>,
    user: Vec<u64>,
    stop: Stop,
    whole_kernel: bool,
}

impl Stacks {
    /// `walked`: the user stack, when it is not in the kernel.
    fn of(key: &Key, walked: Option<Walked>, mut find: impl FnMut(u64) -> Option<Chunk>) -> Stacks {
        let (kernel, whole_kernel) = stack_of(&mut find, key.kernel_stack);
        let (user, stop) = match walked {
            Some(walked) => (walked.frames, walked.stop),
            None if key.walked_by_user() => (Vec::new(), Stop::NotDeferred),
            None => {
                let (user, whole) = stack_of(&mut find, key.user_stack);
                (user, if whole { key.stop() } else { Stop::NotDeferred })
            }
        };
        Stacks { kernel, user, stop, whole_kernel }
    }

    fn row(&self, key: &Key, samples: u64, first_ns: u64, blocked_ns: u64) -> Row {
        let (kernel, user) = (self.kernel.clone(), self.user.clone());
        Row { key: *key, kernel, user, stop: self.stop, samples, first_ns, blocked_ns: Some(blocked_ns) }
    }

    fn is_whole(&self) -> bool {
        self.whole_kernel && self.stop != Stop::NotDeferred
    }
}

pub struct OffCpu {
    /// Of the program.
    name: &'static str,
    fds: Descriptors,
    books: [OffBooks; 2],
    held: HashMap<u64, (u64, Walked)>,
    open: OpenBlocks,
    /// Of blocks that were told before their end.
    told: HashMap<Key, Rc<Stacks>>,
    /// Samples whose stack was not there any more.
    stackless: u64,
    /// Samples read so far.
    drained: u64,
    pub walks: Walks,
    /// Of the program with the tracepoint, as long as it lasts.
    link: Option<Link>,
}

impl OffCpu {
    /// Of a loaded object; from `attach` on blocks are counted.
    pub fn of(object: &Object, by_calls: bool) -> Result<OffCpu> {
        let map = |name| map_fd(object, name);
        let name = if by_calls { "off_cpu_by_calls" } else { "off_cpu" };
        let program = program_fd(object, name)?;
        if by_calls {
            let next = program_fd(object, "off_cpu_on_by_calls")?;
            maps::set(map("off_calls")?, &0u32, &(next as u32)).context("cannot link the parts of the BPF program")?;
        }
        let fds = Descriptors {
            program,
            settings: map("off_settings")?,
            books: map("off_books")?,
            stacks: map("off_stacks")?,
            blocks: map("off_blocks")?,
            counts: [map("off_counts_0")?, map("off_counts_1")?],
        };
        Ok(OffCpu {
            name,
            fds,
            books: Default::default(),
            held: HashMap::new(),
            open: OpenBlocks::default(),
            told: HashMap::new(),
            stackless: 0,
            drained: 0,
            walks: Walks::default(),
            link: None,
        })
    }

    pub fn attach(&mut self, object: &mut Object, rate: u64) -> Result<()> {
        self.set_rate(rate)?;
        let mut programs = object.progs_mut();
        let program = programs.find(|program| program.name() == self.name).context("the BPF object has no program for blocked time")?;
        self.link = Some(program.attach_raw_tracepoint("sched_switch").context("cannot attach to the tracepoint sched_switch")?);
        Ok(())
    }

    /// Ticks a second: a thread that is blocked all the time is walked as often, at most.
    pub fn set_rate(&self, rate: u64) -> Result<()> {
        let period_us = (1_000_000_000 / rate) >> 10;
        let budget = (rate * WALKS_A_TICK * OFF_INTERVAL_NS).div_ceil(1_000_000_000);
        maps::set(self.fds.settings, &0u32, &OffSettings { period_us: period_us.max(1), budget }).context("cannot set the rate of off-CPU samples")
    }

    pub fn detach(&mut self) {
        self.link = None;
    }

    pub fn program(&self) -> i32 {
        self.fds.program
    }

    /// Takes in the books of a buffer that nobody writes to any more.
    pub fn close(&mut self, buffer: usize) -> Result<()> {
        self.books[buffer] = maps::books(self.fds.books, buffer as u32)?;
        Ok(())
    }

    /// Stacks that were walked here, in the order of time.
    pub fn hold(&mut self, finished: impl Iterator<Item = Finished>) {
        for sample in finished {
            self.held.insert(sample.key.user_stack, (sample.time_ns, sample.walked));
        }
        if self.held.len() > MAX_HELD {
            let mut times: Vec<u64> = self.held.values().map(|held| held.0).collect();
            times.sort_unstable();
            let oldest = times[times.len() - MAX_HELD];
            self.held.retain(|_, held| held.0 >= oldest);
        }
    }

    /// Takes everything out of a buffer that nobody writes to, and tells of blocks that have not ended the part until it was switched
    /// (nanoseconds of CLOCK_MONOTONIC).
    pub fn read(&mut self, buffer: usize, switched: u64, rows: &mut Vec<Row>) -> Result<()> {
        let OffCpu { fds, held, open, told, stackless, drained, .. } = self;
        let mut chunks: HashMap<u64, Option<Chunk>> = HashMap::new();
        let mut find = |id: u64| *chunks.entry(id).or_insert_with(|| maps::get::<u64, Chunk>(fds.stacks, &id));
        let mut blocks: HashMap<u32, OffBlock> = HashMap::new();
        maps::read_all::<u32, OffBlock>(fds.blocks, |&thread, block| {
            blocks.insert(thread, *block);
        })?;
        let is_known = |key: &Key| !key.walked_by_user() || held.contains_key(&key.user_stack) || told.contains_key(key);
        for part in open.tell(&blocks, switched, self.link.is_none(), is_known) {
            let stacks = told.entry(part.key).or_insert_with(|| {
                let walked = held.remove(&part.key.user_stack).map(|(_, walked)| walked);
                Rc::new(Stacks::of(&part.key, walked, &mut find))
            });
            *stackless += u64::from(!stacks.is_whole());
            rows.push(stacks.row(&part.key, 1, switched, part.ns));
        }
        maps::take_all::<Key, OffCount>(fds.counts[buffer], |key, count| {
            *drained += count.samples;
            let stacks = told.get(key).cloned().unwrap_or_else(|| {
                let walked = held.remove(&key.user_stack).map(|(_, walked)| walked);
                Rc::new(Stacks::of(key, walked, &mut find))
            });
            *stackless += if stacks.is_whole() { 0 } else { count.samples };
            rows.push(stacks.row(key, count.samples, count.first_ns, open.settle(key, count.ns)));
        })?;
        open.end_drain();
        let kept = open.keys();
        told.retain(|key, _| kept.contains(key));
        Ok(())
    }

    fn sum(&self) -> OffBooks {
        self.books[0] + self.books[1]
    }

    /// Chosen blocks that have ended or were lost, and parts of those that had not; and those lost.
    pub fn taken(&self) -> u64 {
        self.sum().taken + self.open.parts()
    }

    pub fn lost(&self) -> u64 {
        let OffBooks { map_full, map_busy, over_budget, .. } = self.sum();
        map_full + map_busy + over_budget
    }

    pub fn filtered(&self) -> u64 {
        self.sum().filtered
    }

    /// Nanoseconds that walks took, as far as buffers were switched; not those of switches that came to nothing.
    pub fn run_ns(&self) -> u64 {
        self.sum().run_ns
    }

    /// As of `Buffers`.
    pub fn undrained(&self) -> u64 {
        self.sum().stored.saturating_sub(self.drained)
    }

    pub fn to_json(&self) -> Value {
        let sum = self.sum();
        json!({
            "blocks": sum.blocks, "taken": sum.taken, "mapFull": sum.map_full, "mapBusy": sum.map_busy, "overBudget": sum.over_budget,
            "filtered": sum.filtered, "notDeferred": sum.not_deferred, "stackless": self.stackless, "told": self.open.parts(),
            "late": self.open.late(), "stacks": self.walks.to_json(),
        })
    }
}
