//! A short run of what `native/fuzz` does at length: seeded mutations of its seeds are refused or give a file that holds no code,
//! never more than it was made of and its headers, and the same again from itself.

use object::{Object as _, ObjectSection as _};

use crate::slim::slim_bytes;

const SEEDS: [&str; 3] = ["dwarf", "dwarf-zlib", "mini-debug-info"];

/// What long runs found, fixed since.
const FOUND: [&str; 1] = ["name-at-zero"];

fn seed(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../fuzz/seeds-slim/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }
}

/// The headers decide, at the start and the end of the file.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let length = bytes.len();
        let at = match random.below(3) {
            0 => random.below(64 + 56 * 6),
            1 => length - 1 - random.below(64 * 24),
            _ => random.below(length),
        };
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ (1 << random.below(8)), random.below(256) as u8][random.below(7)];
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
}

#[test]
fn seeds_keep_their_names_and_no_code() {
    for name in SEEDS {
        let whole = seed(name);
        let slim = slim_bytes(&whole).unwrap_or_else(|why| panic!("{name}: {why:#}"));
        assert!(slim.len() < whole.len(), "{name}");
        let file = object::File::parse(&slim[..]).unwrap();
        assert!(file.section_by_name(".text").unwrap().file_range().is_none(), "{name}");
        let names = [".debug_info", ".gnu_debugdata"].iter().filter(|section| file.section_by_name(section).is_some());
        assert_eq!(names.count(), 1, "{name}");
    }
}

#[test]
fn mutated_binaries_are_refused_or_become_sound_files() {
    let mut random = Random(1);
    for name in SEEDS {
        let whole = seed(name);
        let (mut made, mut refused) = (0, 0);
        for _ in 0..3_000 {
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            match slim_bytes(&bytes) {
                Ok(slim) => {
                    made += 1;
                    let again = slim_bytes(&slim);
                    assert!(again.is_ok_and(|again| again == slim), "{name}: another file from itself");
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
        assert!(made > 200 && refused > 20, "{name}: {made} made, {refused} refused: the mutations try too little");
    }
}

#[test]
fn what_was_found_once_becomes_the_same_file_again() {
    for name in FOUND {
        let slim = slim_bytes(&seed(name)).unwrap_or_else(|why| panic!("{name}: {why:#}"));
        assert!(slim_bytes(&slim).is_ok_and(|again| again == slim), "{name}");
    }
}
