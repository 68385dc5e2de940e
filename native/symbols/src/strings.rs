//! Texts of a lookup table, each kept once and known by its number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use anyhow::{Result, ensure};

/// UTF-8 bytes of all texts together; offsets are 32 bits.
const MAX_BYTES: usize = 1 << 30;

#[derive(Default)]
pub struct Strings {
    /// Text `i` is `bytes[ends[i - 1]..ends[i]]`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
    /// Numbers by keyed hash of their text: the text itself is only in `bytes`.
    by_hash: HashMap<u64, u32, Hashed>,
    keys: RandomState,
    full: bool,
}

impl Strings {
    /// The number of a text. What does not fit any more is 0, and makes `check` fail.
    pub fn add(&mut self, text: &str) -> u32 {
        let mut hash = self.keys.hash_one(text);
        while let Some(&index) = self.by_hash.get(&hash) {
            if self.get(index) == text.as_bytes() {
                return index;
            }
            hash = hash.wrapping_add(1);
        }
        if self.bytes.len() + text.len() > MAX_BYTES {
            self.full = true;
            return 0;
        }
        let index = self.ends.len() as u32;
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as u32);
        self.by_hash.insert(hash, index);
        index
    }

    pub fn check(&self) -> Result<()> {
        ensure!(!self.full, "its names take more than {MAX_BYTES} bytes");
        Ok(())
    }

    /// End offsets, and the bytes that they cut into texts.
    pub fn parts(&self) -> (&[u32], &[u8]) {
        (&self.ends, &self.bytes)
    }

    fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..self.ends[index] as usize]
    }
}

/// For keys that are hashes, or small numbers, already.
#[derive(Default, Clone, Copy)]
pub struct Hashed;

impl BuildHasher for Hashed {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        Spread(0)
    }
}

pub struct Spread(u64);

impl std::hash::Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        // Fibonacci hashing: the table takes the upper bits for its tags and the lower ones for its places.
        let mixed = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_text_once() {
        let mut strings = Strings::default();
        assert_eq!([strings.add(""), strings.add("one"), strings.add("two"), strings.add("one"), strings.add("")], [0, 1, 2, 1, 0]);
        assert_eq!(strings.parts(), (&[0, 3, 6][..], &b"onetwo"[..]));
        strings.check().unwrap();
    }

    #[test]
    fn tells_apart_texts_of_one_hash() {
        let mut strings = Strings::default();
        let one = strings.add("one");
        // As if "two" had the hash of "one".
        strings.by_hash.insert(strings.keys.hash_one("two"), one);
        let two = strings.add("two");
        assert_ne!(one, two);
        assert_eq!((strings.add("two"), strings.add("one")), (two, one));
    }
}
