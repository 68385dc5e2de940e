//! Names of any text: no panic, no hang, and never longer than is kept.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_symbols::readable;

fuzz_target!(|name: &str| {
    assert!(readable(name).len() <= 16 << 10);
});
