//! Room for tables: which go when there is none.

use std::io;

use super::KernelTables;
use crate::bpf_maps as maps;
use crate::table_maps::{KernelBinary, State};

impl KernelTables {
    pub(super) fn unload(&mut self, slot: u32) -> io::Result<()> {
        if self.slots[slot as usize].state == State::Loaded {
            self.set_state(slot, State::Absent)?;
            let row = &mut self.slots[slot as usize];
            let rules = std::mem::take(&mut row.rules);
            self.arena.give_back(row.at, row.words);
            self.rules.release(&rules);
            self.evicted += 1;
        }
        Ok(())
    }

    /// Room in the arena; other tables go for it, those first that no process maps any more, then those not used for longest.
    /// What the last two windows used stays.
    pub(super) fn make_room(&mut self, words: u32, mut grace_period: impl FnMut()) -> io::Result<Option<u32>> {
        if let Some(at) = self.arena.take(words) {
            return Ok(Some(at));
        }
        if words > self.arena.capacity() {
            return Ok(None);
        }
        let mut victims: Vec<(bool, u32, u32)> = Vec::new();
        for slot in 0..self.slots.len() as u32 {
            let row = &mut self.slots[slot as usize];
            if row.state == State::Loaded {
                if let Some(kernel) = maps::get::<u32, KernelBinary>(self.fds.binaries, &slot) {
                    row.kernel.used = kernel.used;
                }
                let mapped = row.references > 0;
                if !mapped || row.kernel.used + 2 <= self.epoch {
                    victims.push((mapped, row.kernel.used, slot));
                }
            }
        }
        victims.sort_unstable();
        let mut victims = victims.into_iter();
        loop {
            let before = self.arena.in_limbo();
            while self.arena.in_limbo() - before < words
                && let Some((_, _, slot)) = victims.next()
            {
                self.unload(slot)?;
            }
            let nothing_left = self.arena.in_limbo() == before;
            grace_period();
            self.settle();
            if let Some(at) = self.arena.take(words) {
                return Ok(Some(at));
            }
            if nothing_left {
                return Ok(None);
            }
        }
    }
}
