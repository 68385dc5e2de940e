//! Answers as columns: what crosses to JavaScript is a few arrays and each text once, not an object for each function.

use std::collections::HashMap;

use crate::lookup::{Lookup, NONE, Node};
use crate::strings::Hashed;

/// Struct of arrays, see `Resolved` in index.d.ts.
pub struct Columns {
    pub strings: Vec<String>,
    pub offsets: Vec<u32>,
    pub functions: Vec<u32>,
    pub files: Vec<u32>,
    pub lines: Vec<u32>,
    pub quality: Vec<u8>,
    /// Rows of `strings` by the number of the text in the table.
    rows: HashMap<u32, u32, Hashed>,
}

impl Columns {
    pub fn with_capacity(addresses: usize) -> Columns {
        let mut offsets = Vec::with_capacity(addresses + 1);
        offsets.push(0);
        let room = || Vec::with_capacity(addresses);
        let (functions, files, lines) = (room(), room(), room());
        Columns { strings: vec![], offsets, functions, files, lines, quality: Vec::with_capacity(addresses), rows: HashMap::default() }
    }

    pub fn push(&mut self, lookup: &Lookup<'_>, node: &Node) {
        let (function, file) = (self.row(lookup, node.function), self.row(lookup, node.file));
        self.functions.push(function);
        self.files.push(file);
        self.lines.push(node.line);
    }

    pub fn end_row(&mut self, quality: u8) {
        self.offsets.push(self.functions.len() as u32);
        self.quality.push(quality);
    }

    fn row(&mut self, lookup: &Lookup<'_>, number: u32) -> u32 {
        *self.rows.entry(number).or_insert_with(|| {
            self.strings.push(if number == NONE { String::new() } else { lookup.text(number).to_owned() });
            self.strings.len() as u32 - 1
        })
    }
}
