//! Perf maps of any bytes, which grow while they are read: no panic, no hang, and the same names whatever was there at first.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_jitdump::PerfMap;

fuzz_target!(|bytes: &[u8]| {
    let (mut whole, mut parts) = (PerfMap::default(), PerfMap::default());
    whole.add(bytes, 0);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    parts.add(first, 0);
    parts.add(second, 0);
    // Of a line that is longer than is held between two readings the end may be taken for a line.
    let lines_are_short = bytes.split(|&byte| byte == b'\n').all(|line| line.len() < 4096);
    for address in bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).chain([0, 0x3e_a100_0010]) {
        assert!(!lines_are_short || parts.lookup(address, 1) == whole.lookup(address, 1));
    }
});
