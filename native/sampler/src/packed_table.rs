//! An unwind table in the form in which the kernel searches it (bpf/tables.h): groups of rows that follow each other closely, as
//! those of a function's beginning do, and an index of pages. What a group holds besides its place, the shape, is written once for
//! all groups that have the same: compilers write the same few beginnings again and again.

use std::collections::HashMap;

use perfleet_unwind::{Error, Row, RowSink, Rule};

pub const PAGE_SHIFT: u32 = 12;
/// Of a group: bits of the place of its shape. The rest is its offset in the page.
pub const SHAPE_BITS: u32 = 20;
/// Of a row of a shape: bits of its rule. Above are the bytes from the group's first row to this one (8 bits), and `LAST`.
pub const RULE_BITS: u32 = 16;
pub const DISTANCE_MASK: u32 = 0xff;
pub const LAST: u32 = 1 << 31;

/// Rows of a group, and the bytes between them. With these libchdb, node and LLVM take the least; a walk looks at each row of one
/// group.
pub const GROUP_ROWS: usize = 8;
const GROUP_GAP: u64 = 8;
const _: () = assert!((GROUP_ROWS as u64 - 1) * (GROUP_GAP - 1) <= DISTANCE_MASK as u64);

/// Of ELF addresses, 1 GiB: what lies farther apart belongs to no program that would be profiled.
pub const MAX_PAGES: u64 = 1 << 18;
/// Real binaries have up to three thousand. One that has more must not use up what all share.
pub const MAX_RULES: usize = 8192;
/// Groups and rows of shapes: 16 MB together. libchdb, the largest binary of all that were looked at, has 1.8 million.
pub const MAX_GROUPS_AND_SHAPES: usize = 4 << 20;

/// Takes the rows of `compile_into`.
#[derive(Debug, Default)]
pub struct PackedTable {
    /// ELF address of the first row's page, in pages.
    pub first_page: u32,
    /// Groups before each page, and before the end: one more than there are pages.
    pub index: Vec<u32>,
    /// Offset within the page, and where in `shapes` its shape begins.
    pub groups: Vec<u32>,
    /// Rows of shapes, numbers of rules being those of `rules`.
    pub shapes: Vec<u32>,
    pub rules: Vec<Rule>,
}

/// A table that is being made.
#[derive(Default)]
pub struct Packer {
    table: PackedTable,
    numbers: HashMap<Rule, u32>,
    places: HashMap<Box<[u32]>, u32>,
    /// Addresses of the open group's first and last row, and its rows as a shape has them
    open: Option<(u64, u64)>,
    shape: Vec<u32>,
}

impl RowSink for Packer {
    fn row(&mut self, Row { pc, rule }: Row) -> Result<(), Error> {
        let number = match self.numbers.get(&rule) {
            Some(&number) => number,
            None => {
                let number = self.numbers.len();
                within("different unwind rules", number + 1, MAX_RULES)?;
                self.numbers.insert(rule, number as u32);
                self.table.rules.push(rule);
                number as u32
            }
        };
        match self.open {
            Some((first, last)) if pc - last < GROUP_GAP && pc >> PAGE_SHIFT == first >> PAGE_SHIFT && self.shape.len() < GROUP_ROWS => {
                self.shape.push(((pc - first) as u32) << RULE_BITS | number);
                self.open = Some((first, pc));
            }
            _ => {
                self.close()?;
                self.shape.push(number);
                self.open = Some((pc, pc));
            }
        }
        Ok(())
    }
}

impl Packer {
    /// Without groups for a table without rows.
    pub fn finish(mut self) -> Result<PackedTable, Error> {
        self.close()?;
        self.table.index.push(self.table.groups.len() as u32);
        for part in [&mut self.table.index, &mut self.table.groups, &mut self.table.shapes] {
            part.shrink_to_fit();
        }
        Ok(self.table)
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some((pc, _)) = self.open.take() else { return Ok(()) };
        let table = &mut self.table;
        if table.groups.is_empty() {
            within("page of the first code", pc >> PAGE_SHIFT, u32::MAX)?;
            table.first_page = (pc >> PAGE_SHIFT) as u32;
        }
        let page = (pc >> PAGE_SHIFT) - u64::from(table.first_page);
        within("pages of code", page, MAX_PAGES)?;
        while table.index.len() as u64 <= page {
            table.index.push(table.groups.len() as u32);
        }
        if let Some(last) = self.shape.last_mut() {
            *last |= LAST;
        }
        let place = match self.places.get(&self.shape[..]) {
            Some(&place) => place,
            None => {
                let place = table.shapes.len() as u32;
                within("rows of shapes of the unwind table", place, 1 << SHAPE_BITS)?;
                table.shapes.extend_from_slice(&self.shape);
                self.places.insert(self.shape.as_slice().into(), place);
                place
            }
        };
        within("groups of the unwind table", table.groups.len() + table.shapes.len(), MAX_GROUPS_AND_SHAPES)?;
        table.groups.push(((pc as u32) & ((1 << PAGE_SHIFT) - 1)) << SHAPE_BITS | place);
        self.shape.clear();
        Ok(())
    }
}

/// `found` must be below the limit.
fn within(what: &'static str, found: impl TryInto<u64>, limit: impl TryInto<u64>) -> Result<(), Error> {
    let (found, limit) = (found.try_into().unwrap_or(u64::MAX), limit.try_into().unwrap_or(u64::MAX));
    if found < limit { Ok(()) } else { Err(Error::TooLarge { what, found, limit }) }
}

impl PackedTable {
    pub fn words(&self) -> u32 {
        (self.index.len() + self.groups.len() + self.shapes.len()).div_ceil(2) as u32
    }

    /// Index, groups and shapes as the arena holds them, with the kernel's numbers of the rules instead of the own ones.
    pub fn to_words(&self, numbers: &[u32]) -> impl Iterator<Item = u64> {
        let rule = (1 << RULE_BITS) - 1;
        let shapes = self.shapes.iter().map(move |row| row & !rule | numbers[(row & rule) as usize]);
        let mut halves = self.index.iter().chain(&self.groups).copied().chain(shapes);
        std::iter::from_fn(move || Some(u64::from(halves.next()?) | u64::from(halves.next().unwrap_or(0)) << 32))
    }
}

/// The rule at an ELF address, as bpf/tables.h finds it; None outside the table. `half` reads a half word of index, groups and
/// shapes, which follow each other.
pub fn find_rule(place: &Place, pc: u64, half: impl Fn(u32) -> u32) -> Option<u32> {
    let page = (pc >> PAGE_SHIFT).checked_sub(u64::from(place.first_page)).filter(|&page| page < u64::from(place.pages))? as u32;
    let offset = (pc as u32) & ((1 << PAGE_SHIFT) - 1);
    let first = half(place.index_at + page);
    let (mut low, mut high) = (first, half(place.index_at + page + 1));
    while low < high {
        let middle = (low + high) / 2;
        if half(place.groups_at + middle) >> SHAPE_BITS <= offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let group = half(place.groups_at + low.checked_sub(1)?);
    // A group ends with its page: what reaches into the next one is its last row.
    let distance = if low > first { offset - (group >> SHAPE_BITS) } else { u32::MAX };
    let mut rule = None;
    for row in 0..GROUP_ROWS as u32 {
        let row = half(place.shapes_at + (group & ((1 << SHAPE_BITS) - 1)) + row);
        if row >> RULE_BITS & DISTANCE_MASK > distance {
            break;
        }
        rule = Some(row & ((1 << RULE_BITS) - 1));
        if row & LAST != 0 {
            break;
        }
    }
    rule
}

/// Where the parts of a table are, in half words of the arena.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub index_at: u32,
    pub groups_at: u32,
    pub shapes_at: u32,
    pub first_page: u32,
    pub pages: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use perfleet_unwind::{Limits, compile, compile_into};

    fn packed(rows: &[Row]) -> Result<PackedTable, Error> {
        let mut packer = Packer::default();
        rows.iter().try_for_each(|&row| packer.row(row))?;
        packer.finish()
    }

    /// The rule that is found in the table's words.
    fn found(table: &PackedTable, pc: u64) -> Option<Rule> {
        let numbers: Vec<u32> = (0..table.rules.len() as u32).collect();
        let halves: Vec<u32> = table.to_words(&numbers).flat_map(|word| [word as u32, (word >> 32) as u32]).collect();
        let (index, groups) = (table.index.len() as u32, table.groups.len() as u32);
        let place = Place { index_at: 0, groups_at: index, shapes_at: index + groups, first_page: table.first_page, pages: index - 1 };
        find_rule(&place, pc, |at| halves[at as usize]).map(|number| table.rules[number as usize])
    }

    #[test]
    fn equal_beginnings_are_written_once_and_end_with_their_page() {
        let sp = |words: i32| Rule { cfa_offset: 8 * words, ..Rule::plain(perfleet_unwind::Cfa::Sp) };
        let function = |pc: u64| [(pc, sp(1)), (pc + 1, sp(2)), (pc + 4, sp(3))];
        let rows: Vec<Row> = [function(0x1ff0), function(0x1ffc), function(0x4000)]
            .into_iter()
            .flatten()
            .chain([(0x4100, Rule::NONE)])
            .map(|(pc, rule)| Row { pc, rule })
            .collect();
        let table = packed(&rows).unwrap();
        assert_eq!((table.first_page, table.rules.len()), (1, 4));
        // The second one's last row is in the next page.
        assert_eq!(table.index, [0, 2, 3, 3, 5]);
        assert_eq!(table.groups.iter().map(|group| group >> SHAPE_BITS).collect::<Vec<_>>(), [0xff0, 0xffc, 0, 0, 0x100]);
        assert_eq!(table.groups[0] & 0xfffff, table.groups[3] & 0xfffff);
        for pair in rows.windows(2) {
            for pc in [pair[0].pc, (pair[0].pc + pair[1].pc) / 2, pair[1].pc - 1] {
                assert_eq!(found(&table, pc), Some(pair[0].rule), "{pc:#x}");
            }
        }
        assert_eq!((found(&table, 0x1fef), found(&table, 0x5000)), (None, None));
    }

    /// Row by row what the plain table of this program says, at each row and in the middle of the way to the next.
    #[test]
    fn says_what_the_rows_say() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let plain = compile(&file, &Limits::default()).unwrap();
        let mut packer = Packer::default();
        compile_into(&file, &Limits::default(), &mut packer).unwrap();
        let table = packer.finish().unwrap();
        assert!(plain.rows.len() > 1000 && table.groups.len() * 2 < plain.rows.len());
        let numbers: Vec<u32> = (0..table.rules.len() as u32).collect();
        let halves: Vec<u32> = table.to_words(&numbers).flat_map(|word| [word as u32, (word >> 32) as u32]).collect();
        let (index, groups) = (table.index.len() as u32, table.groups.len() as u32);
        let place = Place { index_at: 0, groups_at: index, shapes_at: index + groups, first_page: table.first_page, pages: index - 1 };
        for pair in plain.rows.windows(2) {
            for pc in [pair[0].pc, pair[0].pc.midpoint(pair[1].pc)] {
                let number = find_rule(&place, pc, |at| halves[at as usize]);
                assert_eq!(number.map(|number| table.rules[number as usize]), Some(pair[0].rule), "{pc:#x}");
            }
        }
    }

    #[test]
    fn refuses_what_lies_too_far_apart() {
        let rows = [0, 1 << 40].map(|pc| Row { pc, rule: Rule::NONE });
        assert!(matches!(packed(&rows), Err(Error::TooLarge { what: "pages of code", .. })));
        assert!(packed(&[Row { pc: 1 << 60, rule: Rule::NONE }]).is_err());
    }
}
