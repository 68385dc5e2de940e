//! The line table of one unit, by address.

use std::borrow::Cow;

use gimli::{AttributeValue, IncompleteLineProgram, LineProgramHeader, Range, UnitRef};
use symbolic_debuginfo::FileInfo;

use crate::split_dwarf::Slice;

/// From `address` to `end` code is of one line.
pub struct Row {
    pub address: u64,
    pub end: u64,
    pub file: u64,
    /// 0 = unknown.
    pub line: u64,
}

pub struct UnitLines<'data> {
    header: LineProgramHeader<Slice<'data>>,
    /// Sorted, apart from each other but where a linker left rubbish.
    rows: Vec<Row>,
}

impl<'data> UnitLines<'data> {
    pub fn of(program: IncompleteLineProgram<Slice<'data>>) -> UnitLines<'data> {
        let mut rows: Vec<Row> = Vec::new();
        let mut machine = program.rows();
        // Where the sequence that is being read begins in `rows`.
        let mut first = 0;
        // A program that is broken says nothing from there on.
        while let Ok(Some((_, row))) = machine.next_row() {
            let (address, end_of_sequence) = (row.address(), row.end_sequence());
            if let Some(last) = rows[first..].last_mut() {
                last.end = address.max(last.address);
            }
            if end_of_sequence {
                // Code that the linker left out is at 0.
                if rows.get(first).is_some_and(|row| row.address == 0) {
                    rows.truncate(first);
                }
                first = rows.len();
            } else {
                rows.push(Row { address, end: address, file: row.file_index(), line: row.line().map_or(0, |line| line.get()) });
            }
        }
        rows.truncate(first);
        // Of several rows of one address the last one has it.
        rows.retain(|row| row.address < row.end);
        rows.sort_by_key(|row| row.address);
        UnitLines { header: machine.header().clone(), rows }
    }

    /// Rows that cover something of a range.
    pub fn rows(&self, range: Range) -> &[Row] {
        let after = self.rows.partition_point(|row| row.address < range.end);
        let first = self.rows[..after].partition_point(|row| row.address <= range.begin);
        // The row before the first one that begins inside may reach into it.
        let first = first.saturating_sub(1);
        let first = if self.rows[..after].get(first).is_some_and(|row| row.end <= range.begin) { first + 1 } else { first };
        &self.rows[first.min(after)..after]
    }

    /// Start and end of code without a gap, in order.
    pub fn spans(&self) -> Vec<(u64, u64)> {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for row in &self.rows {
            match spans.last_mut() {
                Some(last) if row.address <= last.1 => last.1 = last.1.max(row.end),
                _ => spans.push((row.address, row.end)),
            }
        }
        spans
    }

    /// @param unit the one that names the line table
    pub fn file(&self, unit: &UnitRef<'_, Slice<'data>>, index: u64) -> FileInfo<'data> {
        let Some(file) = self.header.file(index) else { return FileInfo::default() };
        let text = |value: AttributeValue<Slice<'data>>| unit.attr_string(value).map_or(&b""[..], |text| text.slice());
        let directory = file.directory(&self.header).map_or(&b""[..], text);
        FileInfo::new(Cow::Borrowed(directory), Cow::Borrowed(text(file.path_name())))
    }
}
