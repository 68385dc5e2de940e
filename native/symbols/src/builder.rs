//! Makes a lookup table of functions and symbols: every address of code gets one node, whose parents are the calls that it was
//! inlined into.

use std::collections::HashMap;
use std::fs::File;

use anyhow::{Result, anyhow};
use symbolic_common::{clean_path, join_path};
use symbolic_debuginfo::{FileInfo, Function, LineInfo};

use crate::demangle::readable;
use crate::lookup::{NONE, Node};
use crate::scratch::{Plain, Scratch};
use crate::strings::{Hashed, Strings};

/// Which of two entries for one address counts: the end of a function gives way to anything, a bare name to a line.
#[derive(Clone, Copy)]
enum Rank {
    End,
    Name,
    Line,
}

/// From `start` on an address has the node, up to the next entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Entry {
    /// Relative to the load address.
    pub start: u32,
    /// Rank in the two highest bits, then the order in which entries came: of several lines the last one counts, of several
    /// names the first.
    precedence: u32,
    /// `NONE` where no function is.
    pub node: u32,
}

// SAFETY: three numbers.
unsafe impl Plain for Entry {}
// SAFETY: four numbers.
unsafe impl Plain for Node {}

const ORDER: u32 = (1 << 30) - 1;

/// A sorted list of (address, node of the call) says from where on code was inlined into which call.
type Calls = [(u32, u32)];

pub struct Builder {
    strings: Strings,
    nodes: Scratch<Node>,
    entries: Scratch<Entry>,
    /// Why what came later is not in the table.
    broken: Option<anyhow::Error>,
    /// Numbers of the nodes of one function with all that is inlined into it. Those of another function are never the same.
    known: HashMap<Node, u32, Hashed>,
    /// Numbers of readable names by their mangled ones.
    functions: HashMap<Box<str>, u32>,
    /// Numbers of paths by where their parts lie, which is cheaper than to join and clean them for every line.
    files: HashMap<(usize, usize, usize), u32, Hashed>,
}

impl Builder {
    /// @param scratch makes empty files that nobody else has, for lists of any length
    pub fn new(scratch: &dyn Fn() -> Result<File>) -> Result<Builder> {
        Ok(Builder {
            strings: Strings::default(),
            nodes: Scratch::in_file(scratch()?)?,
            entries: Scratch::in_file(scratch()?)?,
            broken: None,
            known: HashMap::default(),
            functions: HashMap::default(),
            files: HashMap::default(),
        })
    }

    /// A function with its lines and what is inlined into it. Addresses are relative to the load address.
    pub fn add_function(&mut self, function: &Function<'_>) {
        self.known.clear();
        self.add_level(function, &[(0, NONE)]);
    }

    /// A name without lines; `size` 0 = up to the next one.
    pub fn add_symbol(&mut self, name: &str, address: u64, size: u64) {
        let Ok(start) = u32::try_from(address) else { return };
        // Hardly any name comes twice here, so that remembering it by its mangled form costs more than it saves.
        let function = self.strings.add(&readable(name));
        let node = self.new_node(Node { function, file: NONE, line: 0, parent: NONE });
        self.enter(start, node, Rank::Name);
        if size > 0 {
            self.enter(clamped(address.saturating_add(size)), NONE, Rank::End);
        }
    }

    /// To be called before another file is read: its texts may lie where those of the one before did.
    pub fn forget_places(&mut self) {
        self.files.clear();
    }

    /// # Errors
    /// When not all of it fits into a table.
    pub fn finish(mut self) -> Result<Parts> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.strings.check()?;
        self.entries.as_mut_slice().sort_unstable();
        let length = settle(self.entries.as_mut_slice());
        self.entries.truncate(length);
        Ok(Parts { entries: self.entries, nodes: self.nodes, strings: self.strings })
    }

    /// The lines of one level cover what is inlined into them too: there they say where the call is.
    fn add_level(&mut self, function: &Function<'_>, calls: &Calls) {
        if function.size == 0 || function.address > u64::from(u32::MAX) {
            return;
        }
        let name = self.function(function.name.as_str());
        let mut inlined: Vec<_> = function.inlinees.iter().flat_map(|inlinee| &inlinee.lines).map(range).collect();
        inlined.sort_unstable_by_key(|range| range.0);
        let mut inlined = inlined.into_iter().peekable();
        let mut calls = calls.iter().copied().peekable();
        let mut call = NONE;
        let mut inner_calls = Vec::new();
        let mut done = 0;
        for line in &function.lines {
            let (start, end) = range(line);
            // A part of a call that has been told already.
            if start < done {
                continue;
            }
            while let Some((_, node)) = calls.next_if(|(from, _)| *from <= start) {
                call = node;
            }
            let file = self.file(function.compilation_dir, &line.file);
            let node = self.node(Node { function: name, file, line: u32::try_from(line.line).unwrap_or(0), parent: call });
            let mut at = start;
            while at < end {
                if inlined.peek().is_none_or(|(from, _)| *from > at) {
                    self.enter(at, node, Rank::Line);
                }
                match inlined.next_if(|(from, _)| *from < end) {
                    Some((from, to)) => {
                        inner_calls.push((from, node));
                        at = to;
                    }
                    None => at = end,
                }
            }
            done = at;
        }
        if !function.inline {
            let node = self.node(Node { function: name, file: NONE, line: 0, parent: NONE });
            self.enter(clamped(function.address), node, Rank::Name);
        }
        if !inner_calls.is_empty() {
            for inlinee in &function.inlinees {
                self.add_level(inlinee, &inner_calls);
            }
        }
        self.enter(clamped(function.end_address()), NONE, Rank::End);
    }

    fn enter(&mut self, start: u32, node: u32, rank: Rank) {
        let order = (self.entries.len() as u32).min(ORDER);
        let order = if matches!(rank, Rank::Name) { ORDER - order } else { order };
        let pushed = self.entries.push(Entry { start, precedence: (rank as u32) << 30 | order, node });
        self.broken = self.broken.take().or(pushed.err());
    }

    fn node(&mut self, node: Node) -> u32 {
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let number = self.new_node(node);
        self.known.insert(node, number);
        number
    }

    /// A parent always comes before its children.
    fn new_node(&mut self, node: Node) -> u32 {
        let number = self.nodes.len() as u32;
        let fits = if number < NONE { self.nodes.push(node) } else { Err(anyhow!("its lookup table has too many lines")) };
        self.broken = self.broken.take().or(fits.err());
        number
    }

    fn function(&mut self, mangled: &str) -> u32 {
        if let Some(&known) = self.functions.get(mangled) {
            return known;
        }
        let number = self.strings.add(&readable(mangled));
        self.functions.insert(mangled.into(), number);
        number
    }

    fn file(&mut self, compilation_dir: &[u8], file: &FileInfo<'_>) -> u32 {
        let (name, dir) = (file.name_str(), file.dir_str());
        let borrowed = matches!((&name, &dir), (std::borrow::Cow::Borrowed(_), std::borrow::Cow::Borrowed(_)));
        let place = (compilation_dir.as_ptr() as usize, dir.as_ptr() as usize, name.as_ptr() as usize);
        if let Some(&known) = self.files.get(&place).filter(|_| borrowed) {
            return known;
        }
        let compilation_dir = std::str::from_utf8(compilation_dir).unwrap_or_default();
        let path = join_path(&join_path(compilation_dir, &dir), &name);
        let number = self.strings.add(&clean_path(&path));
        if borrowed {
            self.files.insert(place, number);
        }
        number
    }
}

/// Of each address the last entry counts, and of neighbours with one node the first. @returns how many are left, in front
fn settle(sorted: &mut [Entry]) -> usize {
    let mut length = 0;
    for at in 0..sorted.len() {
        let entry = sorted[at];
        if sorted.get(at + 1).is_some_and(|next| next.start == entry.start) || (length > 0 && sorted[length - 1].node == entry.node) {
            continue;
        }
        sorted[length] = entry;
        length += 1;
    }
    length
}

/// What a table is written of (`lookup`).
pub struct Parts {
    /// Rising.
    pub entries: Scratch<Entry>,
    pub nodes: Scratch<Node>,
    pub strings: Strings,
}

/// First address and end of a line.
fn range(line: &LineInfo<'_>) -> (u32, u32) {
    let start = clamped(line.address);
    (start, start.saturating_add(clamped(line.size.unwrap_or(1))))
}

fn clamped(address: u64) -> u32 {
    u32::try_from(address).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use symbolic_common::{Language, Name, NameMangling};

    use super::*;
    use crate::kept_tables::in_memory;

    fn builder() -> Builder {
        Builder::new(&in_memory).unwrap()
    }

    fn function<'a>(name: &'a str, lines: &[(u64, u64, u64)], inlinees: Vec<Function<'a>>, inline: bool) -> Function<'a> {
        let file = || FileInfo::from_filename(b"a.c");
        let lines: Vec<_> = lines.iter().map(|&(address, size, line)| LineInfo { address, size: Some(size), file: file(), line }).collect();
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
        let (address, size) = (first.address, last.address + last.size.unwrap() - first.address);
        Function { address, size, name: Name::new(name, NameMangling::Unmangled, Language::C), compilation_dir: b"/src", lines, inlinees, inline }
    }

    /// `NAME:LINE` of each level at each address that begins something, innermost first.
    fn shape(builder: Builder) -> Vec<(u32, String)> {
        let Parts { entries, nodes, strings } = builder.finish().unwrap();
        let (ends, texts) = strings.parts();
        let text = |index: u32| {
            let start = if index == 0 { 0 } else { ends[index as usize - 1] };
            std::str::from_utf8(&texts[start as usize..ends[index as usize] as usize]).unwrap()
        };
        let chain = |mut number: u32| {
            let mut levels = Vec::new();
            while let Some(node) = nodes.get(number as usize) {
                levels.push(format!("{}:{}", text(node.function), node.line));
                number = node.parent;
            }
            levels.join(" ")
        };
        entries.iter().map(|entry| (entry.start, chain(entry.node))).collect()
    }

    #[test]
    fn splits_a_function_by_what_is_inlined_into_it() {
        let mut builder = builder();
        let inner = function("inner", &[(0x18, 4, 70)], vec![], true);
        let middle = function("middle", &[(0x14, 12, 50)], vec![inner], true);
        builder.add_function(&function("outer", &[(0x10, 4, 1), (0x14, 12, 2), (0x20, 8, 3)], vec![middle], false));
        let expected = [
            (0x10, "outer:1"),
            (0x14, "middle:50 outer:2"),
            (0x18, "inner:70 middle:50 outer:2"),
            (0x1c, "middle:50 outer:2"),
            (0x20, "outer:3"),
            (0x28, ""),
        ];
        assert_eq!(shape(builder), expected.map(|(start, text)| (start, text.to_owned())));
    }

    #[test]
    fn prefers_lines_to_names_and_both_to_ends_in_any_order() {
        let lines = |builder: &mut Builder| builder.add_function(&function("lines", &[(0x20, 0x10, 1)], vec![], false));
        let name = |builder: &mut Builder| builder.add_symbol("name", 0x20, 0x10);
        let before = |builder: &mut Builder| builder.add_symbol("before", 0x10, 0x10);
        let [mut forth, mut back] = [builder(), builder()];
        [&lines as &dyn Fn(&mut Builder), &name, &before].iter().for_each(|add| add(&mut forth));
        [&before as &dyn Fn(&mut Builder), &name, &lines].iter().for_each(|add| add(&mut back));
        let expected = [(0x10, "before:0"), (0x20, "lines:1"), (0x30, "")].map(|(start, text)| (start, text.to_owned()));
        assert_eq!(shape(forth), expected);
        assert_eq!(shape(back), expected);
    }

    #[test]
    fn takes_the_first_of_several_names_of_an_address() {
        let mut builder = builder();
        builder.add_symbol("exported", 0x10, 4);
        builder.add_symbol("internal", 0x10, 4);
        assert_eq!(shape(builder)[0].1, "exported:0");
    }
}
