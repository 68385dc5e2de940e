//! Rung 2: the whole system through `perf_event_open`, call chains by frame pointers, aggregated here.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context, Result};

use crate::kallsyms::Kallsyms;
use crate::names::Names;
use crate::perf::{self, Clock, Event as PerfEvent, MAX_STACK, online_cpus};
use crate::records::{Event, Record, parse};
use crate::resolver::{Resolver, Sample, Thread};
use crate::ring::Ring;
use crate::sampler::{Lost, Sampler};
use crate::sideband::Sideband;

/// Markers in a call chain: what follows is of this context (enum perf_callchain_context).
const CONTEXT_KERNEL: u64 = -128i64 as u64;
const CONTEXT_USER: u64 = -512i64 as u64;
const CONTEXT_MAX: u64 = -4095i64 as u64;

pub struct SystemWide {
    clock: Clock,
    without_cycles: String,
    rate: u64,
    pages: usize,
    rings: BTreeMap<i32, Ring>,
    sideband: Sideband,
    intake: Intake,
}

impl SystemWide {
    pub fn open(rate: u64, window_seconds: u64, only_pid: Option<u32>) -> Result<SystemWide> {
        let (clock, without_cycles) = Clock::best();
        // Room for a window of full stacks, between 256 KiB and 8 MiB a CPU.
        let pages = ((rate * window_seconds * 1100) / 4096).clamp(64, 2048).next_power_of_two() as usize;
        let cpus = online_cpus()?;
        let sideband = Sideband::open(&cpus)?;
        let mut sampler = SystemWide { clock, without_cycles, rate, pages, rings: BTreeMap::new(), sideband, intake: Intake::new(only_pid) };
        sampler.intake.resolver.begin();
        perf::on_each(&cpus, |cpu| sampler.add(cpu))?;
        sampler.intake.resolver.processes.read_all();
        Ok(sampler)
    }

    fn add(&mut self, cpu: i32) -> io::Result<()> {
        let ring = Ring::largest(self.pages, |watermark| PerfEvent::open(&perf::call_chains(self.clock, self.rate, watermark), -1, cpu))?;
        ring.event.enable()?;
        self.rings.insert(cpu, ring);
        Ok(())
    }
}

impl Sampler for SystemWide {
    fn rung(&self) -> u32 {
        2
    }

    fn event(&self) -> &'static str {
        self.clock.name()
    }

    fn event_reason(&self) -> &str {
        &self.without_cycles
    }

    fn cpus(&self) -> usize {
        self.rings.len()
    }

    fn features(&self) -> Vec<&'static str> {
        self.sideband.build_ids().then_some("mmap2-build-ids").into_iter().collect()
    }

    fn descriptors(&self) -> Vec<i32> {
        self.rings.values().map(|ring| ring.event.raw_fd()).chain(self.sideband.descriptors()).collect()
    }

    fn set_rate(&mut self, rate: u64) -> Result<()> {
        for ring in self.rings.values() {
            ring.event.set_rate(rate).context("cannot change the rate")?;
        }
        self.rate = rate;
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let mut records: Vec<Record> = Vec::new();
        for ring in self.rings.values() {
            ring.drain(|bytes| records.extend(parse(bytes, &mut self.intake.names)));
        }
        // Read after the samples, so that no sample is older than what is known of its process.
        if self.sideband.read(&mut records) {
            self.intake.resolver.processes.forget_all();
        }
        self.intake.take(records, self.rate);
        Ok(())
    }

    fn stop(&mut self) {
        for ring in self.rings.values() {
            let _ = ring.event.disable();
        }
    }

    fn refresh(&mut self) {
        let Ok(online) = online_cpus() else { return };
        if self.sideband.refresh(&online) {
            self.intake.resolver.processes.forget_all();
        }
        self.rings.retain(|cpu, ring| online.contains(cpu) && ring.event.runs());
        for cpu in online {
            if !self.rings.contains_key(&cpu) {
                let _ = self.add(cpu);
            }
        }
    }

    fn taken(&self) -> u64 {
        self.intake.taken()
    }

    fn lost(&self) -> Lost {
        self.intake.lost
    }

    fn sideband_lost(&self) -> u64 {
        self.sideband.lost
    }

    fn resolver(&mut self) -> &mut Resolver {
        &mut self.intake.resolver
    }
}

/// Counts samples of rings and hands them on.
pub struct Intake {
    pub resolver: Resolver,
    pub names: Names,
    only_pid: Option<u32>,
    counted: u64,
    pub lost: Lost,
    /// When each throttling that lasts began, in order.
    throttled_since: Vec<u64>,
}

impl Intake {
    pub fn new(only_pid: Option<u32>) -> Intake {
        Intake {
            resolver: Resolver::new(String::new(), Kallsyms::load()),
            names: Names::default(),
            only_pid,
            counted: 0,
            lost: Lost::default(),
            throttled_since: Vec::new(),
        }
    }

    pub fn taken(&self) -> u64 {
        self.counted + self.lost.total()
    }

    /// In the order of the kernel's clock, whatever ring a record came from.
    pub fn take(&mut self, mut records: Vec<Record>, rate: u64) {
        records.sort_by_key(|record| record.time);
        self.resolver.processes.refresh_jit_names();
        for Record { time, event } in records {
            match event {
                Event::Sample { pid, tid, chain } => self.sample(pid, tid, time, &chain),
                // With one process chosen nobody knows whose samples these were: none of them counts.
                Event::Lost(_) | Event::Throttle | Event::Unthrottle if self.only_pid.is_some() => {}
                Event::Lost(count) => self.lost.ring_full += count,
                Event::Throttle => self.throttled_since.push(time),
                Event::Unthrottle => {
                    if let Some(since) = self.throttled_since.pop() {
                        self.lost.throttled += (time.saturating_sub(since).saturating_mul(rate) / 1_000_000_000).max(1);
                    }
                }
                event => self.resolver.apply(event),
            }
        }
    }

    fn sample(&mut self, pid: u32, tid: u32, time: u64, chain: &[u64]) {
        if pid == 0 || self.only_pid.is_some_and(|only| only != pid) {
            return;
        }
        self.counted += 1;
        let (kernel, user) = split(chain);
        let cut = kernel.len() + user.len() >= usize::from(MAX_STACK);
        self.resolver.sample(&Sample {
            pid,
            thread: Thread::Id(tid),
            cgroup_v2: 0,
            cgroup_v1: 0,
            time,
            kernel: &kernel,
            user: &user,
            cut,
            count: 1,
            one_in: 1,
            blocked_ns: None,
        });
    }
}

/// Kernel and user part of a call chain, without the marks between them.
fn split(chain: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (mut kernel, mut user) = (Vec::new(), Vec::new());
    let mut context = CONTEXT_USER;
    for &ip in chain {
        match (ip, context) {
            (CONTEXT_MAX.., _) => context = ip,
            (_, CONTEXT_KERNEL) => kernel.push(ip),
            (_, CONTEXT_USER) => user.push(ip),
            _ => {}
        }
    }
    (kernel, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_chain_at_its_marks() {
        let guest = -2048i64 as u64;
        assert_eq!(split(&[CONTEXT_KERNEL, 1, 2, guest, 9, CONTEXT_USER, 3]), (vec![1, 2], vec![3]));
        assert_eq!(split(&[]), (vec![], vec![]));
    }
}
