//! A set of address ranges: bulk additions, then look-ups.

#[derive(Default)]
pub struct Ranges {
    /// Sorted by start, apart from each other.
    settled: Vec<(u64, u64)>,
    added: Vec<(u64, u64)>,
}

impl Ranges {
    pub fn add_later(&mut self, start: u64, end: u64) {
        if start < end {
            self.added.push((start, end));
        }
    }

    /// From now on what was added counts.
    pub fn settle(&mut self) {
        if self.added.is_empty() {
            return;
        }
        self.settled.append(&mut self.added);
        self.settled.sort_unstable();
        self.settled.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
    }

    pub fn contains(&self, address: u64) -> bool {
        let after = self.settled.partition_point(|range| range.0 <= address);
        after > 0 && address < self.settled[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_what_touches_and_overlaps() {
        let mut ranges = Ranges::default();
        for (start, end) in [(10, 20), (5, 12), (20, 25), (30, 31), (7, 7)] {
            ranges.add_later(start, end);
        }
        assert!(!ranges.contains(10));
        ranges.settle();
        assert_eq!(ranges.settled, [(5, 25), (30, 31)]);
        assert!(ranges.contains(5) && ranges.contains(24) && ranges.contains(30));
        assert!(!ranges.contains(4) && !ranges.contains(25) && !ranges.contains(31));
    }
}
