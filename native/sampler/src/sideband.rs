//! The kernel's records of processes: starts, programs, mappings, names, ends. One event without samples on each CPU.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;

use crate::names::Names;
use crate::perf::{self, Event};
use crate::records::{self, Record, parse};
use crate::ring::Ring;

/// 512 KiB a CPU: 800 short-lived processes between two reads.
const PAGES: usize = 128;

pub struct Sideband {
    rings: BTreeMap<i32, Ring>,
    names: Names,
    /// Records dropped since the start because a ring was full.
    pub lost: u64,
}

impl Sideband {
    pub fn open(cpus: &[i32]) -> Result<Sideband> {
        let mut sideband = Sideband { rings: BTreeMap::new(), names: Names::default(), lost: 0 };
        perf::on_each(cpus, |cpu| sideband.add(cpu))?;
        Ok(sideband)
    }

    /// Also for a CPU that came later.
    pub fn add(&mut self, cpu: i32) -> io::Result<()> {
        let ring = Ring::largest(PAGES, |watermark| Event::open(&perf::process_records(watermark), -1, cpu))?;
        ring.event.enable()?;
        self.rings.insert(cpu, ring);
        Ok(())
    }

    pub fn build_ids(&self) -> bool {
        self.rings.values().all(|ring| ring.event.build_ids)
    }

    /// Follows CPUs that come and go; true when records may be missing because one had no event that ran. What the rings hold must
    /// have been read.
    pub fn refresh(&mut self, online: &[i32]) -> bool {
        self.rings.retain(|cpu, ring| online.contains(cpu) && ring.event.runs());
        let came: Vec<i32> = online.iter().copied().filter(|cpu| !self.rings.contains_key(cpu)).collect();
        for &cpu in &came {
            let _ = self.add(cpu);
        }
        !came.is_empty()
    }

    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.rings.values().map(|ring| ring.event.raw_fd())
    }

    /// Appends what was recorded; true when records are missing from it.
    pub fn read(&mut self, into: &mut Vec<Record>) -> bool {
        let before = self.lost;
        for ring in self.rings.values() {
            ring.drain(|bytes| match parse(bytes, &mut self.names) {
                Some(Record { event: records::Event::Lost(count), .. }) => self.lost += count,
                Some(record) => into.push(record),
                None => {}
            });
        }
        self.lost != before
    }
}
