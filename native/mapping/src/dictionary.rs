//! `ProfilesDictionary` (opentelemetry-proto v1.10.0, `profiles/v1development`): tables into columns, then every index
//! checked. A dictionary in several parts is their concatenation, as for every repeated field on the wire. Index 0 is the
//! "unset" entry of every table.

use crate::limits::{MAX_ROW_ATTRIBUTES, MAX_STACK_DEPTH, MAX_STRING_BYTES, MAX_TABLE_ENTRIES};
use crate::links::{Link, link_of};
use crate::locations::Locations;
use crate::wire::{Reader, Result, Span, WireError};

/// Rows of u32: row `i` is `values[offsets[i]..offsets[i + 1]]`.
#[derive(Default)]
pub struct Ragged {
    pub offsets: Vec<u32>,
    pub values: Vec<u32>,
}

impl Ragged {
    pub fn clear(&mut self) {
        self.offsets.clear();
        self.offsets.push(0);
        self.values.clear();
    }

    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    pub fn row(&self, i: usize) -> &[u32] {
        &self.values[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }

    /// A field of the row that is being written, which may have `most` values.
    fn scalars(&mut self, reader: &mut Reader<'_>, most: usize) -> Result<()> {
        let first = self.offsets[self.offsets.len() - 1] as usize;
        reader.scalars(&mut self.values, first + most, most)
    }

    #[inline]
    pub fn end_row(&mut self) {
        self.offsets.push(self.values.len() as u32);
    }

    fn bytes(&self) -> usize {
        (self.offsets.capacity() + self.values.capacity()) * 4
    }
}

/// What an attribute holds. Only text can name anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Other,
    Text(Span),
    /// An index into the string table, until that is complete.
    Reference(u32),
}

#[derive(Default)]
pub struct Dictionary {
    pub strings: Vec<Span>,
    pub attribute_keys: Vec<u32>,
    pub attribute_values: Vec<Value>,
    attribute_units: Vec<u32>,
    pub mapping_files: Vec<u32>,
    pub mapping_attributes: Ragged,
    pub function_names: Vec<u32>,
    pub function_system_names: Vec<u32>,
    pub function_files: Vec<u32>,
    pub locations: Locations,
    /// Location indices, leaf first.
    pub stacks: Ragged,
    links: Vec<Link>,
}

/// Of an entry of the table of locations: field 2, bytes.
const LOCATION_TAG: u8 = 0x12;
const EMPTY_MESSAGE: &[u8] = &[0x0a, 0];

impl Dictionary {
    pub fn clear(&mut self) {
        self.strings.clear();
        self.attribute_keys.clear();
        self.attribute_values.clear();
        self.attribute_units.clear();
        self.mapping_files.clear();
        self.mapping_attributes.clear();
        self.function_names.clear();
        self.function_system_names.clear();
        self.function_files.clear();
        self.locations.clear();
        self.stacks.clear();
        self.links.clear();
    }

    /// Memory that is kept for the next message.
    pub fn bytes(&self) -> usize {
        let narrow =
            self.attribute_keys.capacity() + self.attribute_units.capacity() + self.mapping_files.capacity() + self.function_names.capacity() * 3;
        let tables = self.strings.capacity() * 8 + self.attribute_values.capacity() * 12 + self.links.capacity() * size_of::<Link>();
        narrow * 4 + tables + self.mapping_attributes.bytes() + self.stacks.bytes() + self.locations.bytes()
    }

    /// What a sample's `link_index` stands for. One that stands for nothing is no link, and no reason to lose the sample.
    #[inline]
    pub fn link(&self, index: u32) -> Option<&Link> {
        if index == 0 {
            return None;
        }
        self.links.get(index as usize).filter(|link| **link != Link::default())
    }

    /// # Errors
    /// On anything malformed, out of range or over a limit.
    pub fn decode(&mut self, bytes: &[u8], parts: &[Span]) -> Result<()> {
        self.clear();
        let mut entries = 0;
        let mut end = 0;
        for &part in parts {
            let mut reader = Reader::at(bytes, part);
            loop {
                entries += self.locations.native(LOCATION_TAG, &mut reader, MAX_TABLE_ENTRIES - entries);
                if !reader.next()? {
                    break;
                }
                entries += 1;
                if entries > MAX_TABLE_ENTRIES {
                    return reader.fail(format!("more than {MAX_TABLE_ENTRIES} table entries"));
                }
                self.entry(&mut reader)?;
            }
            end = reader.offset;
        }
        if self.strings.first().is_some_and(|first| first.length > 0) {
            return Err(WireError { reason: "string 0 is not empty".into(), offset: end });
        }
        if self.fill()? {
            end = EMPTY_MESSAGE.len();
        }
        self.check(end)
    }

    fn entry(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        match reader.field {
            1 => self.mapping(reader),
            2 => self.locations.read(reader),
            3 => self.function(reader),
            4 if reader.wire == 2 => {
                let link = reader.data()?;
                self.links.push(link_of(Reader::at(reader.bytes(), link)).unwrap_or_default());
                Ok(())
            }
            5 => {
                let text = reader.text(MAX_STRING_BYTES)?;
                self.strings.push(text);
                Ok(())
            }
            6 => self.attribute(reader),
            7 => self.stack(reader),
            _ => reader.skip(),
        }
    }

    /// A table without entry 0 gets the unset one, so that whoever follows an index of 0 finds it.
    fn fill(&mut self) -> Result<bool> {
        if self.strings.is_empty() {
            self.strings.push(Span::default());
        }
        type Row = fn(&mut Dictionary, &mut Reader<'_>) -> Result<()>;
        let tables: [(usize, Row); 5] = [
            (self.mapping_files.len(), Self::mapping),
            (self.locations.rows.len(), |d, reader| d.locations.read(reader)),
            (self.function_names.len(), Self::function),
            (self.attribute_keys.len(), Self::attribute),
            (self.stacks.rows(), Self::stack),
        ];
        let mut filled = false;
        for (_, row) in tables.iter().filter(|(length, _)| *length == 0) {
            let mut reader = Reader::new(EMPTY_MESSAGE);
            reader.next()?;
            row(self, &mut reader)?;
            filled = true;
        }
        Ok(filled)
    }

    fn mapping(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let mut file = 0;
        while reader.next()? {
            match reader.field {
                1..=3 => {
                    reader.expect(0)?;
                    reader.varint64()?;
                }
                4 => {
                    reader.expect(0)?;
                    file = reader.varint32()?;
                }
                5 => self.mapping_attributes.scalars(reader, MAX_ROW_ATTRIBUTES)?,
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.mapping_files.push(file);
        self.mapping_attributes.end_row();
        Ok(())
    }

    fn function(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let mut row = [0; 4];
        while reader.next()? {
            match reader.field {
                field @ 1..=4 => {
                    reader.expect(0)?;
                    row[field as usize - 1] = reader.varint32()?;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.function_names.push(row[0]);
        self.function_system_names.push(row[1]);
        self.function_files.push(row[2]);
        Ok(())
    }

    fn attribute(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let (mut key, mut unit, mut value) = (0, 0, Value::Other);
        while reader.next()? {
            match reader.field {
                1 => {
                    reader.expect(0)?;
                    key = reader.varint32()?;
                }
                2 => value = any_value(reader)?,
                3 => {
                    reader.expect(0)?;
                    unit = reader.varint32()?;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.attribute_keys.push(key);
        self.attribute_units.push(unit);
        self.attribute_values.push(value);
        Ok(())
    }

    fn stack(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        // A stack is nearly always one packed field; no entry takes less than a byte.
        reader.only_packed(0x0a, MAX_STACK_DEPTH, &mut self.stacks.values);
        while reader.next()? {
            match reader.field {
                1 => self.stacks.scalars(reader, MAX_STACK_DEPTH)?,
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.stacks.end_row();
        Ok(())
    }

    /// Every index that stands in a table, once all tables are complete.
    fn check(&mut self, offset: usize) -> Result<()> {
        let strings = &self.strings;
        for value in &mut self.attribute_values {
            if let Value::Reference(index) = *value {
                let text = strings.get(index as usize).ok_or_else(|| out_of_range("string", index, strings.len(), offset))?;
                *value = Value::Text(*text);
            }
        }
        let attributes = self.attribute_keys.len();
        let columns: [(&[u32], usize, &str); 9] = [
            (&self.locations.attributes, attributes, "attribute"),
            (&self.mapping_attributes.values, attributes, "attribute"),
            (&self.stacks.values, self.locations.rows.len(), "location"),
            (&self.attribute_keys, strings.len(), "string"),
            (&self.attribute_units, strings.len(), "string"),
            (&self.mapping_files, strings.len(), "string"),
            (&self.function_names, strings.len(), "string"),
            (&self.function_system_names, strings.len(), "string"),
            (&self.function_files, strings.len(), "string"),
        ];
        for (column, length, what) in columns {
            within(column.iter().copied(), length, what, offset)?;
        }
        within(self.locations.rows.iter().map(|location| location.mapping), self.mapping_files.len(), "mapping", offset)?;
        within(self.locations.line_functions.iter().copied(), self.function_names.len(), "function", offset)
    }
}

/// Whether all of a column's indices are of a table of `length`.
fn within(mut column: impl Iterator<Item = u32> + Clone, length: usize, what: &str, offset: usize) -> Result<()> {
    // The largest first: a comparison of each with an exit cannot be vectorised.
    let largest = column.clone().fold(0, u32::max);
    if (largest as usize) < length {
        return Ok(());
    }
    let index = column.find(|&index| index as usize >= length).unwrap_or(largest);
    Err(out_of_range(what, index, length, offset))
}

pub fn out_of_range(what: &str, index: u32, length: usize, offset: usize) -> WireError {
    WireError { reason: format!("{what} index {index} is out of range ({length})"), offset }
}

/// `AnyValue`. The last value wins, as for every oneof. Arrays, maps, numbers and bytes name nothing.
pub fn any_value(reader: &mut Reader<'_>) -> Result<Value> {
    /// Wire types of fields 1..=8.
    const WIRE: [u32; 9] = [0, 2, 0, 0, 1, 2, 2, 2, 0];
    let outer = reader.enter()?;
    let mut value = Value::Other;
    while reader.next()? {
        let field = reader.field;
        if field > 8 {
            reader.skip()?;
            continue;
        }
        reader.expect(WIRE[field as usize])?;
        value = match field {
            1 => Value::Text(reader.text(MAX_STRING_BYTES)?),
            4 => reader.double().map(|_| Value::Other)?,
            8 => Value::Reference(reader.varint32()?),
            _ => reader.skip().map(|()| Value::Other)?,
        };
    }
    reader.leave(outer);
    Ok(value)
}
