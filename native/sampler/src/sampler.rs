//! What the rungs have in common.

use anyhow::Result;
use serde_json::Value;

use crate::exclusions::Exclusion;
use crate::resolver::Resolver;

/// Cumulative samples lost since the start, by reason.
#[derive(Default, Clone, Copy, Debug, PartialEq)]
pub struct Lost {
    pub map_full: u64,
    pub map_busy: u64,
    pub ring_full: u64,
    pub throttled: u64,
    /// Blocks of threads that were chosen and not stored.
    pub off_cpu: u64,
    /// No loss: left out as the parent asked.
    pub filtered: u64,
}

impl Lost {
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("map-full", self.map_full),
            ("map-busy", self.map_busy),
            ("ring-full", self.ring_full),
            ("throttled", self.throttled),
            ("off-cpu", self.off_cpu),
            ("filtered", self.filtered),
        ]
    }

    pub fn total(&self) -> u64 {
        self.rows().iter().map(|row| row.1).sum()
    }
}

pub trait Sampler {
    fn rung(&self) -> u32;
    /// `cpu-clock` or `cycles`.
    fn event(&self) -> &'static str;
    /// Why it is not `cycles`; "" = it is, or could not be.
    fn event_reason(&self) -> &str {
        ""
    }
    fn cpus(&self) -> usize;
    /// What it uses of the kernel where kernels differ: `walk:bpf_loop` or `walk:tail-calls`, `mmap2-build-ids`.
    fn features(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Why blocked time is left out although it was asked for; "" = it is not.
    fn without_off_cpu(&self) -> &str {
        "only rung 1 knows it"
    }
    /// Readable when something wants to be drained before the window ends.
    fn descriptors(&self) -> Vec<i32>;
    /// Milliseconds after which the buffers could be full.
    fn drain_interval_ms(&self) -> u64 {
        u64::MAX
    }
    /// One of the descriptors is readable: makes room behind it.
    fn wake(&mut self) -> Result<()> {
        self.drain()
    }
    fn set_rate(&mut self, rate: u64) -> Result<()>;
    /// Samples of some cgroups are not wanted (any more); rungs that cannot tell cgroups take them all the same.
    fn exclude(&mut self, _: &Exclusion) -> Result<()> {
        Ok(())
    }
    /// Moves what the kernel has collected into the window.
    fn drain(&mut self) -> Result<()>;
    /// No more samples after this; what was taken can still be drained.
    fn stop(&mut self);
    /// Between windows: CPUs and processes that came.
    fn refresh(&mut self) {}
    fn taken(&self) -> u64;
    fn lost(&self) -> Lost;
    /// Process records lost: names of mappings were read again from /proc.
    fn sideband_lost(&self) -> u64;
    /// Samples that were stored in the kernel and never read: 0 as long as the books balance.
    fn undrained(&self) -> u64 {
        0
    }
    /// What else there is to say once a window: the names of an object.
    fn details(&self) -> Value {
        Value::Null
    }
    fn resolver(&mut self) -> &mut Resolver;
}
