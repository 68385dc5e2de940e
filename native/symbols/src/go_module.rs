//! Where a Go binary keeps its line table, and what only the runtime's module data say: where the text begins that the table's
//! offsets count from, and where the inlining trees are. Neither needs a symbol.
//! Layout: `runtime.moduledata` in runtime/symtab.go of Go 1.18 to 1.26.

use object::{Object as _, ObjectSection as _, RelocationTarget};

/// Words of `moduledata`, counted from its `pcHeader`, since Go 1.18.
const FUNC_NAMES: u64 = 1;
const MIN_PC: u64 = 20;
const TEXT: u64 = 22;
/// `gofunc`: Go 1.20 put two words for coverage counters before it.
const GO_FUNC: u64 = 40;

const WORD: u64 = 8;

pub struct GoModule<'data> {
    /// The table, from its header on.
    pub table: &'data [u8],
    /// Address that function offsets count from.
    pub text: u64,
    /// From `go:func.*` on: inlining trees. Empty when not known.
    pub functions_data: &'data [u8],
}

/// None when it is no 64-bit little-endian Go binary of Go 1.18 or later.
pub fn find_module<'data>(file: &object::File<'data>) -> Option<GoModule<'data>> {
    if !file.is_64() || !file.is_little_endian() {
        return None;
    }
    let section = [".gopclntab", ".data.rel.ro.gopclntab"].iter().find_map(|name| file.section_by_name(name));
    let (address, table) = match section {
        Some(section) => (section.address(), section.data().ok()?),
        None => search_table(file)?,
    };
    let names = address.checked_add(word(table, 8 + 3 * WORD)?)?;
    let module = module_words(file, address, names);
    let (text, go_func) = match module {
        Some((text, go_func)) => (text, go_func),
        // Up to Go 1.25 the header has the start of the text too.
        None => (Some(word(table, 8 + 2 * WORD)?).filter(|text| *text != 0).or_else(|| Some(file.section_by_name(".text")?.address()))?, 0),
    };
    Some(GoModule { table, text, functions_data: data_at(file, go_func).unwrap_or_default() })
}

/// The start of the text and of `go:func.*`, from the module data.
fn module_words(file: &object::File<'_>, table: u64, names: u64) -> Option<(u64, u64)> {
    let relocated = relocations(file);
    let sections: Vec<_> = file
        .sections()
        .filter(|section| section.name().is_ok_and(|name| name.contains("data") || name.contains("go.module") || name.contains("gomodule")))
        .filter_map(|section| Some((section.address(), section.data().ok()?)))
        .collect();
    let read = |at: u64| {
        if let Ok(row) = relocated.binary_search_by_key(&at, |row| row.0) {
            return Some(relocated[row].1);
        }
        let &(start, data) = sections.iter().find(|(start, data)| at >= *start && at - start < data.len() as u64)?;
        word(data, at - start)
    };
    let is_module = |at: u64| read(at) == Some(table) && read(at + FUNC_NAMES * WORD) == Some(names);
    let by_value = || {
        sections.iter().find_map(|&(start, data)| {
            let words = data.chunks_exact(WORD as usize).enumerate();
            let mut places = words.filter(|(_, bytes)| **bytes == table.to_le_bytes()).map(|(i, _)| start + i as u64 * WORD);
            places.find(|at| is_module(*at))
        })
    };
    let by_relocation = || relocated.iter().filter(|row| row.1 == table).map(|row| row.0).find(|at| is_module(*at));
    let at = by_relocation().or_else(by_value)?;
    let text = read(at + TEXT * WORD)?;
    // The first function lies at or after the start of the text; anything else is another layout.
    let plausible = read(at + MIN_PC * WORD)?.checked_sub(text).is_some_and(|gap| gap < 1 << 30);
    plausible.then(|| (text, read(at + GO_FUNC * WORD).unwrap_or(0)))
}

/// Words that the loader writes in a position-independent binary: (address, value), sorted.
fn relocations(file: &object::File<'_>) -> Vec<(u64, u64)> {
    let Some(all) = file.dynamic_relocations() else { return Vec::new() };
    let relative = all.filter(|(_, relocation)| relocation.target() == RelocationTarget::Absolute);
    let mut rows: Vec<_> = relative.map(|(at, relocation)| (at, relocation.addend() as u64)).collect();
    rows.sort_unstable();
    rows
}

/// A stripped section table leaves the header's own bytes to be looked for, in read-only data.
fn search_table<'data>(file: &object::File<'data>) -> Option<(u64, &'data [u8])> {
    file.sections().filter(|section| section.name().is_ok_and(|name| name.starts_with(".rodata") || name.starts_with(".data.rel.ro"))).find_map(
        |section| {
            let data = section.data().ok()?;
            let at = (0..data.len().saturating_sub(72)).step_by(8).find(|&at| crate::go_table::is_header(&data[at..]))?;
            Some((section.address() + at as u64, &data[at..]))
        },
    )
}

/// The rest of the section at an address.
fn data_at<'data>(file: &object::File<'data>, address: u64) -> Option<&'data [u8]> {
    let holds = |section: &object::Section<'data, '_>| address >= section.address() && address - section.address() < section.size();
    let section = file.sections().filter(|section| section.address() != 0).find(holds)?;
    section.data().ok()?.get((address - section.address()) as usize..)
}

pub fn word(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
