//! Functions, files, lines and inlined calls of Go binaries from the runtime's own table, which no strip removes.
//! Format: runtime/symtab.go, runtime/symtabinl.go and debug/gosym of Go 1.18 to 1.26.

use std::collections::{BTreeMap, HashMap};

use symbolic_common::{Language, Name, NameMangling};
use symbolic_debuginfo::{FileInfo, Function, LineInfo};

use crate::go_module::{GoModule, word};
use crate::go_values::Values;

const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;
/// PCDATA_InlTreeIndex and FUNCDATA_InlTree of internal/abi.
const INLINE_INDEX: u32 = 2;
const INLINE_TREE: u32 = 3;
/// An entry of an inlining tree since Go 1.20: function id, name offset, offset of the call's instruction, line of the function.
const INLINED_CALL: usize = 16;
const MAX_DEPTH: usize = 64;
const NO_DATA: u32 = u32::MAX;

pub struct GoTable<'data> {
    version: u32,
    quantum: u8,
    count: u32,
    names: &'data [u8],
    units: &'data [u8],
    files: &'data [u8],
    values: &'data [u8],
    functions: &'data [u8],
    module: GoModule<'data>,
}

/// Magic, two zeros, instruction size, pointer size.
pub fn is_header(bytes: &[u8]) -> bool {
    let magic = u32_at(bytes, 0);
    (magic == Some(GO_1_18) || magic == Some(GO_1_20)) && bytes[4..6] == [0, 0] && matches!(bytes[6], 1 | 2 | 4) && bytes[7] == 8
}

impl<'data> GoTable<'data> {
    pub fn parse(module: GoModule<'data>) -> Option<GoTable<'data>> {
        let table = module.table;
        if table.len() < 72 || !is_header(table) {
            return None;
        }
        let part = |index: u64| table.get(usize::try_from(word(table, 8 + index * 8)?).ok()?..);
        Some(GoTable {
            version: u32_at(table, 0)?,
            quantum: table[6],
            count: u32::try_from(word(table, 8)?).ok().filter(|&count| (count as usize) < table.len() / 8)?,
            names: part(3)?,
            units: part(4)?,
            files: part(5)?,
            values: part(6)?,
            functions: part(7)?,
            module,
        })
    }

    /// Calls `each` with every function, its addresses relative to `load_address`. Entries that are corrupt are left out.
    pub fn each(&self, load_address: u64, mut each: impl FnMut(&Function<'data>)) {
        for index in 0..self.count {
            if let Some(function) = self.function(index, load_address) {
                each(&function);
            }
        }
    }

    fn function(&self, index: u32, load_address: u64) -> Option<Function<'data>> {
        let row = index as usize * 8;
        let (entry, data, end) = (u32_at(self.functions, row)?, u32_at(self.functions, row + 4)?, u32_at(self.functions, row + 8)?);
        let size = end.checked_sub(entry).filter(|size| *size > 0)?;
        let address = self.module.text.checked_add(entry.into())?.checked_sub(load_address)?;
        let record = Record { bytes: self.functions.get(data as usize..)?, fixed: if self.version >= GO_1_20 { 44 } else { 40 } };
        let lines = self.lines(&record, size)?;
        let mut tree = Tree { table: self, lines: &lines, calls: BTreeMap::new(), outer: Vec::new() };
        tree.fill(self.tree(&record), size);
        Some(tree.into_function(self.name(record.word(4)?)?, address, size))
    }

    /// File and line by offset in the function.
    fn lines(&self, record: &Record<'data>, size: u32) -> Option<Lines<'data>> {
        let unit = record.word(32)?;
        let mut names = HashMap::new();
        let mut files = Vec::new();
        for (range, number) in Values::new(self.values, record.word(20)?, self.quantum).take_while(|(range, _)| range.start < size) {
            let name = *names.entry(number).or_insert_with(|| self.file(unit, number).unwrap_or_default());
            files.push((range.end.min(size), name));
        }
        let lines = Values::new(self.values, record.word(24)?, self.quantum).take_while(|(range, _)| range.start < size);
        Some(Lines { files, lines: lines.map(|(range, line)| (range.end.min(size), line.max(0) as u64)).collect() })
    }

    fn tree(&self, record: &Record<'data>) -> Option<(u32, &'data [u8])> {
        if self.version < GO_1_20 {
            return None;
        }
        let tree = record.function_data(INLINE_TREE).filter(|at| *at != NO_DATA)?;
        Some((record.values(INLINE_INDEX)?, self.module.functions_data.get(tree as usize..)?))
    }

    fn name(&self, at: u32) -> Option<&'data str> {
        text_at(self.names, at)
    }

    fn file(&self, unit: u32, number: i32) -> Option<&'data str> {
        let row = unit.checked_add(u32::try_from(number).ok()?)? as usize;
        text_at(self.files, u32_at(self.units, row.checked_mul(4)?)?)
    }
}

/// `runtime._func`: fixed fields, then offsets of pc-value tables, then offsets of function data.
struct Record<'data> {
    bytes: &'data [u8],
    fixed: usize,
}

impl Record<'_> {
    fn word(&self, at: usize) -> Option<u32> {
        u32_at(self.bytes, at)
    }

    fn values(&self, index: u32) -> Option<u32> {
        (index < self.word(28)?).then(|| self.word(self.fixed + index as usize * 4))?
    }

    fn function_data(&self, index: u32) -> Option<u32> {
        let before = (self.word(28)? as usize).checked_mul(4)?;
        (index < u32::from(*self.bytes.get(self.fixed - 1)?)).then(|| self.word(self.fixed + before + index as usize * 4))?
    }
}

/// Runs up to an offset (exclusive), in order.
struct Lines<'data> {
    files: Vec<(u32, &'data str)>,
    lines: Vec<(u32, u64)>,
}

impl<'data> Lines<'data> {
    fn at(&self, offset: u32) -> (&'data str, u64) {
        let file = self.files.get(self.files.partition_point(|run| run.0 <= offset)).map_or("", |run| run.1);
        let line = self.lines.get(self.lines.partition_point(|run| run.0 <= offset)).map_or(0, |run| run.1);
        (file, line)
    }

    /// Where file or line may change, from `start` to `end`.
    fn runs(&self, start: u32, end: u32) -> Vec<(u32, u32)> {
        let ends = self.files.iter().map(|run| run.0).chain(self.lines.iter().map(|run| run.0));
        let mut cuts: Vec<u32> = ends.filter(|&at| at > start && at < end).chain([start, end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }
}

/// A piece of code of one level: start, end, file, line.
type Piece<'data> = (u32, u32, &'data str, u64);

#[derive(Default)]
struct Call<'data> {
    name: &'data str,
    /// Index of the call that it is inlined into.
    parent: Option<u32>,
    pieces: Vec<Piece<'data>>,
}

struct Tree<'a, 'data> {
    table: &'a GoTable<'data>,
    lines: &'a Lines<'data>,
    calls: BTreeMap<u32, Call<'data>>,
    outer: Vec<Piece<'data>>,
}

impl<'data> Tree<'_, 'data> {
    fn fill(&mut self, tree: Option<(u32, &'data [u8])>, size: u32) {
        let Some((values, tree)) = tree else { return self.add(None, 0, size, &[], &[]) };
        let indexes: Vec<_> = Values::new(self.table.values, values, self.table.quantum).map(|(range, index)| (range.end.min(size), index)).collect();
        let mut start = 0;
        for &(end, index) in &indexes {
            if start < end {
                self.add(u32::try_from(index).ok(), start, end, tree, &indexes);
            }
            start = start.max(end);
        }
        if start < size {
            self.add(None, start, size, tree, &indexes);
        }
    }

    /// Code from `start` to `end` belongs to the call `index`, and by its call sites to everything that it is inlined into.
    fn add(&mut self, index: Option<u32>, start: u32, end: u32, tree: &'data [u8], indexes: &[(u32, i32)]) {
        let mut pieces: Vec<Piece<'data>> = Vec::new();
        for (start, end) in self.lines.runs(start, end) {
            let (file, line) = self.lines.at(start);
            pieces.push((start, end, file, line));
        }
        let mut level = index;
        for _ in 0..MAX_DEPTH {
            let Some(index) = level else { break };
            let Some((name, call_site)) = self.inlined(tree, index) else { break };
            let parent = indexes.get(indexes.partition_point(|run| run.0 <= call_site)).and_then(|run| u32::try_from(run.1).ok());
            // A parent has a lower index; anything else is a cycle.
            let parent = parent.filter(|parent| *parent < index);
            let call = self.calls.entry(index).or_insert_with(|| Call { name, parent, pieces: Vec::new() });
            call.pieces.append(&mut pieces);
            let (file, line) = self.lines.at(call_site);
            pieces.push((start, end, file, line));
            level = parent;
        }
        self.outer.append(&mut pieces);
    }

    /// Name of an inlined call, and the offset of an instruction on its call site's line.
    fn inlined(&self, tree: &'data [u8], index: u32) -> Option<(&'data str, u32)> {
        let row = (index as usize).checked_mul(INLINED_CALL)?;
        Some((self.table.name(u32_at(tree, row + 4)?)?, u32_at(tree, row + 8)?))
    }

    fn into_function(mut self, name: &'data str, address: u64, size: u32) -> Function<'data> {
        let mut inner: HashMap<Option<u32>, Vec<Function<'data>>> = HashMap::new();
        // Children before parents: their indexes are higher.
        while let Some((index, call)) = self.calls.pop_last() {
            let inlinees = inner.remove(&Some(index)).unwrap_or_default();
            inner.entry(call.parent).or_default().push(function(call.name, address, call.pieces, inlinees, true));
        }
        let inlinees = inner.remove(&None).unwrap_or_default();
        let mut outer = function(name, address, self.outer, inlinees, false);
        (outer.address, outer.size) = (address, size.into());
        outer
    }
}

fn function<'data>(name: &'data str, base: u64, mut pieces: Vec<Piece<'data>>, inlinees: Vec<Function<'data>>, inline: bool) -> Function<'data> {
    pieces.sort_unstable_by_key(|piece| piece.0);
    // Neighbours on the same line are one.
    pieces.dedup_by(|next, last| {
        let joins = last.1 == next.0 && last.2 == next.2 && last.3 == next.3;
        if joins {
            last.1 = next.1;
        }
        joins
    });
    let (start, end) = (pieces.first().map_or(0, |piece| piece.0), pieces.last().map_or(0, |piece| piece.1));
    let line = |&(start, end, file, line): &Piece<'data>| LineInfo {
        address: base + u64::from(start),
        size: Some((end - start).into()),
        file: FileInfo::from_filename(file.as_bytes()),
        line,
    };
    Function {
        address: base + u64::from(start),
        size: (end - start).into(),
        name: Name::new(name, NameMangling::Unmangled, Language::Go),
        compilation_dir: b"",
        lines: pieces.iter().map(line).collect(),
        inlinees,
        inline,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A text that ends with a zero.
fn text_at(bytes: &[u8], at: u32) -> Option<&str> {
    let rest = bytes.get(at as usize..)?;
    let end = rest.iter().take(64 << 10).position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
