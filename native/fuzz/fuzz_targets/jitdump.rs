//! Jitdumps of any bytes, which grow while they are read: no panic, no hang, and the same functions whatever was there at first.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_jitdump::{JitDump, Symbols};

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Vec::new();
    let result = JitDump::default().read_on(&bytes, |code| whole.push(code));
    let (mut dump, mut parts) = (JitDump::default(), Vec::new());
    let _ = dump.read_on(&&bytes[..bytes.len() / 2], |code| parts.push(code));
    let second = dump.read_on(&bytes, |code| parts.push(code));
    assert!(result.is_err() || second.is_err() || whole == parts);
    let mut symbols = Symbols::default();
    for code in whole {
        let (address, time) = (code.address, code.time);
        symbols.add(code);
        symbols.lookup(address, time);
    }
});
