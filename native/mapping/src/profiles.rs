//! `ExportProfilesServiceRequest` (or a `ProfilesData`, which has the same fields) into columns that are reused from one
//! message to the next.

use crate::dictionary::{Dictionary, Ragged, Value, any_value, out_of_range};
use crate::limits::{MAX_MESSAGE_BYTES, MAX_PROFILES, MAX_SAMPLES, MAX_STRING_BYTES, MAX_TABLE_ENTRIES};
use crate::wire::{Reader, Result, Span};

/// Half-open ranges into `Message::attributes` and `Message::profiles`.
pub struct Resource {
    pub attributes: std::ops::Range<usize>,
    pub profiles: std::ops::Range<usize>,
}

/// String table indices.
#[derive(Default, Clone, Copy)]
pub struct ValueType {
    pub kind: u32,
    pub unit: u32,
}

#[derive(Default)]
pub struct Profile {
    pub sample_type: ValueType,
    pub period_type: ValueType,
    pub period: i64,
    pub time_unix_nano: u64,
    /// Into `Message::profile_attributes`.
    pub attributes: std::ops::Range<usize>,
    /// Into the columns of samples.
    pub samples: std::ops::Range<usize>,
}

/// Rows over all profiles. A sample without values counts one per timestamp.
#[derive(Default)]
pub struct Samples {
    pub stacks: Vec<u32>,
    pub attributes: Ragged,
    /// Whatever was sent: `Dictionary::link` says what it stands for.
    pub links: Vec<u32>,
    pub value_offsets: Vec<u32>,
    pub values: Vec<i64>,
    pub time_offsets: Vec<u32>,
    /// Unix nanoseconds.
    pub times: Vec<u64>,
}

/// One decoded message. Every index in it is within its table.
#[derive(Default)]
pub struct Message {
    pub dictionary: Dictionary,
    pub resources: Vec<Resource>,
    pub attributes: Vec<(Span, Value)>,
    pub profiles: Vec<Profile>,
    pub profile_attributes: Vec<u32>,
    pub samples: Samples,
    parts: Vec<Span>,
    spans: Vec<Span>,
}

impl Message {
    /// Memory that is kept for the next message.
    pub fn bytes(&self) -> usize {
        let s = &self.samples;
        let narrow =
            s.stacks.capacity() + s.links.capacity() + s.value_offsets.capacity() + s.time_offsets.capacity() + s.attributes.values.capacity();
        self.dictionary.bytes() + narrow * 4 + (s.values.capacity() + s.times.capacity()) * 8 + self.attributes.capacity() * 24
    }

    fn clear(&mut self) {
        self.resources.clear();
        self.attributes.clear();
        self.profiles.clear();
        self.profile_attributes.clear();
        self.parts.clear();
        self.spans.clear();
        let s = &mut self.samples;
        s.stacks.clear();
        s.attributes.clear();
        s.links.clear();
        s.values.clear();
        s.times.clear();
        for offsets in [&mut s.value_offsets, &mut s.time_offsets] {
            offsets.clear();
            offsets.push(0);
        }
    }

    /// # Errors
    /// On anything malformed, out of range or over a limit.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<()> {
        self.clear();
        let mut reader = Reader::new(bytes);
        if bytes.len() > MAX_MESSAGE_BYTES {
            return reader.fail(format!("message of {} bytes is over {MAX_MESSAGE_BYTES}", bytes.len()));
        }
        while reader.next()? {
            match reader.field {
                1 => self.spans.push(reader.data()?),
                2 => self.parts.push(reader.data()?),
                _ => reader.skip()?,
            }
            if self.spans.len() > MAX_PROFILES || self.parts.len() > MAX_PROFILES {
                return reader.fail(format!("more than {MAX_PROFILES} resources"));
            }
        }
        // The dictionary may stand behind what refers to it: it is read first whatever its place.
        self.dictionary.decode(bytes, &self.parts)?;
        let mut attributes_left = MAX_TABLE_ENTRIES;
        for at in 0..self.spans.len() {
            self.resource(Reader::at(bytes, self.spans[at]), &mut attributes_left)?;
        }
        Ok(())
    }

    fn resource(&mut self, mut reader: Reader<'_>, attributes_left: &mut usize) -> Result<()> {
        let (first_attribute, first_profile) = (self.attributes.len(), self.profiles.len());
        while reader.next()? {
            match reader.field {
                1 => {
                    let outer = reader.enter()?;
                    while reader.next()? {
                        match reader.field {
                            1 => {
                                let pair = self.key_value(&mut reader)?;
                                self.attributes.push(pair);
                            }
                            _ => reader.skip()?,
                        }
                        if *attributes_left == 0 {
                            return reader.fail(format!("more than {MAX_TABLE_ENTRIES} resource attributes"));
                        }
                        *attributes_left -= 1;
                    }
                    reader.leave(outer);
                }
                2 => {
                    let outer = reader.enter()?;
                    while reader.next()? {
                        if reader.field != 2 {
                            reader.skip()?;
                            continue;
                        }
                        if self.profiles.len() == MAX_PROFILES {
                            return reader.fail(format!("more than {MAX_PROFILES} profiles"));
                        }
                        self.profile(&mut reader)?;
                    }
                    reader.leave(outer);
                }
                _ => reader.skip()?,
            }
        }
        let (attributes, profiles) = (first_attribute..self.attributes.len(), first_profile..self.profiles.len());
        self.resources.push(Resource { attributes, profiles });
        Ok(())
    }

    fn key_value(&self, reader: &mut Reader<'_>) -> Result<(Span, Value)> {
        let outer = reader.enter()?;
        let strings = &self.dictionary.strings;
        let (mut key, mut value) = (Span::default(), Value::Other);
        while reader.next()? {
            match reader.field {
                1 => key = reader.text(MAX_STRING_BYTES)?,
                2 => {
                    value = match any_value(reader)? {
                        Value::Reference(index) => Value::Text(lookup(strings, index, reader)?),
                        other => other,
                    }
                }
                3 => {
                    reader.expect(0)?;
                    let index = reader.varint32()?;
                    key = lookup(strings, index, reader)?;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        Ok((key, value))
    }

    fn profile(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let outer = reader.enter()?;
        let mut profile = Profile::default();
        let (first_attribute, first_sample) = (self.profile_attributes.len(), self.samples.stacks.len());
        while reader.next()? {
            match reader.field {
                1 => profile.sample_type = self.value_type(reader)?,
                2 => {
                    if self.samples.stacks.len() == MAX_SAMPLES {
                        return reader.fail("more samples than the limit of one message");
                    }
                    sample(&mut self.samples, &self.dictionary, reader)?;
                }
                3 => {
                    reader.expect(1)?;
                    profile.time_unix_nano = reader.fixed64()?;
                }
                4 => {
                    reader.expect(0)?;
                    reader.varint64()?;
                }
                5 => profile.period_type = self.value_type(reader)?,
                6 => {
                    reader.expect(0)?;
                    profile.period = reader.varint64()? as i64;
                }
                11 => {
                    let attributes = self.dictionary.attribute_keys.len();
                    let into = &mut self.profile_attributes;
                    reader.repeated(0, |reader| {
                        let index = reader.varint32()?;
                        into.push(checked(reader, index, attributes, "attribute")?);
                        Ok(())
                    })?;
                }
                _ => reader.skip()?,
            }
        }
        reader.leave(outer);
        profile.attributes = first_attribute..self.profile_attributes.len();
        profile.samples = first_sample..self.samples.stacks.len();
        self.profiles.push(profile);
        Ok(())
    }

    fn value_type(&self, reader: &mut Reader<'_>) -> Result<ValueType> {
        let outer = reader.enter()?;
        let mut value_type = ValueType::default();
        while reader.next()? {
            if reader.field != 1 && reader.field != 2 {
                reader.skip()?;
                continue;
            }
            reader.expect(0)?;
            let index = reader.varint32()?;
            let index = checked(reader, index, self.dictionary.strings.len(), "string")?;
            if reader.field == 1 {
                value_type.kind = index;
            } else {
                value_type.unit = index;
            }
        }
        reader.leave(outer);
        Ok(value_type)
    }
}

fn sample(samples: &mut Samples, dictionary: &Dictionary, reader: &mut Reader<'_>) -> Result<()> {
    let outer = reader.enter()?;
    let (mut stack, mut link) = (0, 0);
    while reader.next()? {
        match reader.field {
            1 => {
                reader.expect(0)?;
                let index = reader.varint32()?;
                stack = checked(reader, index, dictionary.stacks.rows(), "stack")?;
            }
            2 => {
                let into = &mut samples.attributes.values;
                reader.repeated(0, |reader| {
                    let index = reader.varint32()?;
                    into.push(checked(reader, index, dictionary.attribute_keys.len(), "attribute")?);
                    Ok(())
                })?;
            }
            3 if reader.wire == 0 => link = reader.varint32()?,
            4 => {
                let into = &mut samples.values;
                reader.repeated(0, |reader| {
                    into.push(reader.varint64()? as i64);
                    Ok(())
                })?;
            }
            5 => {
                let into = &mut samples.times;
                reader.repeated(1, |reader| {
                    into.push(reader.fixed64()?);
                    Ok(())
                })?;
            }
            _ => reader.skip()?,
        }
    }
    reader.leave(outer);
    samples.stacks.push(stack);
    samples.links.push(link);
    samples.attributes.end_row();
    samples.value_offsets.push(samples.values.len() as u32);
    samples.time_offsets.push(samples.times.len() as u32);
    Ok(())
}

fn lookup(strings: &[Span], index: u32, reader: &Reader<'_>) -> Result<Span> {
    strings.get(index as usize).copied().ok_or_else(|| out_of_range("string", index, strings.len(), reader.offset))
}

#[inline]
fn checked(reader: &Reader<'_>, index: u32, length: usize, what: &str) -> Result<u32> {
    if index as usize >= length {
        return Err(out_of_range(what, index, length, reader.offset));
    }
    Ok(index)
}
