//! Identifiers of frames, stacks and series: XXH64 over the canonical bytes that libs/ids/src/ids.ts defines.

mod numbered;

use std::hash::Hasher;

use numbered::Numbered;
use twox_hash::XxHash64;

struct Canonical(XxHash64);

impl Canonical {
    fn new(tag: u8) -> Self {
        let mut hash = XxHash64::with_seed(0);
        hash.write(&[tag]);
        Canonical(hash)
    }

    fn str(mut self, text: &str) -> Self {
        self.0.write(&(text.len() as u32).to_le_bytes());
        self.0.write(text.as_bytes());
        self
    }
}

pub fn named_frame_id(kind: &str, function: &str, file: &str, line: u32) -> u64 {
    let mut c = Canonical::new(2).str(kind).str(function).str(file);
    c.0.write(&line.to_le_bytes());
    c.0.finish()
}

pub fn anonymous_frame_id(kind: &str, mapping: &str) -> u64 {
    Canonical::new(3).str(kind).str(mapping).0.finish()
}

/// Ids of native frames of one kind and binary: what they have in common is hashed once.
pub struct NativeFrames(Numbered);

impl NativeFrames {
    pub fn new(kind: &str, binary_id: &str) -> Self {
        let mut bytes = vec![1];
        for text in [kind, binary_id] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        NativeFrames(Numbered::new(&bytes))
    }

    /// `address` is an ELF virtual address, never a runtime one.
    #[inline]
    pub fn id(&self, address: u64) -> u64 {
        self.0.hash(address)
    }

    /// Bytes that an id is the hash of.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// `frames` are the bytes of frame ids, little endian, root first.
#[inline]
pub fn stack_id(frames: &[u8]) -> u64 {
    XxHash64::oneshot(0, frames)
}

/// `labels` sorted by name (bytes of the UTF-8), empty values left out.
pub fn series_id<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut bytes = Vec::with_capacity(512);
    for (name, value) in labels {
        for text in [name, value] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    XxHash64::oneshot(0, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn agrees_with_the_committed_vectors() {
        let rows: Vec<Value> = serde_json::from_str(include_str!("../../../libs/ids/src/vectors.json")).unwrap();
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap();
            let number = |name: &str| u64::from_str_radix(text(name), 16).unwrap();
            let id = match text("what") {
                "native" => NativeFrames::new(text("kind"), text("binaryId")).id(number("address")),
                "named" => named_frame_id(text("kind"), text("function"), text("file"), row["line"].as_u64().unwrap() as u32),
                "anonymous" => anonymous_frame_id(text("kind"), text("mapping")),
                "stack" => {
                    let frames = row["frames"].as_array().unwrap().iter();
                    let bytes: Vec<u8> = frames.flat_map(|f| u64::from_str_radix(f.as_str().unwrap(), 16).unwrap().to_le_bytes()).collect();
                    stack_id(&bytes)
                }
                "series" => {
                    let mut labels: Vec<(&str, &str)> =
                        row["labels"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
                    labels.retain(|(_, value)| !value.is_empty());
                    labels.sort_unstable();
                    series_id(labels)
                }
                what => panic!("a vector of another kind: {what}"),
            };
            assert_eq!(format!("{id:016x}"), text("id"), "{row}");
        }
        assert!(rows.len() >= 10);
    }
}
