//! XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, seed 0) of bytes that end with a number, where only
//! the number changes: what stands before it is hashed once.

const P1: u64 = 0x9e37_79b1_85eb_ca87;
const P2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const P3: u64 = 0x1656_67b1_9e37_79f9;
const P4: u64 = 0x85eb_ca77_c2b2_ae63;
const P5: u64 = 0x27d4_eb2f_1656_67c5;
const STRIPE: usize = 32;
const NUMBER: usize = 8;

/// What is before the word that the number begins in.
enum Before {
    /// The first three of a stripe's words: what of the hash they make, `sum` and then `rounds`, and its last lane.
    Stripe { sum: u64, rounds: [u64; 3], lane: u64 },
    /// No stripe that the number has to do with: the hash so far.
    Tail(u64),
}

pub struct Numbered {
    before: Before,
    /// The word that the number begins in: its bytes of the prefix, zeros above.
    word: u64,
    /// Bytes of the prefix in it.
    rest: u32,
    /// Bytes of all, number included.
    length: usize,
}

impl Numbered {
    pub fn new(prefix: &[u8]) -> Self {
        let length = prefix.len() + NUMBER;
        let mut lanes = [P1.wrapping_add(P2), P2, 0, P1.wrapping_neg()];
        let (stripes, rest) = prefix.as_chunks::<STRIPE>();
        for bytes in stripes {
            lanes = stripe(lanes, words_of(bytes));
        }
        let mut bytes = [0; STRIPE];
        bytes[..rest.len()].copy_from_slice(rest);
        let words = words_of(&bytes);
        let at = rest.len() / 8;
        let before = if at == 3 {
            let [a, b, c, _] = stripe(lanes, words);
            let sum = a.rotate_left(1).wrapping_add(b.rotate_left(7)).wrapping_add(c.rotate_left(12));
            Before::Stripe { sum, rounds: [a, b, c].map(|lane| round(0, lane)), lane: lanes[3] }
        } else {
            let hash = if stripes.is_empty() { P5 } else { merged(lanes) };
            Before::Tail(words[..at].iter().fold(hash.wrapping_add(length as u64), |hash, &word| with_word(hash, word)))
        };
        Numbered { before, word: words[at], rest: rest.len() as u32 % 8, length }
    }

    /// Bytes that are hashed.
    pub fn bytes(&self) -> usize {
        self.length
    }

    /// The hash of the prefix and `number`, little endian.
    #[inline]
    pub fn hash(&self, number: u64) -> u64 {
        let bits = self.rest * 8;
        let word = self.word | number << bits;
        let mut hash = match self.before {
            Before::Stripe { sum, rounds, lane } => {
                let lane = round(lane, word);
                let sum = sum.wrapping_add(lane.rotate_left(18));
                let hash = rounds.iter().fold(sum, |hash, &round| with_round(hash, round));
                with_round(hash, round(0, lane)).wrapping_add(self.length as u64)
            }
            Before::Tail(hash) => with_word(hash, word),
        };
        // What of the number is in the word behind; in two steps, as no shift is by 64.
        let mut left = number >> (63 - bits) >> 1;
        if self.rest >= 4 {
            hash = (hash ^ (left & 0xffff_ffff).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
            left >>= 32;
        }
        for _ in 0..self.rest % 4 {
            hash = (hash ^ (left & 0xff).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
            left >>= 8;
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
        hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
        hash ^ (hash >> 32)
    }
}

fn words_of(bytes: &[u8; STRIPE]) -> [u64; 4] {
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bytes[i * 8 + j])))
}

#[inline]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

fn stripe(lanes: [u64; 4], words: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|i| round(lanes[i], words[i]))
}

fn merged(lanes: [u64; 4]) -> u64 {
    let [a, b, c, d] = lanes;
    let sum = a.rotate_left(1).wrapping_add(b.rotate_left(7)).wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18));
    lanes.iter().fold(sum, |hash, &lane| with_round(hash, round(0, lane)))
}

/// A lane at the end of all stripes.
#[inline]
fn with_round(hash: u64, round: u64) -> u64 {
    (hash ^ round).wrapping_mul(P1).wrapping_add(P4)
}

/// A word behind the stripes.
#[inline]
fn with_word(hash: u64, word: u64) -> u64 {
    (hash ^ round(0, word)).rotate_left(27).wrapping_mul(P1).wrapping_add(P4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_xxh64_whatever_stands_before_the_number() {
        let prefix: Vec<u8> = (0..200u32).map(|i| (i * 151 + 7) as u8).collect();
        for length in 0..prefix.len() {
            let hash = Numbered::new(&prefix[..length]);
            for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX, 1 << 63, 0x40_1000] {
                let whole = [&prefix[..length], &number.to_le_bytes()].concat();
                assert_eq!(hash.hash(number), twox_hash::XxHash64::oneshot(0, &whole), "{length} bytes before {number:#x}");
                assert_eq!(hash.bytes(), whole.len());
            }
        }
    }
}
