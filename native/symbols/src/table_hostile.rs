//! A short run of what `native/fuzz` does at length, as the symbolizer does it, in a child process: every mutation of its seeds becomes
//! a sound table or an error with a cause, and none ends its parser by a signal.

use std::time::Duration;

use crate::isolate::{Limits, isolated};
use crate::kept_tables::table_bytes;
use crate::slim_hostile::{Random, mutate};

const SEEDS: [&str; 6] = ["dwarf", "dwarf-zlib", "lines-only", "mini-debug-info", "skeleton-4", "skeleton-5"];
const LIMITS: Limits = Limits { wall: Duration::from_secs(60), cpu_seconds: 20, memory: 512 << 20, answer: 1 << 16, file: 1 << 30 };

#[test]
fn mutated_binaries_are_refused_with_a_cause_or_become_sound_tables() {
    let mut random = Random(2);
    for name in SEEDS {
        let whole = std::fs::read(format!("{}/../fuzz/seeds-table/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (mut made, mut refused) = (0, 0);
        for round in 0..150 {
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            // `table_bytes` checks what it made.
            match isolated(LIMITS, || table_bytes(&bytes).map(|table| table.len().to_string().into_bytes())) {
                Ok(_) => made += 1,
                Err(error) => {
                    refused += 1;
                    let text = format!("{error:#}");
                    assert!(!text.is_empty() && !text.contains("signal") && !text.contains("lookup table"), "{name}, {round}: {text}");
                }
            }
        }
        assert!(made > 10 && refused > 1, "{name}: {made} made, {refused} refused: the mutations try too little");
    }
}
