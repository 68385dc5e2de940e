//! Ids of a message's stacks.

use crate::budget::{Budget, Spent};
use crate::dictionary::Dictionary;
use crate::frames::Frames;
use crate::row_binary::{Rows, varint};

/// Columns that are reused from one message to the next.
#[derive(Default)]
pub struct Stacks {
    /// By index in the dictionary; of those that a sample has.
    pub ids: Vec<u64>,
    /// Whether an index was met.
    met: Vec<bool>,
    /// Indices in the order that samples have them, each once.
    pub used: Vec<u32>,
    /// Frame ids of the stack at hand: their bytes are what a stack id is the hash of.
    bytes: Vec<u8>,
}

impl Stacks {
    /// Memory that is kept for the next message.
    pub fn bytes(&self) -> usize {
        self.ids.capacity() * 8 + self.met.capacity() + self.used.capacity() * 4
    }

    /// Ids of the stacks at `indices`, which are those of all samples.
    pub fn make(&mut self, indices: &[u32], d: &Dictionary, frames: &Frames, budget: &mut Budget) -> Result<(), Spent> {
        self.ids.clear();
        self.ids.resize(d.stacks.rows(), 0);
        self.met.clear();
        self.met.resize(d.stacks.rows(), false);
        self.used.clear();
        for &index in indices {
            if std::mem::replace(&mut self.met[index as usize], true) {
                continue;
            }
            self.used.push(index);
            let locations = d.stacks.row(index as usize);
            budget.hash(locations.len() * 8)?;
            if !frames.single {
                budget.hash(frames.of(locations) * 8)?;
            }
            self.bytes.clear();
            frames.append(locations, &mut self.bytes);
            self.ids[index as usize] = perfleet_ids::stack_id(&self.bytes);
        }
        Ok(())
    }

    /// Leaves in `used` those whose id is `wanted`.
    pub fn keep(&mut self, mut wanted: impl FnMut(u64) -> bool) {
        let ids = &self.ids;
        self.used.retain(|&index| wanted(ids[index as usize]));
    }
}

/// The row of a stack.
pub fn row(out: &mut Rows, id: u64, locations: &[u32], frames: &Frames) {
    out.bytes.extend_from_slice(&id.to_le_bytes());
    varint(&mut out.bytes, frames.of(locations));
    frames.append(locations, &mut out.bytes);
    out.end();
}
