//! Binaries whose tables are not worth their price yet. Few samples come from most of what runs on a machine: for these single rules
//! are read from the file, which stays open, since the process may be gone when the next one is asked for.

use std::collections::HashMap;
use std::fs::File;

use perfleet_unwind::{Limits, Lookup, Rule};

/// Files open at once; most machines allow 1,024.
const MAX_FILES: usize = 256;
const MAX_RULES: usize = 16_384;
/// A table costs about 1.6 µs an entry, a sample that is walked here (copied, sorted in, walked) about 25 to 50 µs. When as much has
/// been spent on samples as the table would have cost, twice the least possible has been spent at worst.
const ENTRIES_A_SAMPLE: u64 = 32;
/// A walk that ended at the limit of the copied piece would have gone on in the kernel: after so many the table is made.
const CUT_SAMPLES: u64 = 8;

struct Binary {
    file: File,
    lookup: Lookup,
    rules: HashMap<u64, Option<Rule>>,
    /// What the samples that came through have cost, in entries.
    spent: u64,
    /// Orders binaries by when they were last asked.
    asked: u64,
}

#[derive(Default)]
pub struct Postponed {
    by_slot: HashMap<u32, Binary>,
    clock: u64,
}

impl Postponed {
    pub fn contains(&self, slot: u32) -> bool {
        self.by_slot.contains_key(&slot)
    }

    /// Hands the file back when single rules cannot be read from it.
    pub fn add(&mut self, slot: u32, file: File) -> Result<(), File> {
        let Ok(Some(lookup)) = Lookup::open(&file, &Limits::default()) else { return Err(file) };
        if self.by_slot.len() >= MAX_FILES
            && let Some((&oldest, _)) = self.by_slot.iter().min_by_key(|(_, binary)| binary.asked)
        {
            self.by_slot.remove(&oldest);
        }
        self.clock += 1;
        self.by_slot.insert(slot, Binary { file, lookup, rules: HashMap::new(), spent: 0, asked: self.clock });
        Ok(())
    }

    /// Its table is there, or never will be.
    pub fn remove(&mut self, slot: u32) {
        self.by_slot.remove(&slot);
    }

    /// The rule at an ELF address; None where the file alone does not tell.
    pub fn rule(&mut self, slot: u32, pc: u64) -> Option<Rule> {
        let binary = self.by_slot.get_mut(&slot)?;
        if binary.rules.len() >= MAX_RULES {
            binary.rules.clear();
        }
        let Binary { file, lookup, rules, .. } = binary;
        *rules.entry(pc).or_insert_with(|| lookup.rule(&*file, pc).unwrap_or(None))
    }

    /// Counts a sample that came through the binary. True when its table is worth its price now.
    pub fn came_through(&mut self, slot: u32, cut: bool) -> bool {
        self.clock += 1;
        let Some(binary) = self.by_slot.get_mut(&slot) else { return false };
        binary.asked = self.clock;
        binary.spent += if cut { ENTRIES_A_SAMPLE.max(binary.lookup.entries().div_ceil(CUT_SAMPLES)) } else { ENTRIES_A_SAMPLE };
        binary.spent >= binary.lookup.entries()
    }

    pub fn file(&self, slot: u32) -> Option<File> {
        self.by_slot.get(&slot)?.file.try_clone().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_worth_it_after_as_many_samples_as_would_have_paid_for_it() {
        let mut postponed = Postponed::default();
        postponed.add(3, File::open("/proc/self/exe").unwrap()).unwrap();
        let entries = postponed.by_slot[&3].lookup.entries();
        let needed = entries.div_ceil(ENTRIES_A_SAMPLE);
        assert!(needed > 2 && (1..needed).all(|_| !postponed.came_through(3, false)));
        assert!(postponed.came_through(3, false));
        postponed.add(3, File::open("/proc/self/exe").unwrap()).unwrap();
        assert!((1..CUT_SAMPLES).all(|_| !postponed.came_through(3, true)));
        assert!(postponed.came_through(3, true));
        assert!(!postponed.came_through(4, false));
        assert!(postponed.add(4, File::open("/etc/passwd").unwrap()).is_err());
    }

    #[test]
    fn keeps_few_files_open_and_those_asked_last() {
        let mut postponed = Postponed::default();
        for slot in 0..MAX_FILES as u32 + 5 {
            postponed.add(slot, File::open("/proc/self/exe").unwrap()).unwrap();
            postponed.came_through(0, false);
        }
        assert_eq!(postponed.by_slot.len(), MAX_FILES);
        assert!(postponed.contains(0) && !postponed.contains(1) && postponed.file(0).is_some());
    }
}
