//! One window of samples, interned as it fills and written as PROTOCOL.md lays it out.

use std::collections::HashMap;
use std::hash::Hash;

pub const NO_BINARY: u32 = u32::MAX;
/// Blocked time follows the samples.
const FLAG_BLOCKED: u32 = 1 << 1;
/// Samples stand for more than themselves: a column says for how many.
const FLAG_ONE_IN: u32 = 1 << 2;

/// Row numbers in order of first use.
struct Interner<K> {
    index: HashMap<K, u32>,
    rows: Vec<K>,
}

impl<K: Hash + Eq + Clone> Interner<K> {
    fn new() -> Self {
        Interner { index: HashMap::new(), rows: Vec::new() }
    }

    fn intern(&mut self, key: K) -> u32 {
        if let Some(&row) = self.index.get(&key) {
            return row;
        }
        let row = self.rows.len() as u32;
        self.rows.push(key.clone());
        self.index.insert(key, row);
        row
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    pub kind: u32,
    pub binary: u32,
    pub address: u64,
    pub function: u32,
    pub file: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Process {
    pub pid: u32,
    pub comm: u32,
    pub executable: u32,
    pub cgroup_file: u32,
    pub cgroup_v2: u64,
    pub cgroup_v1: u64,
    pub cgroup_v1_controller: u32,
}

pub struct Window {
    strings: Interner<String>,
    binaries: Interner<(u32, u32, u32)>,
    frames: Interner<Frame>,
    stacks: Interner<(Vec<u32>, u32)>,
    processes: Interner<Process>,
    /// Process, thread, stack, and how many samples each stands for.
    samples: Interner<(u32, u32, u32, u32)>,
    counts: Vec<u32>,
    /// Like `samples`; of each: how many, and nanoseconds.
    blocked: Interner<(u32, u32, u32)>,
    blocks: Vec<(u32, u64)>,
    /// Bytes that strings and stacks will take, about.
    bytes: usize,
}

/// A frame of the protocol holds 64 MiB at most; a drain adds 35 MB at most.
const LARGE_BYTES: usize = 16 << 20;

/// What a window says of itself besides its samples.
pub struct WindowHead<'a> {
    pub last: bool,
    pub start: u64,
    pub end: u64,
    pub period: u64,
    pub taken: u64,
    pub lost: &'a [(&'a str, u64)],
}

impl Window {
    pub fn new() -> Self {
        let mut strings = Interner::new();
        strings.intern(String::new());
        Window {
            strings,
            binaries: Interner::new(),
            frames: Interner::new(),
            stacks: Interner::new(),
            processes: Interner::new(),
            samples: Interner::new(),
            counts: Vec::new(),
            blocked: Interner::new(),
            blocks: Vec::new(),
            bytes: 0,
        }
    }

    pub fn string(&mut self, text: &str) -> u32 {
        if let Some(&row) = self.strings.index.get(text) {
            return row;
        }
        self.bytes += text.len() + 4;
        self.strings.intern(text.to_owned())
    }

    /// It should end before its time.
    pub fn is_large(&self) -> bool {
        self.bytes > LARGE_BYTES
    }

    pub fn binary(&mut self, path: &str, build_id: &str, htl_hash: &str) -> u32 {
        let row = (self.string(path), self.string(build_id), self.string(htl_hash));
        self.binaries.intern(row)
    }

    pub fn frame(&mut self, frame: Frame) -> u32 {
        self.frames.intern(frame)
    }

    pub fn process(&mut self, process: Process) -> u32 {
        self.processes.intern(process)
    }

    /// `frames` leaf first; each of the `count` samples stands for `one_in`.
    pub fn sample(&mut self, process: u32, thread: u32, frames: Vec<u32>, flags: u32, one_in: u32, count: u64) {
        let stack = self.stack(frames, flags);
        let row = self.samples.intern((process, thread, stack, one_in)) as usize;
        if row == self.counts.len() {
            self.counts.push(0);
        }
        self.counts[row] = self.counts[row].saturating_add(count.min(u64::from(u32::MAX)) as u32);
    }

    /// Threads were blocked `count` times that were seen, for so long in all as is estimated from them.
    pub fn blocked(&mut self, process: u32, thread: u32, frames: Vec<u32>, flags: u32, count: u64, ns: u64) {
        let stack = self.stack(frames, flags);
        let row = self.blocked.intern((process, thread, stack)) as usize;
        if row == self.blocks.len() {
            self.blocks.push((0, 0));
        }
        let (blocks, sum) = &mut self.blocks[row];
        *blocks = blocks.saturating_add(count.min(u64::from(u32::MAX)) as u32);
        *sum = sum.saturating_add(ns);
    }

    fn stack(&mut self, frames: Vec<u32>, flags: u32) -> u32 {
        let (known, length) = (self.stacks.rows.len(), frames.len());
        let stack = self.stacks.intern((frames, flags));
        if self.stacks.rows.len() > known {
            self.bytes += 4 * length + 8;
        }
        stack
    }

    pub fn encode(mut self, head: &WindowHead) -> Vec<u8> {
        let lost: Vec<(u32, u64)> = head.lost.iter().map(|&(reason, count)| (self.string(reason), count)).collect();
        let mut out = Columns(Vec::with_capacity(64 << 10));
        out.u32(1);
        let has_blocked = !self.blocks.is_empty();
        let some_thinned = self.samples.rows.iter().any(|sample| sample.3 != 1);
        let optional = [(has_blocked, FLAG_BLOCKED), (some_thinned, FLAG_ONE_IN)];
        out.u32(optional.iter().filter(|part| part.0).fold(u32::from(head.last), |flags, part| flags | part.1));
        for value in [head.start, head.end, head.period, head.taken] {
            out.u64(value);
        }
        out.u32(lost.len() as u32);
        for (reason, count) in lost {
            out.u32(reason);
            out.u32(0);
            out.u64(count);
        }
        let bytes: usize = self.strings.rows.iter().map(String::len).sum();
        let depth: usize = self.stacks.rows.iter().map(|stack| stack.0.len()).sum();
        let lengths = [
            self.strings.rows.len(),
            self.binaries.rows.len(),
            self.frames.rows.len(),
            self.stacks.rows.len(),
            depth,
            self.processes.rows.len(),
            self.samples.rows.len(),
            bytes,
        ];
        for length in lengths {
            out.u32(length as u32);
        }
        out.column32(offsets(self.strings.rows.iter().map(String::len)));
        out.pad();
        for text in &self.strings.rows {
            out.0.extend_from_slice(text.as_bytes());
        }
        let binaries = &self.binaries.rows;
        out.column32(binaries.iter().map(|b| b.0));
        out.column32(binaries.iter().map(|b| b.1));
        out.column32(binaries.iter().map(|b| b.2));
        let frames = &self.frames.rows;
        out.column32(frames.iter().map(|f| f.kind));
        out.column32(frames.iter().map(|f| f.binary));
        out.column64(frames.iter().map(|f| f.address));
        out.column32(frames.iter().map(|f| f.function));
        out.column32(frames.iter().map(|f| f.file));
        let stacks = &self.stacks.rows;
        out.column32(offsets(stacks.iter().map(|s| s.0.len())));
        out.column32(stacks.iter().flat_map(|s| s.0.iter().copied()));
        out.column32(stacks.iter().map(|s| s.1));
        let processes = &self.processes.rows;
        out.column32(processes.iter().map(|p| p.pid));
        out.column32(processes.iter().map(|p| p.comm));
        out.column32(processes.iter().map(|p| p.executable));
        out.column32(processes.iter().map(|p| p.cgroup_file));
        out.column64(processes.iter().map(|p| p.cgroup_v2));
        out.column64(processes.iter().map(|p| p.cgroup_v1));
        out.column32(processes.iter().map(|p| p.cgroup_v1_controller));
        let samples = &self.samples.rows;
        out.column32(samples.iter().map(|s| s.0));
        out.column32(samples.iter().map(|s| s.1));
        out.column32(samples.iter().map(|s| s.2));
        out.column32(self.counts.iter().copied());
        if some_thinned {
            out.column32(samples.iter().map(|s| s.3));
        }
        if has_blocked {
            let blocked = &self.blocked.rows;
            out.pad();
            out.u32(blocked.len() as u32);
            out.column32(blocked.iter().map(|s| s.0));
            out.column32(blocked.iter().map(|s| s.1));
            out.column32(blocked.iter().map(|s| s.2));
            out.column32(self.blocks.iter().map(|b| b.0));
            out.column64(self.blocks.iter().map(|b| b.1));
        }
        out.pad();
        out.0
    }
}

fn offsets(lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = u32> {
    let mut total = 0u32;
    std::iter::once(0).chain(lengths.map(move |length| {
        total += length as u32;
        total
    }))
}

struct Columns(Vec<u8>);

impl Columns {
    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Every column starts at a multiple of 8.
    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
    }

    fn column32(&mut self, values: impl Iterator<Item = u32>) {
        self.pad();
        values.for_each(|value| self.u32(value));
    }

    fn column64(&mut self, values: impl Iterator<Item = u64>) {
        self.pad();
        values.for_each(|value| self.u64(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_samples_are_one_row_with_a_count() {
        let mut window = Window::new();
        let kind = window.string("native");
        let frame = window.frame(Frame { kind, binary: NO_BINARY, address: 0, function: kind, file: 0 });
        let process = window.process(Process { pid: 7, comm: 0, executable: 0, cgroup_file: 0, cgroup_v2: 0, cgroup_v1: 0, cgroup_v1_controller: 0 });
        for _ in 0..3 {
            window.sample(process, 0, vec![frame], 0, 1, 1);
        }
        window.sample(process, 0, vec![], 2, 1, 1);
        assert_eq!(window.counts, [3, 1]);
        let bytes = window.encode(&WindowHead { last: true, start: 1, end: 2, period: 3, taken: 4, lost: &[("ring-full", 9)] });
        assert_eq!(bytes.len() % 8, 0);
        assert_eq!(bytes[..8], [1, 0, 0, 0, 1, 0, 0, 0]);
    }
}
