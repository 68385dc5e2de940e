//! Functions of one unit of split DWARF, with what is inlined into them, as `symbolic-debuginfo` gives those of a whole unit.

use std::borrow::Cow;
use std::collections::HashSet;

use anyhow::Result;
use gimli::{AttributeValue, DebuggingInformationEntry, DwAt, Range, Unit, UnitRef, constants};
use symbolic_common::{Language, Name, NameMangling};
use symbolic_debuginfo::function_builder::FunctionBuilder;
use symbolic_debuginfo::{FileInfo, Function};

use crate::split_dwarf::Slice;
use crate::unit_lines::UnitLines;

type Die<'data> = DebuggingInformationEntry<Slice<'data>>;

/// Origins and specifications that are followed of one function; as many as elfutils follows.
const MAX_ORIGINS: usize = 16;

/// A unit of a `.dwo` file, and the skeleton that the binary has of it.
pub struct SplitUnit<'a, 'data> {
    /// All units of the file, in order: entries may refer to others.
    pub units: &'a [Unit<Slice<'data>>],
    pub unit: UnitRef<'a, Slice<'data>>,
    pub skeleton: UnitRef<'a, Slice<'data>>,
    /// Of the skeleton: the split unit's files are numbered as there.
    pub lines: Option<UnitLines<'data>>,
    pub load_address: u64,
}

/// A function whose entries are being read.
struct Open<'data> {
    depth: isize,
    /// One for each of its ranges; none for code that the linker left out.
    parts: Vec<(Range, FunctionBuilder<'data>)>,
    /// Depths of the calls inlined into it that are being read, outermost first.
    calls: Vec<isize>,
    /// Depth of an inlined call without code: nothing below it has any.
    dead: Option<isize>,
}

impl Open<'_> {
    /// An entry of this depth follows: what is as deep has ended.
    fn leave(&mut self, depth: isize) {
        while self.calls.pop_if(|call| *call >= depth).is_some() {}
        self.dead.take_if(|dead| *dead >= depth);
    }
}

impl<'data> SplitUnit<'_, 'data> {
    /// @param seen address and size of functions that were told already: linkers leave the entries of folded code
    /// @param each its addresses are relative to the load address
    pub fn each_function(&self, seen: &mut HashSet<(u64, u64)>, each: &mut dyn FnMut(Function<'data>)) -> Result<()> {
        let mut open: Vec<Open<'data>> = Vec::new();
        let mut entries = self.unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            while open.last().is_some_and(|function| function.depth >= depth) {
                open.pop().into_iter().for_each(|function| self.close(function, each));
            }
            if let Some(function) = open.last_mut() {
                function.leave(depth);
            }
            match entry.tag() {
                constants::DW_TAG_subprogram => open.push(self.open(entry, seen)),
                constants::DW_TAG_inlined_subroutine => {
                    if let Some(function) = open.last_mut() {
                        self.add_call(function, entry);
                    }
                }
                _ => {}
            }
        }
        open.into_iter().rev().for_each(|function| self.close(function, each));
        Ok(())
    }

    fn open(&self, entry: &Die<'data>, seen: &mut HashSet<(u64, u64)>) -> Open<'data> {
        let mut ranges = self.ranges(entry);
        ranges.retain(|range| seen.insert((range.begin, range.end - range.begin)));
        let parts = if ranges.is_empty() {
            Vec::new()
        } else {
            let name = self.name(entry);
            let directory = self.skeleton.comp_dir.map_or(&b""[..], |directory| directory.slice());
            let part = |range: Range| (range, FunctionBuilder::new(name.clone(), directory, self.relative(range.begin), range.end - range.begin));
            ranges.into_iter().map(part).collect()
        };
        Open { depth: entry.depth(), parts, calls: Vec::new(), dead: None }
    }

    fn add_call(&self, function: &mut Open<'data>, entry: &Die<'data>) {
        if function.dead.is_some() || function.parts.is_empty() {
            return;
        }
        let depth = entry.depth();
        let ranges = self.ranges(entry);
        if ranges.is_empty() {
            function.dead = Some(depth);
            return;
        }
        let name = self.name(entry);
        let level = function.calls.len() as u32;
        function.calls.push(depth);
        let file = match entry.attr_value(constants::DW_AT_call_file) {
            Some(AttributeValue::FileIndex(index)) => self.file(index),
            _ => FileInfo::default(),
        };
        let line = entry.attr_value(constants::DW_AT_call_line).and_then(|value| value.udata_value()).unwrap_or(0);
        for range in ranges {
            let outer = function.parts.iter_mut().find(|(outer, _)| (outer.begin..outer.end).contains(&range.begin));
            if let Some((_, part)) = outer {
                part.add_inlinee(level, name.clone(), self.relative(range.begin), range.end - range.begin, file.clone(), line);
            }
        }
    }

    fn close(&self, function: Open<'data>, each: &mut dyn FnMut(Function<'data>)) {
        for (range, mut part) in function.parts {
            for row in self.lines.iter().flat_map(|lines| lines.rows(range)) {
                part.add_leaf_line(
                    self.relative(row.address.max(range.begin)),
                    Some(row.end - row.address.max(range.begin)),
                    self.file(row.file),
                    row.line,
                );
            }
            each(part.finish());
        }
    }

    fn file(&self, index: u64) -> FileInfo<'data> {
        self.lines.as_ref().map(|lines| lines.file(&self.skeleton, index)).unwrap_or_default()
    }

    fn relative(&self, address: u64) -> u64 {
        address.wrapping_sub(self.load_address)
    }

    /// Of code that is in the binary: what the linker left out is at 0, or near the end of all addresses.
    fn ranges(&self, entry: &Die<'data>) -> Vec<Range> {
        let mut ranges = Vec::new();
        let Ok(mut found) = self.unit.die_ranges(entry) else { return ranges };
        while let Ok(Some(range)) = found.next() {
            if range.begin >= self.load_address.max(1) && range.begin < range.end && range.begin < u64::MAX - 1 {
                ranges.push(range);
            }
        }
        ranges
    }

    /// The name for linkers where there is one, of the entry or of what it stands for.
    fn name(&self, entry: &Die<'data>) -> Name<'data> {
        let text = self.find_name(entry).unwrap_or_default();
        Name::new(String::from_utf8_lossy(text), NameMangling::Unknown, Language::Unknown)
    }

    fn find_name(&self, entry: &Die<'data>) -> Option<&'data [u8]> {
        let (mut unit, mut entry) = (self.unit, Cow::Borrowed(entry));
        for _ in 0..MAX_ORIGINS {
            let text = |name: DwAt| unit.attr_string(entry.attr_value(name)?).ok().map(|text| text.slice());
            let names = [constants::DW_AT_linkage_name, constants::DW_AT_MIPS_linkage_name, constants::DW_AT_name];
            if let Some(found) = names.into_iter().find_map(text) {
                return Some(found);
            }
            let origin = [constants::DW_AT_abstract_origin, constants::DW_AT_specification].into_iter().find_map(|name| entry.attr_value(name));
            let offset = match origin? {
                AttributeValue::UnitRef(offset) => offset,
                AttributeValue::DebugInfoRef(offset) => {
                    let after = self.units.partition_point(|unit| unit.header.debug_info_offset().is_some_and(|at| at.0 <= offset.0));
                    let other = self.units.get(after.checked_sub(1)?)?;
                    unit = UnitRef::new(self.unit.dwarf, other);
                    offset.to_unit_offset(&other.header)?
                }
                _ => return None,
            };
            entry = Cow::Owned(unit.entry(offset).ok()?);
        }
        None
    }
}
