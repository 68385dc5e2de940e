//! Functions of symbols with the lines of their units, for code that has lines but no function in the debug information: assembly,
//! functions that were merged with what was inlined elsewhere, and units of split DWARF whose other halves are not here.

use std::borrow::Cow;

use gimli::{Dwarf, Range, Unit, UnitRef};
use object::Object as _;
use symbolic_common::{Language, Name, NameMangling};
use symbolic_debuginfo::Function;
use symbolic_debuginfo::function_builder::FunctionBuilder;

use crate::split_dwarf::{Slice, section};
use crate::unit_lines::UnitLines;

/// Code of a known name.
pub struct Code<'data> {
    pub name: Cow<'data, str>,
    /// Relative to the load address.
    pub address: u64,
    pub size: u64,
}

impl Code<'static> {
    /// The first bytes of a function, where no line begins in them: the line of the code before it goes on there.
    pub fn without_line(function: &Function<'_>) -> Option<Code<'static>> {
        let end = function.lines.first().map_or(function.end_address(), |line| line.address);
        let size = end.checked_sub(function.address).filter(|size| *size > 0)?;
        Some(Code { name: function.name.as_str().to_owned().into(), address: function.address, size })
    }
}

pub struct SymbolLines<'a> {
    units: Vec<(UnitRef<'a, Slice<'a>>, UnitLines<'a>)>,
    /// Start and end of code without a gap, and the number of its unit; sorted.
    spans: Vec<(u64, u64, usize)>,
}

impl<'a> SymbolLines<'a> {
    pub fn new(dwarf: &'a Dwarf<Slice<'a>>, units: impl Iterator<Item = &'a Unit<Slice<'a>>>) -> SymbolLines<'a> {
        let mut all = SymbolLines { units: Vec::new(), spans: Vec::new() };
        for unit in units {
            let Some(program) = unit.line_program.clone() else { continue };
            let lines = UnitLines::of(program);
            let number = all.units.len();
            all.spans.extend(lines.spans().into_iter().map(|(start, end)| (start, end, number)));
            all.units.push((UnitRef::new(dwarf, unit), lines));
        }
        all.spans.sort_unstable();
        all
    }

    /// The lines of some code, without what was inlined into it. None where it has none.
    pub fn function<'data>(&'data self, code: &Code<'data>, load_address: u64) -> Option<Function<'data>> {
        let begin = code.address.checked_add(load_address)?;
        let after = self.spans.partition_point(|span| span.0 <= begin);
        let &(_, end, number) = self.spans.get(after.checked_sub(1)?)?;
        let (unit, lines) = self.units.get(number).filter(|_| begin < end && code.size > 0)?;
        let directory = unit.comp_dir.map_or(&b""[..], |directory| directory.slice());
        let name = Name::new(code.name.clone(), NameMangling::Unknown, Language::Unknown);
        let mut function = FunctionBuilder::new(name, directory, code.address, code.size);
        let end = begin.saturating_add(code.size);
        for row in lines.rows(Range { begin, end }) {
            let from = row.address.max(begin);
            function.add_leaf_line(from - load_address, Some(row.end.min(end) - from), lines.file(unit, row.file), row.line);
        }
        Some(function.finish())
    }
}

/// Hands over the functions of `codes`, of the units of a file that have lines for them. Of codes at one address the first counts.
pub fn each_function(file: &object::File<'_>, mut codes: Vec<Code<'_>>, load_address: u64, each: &mut dyn FnMut(Function<'_>)) {
    codes.sort_by_key(|code| code.address);
    codes.dedup_by_key(|code| code.address);
    if codes.is_empty() || !file.is_64() || !file.is_little_endian() {
        return;
    }
    let Ok(dwarf) = Dwarf::load(|id| section(file, Some(id.name()))) else { return };
    let has_any = |range: Range| {
        let at = |address: u64| codes.partition_point(|code| code.address.saturating_add(load_address) < address);
        at(range.begin) < at(range.end)
    };
    let mut units = Vec::new();
    let mut headers = dwarf.units();
    // What is broken has no lines.
    while let Ok(Some(header)) = headers.next() {
        let Ok(unit) = dwarf.unit(header) else { continue };
        let Ok(mut ranges) = dwarf.unit_ranges(&unit) else { continue };
        while let Ok(Some(range)) = ranges.next() {
            if has_any(range) {
                units.push(unit);
                break;
            }
        }
    }
    let lines = SymbolLines::new(&dwarf, units.iter());
    for code in &codes {
        if let Some(function) = lines.function(code, load_address) {
            each(function);
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolic_debuginfo::FileInfo;

    use super::*;

    #[test]
    fn knows_which_part_of_a_function_has_no_line() {
        let part = |lines: &[u64]| {
            let name = Name::new("late", NameMangling::Unmangled, Language::C);
            let mut function = FunctionBuilder::new(name, b"/src", 0x50, 0x12);
            for &address in lines {
                function.add_leaf_line(address, Some(1), FileInfo::from_filename(b"a.c"), 7);
            }
            Code::without_line(&function.finish()).map(|code| (code.address, code.size))
        };
        // A row from before the function is not of it: so `symbolic` gives the lines.
        assert_eq!(part(&[0x4f, 0x55, 0x5a]), Some((0x50, 5)));
        assert_eq!(part(&[]), Some((0x50, 0x12)));
        assert_eq!(part(&[0x50, 0x55]), None);
    }
}
