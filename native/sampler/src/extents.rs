//! Which parts of a fixed range are free. Numbers only: the arena of the BPF program is managed with it.

use std::collections::BTreeMap;

pub struct Extents {
    capacity: u32,
    /// Start and length of what is free; neighbours are one.
    free: BTreeMap<u32, u32>,
    free_total: u32,
}

impl Extents {
    pub fn new(capacity: u32) -> Extents {
        Extents { capacity, free: BTreeMap::from([(0, capacity)]), free_total: capacity }
    }

    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    pub fn free_total(&self) -> u32 {
        self.free_total
    }

    /// The smallest hole that is large enough: large holes are kept for large binaries.
    pub fn take(&mut self, length: u32) -> Option<u32> {
        let (&at, &hole) = self.free.iter().filter(|&(_, &hole)| hole >= length).min_by_key(|&(_, &hole)| hole)?;
        self.free.remove(&at);
        if hole > length {
            self.free.insert(at + length, hole - length);
        }
        self.free_total -= length;
        Some(at)
    }

    pub fn give_back(&mut self, at: u32, length: u32) {
        let (mut at, mut end) = (at, at + length);
        self.free_total += length;
        if let Some((&before, &hole)) = self.free.range(..at).next_back()
            && before + hole == at
        {
            self.free.remove(&before);
            at = before;
        }
        if let Some(&hole) = self.free.get(&end) {
            self.free.remove(&end);
            end += hole;
        }
        self.free.insert(at, end - at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_becomes_one_hole_again() {
        let mut extents = Extents::new(100);
        let parts: Vec<u32> = (0..4).map(|_| extents.take(25).unwrap()).collect();
        assert_eq!(parts, [0, 25, 50, 75]);
        assert_eq!(extents.take(1), None);
        for at in [25, 75, 50, 0] {
            extents.give_back(at, 25);
        }
        assert_eq!((extents.free_total(), extents.free.len()), (100, 1));
        assert_eq!(extents.take(100), Some(0));
    }

    #[test]
    fn takes_the_smallest_hole_that_fits() {
        let mut extents = Extents::new(100);
        for length in [10, 1, 5, 1] {
            extents.take(length);
        }
        extents.give_back(0, 10);
        extents.give_back(11, 5);
        assert_eq!(extents.take(5), Some(11));
        assert_eq!(extents.take(5), Some(0));
    }
}
