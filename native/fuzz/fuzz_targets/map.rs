//! Messages of any bytes: no panic, no hang, and rows that keep their invariants, the same a second time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_mapping::{Batch, Input, LINKED_ROW, Offered, SAMPLE_ROW, Scratch, Written, each_row};

const NOW: i64 = 1_700_000_000_000;

fuzz_target!(|bytes: &[u8]| {
    let input = Input { body: bytes, node: "n", timestamp: NOW, shift_ms: 0 };
    let written = Written::default();
    let (mut scratch, mut batch) = (Scratch::default(), Batch::default());
    let counts = scratch.map(&input, "c", &written, &mut Offered::default(), &mut batch);
    assert_eq!(batch.samples.len() % SAMPLE_ROW, 0);
    assert_eq!(batch.linked.len() % LINKED_ROW, 0);
    assert!(batch.linked.len() / LINKED_ROW <= batch.samples.len() / SAMPLE_ROW);
    assert!(counts.is_ok() || batch.samples.is_empty());
    for table in [&batch.series, &batch.stacks, &batch.frames] {
        assert_eq!(each_row(&table.bytes, &table.ends).count(), table.ends.len());
        assert_eq!(table.ends.last().map_or(0, |&end| end as usize), table.bytes.len());
    }
    // What the columns hold of one message must not show in the next.
    let mut again = Batch::default();
    assert_eq!(scratch.map(&input, "c", &written, &mut Offered::default(), &mut again), counts);
    assert_eq!(again.samples, batch.samples);
});
