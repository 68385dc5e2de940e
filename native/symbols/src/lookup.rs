//! A binary's lookup table as bytes, in memory or in a file. Little-endian, offsets from its start:
//!
//! | at | what |
//! |---|---|
//! | 0 | `MAGIC` |
//! | 8 | u32 `VERSION` |
//! | 12 | u32 CRC-32 of all that follows |
//! | 16 | u64 load address of the binary |
//! | 24 | u32 number of addresses, of nodes, of texts, of their bytes, of the description's bytes |
//! | 44 | u8 source, u8 has a symbol table, two of zero |
//! | 48 | u32 start of each address, rising, relative to the load address; up to the next one it has the same node |
//! | | u32 node of each address, `NONE` = no function |
//! | | nodes: u32 text of the function, u32 text of the file or `NONE`, u32 line or 0, u32 parent or `NONE` |
//! | | u32 end of each text, then the texts, in UTF-8 |
//! | | the description, in UTF-8: identity and problem |
//!
//! A node is a function on a line; its parent is the call that it was inlined into, and always has a lower number.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, Result, ensure};

use crate::builder::Parts;

const MAGIC: &[u8; 8] = b"PFSYMTAB";
/// Changes with the format, and with what names look like: a table of another version is made again.
pub const VERSION: u32 = 3;
const HEADER: usize = 48;
const CHECKED_FROM: usize = 16;
const NODE: usize = 16;
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Node {
    pub function: u32,
    pub file: u32,
    /// 0 = unknown.
    pub line: u32,
    pub parent: u32,
}

/// What a table says besides its addresses.
pub struct Head<'a> {
    pub load_address: u64,
    pub source: u8,
    pub has_symtab: bool,
    pub description: &'a str,
}

/// Writes a table. @returns its length; nothing is written when it is more than `most`
pub fn write(head: &Head<'_>, parts: &Parts, most: u64, out: &File) -> Result<u64> {
    let (ends, texts) = parts.strings.parts();
    let length = HEADER + 8 * parts.entries.len() + NODE * parts.nodes.len() + 4 * ends.len() + texts.len() + head.description.len();
    ensure!(length as u64 <= most, "its symbols take {length} bytes, more than the {most} that are kept");
    let mut fixed = [0u8; HEADER];
    fixed[..8].copy_from_slice(MAGIC);
    fixed[8..12].copy_from_slice(&VERSION.to_le_bytes());
    fixed[16..24].copy_from_slice(&head.load_address.to_le_bytes());
    let counts = [parts.entries.len(), parts.nodes.len(), ends.len(), texts.len(), head.description.len()];
    for (place, count) in fixed[24..44].chunks_exact_mut(4).zip(counts) {
        place.copy_from_slice(&(count as u32).to_le_bytes());
    }
    fixed[44..46].copy_from_slice(&[head.source, head.has_symtab.into()]);
    let mut out = Summed { out: BufWriter::with_capacity(1 << 18, out), sum: crc32fast::Hasher::new() };
    out.out.write_all(&fixed[..CHECKED_FROM])?;
    out.put(&fixed[CHECKED_FROM..])?;
    out.numbers(parts.entries.iter().map(|entry| entry.start))?;
    out.numbers(parts.entries.iter().map(|entry| entry.node))?;
    out.numbers(parts.nodes.iter().flat_map(|node| [node.function, node.file, node.line, node.parent]))?;
    out.numbers(ends.iter().copied())?;
    out.put(texts)?;
    out.put(head.description.as_bytes())?;
    let sum = out.sum.finalize();
    let file = out.out.into_inner().map_err(|error| error.into_error())?;
    file.write_all_at(&sum.to_le_bytes(), 12)?;
    Ok(length as u64)
}

struct Summed<W: Write> {
    out: BufWriter<W>,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sum.update(bytes);
        Ok(self.out.write_all(bytes)?)
    }

    fn numbers(&mut self, numbers: impl Iterator<Item = u32>) -> Result<()> {
        let mut block = Vec::with_capacity(1 << 16);
        for number in numbers {
            block.extend_from_slice(&number.to_le_bytes());
            if block.len() == 1 << 16 {
                self.put(&block)?;
                block.clear();
            }
        }
        self.put(&block)
    }
}

/// A table that can be asked. Nothing in it is trusted beyond its bounds.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    pub load_address: u64,
    pub source: u8,
    pub has_symtab: bool,
    pub description: &'a str,
    starts: Numbers<'a>,
    at: Numbers<'a>,
    nodes: Numbers<'a>,
    ends: Numbers<'a>,
    texts: &'a [u8],
}

impl<'a> Lookup<'a> {
    /// Looks at the header only.
    pub fn parse(bytes: &'a [u8]) -> Result<Lookup<'a>> {
        ensure!(bytes.len() >= HEADER && bytes.starts_with(MAGIC), "not a lookup table");
        let fixed = Numbers(&bytes[8..HEADER]);
        ensure!(fixed.get(0) == Some(VERSION), "a lookup table of version {:?}, not {VERSION}", fixed.get(0).unwrap_or(0));
        let mut rest = &bytes[HEADER..];
        let mut take = |count: usize, size: usize| {
            let length = (fixed.get(4 + count).unwrap_or(0) as usize).checked_mul(size)?;
            let (part, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(part)
        };
        let short = "its lookup table is cut short";
        let (starts, at) = (take(0, 4).context(short)?, take(0, 4).context(short)?);
        let (nodes, ends) = (take(1, NODE).context(short)?, take(2, 4).context(short)?);
        let (texts, description) = (take(3, 1).context(short)?, take(4, 1).context(short)?);
        ensure!(rest.is_empty(), "its lookup table is too long");
        Ok(Lookup {
            load_address: u64::from_le_bytes(bytes[16..24].try_into()?),
            source: bytes[44],
            has_symtab: bytes[45] != 0,
            description: std::str::from_utf8(description)?,
            starts: Numbers(starts),
            at: Numbers(at),
            nodes: Numbers(nodes),
            ends: Numbers(ends),
            texts,
        })
    }

    /// Reads all of it.
    pub fn check(bytes: &[u8]) -> Result<()> {
        Lookup::parse(bytes)?;
        let stated = Numbers(&bytes[12..16]).get(0);
        ensure!(stated == Some(crc32fast::hash(&bytes[CHECKED_FROM..])), "its lookup table is damaged: its checksum differs");
        Ok(())
    }

    /// The innermost node at an address relative to the load address.
    pub fn node_at(&self, relative: u64) -> Option<u32> {
        let relative = u32::try_from(relative).ok()?;
        let (mut low, mut high) = (0, self.starts.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.starts.get(middle)? <= relative { low = middle + 1 } else { high = middle }
        }
        self.at.get(low.checked_sub(1)?).filter(|node| *node != NONE)
    }

    /// None beyond the end. A parent that does not come before its child is none.
    pub fn node(&self, number: u32) -> Option<Node> {
        let at = (number as usize).checked_mul(NODE / 4)?;
        let [function, file, line, parent] = [0, 1, 2, 3].map(|field| self.nodes.get(at + field));
        let parent = parent.filter(|parent| *parent < number).unwrap_or(NONE);
        Some(Node { function: function?, file: file?, line: line?, parent })
    }

    pub fn text(&self, number: u32) -> &'a str {
        let index = number as usize;
        let start = if index == 0 { Some(0) } else { self.ends.get(index - 1) };
        let range = start.zip(self.ends.get(index)).map(|(start, end)| start as usize..end as usize);
        range.and_then(|range| self.texts.get(range)).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn len(&self) -> usize {
        self.0.len() / 4
    }

    fn get(&self, index: usize) -> Option<u32> {
        let (bytes, _) = self.0.get(index.checked_mul(4)?..)?.split_first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;

    fn table() -> Vec<u8> {
        let mut builder = Builder::new(&crate::kept_tables::in_memory).unwrap();
        builder.add_symbol("_ZN3foo3barEi", 0x10, 0x10);
        builder.add_symbol("last", 0x40, 0);
        let path = std::env::temp_dir().join(format!("perfleet-lookup-{:?}", std::thread::current().id()));
        let file = File::create(&path).unwrap();
        let head = Head { load_address: 0x1000, source: 2, has_symtab: true, description: "who\nwhat" };
        write(&head, &builder.finish().unwrap(), 1 << 20, &file).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        bytes
    }

    fn name_at(lookup: &Lookup<'_>, relative: u64) -> &'static str {
        let name = lookup.node_at(relative).and_then(|node| lookup.node(node)).map(|node| lookup.text(node.function).to_owned());
        name.unwrap_or_default().leak()
    }

    #[test]
    fn answers_by_address() {
        let bytes = table();
        Lookup::check(&bytes).unwrap();
        let lookup = Lookup::parse(&bytes).unwrap();
        assert_eq!((lookup.load_address, lookup.source, lookup.has_symtab, lookup.description), (0x1000, 2, true, "who\nwhat"));
        let names = [0xf, 0x10, 0x1f, 0x20, 0x40, 1 << 30, 1 << 40].map(|at| name_at(&lookup, at));
        assert_eq!(names, ["", "foo::bar(int)", "foo::bar(int)", "", "last", "last", ""]);
    }

    #[test]
    fn is_refused_when_it_is_cut_or_changed() {
        let bytes = table();
        for length in 0..bytes.len() {
            assert!(Lookup::check(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert!(Lookup::check(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn stays_within_its_bounds_whatever_it_says() {
        let bytes = table();
        for at in HEADER..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            let Ok(lookup) = Lookup::parse(&changed) else { continue };
            for relative in [0, 0x10, 0x18, 0x40, u64::MAX] {
                let mut next = lookup.node_at(relative);
                while let Some(node) = next.and_then(|number| lookup.node(number)) {
                    assert!(lookup.text(node.function).len() + lookup.text(node.file).len() < bytes.len());
                    next = Some(node.parent).filter(|parent| *parent != NONE);
                }
            }
        }
    }
}
