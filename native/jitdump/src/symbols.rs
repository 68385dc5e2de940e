//! Which function's code was at an address, and when.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::records::{Code, What};

const MAX_ENTRIES: usize = 1_000_000;
/// Code that begins further back than this many other beginnings is not looked for.
const MAX_STARTS: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    /// Source file, "" = not told.
    pub file: String,
}

struct Version {
    time: u64,
    size: u64,
    symbol: Rc<Symbol>,
}

/// By address, and of each in the order of time. What has no room any more has no name.
#[derive(Default)]
pub struct Symbols {
    starts: BTreeMap<u64, Vec<Version>>,
    entries: usize,
}

impl Symbols {
    pub fn add(&mut self, code: Code) {
        let Code { time, address, size, what } = code;
        if self.entries >= MAX_ENTRIES || size == 0 {
            return;
        }
        let symbol = match what {
            What::Compiled { name, file } => Rc::new(Symbol { name, file }),
            What::Moved { from } => match self.starts.get(&from).and_then(|versions| versions.last()) {
                Some(version) => Rc::clone(&version.symbol),
                None => return,
            },
        };
        self.entries += 1;
        let versions = self.starts.entry(address).or_default();
        // Threads of a runtime may write a little out of order.
        let at = versions.partition_point(|version| version.time <= time);
        versions.insert(at, Version { time, size, symbol });
    }

    /// The youngest code that covers the address and is no younger than `time`. Where there is none yet, the oldest that came: it was
    /// written down a moment after it began to run.
    pub fn lookup(&self, address: u64, time: u64) -> Option<&Symbol> {
        let near = || self.starts.range(..=address).rev().take(MAX_STARTS);
        let covers = |start: u64, version: &Version| address - start < version.size;
        let then = near().filter_map(|(&start, versions)| {
            let before = versions.partition_point(|version| version.time <= time);
            versions[..before].iter().rev().find(|version| covers(start, version))
        });
        let found = then.max_by_key(|version| version.time).or_else(|| {
            let later = near().filter_map(|(&start, versions)| versions.iter().find(|version| covers(start, version)));
            later.min_by_key(|version| version.time)
        });
        found.map(|version| &*version.symbol)
    }
}
