//! Rung 3: processes of this user only, user space only. What is started by them later is seen as well.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, bail};

use crate::perf::{self, Event, online_cpus};
use crate::records::{self, Record, parse};
use crate::resolver::Resolver;
use crate::ring::{PAGE, Ring};
use crate::sampler::{Lost, Sampler};
use crate::system_wide::Intake;

const PAGES: usize = 32;
const MAX_THREADS: usize = 4096;

pub struct OwnProcesses {
    rate: u64,
    only_pid: Option<u32>,
    cpus: Vec<i32>,
    /// One a CPU, owned by an event of this very program; the events of all others write into them.
    rings: Vec<Ring>,
    /// Thread that was found in /proc -> its events.
    watched: HashMap<u32, Vec<Event>>,
    /// Thread that began in sight -> the watched one whose events it inherited.
    inherited: HashMap<u32, u32>,
    intake: Intake,
}

impl OwnProcesses {
    pub fn open(rate: u64, only_pid: Option<u32>) -> Result<OwnProcesses> {
        raise_open_files();
        let cpus = online_cpus()?;
        let own = std::process::id() as i32;
        let rings = cpus.iter().map(|&cpu| ring(own, cpu)).collect::<io::Result<Vec<_>>>().map_err(|error| perf::explain(&error))?;
        let mut sampler =
            OwnProcesses { rate, only_pid, cpus, rings, watched: HashMap::new(), inherited: HashMap::new(), intake: Intake::new(only_pid) };
        sampler.intake.resolver.begin();
        sampler.refresh();
        if sampler.watched.is_empty() && only_pid.is_some() {
            bail!("process {} cannot be watched: it is gone or belongs to another user", only_pid.unwrap_or(0));
        }
        Ok(sampler)
    }

    fn watch(&self, tid: u32) -> io::Result<Vec<Event>> {
        let mut events = Vec::with_capacity(self.cpus.len());
        for (&cpu, ring) in self.cpus.iter().zip(&self.rings) {
            let event = Event::open(&perf::own_task(self.rate, (PAGES * PAGE / 2) as u32), tid as i32, cpu)?;
            event.write_to(&ring.event)?;
            event.enable()?;
            events.push(event);
        }
        Ok(events)
    }
}

fn ring(own: i32, cpu: i32) -> io::Result<Ring> {
    Ring::largest(PAGES, |watermark| Event::open(&perf::process_records(watermark), own, cpu))
}

impl Sampler for OwnProcesses {
    fn rung(&self) -> u32 {
        3
    }

    fn event(&self) -> &'static str {
        "cpu-clock"
    }

    fn cpus(&self) -> usize {
        self.cpus.len()
    }

    fn descriptors(&self) -> Vec<i32> {
        self.rings.iter().map(|ring| ring.event.raw_fd()).collect()
    }

    fn drain_interval_ms(&self) -> u64 {
        // The rings are small: about 1 KiB a sample.
        (PAGES as u64 * 4 * 1000 / 2 / self.rate).clamp(100, 60_000)
    }

    fn set_rate(&mut self, rate: u64) -> Result<()> {
        for event in self.watched.values().flatten() {
            event.set_rate(rate).context("cannot change the rate")?;
        }
        self.rate = rate;
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let mut records: Vec<Record> = Vec::new();
        for ring in &self.rings {
            ring.drain(|bytes| records.extend(parse(bytes, &mut self.intake.names)));
        }
        for record in &records {
            match record.event {
                records::Event::Fork { tid, parent_tid, .. } => {
                    let root = self.inherited.get(&parent_tid).copied().unwrap_or(parent_tid);
                    self.inherited.insert(tid, root);
                }
                records::Event::Exit { tid, .. } => drop(self.inherited.remove(&tid)),
                _ => {}
            }
        }
        self.intake.take(records, self.rate);
        Ok(())
    }

    fn stop(&mut self) {
        for event in self.watched.values().flatten() {
            let _ = event.disable();
        }
    }

    /// Watches processes that came and were not started by one that is watched.
    fn refresh(&mut self) {
        let threads = own_threads(self.only_pid);
        // The list first, then the records: whatever a watched thread started before the list was made is known by now.
        let _ = self.drain();
        for &tid in &threads {
            if self.watched.len() >= MAX_THREADS {
                break;
            }
            if self.watched.contains_key(&tid) || self.inherited.contains_key(&tid) {
                continue;
            }
            if let Ok(events) = self.watch(tid) {
                self.watched.insert(tid, events);
            }
        }
        // Closing an event ends those that were inherited from it.
        let alive: HashSet<u32> = threads.into_iter().chain(self.inherited.values().copied()).collect();
        self.watched.retain(|tid, _| alive.contains(tid));
    }

    fn taken(&self) -> u64 {
        self.intake.taken()
    }

    fn lost(&self) -> Lost {
        self.intake.lost
    }

    fn sideband_lost(&self) -> u64 {
        0
    }

    fn resolver(&mut self) -> &mut Resolver {
        &mut self.intake.resolver
    }
}

/// Threads of this user, this program left out.
fn own_threads(only_pid: Option<u32>) -> Vec<u32> {
    // SAFETY: geteuid has no preconditions.
    let (user, own) = (unsafe { libc::geteuid() }, std::process::id());
    let numbers = |path: &str| -> Vec<u32> {
        std::fs::read_dir(path).map(|dir| dir.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()).unwrap_or_default()
    };
    numbers("/proc")
        .into_iter()
        .filter(|&pid| pid != own && only_pid.is_none_or(|only| only == pid))
        .filter(|pid| std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|meta| meta.uid() == user))
        .flat_map(|pid| numbers(&format!("/proc/{pid}/task")))
        .collect()
}

/// An event is a descriptor for each thread and CPU.
fn raise_open_files() {
    // SAFETY: both calls get a structure that outlives them.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
