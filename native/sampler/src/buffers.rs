//! The two buffers that the BPF program counts in: one is active, the other is read.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bpf_load::Descriptors;
use crate::bpf_maps as maps;
use crate::bpf_structs::{Books, Count, Key, SOME_EXCLUDED, Stop};
use crate::chunks::{self, Chunk};
use crate::excluded::Excluded;
use crate::exclusions::Exclusion;
use crate::sampler::Lost;
use crate::system::{grace_period, monotonic};
use crate::unwinder::Finished;

/// How long a switched buffer may take to come to rest. A run of the program takes microseconds.
const REST: Duration = Duration::from_millis(200);

/// Chunks of stacks by their ids.
pub type Stacks = HashMap<u64, Chunk>;

/// Samples that are equal, or one that was walked here.
pub struct Row {
    pub key: Key,
    /// Of blocked time. That of ticks is read out of the stacks when it is wanted.
    pub kernel: Vec<u64>,
    pub user: Vec<u64>,
    pub stop: Stop,
    pub samples: u64,
    pub first_ns: u64,
    /// Nanoseconds that threads were blocked; None = of ticks.
    pub blocked_ns: Option<u64>,
}

#[derive(Default)]
pub struct Buffers {
    active: u32,
    excluded: Excluded,
    /// Read from each buffer so far: samples of counts.
    drained: [u64; 2],
    books: [Books; 2],
}

impl Buffers {
    /// Makes the other buffer the active one and waits until nobody writes to the old one. Its index and books, and when it was
    /// switched (nanoseconds of CLOCK_MONOTONIC).
    pub fn switch(&mut self, fds: &Descriptors) -> Result<(usize, u64)> {
        let old = self.active as usize;
        let switched = monotonic();
        self.activate(fds, 1 - self.active).context("cannot switch the buffers")?;
        grace_period();
        let deadline = Instant::now() + REST;
        loop {
            self.books[old] = maps::books(fds.books, old as u32)?;
            if self.books[old].balanced() || Instant::now() > deadline {
                return Ok((old, switched));
            }
            std::thread::yield_now();
        }
    }

    /// The program reads both in one word.
    fn activate(&mut self, fds: &Descriptors, buffer: u32) -> io::Result<()> {
        let some = if self.excluded.is_empty() { 0 } else { SOME_EXCLUDED };
        maps::set(fds.active, &0u32, &(buffer | some))?;
        self.active = buffer;
        Ok(())
    }

    /// Samples of other cgroups are left out from now on.
    pub fn exclude(&mut self, fds: &Descriptors, change: &Exclusion) -> Result<()> {
        let applied = self.excluded.apply(fds.excluded, change);
        self.activate(fds, self.active).context("cannot tell the BPF program of excluded cgroups")?;
        applied
    }

    /// Takes everything out of a buffer that nobody writes to: its rows and those of its samples that were walked here.
    pub fn read(&mut self, fds: &Descriptors, buffer: usize, finished: Vec<Finished>) -> Result<(Vec<Row>, Stacks)> {
        let mut stacks = Stacks::new();
        maps::take_all::<u64, Chunk>(fds.stacks[buffer], |&id, chunk| {
            stacks.insert(id, *chunk);
        })?;
        let mut rows: Vec<Row> = Vec::new();
        for sample in finished {
            let (user, stop) = (sample.walked.frames, sample.walked.stop);
            rows.push(Row { key: sample.key, kernel: Vec::new(), user, stop, samples: 1, first_ns: sample.time_ns, blocked_ns: None });
        }
        maps::take_all::<Key, Count>(fds.counts[buffer], |key, count| {
            let user = chunks::stack(&stacks, key.user_stack);
            let (samples, first_ns) = (count.samples, count.first_ns);
            rows.push(Row { key: *key, kernel: Vec::new(), user, stop: key.stop(), samples, first_ns, blocked_ns: None });
        })?;
        self.drained[buffer] += rows.iter().map(|row| row.samples).sum::<u64>();
        Ok((rows, stacks))
    }

    pub fn taken(&self) -> u64 {
        self.books.iter().map(|books| books.taken).sum()
    }

    /// Nanoseconds that the program took, as far as buffers were switched.
    pub fn run_ns(&self) -> u64 {
        self.books.iter().map(|books| books.run_ns).sum()
    }

    pub fn lost(&self) -> Lost {
        Lost {
            map_full: self.books.iter().map(|books| books.map_full).sum(),
            map_busy: self.books.iter().map(|books| books.map_busy).sum(),
            filtered: self.books.iter().map(|books| books.filtered).sum(),
            ..Lost::default()
        }
    }

    /// Samples that the program has stored and that were not read.
    pub fn undrained(&self) -> u64 {
        let stored: u64 = self.books.iter().map(|books| books.stored + books.deferred).sum();
        stored.saturating_sub(self.drained.iter().sum())
    }
}
