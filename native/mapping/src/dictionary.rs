//! `ProfilesDictionary` (opentelemetry-proto v1.10.0, `profiles/v1development`): tables into columns, then every index
//! checked. A dictionary in several parts is their concatenation, as for every repeated field on the wire. Index 0 is the
//! "unset" entry of every table.

use crate::limits::{MAX_ROW_ATTRIBUTES, MAX_STACK_DEPTH, MAX_STRING_BYTES, MAX_TABLE_ENTRIES};
use crate::links::{Link, link_of};
use crate::wire::{Reader, Result, Span, WireError, short_varint};

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

    /// Length of the row that is being written.
    #[inline]
    fn open(&self) -> usize {
        self.values.len() - self.offsets[self.offsets.len() - 1] as usize
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
    pub location_mappings: Vec<u32>,
    /// ELF virtual addresses of native frames.
    pub location_addresses: Vec<u64>,
    /// Rows of lines, innermost (inlined) first.
    pub line_offsets: Vec<u32>,
    pub location_attributes: Ragged,
    pub line_functions: Vec<u32>,
    pub line_numbers: Vec<i64>,
    /// Location indices, leaf first.
    pub stacks: Ragged,
    links: Vec<Link>,
}

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
        self.location_mappings.clear();
        self.location_addresses.clear();
        self.line_offsets.clear();
        self.line_offsets.push(0);
        self.location_attributes.clear();
        self.line_functions.clear();
        self.line_numbers.clear();
        self.stacks.clear();
        self.links.clear();
    }

    /// Memory that is kept for the next message.
    pub fn bytes(&self) -> usize {
        let narrow = self.attribute_keys.capacity()
            + self.attribute_units.capacity()
            + self.mapping_files.capacity()
            + self.function_names.capacity() * 3
            + self.location_mappings.capacity()
            + self.line_offsets.capacity()
            + self.line_functions.capacity();
        let wide = self.strings.capacity() + self.location_addresses.capacity() + self.line_numbers.capacity();
        let ragged = self.mapping_attributes.bytes() + self.location_attributes.bytes() + self.stacks.bytes();
        narrow * 4 + wide * 8 + self.attribute_values.capacity() * 12 + self.links.capacity() * size_of::<Link>() + ragged
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
            while reader.next()? {
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
            2 => self.location(reader),
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
            (self.location_mappings.len(), Self::location),
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
                5 => scalars(reader, &mut self.mapping_attributes, MAX_ROW_ATTRIBUTES)?,
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.mapping_files.push(file);
        self.mapping_attributes.end_row();
        Ok(())
    }

    fn location(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        if let Some((mapping, address, attribute)) = native_location(reader.rest()) {
            reader.leave(outer);
            self.location_attributes.values.push(attribute);
            self.end_location(mapping, address);
            return Ok(());
        }
        let (mut mapping, mut address) = (0, 0);
        let first_line = self.line_functions.len();
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
                4 => scalars(reader, &mut self.location_attributes, MAX_ROW_ATTRIBUTES)?,
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        self.end_location(mapping, address);
        Ok(())
    }

    #[inline]
    fn end_location(&mut self, mapping: u32, address: u64) {
        self.location_mappings.push(mapping);
        self.location_addresses.push(address);
        self.line_offsets.push(self.line_functions.len() as u32);
        self.location_attributes.end_row();
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
                1 => scalars(reader, &mut self.stacks, MAX_STACK_DEPTH)?,
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
        let columns: [(&[u32], usize, &str); 10] = [
            (&self.location_attributes.values, self.attribute_keys.len(), "attribute"),
            (&self.mapping_attributes.values, self.attribute_keys.len(), "attribute"),
            (&self.stacks.values, self.location_mappings.len(), "location"),
            (&self.attribute_keys, strings.len(), "string"),
            (&self.attribute_units, strings.len(), "string"),
            (&self.mapping_files, strings.len(), "string"),
            (&self.function_names, strings.len(), "string"),
            (&self.function_system_names, strings.len(), "string"),
            (&self.function_files, strings.len(), "string"),
            (&self.location_mappings, self.mapping_files.len(), "mapping"),
        ];
        let lines: (&[u32], usize, &str) = (&self.line_functions, self.function_names.len(), "function");
        for (column, length, what) in columns.into_iter().chain([lines]) {
            // The largest first: a comparison of each with an exit cannot be vectorised.
            if column.iter().copied().fold(0, u32::max) as usize >= length {
                let index = column.iter().copied().find(|&index| index as usize >= length).unwrap_or_default();
                return Err(out_of_range(what, index, length, offset));
            }
        }
        Ok(())
    }
}

pub fn out_of_range(what: &str, index: u32, length: usize, offset: usize) -> WireError {
    WireError { reason: format!("{what} index {index} is out of range ({length})"), offset }
}

/// Mapping, address and the one attribute of a location as every encoder writes a native one: fields in order, each once.
/// Most of a message are such; any other form is read field by field.
#[inline]
fn native_location(body: &[u8]) -> Option<(u32, u64, u32)> {
    let [0x08, low, rest @ ..] = body else { return None };
    let (mapping, rest) = match (*low, rest) {
        (low, rest) if low < 0x80 => (u32::from(low), rest),
        (low, [high, rest @ ..]) if *high < 0x80 => (u32::from(low & 0x7f) | u32::from(*high) << 7, rest),
        _ => return None,
    };
    let [0x10, address @ .., 0x22, 1, attribute] = rest else { return None };
    if *attribute >= 0x80 || address.len() > 8 {
        return None;
    }
    let mut word = [0; 8];
    word[..address.len()].copy_from_slice(address);
    let (address, length) = short_varint(&word, 0)?;
    // Behind a shorter varint stand other fields.
    (length == rest.len() - 4).then_some((mapping, address, u32::from(*attribute)))
}

fn scalars(reader: &mut Reader<'_>, into: &mut Ragged, max: usize) -> Result<()> {
    reader.repeated(0, |reader| {
        if into.open() >= max {
            return reader.fail(format!("more than {max} entries in one row"));
        }
        into.values.push(reader.varint32()?);
        Ok(())
    })
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
