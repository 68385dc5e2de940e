//! Ids that were written already: a bounded memory, and hashing that a sender cannot aim at.

use std::collections::HashMap;
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

/// Ids with the day they were written on: at least the most recent `limit / 2` of them and at most `limit`. Forgetting
/// one costs a repeated, idempotent row. Two generations: when the young one is full the old one goes.
pub struct RecentIds {
    young: HashMap<u64, u32, Keyed>,
    old: HashMap<u64, u32, Keyed>,
    limit: usize,
}

impl RecentIds {
    pub fn new(limit: usize) -> Self {
        RecentIds { young: HashMap::default(), old: HashMap::default(), limit }
    }

    /// What was written on another day (or term) is written again.
    #[inline]
    pub fn has(&self, id: u64, day: u32) -> bool {
        self.young.get(&id).or_else(|| self.old.get(&id)) == Some(&day)
    }

    pub fn add(&mut self, id: u64, day: u32) {
        if self.young.len() >= self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, day);
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
        assert!(ids.has(5, 2) && !ids.has(5, 1));
    }

    #[test]
    fn two_processes_do_not_hash_alike() {
        assert_ne!(Keyed::default().mix(7), Keyed::default().mix(7));
    }
}
