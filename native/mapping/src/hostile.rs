//! A short run of what `native/fuzz` does at length: seeded mutations of its seeds must neither panic nor leave rows
//! that break their form, and one message must not show in the next.

use crate::{Batch, Counts, Input, LINKED_ROW, Offered, SAMPLE_ROW, Scratch, Written, each_row};

const SEEDS: [&str; 4] = ["python", "odd-1", "odd-2", "odd-3"];
const NOW: i64 = 1_700_000_000_000;

fn seed(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../fuzz/seeds-map/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn map(scratch: &mut Scratch, body: &[u8]) -> (Result<Counts, String>, Batch) {
    let mut batch = Batch::default();
    let input = Input { body, node: "n", timestamp: NOW, shift_ms: 0 };
    let counts = scratch.map(&input, "c", &Written::default(), &mut Offered::default(), &mut batch);
    (counts, batch)
}

fn check(batch: &Batch, counts: &Result<Counts, String>) {
    assert_eq!(batch.samples.len() % SAMPLE_ROW, 0);
    assert_eq!(batch.linked.len() % LINKED_ROW, 0);
    assert!(batch.linked.len() / LINKED_ROW <= batch.samples.len() / SAMPLE_ROW);
    assert!(counts.is_ok() || batch.samples.is_empty());
    for table in [&batch.series, &batch.stacks, &batch.frames] {
        assert_eq!(each_row(&table.bytes, &table.ends).count(), table.ends.len());
        assert_eq!(table.ends.last().map_or(0, |&end| end as usize), table.bytes.len());
    }
}

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }
}

#[test]
fn seeds_are_messages() {
    for name in SEEDS {
        let (counts, batch) = map(&mut Scratch::default(), &seed(name));
        assert!(counts.unwrap_or_else(|why| panic!("{name}: {why}")).stored > 0.0);
        assert!(!batch.samples.is_empty() && !batch.frames.bytes.is_empty());
    }
}

#[test]
fn damaged_messages_are_refused_or_mapped_and_leave_nothing_behind() {
    let mut random = Random(1);
    let mut kept = Scratch::default();
    let (mut refused, mut mapped) = (0, 0);
    for name in SEEDS {
        let whole = seed(name);
        let (_, wanted) = map(&mut Scratch::default(), &whole);
        for _ in 0..3_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            bytes.truncate(whole.len() - random.below(4) / 3 * random.below(whole.len()));
            let (counts, batch) = map(&mut kept, &bytes);
            check(&batch, &counts);
            if counts.is_ok() { mapped += 1 } else { refused += 1 }
        }
        let (counts, batch) = map(&mut kept, &whole);
        assert!(counts.is_ok());
        assert_eq!((batch.samples, batch.stacks.bytes, batch.frames.bytes), (wanted.samples, wanted.stacks.bytes, wanted.frames.bytes));
    }
    assert!(refused > 1_000 && mapped > 1_000, "{refused} refused, {mapped} mapped");
}

#[test]
fn messages_cut_off_anywhere_are_no_panic() {
    let whole = seed("python");
    let mut scratch = Scratch::default();
    for end in 0..whole.len() {
        let (counts, batch) = map(&mut scratch, &whole[..end]);
        check(&batch, &counts);
    }
}
