//! The tables and names of all that a process has mapped.

// Each test file uses a part of it.
#![allow(dead_code)]

use super::tracee::Tracee;
use object::{Object, ObjectSymbol, SymbolKind};
use perfleet_unwind::stepper::{Frames, Regs, unwind};
use perfleet_unwind::{Arch, Limits, Rule, Table, compile};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

/// A binary: its table, and its functions with their first address, in ascending order
pub struct Binary {
    table: Table,
    functions: Vec<(u64, u64, String)>,
    /// (file offset, bytes, ELF virtual address) of each loaded segment
    segments: Vec<(u64, u64, u64)>,
}

pub struct Mapped {
    /// (start, end, offset in the file, path)
    ranges: Vec<(u64, u64, u64, String)>,
    binaries: HashMap<String, Rc<Binary>>,
}

impl Mapped {
    pub fn of(tracee: &Tracee) -> Mapped {
        let mut mapped = Mapped { ranges: Vec::new(), binaries: HashMap::new() };
        mapped.refresh(tracee);
        mapped
    }

    /// Reads the mappings anew: a program may have loaded a library meanwhile.
    pub fn refresh(&mut self, tracee: &Tracee) {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", tracee.pid())).expect("the mappings can be read");
        self.ranges.clear();
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (Some((start, end)), Some(offset), Some(path)) = (words[0].split_once('-'), words.get(2), words.get(5)) else { continue };
            let hex = |word: &str| u64::from_str_radix(word, 16).expect("a number of /proc/PID/maps");
            if !words[1].contains('x') || !(path.starts_with('/') || *path == "[vdso]") {
                continue;
            }
            self.ranges.push((hex(start), hex(end), hex(offset), (*path).to_owned()));
            if !self.binaries.contains_key(*path) {
                let bytes = match *path {
                    "[vdso]" => {
                        let mut bytes = vec![0; (hex(end) - hex(start)) as usize];
                        tracee.read(hex(start), &mut bytes).expect("the vdso can be read");
                        bytes
                    }
                    path => std::fs::read(path).expect("a mapped file can be read"),
                };
                self.binaries.insert((*path).to_owned(), Rc::new(binary(&bytes)));
            }
        }
    }

    /// The binary at an address and the address in it.
    fn locate(&self, address: u64) -> Option<(&str, &Binary, u64)> {
        let (start, _, offset, path) = self.ranges.iter().find(|(start, end, ..)| (*start..*end).contains(&address))?;
        let binary = self.binaries.get(path)?;
        let at = address - start + offset;
        let (first, _, elf) = binary.segments.iter().find(|(first, bytes, _)| (*first..first + bytes).contains(&at))?;
        Some((path, binary, at - first + elf))
    }

    pub fn rule(&self, address: u64) -> Rule {
        self.locate(address).map_or(Rule::NONE, |(_, binary, pc)| binary.table.rule(pc))
    }

    pub fn unwind(&self, regs: Regs, tracee: &Tracee) -> Frames {
        unwind(Arch::X86_64, regs, tracee, 512, |pc| self.rule(pc))
    }

    /// The function of each frame; code without a name has that of its file.
    pub fn names(&self, frames: &Frames) -> Vec<String> {
        frames.frames.iter().map(|frame| self.name(frame.lookup_pc())).collect()
    }

    /// Where a function of a binary that is mapped where it was linked begins.
    pub fn function(&self, name: &str) -> Option<u64> {
        let functions = self.binaries.values().flat_map(|binary| &binary.functions);
        functions.filter(|(.., found)| found == name).map(|(start, ..)| *start).next()
    }

    pub fn name(&self, address: u64) -> String {
        let Some((path, binary, pc)) = self.locate(address) else { return format!("{address:#x}") };
        let functions = &binary.functions;
        let index = functions.partition_point(|(start, ..)| *start <= pc);
        match functions.get(index.wrapping_sub(1)) {
            Some((start, size, name)) if pc < start + (*size).max(1) => name.clone(),
            _ => Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        }
    }
}

fn binary(bytes: &[u8]) -> Binary {
    let table = compile(bytes, &Limits::default()).expect("a mapped binary has a table");
    let file = object::File::parse(bytes).expect("a mapped binary is an ELF file");
    let mut functions: Vec<_> = file
        .symbols()
        .chain(file.dynamic_symbols())
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.address() != 0)
        .map(|symbol| (symbol.address(), symbol.size(), symbol.name().unwrap_or("?").to_owned()))
        .collect();
    functions.sort();
    let segments = bytes_of_segments(&file);
    Binary { table, functions, segments }
}

fn bytes_of_segments(file: &object::File) -> Vec<(u64, u64, u64)> {
    use object::ObjectSegment;
    file.segments().map(|segment| (segment.file_range().0, segment.file_range().1, segment.address())).collect()
}
