//! Frames of a dictionary's locations: their ids, and their rows where the store lacks them.

use perfleet_ids::{NativeFrames, anonymous_frame_id, named_frame_id};

use crate::budget::{Budget, Spent};
use crate::dictionary::{Dictionary, Value};
use crate::locations::Location;
use crate::row_binary::{Rows, string};
use crate::text::text;
use crate::wire::Span;

const FRAME_TYPE: &[u8] = b"profile.frame.type";
const GNU_BUILD_ID: &[u8] = b"process.executable.build_id.gnu";
const HTL_HASH: &[u8] = b"process.executable.build_id.htlhash";
const UNKNOWN: &str = "[unknown]";
/// The kind of a location that does not state one.
const NATIVE: &str = "native";
/// In `Frames::kinds`: not looked at yet, and an attribute that is no kind. Anything else is 2 + the attribute.
const UNSEEN: u32 = 0;
const NO_KIND: u32 = 1;

/// What the locations of one mapping have in common.
struct Mapping {
    /// What a binary id begins with, and the rest of it.
    binary: (&'static str, Span),
    /// `[anon]`, `[vdso]` and the like are mappings without a file: addresses in them mean nothing elsewhere.
    known: bool,
    /// For locations of the kind that came last, nearly always the only one.
    ids: Option<(u32, NativeFrames)>,
}

/// Frame ids of one message's locations. Location `i` has `ids[starts[i]..starts[i + 1]]`, innermost first.
#[derive(Default)]
pub struct Frames {
    pub ids: Vec<u64>,
    pub starts: Vec<u32>,
    /// Whether each location has one frame, so that `starts[i]` is `i`.
    pub single: bool,
    /// By attribute: what it says about the kind of a location.
    kinds: Vec<u32>,
    mappings: Vec<Option<Mapping>>,
}

impl Frames {
    /// With lines the node named it: each line is a frame. With a mapping alone it is native code that the symbolizer
    /// names later. With neither all that is known is that there was code.
    pub fn make(&mut self, bytes: &[u8], d: &Dictionary, budget: &mut Budget) -> Result<(), Spent> {
        let locations = &d.locations;
        self.ids.clear();
        self.starts.clear();
        self.kinds.clear();
        self.kinds.resize(d.attribute_keys.len(), UNSEEN);
        self.mappings.clear();
        self.mappings.resize_with(d.mapping_files.len(), || None);
        for location in &locations.rows {
            self.starts.push(self.ids.len() as u32);
            let kind = self.kind(bytes, d, location);
            let lines = locations.lines(location);
            if lines.is_empty() {
                let id = self.unnamed(bytes, d, location, kind, budget)?;
                self.ids.push(id);
                continue;
            }
            for line in lines {
                let (function, file, number) = named(bytes, d, line);
                budget.hash(function.len() + file.len())?;
                self.ids.push(named_frame_id(&kind_text(bytes, d, kind), &function, &file, number));
            }
        }
        self.starts.push(self.ids.len() as u32);
        self.single = self.ids.len() == locations.rows.len();
        Ok(())
    }

    /// Number of frames of locations.
    pub fn of(&self, locations: &[u32]) -> usize {
        if self.single {
            return locations.len();
        }
        locations.iter().map(|&location| self.range(location).len()).sum()
    }

    /// Bytes of the frame ids of locations. Leaf first on the wire, root first in a stack's id.
    #[inline]
    pub fn append(&self, locations: &[u32], out: &mut Vec<u8>) {
        if self.single {
            let start = out.len();
            out.resize(start + locations.len() * 8, 0);
            for (slot, &location) in out[start..].as_chunks_mut::<8>().0.iter_mut().zip(locations.iter().rev()) {
                *slot = self.ids[location as usize].to_le_bytes();
            }
            return;
        }
        for &location in locations.iter().rev() {
            for id in self.ids[self.range(location)].iter().rev() {
                out.extend_from_slice(&id.to_le_bytes());
            }
        }
    }

    fn range(&self, location: u32) -> std::ops::Range<usize> {
        self.starts[location as usize] as usize..self.starts[location as usize + 1] as usize
    }

    /// Writes the rows of a location's frames that `wanted` takes.
    pub fn write(&self, bytes: &[u8], d: &Dictionary, location: usize, out: &mut Rows, mut wanted: impl FnMut(u64) -> bool) {
        let first = self.starts[location] as usize;
        let location = &d.locations.rows[location];
        let kind = kind_text(bytes, d, self.kind_known(d, location));
        let file = text(d.strings[d.mapping_files[location.mapping as usize] as usize].of(bytes));
        let lines = d.locations.lines(location);
        for (id, line) in self.ids[first..].iter().zip(lines.clone()) {
            if wanted(*id) {
                let (function, source, number) = named(bytes, d, line);
                row(out, *id, &kind, ("", 0), (&function, &source, number), &file);
            }
        }
        if lines.is_empty() && wanted(self.ids[first]) {
            let id = self.ids[first];
            let address = location.address;
            match self.native_binary(bytes, location, kind == NATIVE) {
                Some(binary) => row(out, id, &kind, (&binary, address), ("", "", 0), if file.is_empty() { &binary } else { &file }),
                None => row(out, id, &kind, ("", 0), ("", "", 0), if file.is_empty() { UNKNOWN } else { &file }),
            }
        }
    }

    #[inline]
    fn unnamed(&mut self, bytes: &[u8], d: &Dictionary, location: &Location, kind: u32, budget: &mut Budget) -> Result<u64, Spent> {
        let mapping = location.mapping as usize;
        let address = location.address;
        let known = self.mappings[mapping].get_or_insert_with(|| Mapping::of(bytes, d, mapping));
        // The usual case first: the same kind and binary as the location before.
        if let Some((of, ids)) = &known.ids
            && *of == kind
            && address != 0
        {
            budget.hash(ids.bytes())?;
            return Ok(ids.id(address));
        }
        let kind_name = kind_text(bytes, d, kind);
        if mapping == 0 || !known.known || (kind_name != NATIVE && address == 0) {
            let file = text(d.strings[d.mapping_files[mapping] as usize].of(bytes));
            budget.hash(kind_name.len() + file.len())?;
            return Ok(anonymous_frame_id(&kind_name, if file.is_empty() { UNKNOWN } else { &file }));
        }
        budget.hash(kind_name.len() + known.binary.1.length as usize)?;
        let ids = NativeFrames::new(&kind_name, &known.binary_id(bytes));
        let id = ids.id(address);
        known.ids = Some((kind, ids));
        Ok(id)
    }

    /// The binary of a location without lines, where its address means something.
    fn native_binary(&self, bytes: &[u8], location: &Location, native: bool) -> Option<String> {
        let mapping = location.mapping as usize;
        let known = self.mappings[mapping].as_ref()?;
        let has_address = native || location.address != 0;
        (mapping != 0 && known.known && has_address).then(|| known.binary_id(bytes))
    }

    /// The first attribute that states the kind decides.
    #[inline]
    fn kind(&mut self, bytes: &[u8], d: &Dictionary, location: &Location) -> u32 {
        for &attribute in d.locations.attributes(location) {
            let kind = &mut self.kinds[attribute as usize];
            if *kind == UNSEEN {
                *kind = if key_of(bytes, d, attribute) == FRAME_TYPE { attribute + 2 } else { NO_KIND };
            }
            if *kind != NO_KIND {
                return *kind;
            }
        }
        NO_KIND
    }

    /// As `kind`, once that was asked.
    fn kind_known(&self, d: &Dictionary, location: &Location) -> u32 {
        let mut stated = d.locations.attributes(location).iter().map(|&attribute| self.kinds[attribute as usize]);
        stated.find(|&kind| kind != NO_KIND).unwrap_or(NO_KIND)
    }
}

impl Mapping {
    fn of(bytes: &[u8], d: &Dictionary, mapping: usize) -> Mapping {
        let attribute = |key: &[u8]| {
            let mut found = d.mapping_attributes.row(mapping).iter().filter(|&&attribute| key_of(bytes, d, attribute) == key);
            found.next().map_or(Span::default(), |&attribute| text_of(d, attribute))
        };
        let (gnu, htl) = (attribute(GNU_BUILD_ID), attribute(HTL_HASH));
        let path = d.strings[d.mapping_files[mapping] as usize];
        let binary = match (gnu.length, htl.length) {
            (0, 0) => ("path:", path),
            (0, _) => ("htl:", htl),
            _ => ("gnu:", gnu),
        };
        let file = path.of(bytes).first().is_some_and(|&first| first != b'[');
        Mapping { binary, known: file || gnu.length > 0 || htl.length > 0, ids: None }
    }

    fn binary_id(&self, bytes: &[u8]) -> String {
        format!("{}{}", self.binary.0, text(self.binary.1.of(bytes)))
    }
}

/// Function, file and line of a row of lines.
fn named<'a>(bytes: &'a [u8], d: &Dictionary, line: usize) -> (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>, u32) {
    let function = d.locations.line_functions[line] as usize;
    let string = |index: u32| text(d.strings[index as usize].of(bytes));
    let names = [d.function_names[function], d.function_system_names[function]];
    let name = names.into_iter().find(|&name| d.strings[name as usize].length > 0).map_or(UNKNOWN.into(), string);
    let number = d.locations.line_numbers[line].clamp(0, i64::from(u32::MAX)) as u32;
    (name, string(d.function_files[function]), number)
}

fn kind_text<'a>(bytes: &'a [u8], d: &Dictionary, kind: u32) -> std::borrow::Cow<'a, str> {
    match kind.checked_sub(2).map(|attribute| text_of(d, attribute)) {
        Some(span) if span.length > 0 => text(span.of(bytes)),
        _ => NATIVE.into(),
    }
}

fn key_of<'a>(bytes: &'a [u8], d: &Dictionary, attribute: u32) -> &'a [u8] {
    d.strings[d.attribute_keys[attribute as usize] as usize].of(bytes)
}

fn text_of(d: &Dictionary, attribute: u32) -> Span {
    match d.attribute_values[attribute as usize] {
        Value::Text(span) => span,
        _ => Span::default(),
    }
}

fn row(out: &mut Rows, id: u64, kind: &str, (binary, address): (&str, u64), (function, file, line): (&str, &str, u32), mapping: &str) {
    let bytes = &mut out.bytes;
    bytes.extend_from_slice(&id.to_le_bytes());
    string(bytes, kind);
    string(bytes, binary);
    bytes.extend_from_slice(&address.to_le_bytes());
    string(bytes, function);
    string(bytes, file);
    bytes.extend_from_slice(&line.to_le_bytes());
    string(bytes, mapping);
    out.end();
}
