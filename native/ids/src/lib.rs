//! Frame and stack identifiers: XXH64 over the canonical bytes that libs/ids/src/ids.ts defines.

use std::hash::Hasher;

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

/// `address` is an ELF virtual address, never a runtime one.
pub fn native_frame_id(kind: &str, binary_id: &str, address: u64) -> u64 {
    let mut c = Canonical::new(1).str(kind).str(binary_id);
    c.0.write(&address.to_le_bytes());
    c.0.finish()
}

pub fn named_frame_id(kind: &str, function: &str, file: &str, line: u32) -> u64 {
    let mut c = Canonical::new(2).str(kind).str(function).str(file);
    c.0.write(&line.to_le_bytes());
    c.0.finish()
}

pub fn anonymous_frame_id(kind: &str, mapping: &str) -> u64 {
    Canonical::new(3).str(kind).str(mapping).0.finish()
}

/// `frames` root first.
pub fn stack_id(frames: &[u64]) -> u64 {
    let mut hash = XxHash64::with_seed(0);
    for frame in frames {
        hash.write(&frame.to_le_bytes());
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn agrees_with_the_committed_vectors() {
        let rows: Vec<Value> = serde_json::from_str(include_str!("../../../libs/ids/src/vectors.json")).unwrap();
        let mut checked = 0;
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap();
            let number = |name: &str| u64::from_str_radix(text(name), 16).unwrap();
            let id = match text("what") {
                "native" => native_frame_id(text("kind"), text("binaryId"), number("address")),
                "named" => named_frame_id(text("kind"), text("function"), text("file"), row["line"].as_u64().unwrap() as u32),
                "anonymous" => anonymous_frame_id(text("kind"), text("mapping")),
                "stack" => {
                    let frames: Vec<u64> = row["frames"].as_array().unwrap().iter().map(|f| u64::from_str_radix(f.as_str().unwrap(), 16).unwrap()).collect();
                    stack_id(&frames)
                }
                _ => continue,
            };
            assert_eq!(format!("{id:016x}"), text("id"), "{row}");
            checked += 1;
        }
        assert!(checked >= 10);
    }
}
