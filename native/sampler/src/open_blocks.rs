//! Blocks that have not ended when a window does: the part of them that the window has seen is told then, so that a thread which
//! sleeps for an hour shows all the time and not an hour later.
//!
//! The BPF program knows nothing of it: it counts a block with all of its length when it ends. What was told of it before is owed from
//! then on, and taken off the counts of its key (process, thread name, cgroups, stacks), the same number by the same formula, so that
//! all that is told of a block adds up to its length. A block that ends while a buffer is read is counted in the other one: the debt
//! waits for that.
//!
//! Work is bounded: at most as many blocks as the kernel keeps are looked at, and `MAX_PARTS` of them told, those first that waited
//! longest. What is left for later loses nothing: its part grows until it is told or the block ends.

use std::collections::{HashMap, HashSet};

use crate::bpf_maps::Plain;
use crate::bpf_structs::Key;

/// Blocks that are told at once, for each of which a window may have a row more.
const MAX_PARTS: usize = 2048;
/// A block that is younger will mostly have ended soon.
const LEAST_NS: u64 = 1_000_000_000;
/// A debt is paid by the buffer that is being read or the next one; or its block was lost, and said so.
const DRAINS: u32 = 2;
/// `CERTAIN` of the BPF program
const CERTAIN: u64 = 1 << 16;
/// `LONGEST_NS`
const LONGEST_NS: u64 = (1 << 46) - 1;

/// `struct off_block`: a chosen block that has not ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct OffBlock {
    pub key: Key,
    task: u64,
    since_ns: u64,
    chance: u32,
    place: u32,
}

// SAFETY: integers and arrays of them, without padding.
unsafe impl Plain for OffBlock {}

impl OffBlock {
    /// Nanoseconds that it counts as at this time, as the program would if it ended now.
    fn weight(&self, now: u64) -> u64 {
        let ns = now.saturating_sub(self.since_ns).min(LONGEST_NS);
        (ns * CERTAIN / u64::from(self.chance.max(1))).wrapping_mul(u64::from(self.key.one_in()))
    }
}

/// By its thread and when it began.
type Id = (u32, u64);

struct Told {
    key: Key,
    until_ns: u64,
    weight: u64,
}

/// What is told of a block now.
pub struct Part {
    pub key: Key,
    /// Nanoseconds, divided by the block's chance.
    pub ns: u64,
}

#[derive(Default)]
pub struct OpenBlocks {
    told: HashMap<Id, Told>,
    /// Nanoseconds of blocks that have ended and were told before, and for how many more drains.
    owed: HashMap<Key, (u64, u32)>,
    /// Parts told so far.
    parts: u64,
    /// Blocks that were due and had to wait, once for each time.
    late: u64,
}

impl OpenBlocks {
    /// What to tell of the blocks that are open, up to `until` (nanoseconds of CLOCK_MONOTONIC), which is not later than when they were
    /// read. Those told before that are not among them have ended. `all`: however young they are, since it is the last time.
    pub fn tell(&mut self, open: &HashMap<u32, OffBlock>, until: u64, all: bool, is_walked: impl Fn(&Key) -> bool) -> Vec<Part> {
        self.told.retain(|&(thread, since), told| {
            let stays = open.get(&thread).is_some_and(|block| block.since_ns == since);
            if !stays {
                let owed = self.owed.entry(told.key).or_default();
                *owed = (owed.0 + told.weight, DRAINS);
            }
            stays
        });
        let least = if all { 1 } else { LEAST_NS };
        let mut due: Vec<(u64, Id)> = Vec::new();
        for (&thread, block) in open {
            let id = (thread, block.since_ns);
            let from = self.told.get(&id).map_or(block.since_ns, |told| told.until_ns);
            if until.saturating_sub(from) >= least {
                due.push((from, id));
            }
        }
        due.sort_unstable();
        let mut parts = Vec::new();
        for (at, (_, id)) in due.iter().enumerate() {
            let block = &open[&id.0];
            if parts.len() == MAX_PARTS {
                self.late += (due.len() - at) as u64;
                break;
            }
            if !is_walked(&block.key) {
                self.late += 1;
                continue;
            }
            let told = self.told.entry(*id).or_insert(Told { key: block.key, until_ns: 0, weight: 0 });
            let weight = block.weight(until);
            parts.push(Part { key: block.key, ns: weight.saturating_sub(told.weight) });
            (told.until_ns, told.weight) = (until, weight);
        }
        self.parts += parts.len() as u64;
        parts
    }

    /// What is left of an ended block's count (or that of several with one key) when what was told before is taken off.
    pub fn settle(&mut self, key: &Key, ns: u64) -> u64 {
        let Some((owed, _)) = self.owed.get_mut(key) else { return ns };
        let paid = ns.min(*owed);
        *owed -= paid;
        ns - paid
    }

    /// All counts of a buffer were settled.
    pub fn end_drain(&mut self) {
        self.owed.retain(|_, (owed, drains)| {
            *drains -= 1;
            *owed > 0 && *drains > 0
        });
    }

    /// Of blocks that were told and have not ended or are not settled.
    pub fn keys(&self) -> HashSet<Key> {
        self.told.values().map(|told| told.key).chain(self.owed.keys().copied()).collect()
    }

    pub fn parts(&self) -> u64 {
        self.parts
    }

    pub fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf_maps::from_bytes;

    const S: u64 = 1_000_000_000;

    /// Of a thread that is blocked since then, with this chance of 65536; `stack` tells keys apart.
    fn block(since_ns: u64, chance: u32, stack: u64) -> OffBlock {
        let mut bytes = [0u8; size_of::<OffBlock>()];
        bytes[..8].copy_from_slice(&stack.to_le_bytes());
        bytes[64..72].copy_from_slice(&since_ns.to_le_bytes());
        bytes[72..76].copy_from_slice(&chance.to_le_bytes());
        from_bytes(&bytes).unwrap()
    }

    /// Stack and nanoseconds.
    fn told(blocks: &mut OpenBlocks, open: &HashMap<u32, OffBlock>, until: u64) -> Vec<(u64, u64)> {
        let mut parts: Vec<_> = blocks.tell(open, until, false, |_| true).iter().map(|part| (part.key.kernel_stack, part.ns)).collect();
        parts.sort_unstable();
        parts
    }

    #[test]
    fn is_as_large_as_the_programs() {
        assert_eq!(size_of::<OffBlock>(), 80);
    }

    #[test]
    fn parts_of_a_block_and_what_is_left_at_its_end_are_its_length() {
        let mut blocks = OpenBlocks::default();
        let one = block(10 * S, 65536 / 3, 7);
        let open = HashMap::from([(1, one)]);
        // The length of three that were as long, to the last nanosecond as the program divides.
        let length = |ns: u64| ns * 65536 / (65536 / 3);
        assert_eq!(told(&mut blocks, &open, 12 * S + 1), [(7, length(2 * S + 1))]);
        blocks.end_drain();
        assert_eq!(told(&mut blocks, &open, 15 * S), [(7, length(5 * S) - length(2 * S + 1))]);
        blocks.end_drain();
        // It ended after 7 s, and another one of the same stack after one.
        assert_eq!(told(&mut blocks, &HashMap::new(), 18 * S), []);
        assert_eq!(blocks.settle(&block(0, 1, 8).key, 5), 5);
        assert_eq!(blocks.settle(&one.key, length(7 * S) + S), length(7 * S) + S - length(5 * S));
        assert_eq!(blocks.settle(&one.key, S), S);
    }

    #[test]
    fn a_block_that_ends_while_a_buffer_is_read_is_settled_in_the_next_one() {
        let mut blocks = OpenBlocks::default();
        let one = block(0, 65536, 7);
        assert_eq!(told(&mut blocks, &HashMap::from([(1, one)]), 5 * S), [(7, 5 * S)]);
        blocks.end_drain();
        assert_eq!(told(&mut blocks, &HashMap::new(), 10 * S), []);
        blocks.end_drain();
        assert_eq!(told(&mut blocks, &HashMap::new(), 15 * S), []);
        assert_eq!(blocks.settle(&one.key, 10 * S), 5 * S);
        blocks.end_drain();
        // One that never comes was lost, and is nobody else's.
        assert_eq!(told(&mut blocks, &HashMap::from([(1, block(20 * S, 65536, 7))]), 25 * S), [(7, 5 * S)]);
        assert_eq!(told(&mut blocks, &HashMap::new(), 30 * S), []);
        blocks.end_drain();
        blocks.end_drain();
        assert_eq!(blocks.settle(&one.key, 9 * S), 9 * S);
    }

    #[test]
    fn a_thread_that_blocks_anew_is_another_block() {
        let mut blocks = OpenBlocks::default();
        assert_eq!(told(&mut blocks, &HashMap::from([(1, block(0, 65536, 7))]), 5 * S), [(7, 5 * S)]);
        assert_eq!(told(&mut blocks, &HashMap::from([(1, block(6 * S, 65536, 9))]), 8 * S), [(9, 2 * S)]);
        assert_eq!(blocks.settle(&block(0, 1, 7).key, 6 * S), S);
    }

    #[test]
    fn young_blocks_are_left_alone_but_at_the_end_and_before_the_window() {
        let mut blocks = OpenBlocks::default();
        let open = HashMap::from([(1, block(S, 65536, 7)), (2, block(3 * S, 65536, 8))]);
        assert_eq!(told(&mut blocks, &open, 2 * S - 1), []);
        let parts = blocks.tell(&open, 2 * S - 1, true, |_| true);
        assert_eq!(parts.iter().map(|part| (part.key.kernel_stack, part.ns)).collect::<Vec<_>>(), [(7, S - 1)]);
        assert_eq!((blocks.parts(), blocks.late()), (1, 0));
    }

    #[test]
    fn whoever_has_no_turn_waits_for_the_next_one_and_loses_nothing() {
        let mut blocks = OpenBlocks::default();
        let open: HashMap<u32, OffBlock> = (0..3000).map(|thread| (thread, block(1, 65536, u64::from(thread)))).collect();
        let sum = |blocks: &mut OpenBlocks, until| told(blocks, &open, until).iter().map(|part| part.1).sum::<u64>();
        let first = sum(&mut blocks, 2 * S + 1);
        assert_eq!((first, blocks.parts(), blocks.late()), (2048 * 2 * S, 2048, 952));
        // 952 of 4 s, and 1,096 of two more.
        assert_eq!(sum(&mut blocks, 4 * S + 1), 952 * 4 * S + 1096 * 2 * S);
        assert_eq!(blocks.late(), 952 + 952);
    }

    #[test]
    fn a_stack_that_is_not_walked_yet_is_not_told() {
        let mut blocks = OpenBlocks::default();
        let open = HashMap::from([(1, block(0, 65536, 7))]);
        assert!(blocks.tell(&open, 5 * S, false, |_| false).is_empty());
        assert_eq!(blocks.late(), 1);
        assert_eq!(told(&mut blocks, &open, 10 * S), [(7, 10 * S)]);
    }
}
