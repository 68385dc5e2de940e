//! Ids that were written already: a bounded memory, and hashing that a sender cannot aim at.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Ids are hashes, but of what a sender chose: their bits can be made to agree. Each process mixes a secret in.
#[derive(Clone, Copy)]
pub struct Keyed(u64, u64);

impl Default for Keyed {
    fn default() -> Self {
        let random = RandomState::new();
        Keyed(random.hash_one(1u8), random.hash_one(2u8) | 1)
    }
}

impl Keyed {
    /// Both halves of a product with a secret, added up: one multiplication an id.
    #[inline]
    pub fn mix(self, id: u64) -> u64 {
        let product = u128::from(id ^ self.0) * u128::from(self.1);
        product as u64 ^ (product >> 64) as u64
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher(*self, 0)
    }
}

pub struct KeyedHasher(Keyed, u64);

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, id: u64) {
        self.1 = self.0.mix(self.1 ^ id);
    }
}

/// Days for which a stack or frame that was written stays known. What is used is written again in each such term, so that the
/// store may drop what was written in none of the last ones: nothing that is kept refers to it.
pub const TERM_DAYS: u32 = 30;

/// The first day of the term that a day is in; days since 1970.
pub fn term_of(day: u32) -> u32 {
    day - day % TERM_DAYS
}

pub type IdSet = std::collections::HashSet<u64, Keyed>;

/// Numbers other than 0, in memory that is looked at in one place for each: it is far larger than what a processor keeps near.
#[derive(Default)]
struct Numbers {
    /// 0 = free. A power of two of them, at most half of them taken.
    slots: Vec<u64>,
    length: usize,
}

impl Numbers {
    const LEAST: usize = 1024;

    #[inline]
    fn has(&self, keyed: Keyed, number: u64) -> bool {
        !self.slots.is_empty() && self.slots[self.slot(keyed, number)] != 0
    }

    /// Where it is, or is to be.
    #[inline]
    fn slot(&self, keyed: Keyed, number: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = keyed.mix(number) as usize & mask;
        while self.slots[at] != 0 && self.slots[at] != number {
            at = (at + 1) & mask;
        }
        at
    }

    fn insert(&mut self, keyed: Keyed, number: u64) {
        if self.length * 2 >= self.slots.len() {
            let slots = vec![0; (self.slots.len() * 2).max(Self::LEAST)];
            for number in std::mem::replace(&mut self.slots, slots).into_iter().filter(|&number| number != 0) {
                let at = self.slot(keyed, number);
                self.slots[at] = number;
            }
        }
        let at = self.slot(keyed, number);
        self.length += usize::from(self.slots[at] == 0);
        self.slots[at] = number;
    }
}

/// Ids with each day (or term) that they were written on: at least the most recent `limit / 2` of these and at most `limit`.
/// Forgetting one costs a repeated, idempotent row. Two generations: when the young one is full the old one goes.
pub struct RecentIds {
    keyed: Keyed,
    young: Numbers,
    old: Numbers,
    limit: usize,
}

impl RecentIds {
    pub fn new(limit: usize) -> Self {
        RecentIds { keyed: Keyed::default(), young: Numbers::default(), old: Numbers::default(), limit }
    }

    /// An id and a day as one number. Of one day no two ids have the same, but for two of all; of two days only by a chance that is
    /// no better than that of two ids, and that no sender can aim at.
    #[inline]
    fn number(&self, id: u64, day: u32) -> u64 {
        (id ^ self.keyed.mix(u64::from(day))).max(1)
    }

    /// What was written on another day (or term) is written again.
    #[inline]
    pub fn has(&self, id: u64, day: u32) -> bool {
        let number = self.number(id, day);
        self.young.has(self.keyed, number) || self.old.has(self.keyed, number)
    }

    pub fn add(&mut self, id: u64, day: u32) {
        if self.young.length >= self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(self.keyed, self.number(id, day));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_and_knows_days_apart() {
        let mut ids = RecentIds::new(4);
        for id in 1..=5 {
            ids.add(id, 1);
        }
        assert_eq!([1, 2, 3, 4, 5].map(|id| ids.has(id, 1)), [false, false, true, true, true]);
        assert!(!ids.has(5, 2));
        ids.add(5, 2);
        assert!(ids.has(5, 2) && ids.has(5, 1));
    }

    #[test]
    fn knows_what_a_set_knows() {
        let mut ids = RecentIds::new(200_000);
        let all: Vec<(u64, u32)> = (0..90_000u64).map(|i| (i / 3 * 0x9e37_79b9, (i % 3) as u32)).collect();
        all.iter().chain(&all[..50_000]).for_each(|&(id, day)| ids.add(id, day));
        assert!(all.iter().all(|&(id, day)| ids.has(id, day)));
        assert!(!all.iter().any(|&(id, day)| ids.has(id, day + 3) || ids.has(id + 1, day)));
        assert_eq!((ids.young.length, ids.old.length), (all.len(), 0));
    }

    #[test]
    fn two_processes_do_not_hash_alike() {
        assert_ne!(Keyed::default().mix(7), Keyed::default().mix(7));
    }
}
