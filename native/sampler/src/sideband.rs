//! The kernel's records of processes: starts, programs, mappings, names, ends. One event without samples on each CPU.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;

use crate::perf::{self, Event};
use crate::records::{self, Record, parse};
use crate::ring::{PAGE, Ring};

/// 512 KiB a CPU: 800 short-lived processes between two reads.
const PAGES: usize = 128;

pub struct Sideband {
    rings: BTreeMap<i32, Ring>,
    /// Records dropped since the start because a ring was full.
    pub lost: u64,
}

impl Sideband {
    pub fn open(cpus: &[i32]) -> Result<Sideband> {
        let mut sideband = Sideband { rings: BTreeMap::new(), lost: 0 };
        for &cpu in cpus {
            sideband.add(cpu).map_err(|error| perf::explain(&error))?;
        }
        Ok(sideband)
    }

    /// Also for a CPU that came later.
    pub fn add(&mut self, cpu: i32) -> io::Result<()> {
        let attr = perf::process_records((PAGES * PAGE / 2) as u32);
        let ring = match Ring::new(Event::open(&attr, -1, cpu)?, PAGES) {
            // Little memory may be locked: better a small ring than none.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOMEM)) => {
                Ring::new(Event::open(&perf::process_records(8 * PAGE as u32), -1, cpu)?, 16)?
            }
            other => other?,
        };
        ring.event.enable()?;
        self.rings.insert(cpu, ring);
        Ok(())
    }

    pub fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.rings.values().map(|ring| ring.event.raw_fd())
    }

    /// Appends what was recorded; true when records are missing from it.
    pub fn read(&mut self, into: &mut Vec<Record>) -> bool {
        let before = self.lost;
        for ring in self.rings.values() {
            ring.drain(|bytes| match parse(bytes) {
                Some(Record { event: records::Event::Lost(count), .. }) => self.lost += count,
                Some(record) => into.push(record),
                None => {}
            });
        }
        self.lost != before
    }
}
