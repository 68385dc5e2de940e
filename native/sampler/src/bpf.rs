//! Rung 1: a BPF program at every tick of each CPU counts stacks in the kernel (bpf/sampler.bpf.c); this side sleeps, then
//! switches buffers and reads the old one.

mod opening;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use libbpf_rs::{Object, RingBuffer};
use serde_json::{Value, json};

use crate::bpf_cost::run_time_ms;
use crate::bpf_load::Descriptors;
use crate::bpf_structs::Stop;
use crate::buffers::{Buffers, Row};
use crate::chunks;
use crate::deferred::Deferred;
use crate::exclusions::Exclusion;
use crate::off_cpu::OffCpu;
use crate::perf::{Clock, Event as PerfEvent, online_cpus};
use crate::records::Record;
use crate::resolver::{Resolver, Sample, Thread};
use crate::sampler::{Lost, Sampler};
use crate::sideband::Sideband;
use crate::system::poll;
use crate::unwinder::Unwinder;
use crate::walks::Walks;

/// How long a window may wait for the tables of its samples: that of a large binary takes about a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// The last window: whoever stops a sampler sends it on before it ends itself, and has two seconds for all of that.
const LAST_PATIENCE: Duration = Duration::from_millis(300);
/// A window's records are replayed early when there are more.
const MANY_RECORDS: usize = 50_000;

pub struct Bpf {
    clock: Clock,
    without_cycles: String,
    rate: u64,
    stacks: u64,
    events: BTreeMap<i32, PerfEvent>,
    sideband: Sideband,
    /// Records younger than the last switch of buffers.
    records: Vec<Record>,
    records_lost: bool,
    /// Of the next drain.
    patience: Duration,
    ring: RingBuffer<'static>,
    /// What the ring's callback has copied out of it.
    deferred: Rc<RefCell<Vec<Deferred>>>,
    /// Owns what the descriptors name.
    object: Object,
    off_cpu: Option<OffCpu>,
    /// Why blocked time is left out although it was asked for.
    without_off_cpu: String,
    fds: Descriptors,
    buffers: Buffers,
    unwinder: Unwinder,
    walks: Walks,
    resolver: Resolver,
}

impl Bpf {
    /// Takes in records and deferred samples and gives the kernel the tables that they ask for.
    fn pump(&mut self) -> Result<()> {
        // The samples first: whatever their processes mapped before them is in the records then.
        self.ring.consume().context("cannot read the ring of the BPF program")?;
        let known = self.records.len();
        if self.sideband.read(&mut self.records) {
            self.records_lost = true;
            self.unwinder.forget_all();
        }
        self.records[known..].sort_by_key(|record| record.time);
        let samples = std::mem::take(&mut *self.deferred.borrow_mut());
        self.unwinder.take(&self.records[known..], samples, &mut self.resolver.processes.binaries).context("cannot give tables to the BPF program")
    }

    fn drain_buffer(&mut self) -> Result<()> {
        let (old, switched) = self.buffers.switch(&self.fds)?;
        self.resolver.close();
        self.unwinder.tables.settle();
        self.unwinder.tables.begin_window()?;
        self.pump()?;
        // Other samples come meanwhile, and their ring is small.
        let deadline = Instant::now() + self.patience;
        self.patience = (2 * self.patience).min(PATIENCE);
        while self.unwinder.waits_for_tables(old as u32) && Instant::now() < deadline {
            poll(&[self.unwinder.descriptor(), self.ring.epoll_fd()], Duration::from_millis(100));
            self.pump()?;
        }
        let (blocked, finished): (Vec<_>, Vec<_>) = self.unwinder.finish(old as u32).into_iter().partition(|sample| sample.key.off_cpu());
        let (mut rows, stacks) = self.buffers.read(&self.fds, old, finished)?;
        if let Some(off_cpu) = &mut self.off_cpu {
            off_cpu.close(old)?;
            off_cpu.hold(blocked.into_iter());
            off_cpu.read(old, switched, &mut rows)?;
        }
        rows.sort_by_key(|row| row.first_ns);
        if std::mem::take(&mut self.records_lost) {
            self.resolver.processes.forget_all();
        }
        self.records.sort_by_key(|record| record.time);
        self.resolver.processes.refresh_jit_names();
        let later = self.records.partition_point(|record| record.time <= switched);
        let mut records = self.records.drain(..later).peekable();
        for Row { key, kernel, user, stop, samples, first_ns, blocked_ns } in rows {
            while let Some(record) = records.next_if(|record| record.time <= first_ns) {
                self.resolver.apply(record.event);
            }
            if !user.is_empty() {
                let walks = self.off_cpu.as_mut().filter(|_| blocked_ns.is_some()).map_or(&mut self.walks, |off_cpu| &mut off_cpu.walks);
                walks.add(stop, samples);
            }
            self.resolver.sample(&Sample {
                pid: key.tgid,
                thread: Thread::Name(&key.thread_name()),
                cgroup_v2: key.cgroup_v2,
                cgroup_v1: key.cgroup_v1,
                time: first_ns,
                kernel: &if blocked_ns.is_some() { kernel } else { chunks::stack(&stacks, key.kernel_stack) },
                user: &user,
                cut: key.kernel_cut() || stop == Stop::Depth,
                count: samples,
                one_in: key.one_in(),
                blocked_ns,
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

    fn event_reason(&self) -> &str {
        &self.without_cycles
    }

    fn cpus(&self) -> usize {
        self.events.len()
    }

    fn features(&self) -> Vec<&'static str> {
        let walk = if self.fds.by_calls { "walk:tail-calls" } else { "walk:bpf_loop" };
        let off_cpu = self.off_cpu.as_ref().map(|_| "off-cpu");
        [walk].into_iter().chain(self.sideband.build_ids().then_some("mmap2-build-ids")).chain(off_cpu).collect()
    }

    fn without_off_cpu(&self) -> &str {
        &self.without_off_cpu
    }

    fn descriptors(&self) -> Vec<i32> {
        self.sideband.descriptors().chain([self.ring.epoll_fd(), self.unwinder.descriptor()]).collect()
    }

    fn drain_interval_ms(&self) -> u64 {
        (self.stacks / 2 * 800 / (self.rate * self.events.len().max(1) as u64)).max(200)
    }

    fn set_rate(&mut self, rate: u64) -> Result<()> {
        for event in self.events.values() {
            event.set_rate(rate).context("cannot change the rate")?;
        }
        self.rate = rate;
        self.off_cpu.as_ref().map_or(Ok(()), |off_cpu| off_cpu.set_rate(rate))
    }

    fn exclude(&mut self, change: &Exclusion) -> Result<()> {
        self.buffers.exclude(&self.fds, change)
    }

    fn wake(&mut self) -> Result<()> {
        if self.records.len() > MANY_RECORDS {
            return self.drain_buffer();
        }
        self.pump()
    }

    fn drain(&mut self) -> Result<()> {
        self.drain_buffer()
    }

    fn stop(&mut self) {
        self.patience = self.patience.min(LAST_PATIENCE);
        for event in self.events.values() {
            let _ = event.disable();
        }
        if let Some(off_cpu) = &mut self.off_cpu {
            off_cpu.detach();
        }
    }

    fn refresh(&mut self) {
        let Ok(online) = online_cpus() else { return };
        if self.sideband.refresh(&online) {
            self.records_lost = true;
            self.unwinder.forget_all();
        }
        self.events.retain(|cpu, event| online.contains(cpu) && event.runs());
        for cpu in online {
            if !self.events.contains_key(&cpu) {
                let _ = self.add(cpu);
            }
        }
    }

    fn taken(&self) -> u64 {
        self.buffers.taken() + self.off_cpu.as_ref().map_or(0, OffCpu::taken)
    }

    fn lost(&self) -> Lost {
        let mut lost = self.buffers.lost();
        if let Some(off_cpu) = &self.off_cpu {
            lost.off_cpu = off_cpu.lost();
            lost.filtered += off_cpu.filtered();
        }
        lost
    }

    fn sideband_lost(&self) -> u64 {
        self.sideband.lost
    }

    fn undrained(&self) -> u64 {
        self.buffers.undrained() + self.off_cpu.as_ref().map_or(0, OffCpu::undrained)
    }

    fn details(&self) -> Value {
        let (tables, unwinder) = (self.unwinder.tables.stats(), &self.unwinder.stats);
        let mut details = json!({
            "stacks": self.walks.to_json(),
            "deferred": unwinder.deferred,
            "tables": {
                "loaded": tables.loaded, "bytes": tables.words * 8, "limit": tables.capacity * 8,
                "evicted": tables.evicted, "noRoom": tables.no_room, "failed": unwinder.failed,
            },
        });
        let mut own = self.buffers.run_ns() / 1_000_000;
        let mut counted = run_time_ms(self.fds.program);
        if let Some(off_cpu) = &self.off_cpu {
            details["offCpu"] = off_cpu.to_json();
            own += off_cpu.run_ns() / 1_000_000;
            counted = counted.map(|ms| ms + run_time_ms(off_cpu.program()).unwrap_or(0));
        }
        // The kernel's count has the interrupts and switches in it that were no samples, where it counts at all.
        details["bpfMs"] = counted.map_or(own, |counted| counted.max(own)).into();
        details
    }

    fn resolver(&mut self) -> &mut Resolver {
        &mut self.resolver
    }
}
