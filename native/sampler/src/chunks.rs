//! Stacks as the BPF program stores them (bpf/stacks.h): in chunks, counted from the root, which stacks with common callers share.

use std::collections::HashMap;

use crate::bpf_maps::Plain;

pub const CHUNK_FRAMES: usize = 32;
pub const MAX_USER_FRAMES: usize = 512;

/// `struct chunk`: some frames of a stack, leaf first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Chunk {
    /// The chunk nearer to the root, 0 = none.
    parent: u64,
    count: u64,
    ip: [u64; CHUNK_FRAMES],
}

// SAFETY: integers and arrays of them, without padding.
unsafe impl Plain for Chunk {}

/// Leaf first; empty for id 0.
pub fn stack(chunks: &HashMap<u64, Chunk>, id: u64) -> Vec<u64> {
    stack_of(|id| chunks.get(&id).copied(), id).0
}

/// Leaf first; false when a chunk is missing.
pub fn stack_of(mut find: impl FnMut(u64) -> Option<Chunk>, mut id: u64) -> (Vec<u64>, bool) {
    let mut frames = Vec::new();
    while id != 0 && frames.len() < MAX_USER_FRAMES {
        let Some(chunk) = find(id) else { return (frames, false) };
        frames.extend_from_slice(&chunk.ip[..(chunk.count as usize).min(CHUNK_FRAMES)]);
        id = chunk.parent;
    }
    (frames, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_large_as_the_programs() {
        assert_eq!(size_of::<Chunk>(), 272);
    }

    #[test]
    fn a_stack_is_read_from_its_leaf_to_its_root() {
        let chunk = |parent, count, first| Chunk { parent, count, ip: std::array::from_fn(|i| first + i as u64) };
        let chunks = HashMap::from([(7, chunk(8, 2, 1)), (8, chunk(0, 32, 3)), (9, chunk(9, 900, 0))]);
        assert_eq!(stack(&chunks, 7), (1..35).collect::<Vec<_>>());
        assert!(stack(&chunks, 0).is_empty());
        assert_eq!(stack(&chunks, 9).len(), MAX_USER_FRAMES);
    }
}
