//! Units of split DWARF without their `.dwo` files: the binary still has their lines, and its symbols the functions.

use std::borrow::Cow;

use gimli::{Dwarf, Range, Unit, UnitRef};
use symbolic_common::{Language, Name, NameMangling};
use symbolic_debuginfo::Function;
use symbolic_debuginfo::function_builder::FunctionBuilder;

use crate::elf_symbols::FunctionSymbol;
use crate::split_dwarf::Slice;
use crate::unit_lines::UnitLines;

pub struct Missing<'a> {
    units: Vec<(UnitRef<'a, Slice<'a>>, UnitLines<'a>)>,
    /// Start and end of code without a gap, and the number of its unit; sorted.
    spans: Vec<(u64, u64, usize)>,
    /// What could not be read, of which file.
    pub problem: Option<anyhow::Error>,
}

impl<'a> Missing<'a> {
    pub fn new(dwarf: &'a Dwarf<Slice<'a>>, units: impl Iterator<Item = &'a Unit<Slice<'a>>>, problem: Option<anyhow::Error>) -> Missing<'a> {
        let mut missing = Missing { units: Vec::new(), spans: Vec::new(), problem };
        for unit in units {
            let Some(program) = unit.line_program.clone() else { continue };
            let lines = UnitLines::of(program);
            let number = missing.units.len();
            missing.spans.extend(lines.spans().into_iter().map(|(start, end)| (start, end, number)));
            missing.units.push((UnitRef::new(dwarf, unit), lines));
        }
        missing.spans.sort_unstable();
        missing
    }

    /// The function of a symbol with the lines that it has, without what was inlined into it.
    pub fn function<'data>(&'data self, symbol: &FunctionSymbol<'data>, load_address: u64) -> Option<Function<'data>> {
        let begin = symbol.address.checked_add(load_address)?;
        let after = self.spans.partition_point(|span| span.0 <= begin);
        let &(_, end, number) = self.spans.get(after.checked_sub(1)?)?;
        let (unit, lines) = self.units.get(number).filter(|_| begin < end && symbol.size > 0)?;
        let directory = unit.comp_dir.map_or(&b""[..], |directory| directory.slice());
        let name = Name::new(Cow::Borrowed(symbol.name), NameMangling::Unknown, Language::Unknown);
        let mut function = FunctionBuilder::new(name, directory, symbol.address, symbol.size);
        for row in lines.rows(Range { begin, end: begin.saturating_add(symbol.size) }) {
            let from = row.address.max(begin);
            function.add_leaf_line(from - load_address, Some(row.end - from), lines.file(unit, row.file), row.line);
        }
        Some(function.finish())
    }
}
