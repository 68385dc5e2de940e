//! An unwind table in the form in which the kernel searches it (bpf/tables.h): 32 bits a row and an index of pages.

use std::collections::HashMap;

use anyhow::{Result, bail};
use perfleet_unwind::{Rule, Table};

pub const PAGE_SHIFT: u32 = 12;
pub const RULE_BITS: u32 = 20;
/// Of ELF addresses, 1 GiB: what lies farther apart belongs to no program that would be profiled.
const MAX_PAGES: u64 = 1 << 18;
/// Real binaries have a few hundred. One that has more must not use up what all share.
const MAX_RULES: usize = 8192;

#[derive(Debug)]
pub struct PackedTable {
    /// ELF address of the first row's page, in pages.
    pub first_page: u32,
    /// Rows before each page, and before the end: one more than there are pages.
    pub index: Vec<u32>,
    /// Offset within the page, and a row of `rules`.
    pub rows: Vec<u32>,
    pub rules: Vec<Rule>,
}

impl PackedTable {
    /// Without rows for a table without rows.
    pub fn new(table: &Table) -> Result<PackedTable> {
        let (Some(first), Some(last)) = (table.rows.first(), table.rows.last()) else {
            return Ok(PackedTable { first_page: 0, index: vec![0], rows: Vec::new(), rules: Vec::new() });
        };
        let first_page = first.pc >> PAGE_SHIFT;
        let pages = (last.pc >> PAGE_SHIFT) - first_page + 1;
        if pages > MAX_PAGES || u32::try_from(first_page).is_err() {
            bail!("code at {:#x} to {:#x}: addresses too far apart for a table", first.pc, last.pc);
        }
        let mut packed = PackedTable {
            first_page: first_page as u32,
            index: Vec::with_capacity(pages as usize + 1),
            rows: Vec::with_capacity(table.rows.len()),
            rules: Vec::new(),
        };
        let mut numbers: HashMap<Rule, u32> = HashMap::new();
        for row in &table.rows {
            let page = (row.pc >> PAGE_SHIFT) - first_page;
            while packed.index.len() as u64 <= page {
                packed.index.push(packed.rows.len() as u32);
            }
            let number = *numbers.entry(row.rule).or_insert_with(|| {
                packed.rules.push(row.rule);
                packed.rules.len() as u32 - 1
            });
            packed.rows.push(((row.pc as u32) & ((1 << PAGE_SHIFT) - 1)) << RULE_BITS | number);
        }
        packed.index.push(packed.rows.len() as u32);
        if packed.rules.len() > MAX_RULES {
            bail!("{} different unwind rules: more than the limit of {MAX_RULES}", packed.rules.len());
        }
        Ok(packed)
    }

    pub fn words(&self) -> u32 {
        (self.index.len() + self.rows.len()).div_ceil(2) as u32
    }

    /// Index and rows as the arena holds them, with the kernel's numbers of the rules instead of the own ones.
    pub fn to_words(&self, numbers: &[u32]) -> impl Iterator<Item = u64> {
        let rows = self.rows.iter().map(|row| row >> RULE_BITS << RULE_BITS | numbers[(row & ((1 << RULE_BITS) - 1)) as usize]);
        let mut halves = self.index.iter().copied().chain(rows);
        std::iter::from_fn(move || Some(u64::from(halves.next()?) | u64::from(halves.next().unwrap_or(0)) << 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfleet_unwind::{Arch, Row, Skipped};

    #[test]
    fn every_page_knows_where_its_rows_begin() {
        let pcs = [0x1ff0, 0x1ff8, 0x4000, 0x4004];
        let rule = |pc: u64| if pc & 8 == 0 { Rule::END } else { Rule::NONE };
        let rows = pcs.iter().map(|&pc| Row { pc, rule: rule(pc) }).collect();
        let packed = PackedTable::new(&Table { arch: Arch::X86_64, rows, skipped: Skipped::default(), go: false }).unwrap();
        assert_eq!((packed.first_page, packed.rules.len()), (1, 2));
        assert_eq!(packed.index, [0, 2, 2, 2, 4]);
        assert_eq!(packed.rows, [0xff0 << 20, 0xff8 << 20 | 1, 0, 4 << 20]);
        let words: Vec<u64> = packed.to_words(&[7, 9]).collect();
        assert_eq!(words.len(), packed.words() as usize);
        assert_eq!(words[2], 4 | (0xff0 << 20 | 7) << 32);
    }

    #[test]
    fn refuses_what_lies_too_far_apart() {
        let rows = [0, 1 << 40].map(|pc| Row { pc, rule: Rule::NONE }).to_vec();
        assert!(PackedTable::new(&Table { arch: Arch::X86_64, rows, skipped: Skipped::default(), go: false }).is_err());
    }
}
