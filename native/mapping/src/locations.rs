//! Locations of a dictionary and their lines.

use crate::limits::{MAX_ROW_ATTRIBUTES, MAX_STACK_DEPTH};
use crate::wire::{Reader, Result, short_varint};

#[derive(Clone, Copy, Default)]
pub struct Location {
    /// ELF virtual address of a native frame.
    pub address: u64,
    pub mapping: u32,
    first_line: u32,
    first_attribute: u32,
    lines: u16,
    attributes: u16,
}

#[derive(Default)]
pub struct Locations {
    pub rows: Vec<Location>,
    pub attributes: Vec<u32>,
    pub line_functions: Vec<u32>,
    pub line_numbers: Vec<i64>,
}

impl Locations {
    pub fn clear(&mut self) {
        self.rows.clear();
        self.attributes.clear();
        self.line_functions.clear();
        self.line_numbers.clear();
    }

    /// Memory that is kept for the next message.
    pub fn bytes(&self) -> usize {
        let narrow = self.attributes.capacity() + self.line_functions.capacity();
        self.rows.capacity() * size_of::<Location>() + narrow * 4 + self.line_numbers.capacity() * 8
    }

    /// Indices of lines, innermost (inlined) first.
    #[inline]
    pub fn lines(&self, of: &Location) -> std::ops::Range<usize> {
        let first = of.first_line as usize;
        first..first + usize::from(of.lines)
    }

    #[inline]
    pub fn attributes(&self, of: &Location) -> &[u32] {
        let first = of.first_attribute as usize;
        &self.attributes[first..first + usize::from(of.attributes)]
    }

    /// Reads entries of the table as long as they are native locations in the form of every encoder (`Native`), at most `most`.
    /// @returns how many
    #[inline]
    pub fn native(&mut self, tag: u8, reader: &mut Reader<'_>, most: usize) -> usize {
        let bytes = reader.rest();
        let (mut at, mut count) = (0, 0);
        while count < most
            && let Some(entry) = bytes.get(at..at + Native::WINDOW)
            && let Some((native, length)) = Native::read(tag, entry.try_into().expect("its length"))
        {
            let first_attribute = self.attributes.len() as u32;
            self.attributes.push(native.attribute);
            let first_line = self.line_functions.len() as u32;
            let Native { address, mapping, .. } = native;
            self.rows.push(Location { address, mapping, first_line, first_attribute, lines: 0, attributes: 1 });
            at += length;
            count += 1;
        }
        reader.advance(at).expect("bytes that were read");
        count
    }

    /// Any location, field by field.
    pub fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let (mut mapping, mut address) = (0, 0);
        let (first_line, first_attribute) = (self.line_functions.len(), self.attributes.len());
        while reader.next()? {
            match reader.field {
                1 => {
                    reader.expect(0)?;
                    mapping = reader.varint32()?;
                }
                2 => {
                    reader.expect(0)?;
                    address = reader.varint64()?;
                }
                3 => {
                    if self.line_functions.len() - first_line >= MAX_STACK_DEPTH {
                        return reader.fail(format!("more than {MAX_STACK_DEPTH} lines in a location"));
                    }
                    self.line(reader)?;
                }
                4 => {
                    let attributes = &mut self.attributes;
                    reader.scalars(attributes, first_attribute + MAX_ROW_ATTRIBUTES, MAX_ROW_ATTRIBUTES)?;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.rows.push(Location {
            address,
            mapping,
            first_line: first_line as u32,
            first_attribute: first_attribute as u32,
            // Both are bounded above.
            lines: (self.line_functions.len() - first_line) as u16,
            attributes: (self.attributes.len() - first_attribute) as u16,
        });
        Ok(())
    }

    fn line(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let (mut function, mut number) = (0, 0);
        while reader.next()? {
            match reader.field {
                1 => {
                    reader.expect(0)?;
                    function = reader.varint32()?;
                }
                2 => {
                    reader.expect(0)?;
                    number = reader.varint64()? as i64;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.line_functions.push(function);
        self.line_numbers.push(number);
        Ok(())
    }
}

/// A location as every encoder writes a native one: mapping, address and one attribute, in this order, each once and in few bytes.
/// Most of a message are such; any other form is read field by field.
struct Native {
    mapping: u32,
    address: u64,
    attribute: u32,
}

impl Native {
    /// Bytes that are looked at: an entry is shorter.
    const WINDOW: usize = 24;

    /// @returns it and the bytes of its entry, tag and length included
    #[inline(always)]
    fn read(tag: u8, entry: &[u8; Self::WINDOW]) -> Option<(Native, usize)> {
        if entry[0] != tag || entry[2] != 0x08 {
            return None;
        }
        // A mapping of one byte or two.
        let (mapping, at) = match (entry[3], entry[4]) {
            (low, _) if low < 0x80 => (u32::from(low), 4),
            (low, high) if high < 0x80 => (u32::from(low & 0x7f) | u32::from(high) << 7, 5),
            _ => return None,
        };
        let (address, length) = short_varint(entry, at + 1)?;
        let behind = at + 1 + length;
        let [fourth, one, attribute] = entry[behind..behind + 3] else { return None };
        let whole = usize::from(entry[1]) + 2 == behind + 3;
        (whole && entry[at] == 0x10 && fourth == 0x22 && one == 1 && attribute < 0x80)
            .then_some((Native { mapping, address, attribute: u32::from(attribute) }, behind + 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: u8 = 0x12;

    /// The table as it is read in a dictionary, and one field after another; how many were read at once.
    fn both(bytes: &[u8]) -> (Option<Locations>, Option<Locations>, usize) {
        let mut at_once = 0;
        let mut read = |native: bool| {
            let (mut table, mut reader) = (Locations::default(), Reader::new(bytes));
            loop {
                if native {
                    at_once += table.native(TAG, &mut reader, 3);
                }
                if !reader.next().ok()? {
                    return Some(table);
                }
                let read = if reader.field == 2 { table.read(&mut reader) } else { reader.skip() };
                read.ok()?;
            }
        };
        (read(true), read(false), at_once)
    }

    fn varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn entry(mapping: u64, address: u64, attribute: u64) -> Vec<u8> {
        let mut body = Vec::new();
        for (tag, value) in [(0x08, mapping), (0x10, address)] {
            body.push(tag);
            varint(&mut body, value);
        }
        let start = body.len();
        varint(&mut body, attribute);
        let length = (body.len() - start) as u8;
        body.splice(start..start, [0x22, length]);
        body.splice(..0, [TAG, body.len() as u8]);
        body
    }

    #[test]
    fn reads_native_locations_at_once_as_field_by_field() {
        let mut bytes = Vec::new();
        for mapping in [1, 127, 128, 16_383, 16_384] {
            for bits in 0..64 {
                bytes.extend(entry(mapping, u64::MAX >> bits, bits % 2 * 100 + 30));
            }
        }
        let count = 5 * 64;
        let (some, all, at_once) = both(&bytes);
        let rows = |of: &Locations| of.rows.iter().map(|row| (row.mapping, row.address, of.attributes(row).to_vec())).collect::<Vec<_>>();
        assert_eq!(rows(some.as_ref().unwrap()), rows(all.as_ref().unwrap()));
        assert_eq!(some.unwrap().rows.len(), count);
        // Four mappings of one byte or two, 56 addresses of up to eight, of which half have an attribute of one.
        assert_eq!(at_once, 4 * 56 / 2);
        let few: Vec<u8> = (0..12).flat_map(|i| entry(1 + i * 30, 0x40_1000 << (i * 3), 3)).collect();
        let (mut refused, mut read) = (0, 0);
        for at in 0..few.len() {
            for change in 1..=u8::MAX {
                let mut damaged = few.clone();
                damaged[at] ^= change;
                let (some, all, _) = both(&damaged);
                assert_eq!(some.as_ref().map(rows), all.as_ref().map(rows));
                if some.is_some() { read += 1 } else { refused += 1 }
            }
        }
        assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
    }
}
