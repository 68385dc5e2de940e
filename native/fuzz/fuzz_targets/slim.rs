//! Binaries of any bytes: no panic, no hang; a slim file is a sound one, and the same again from itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_symbols::slim_bytes;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(slim) = slim_bytes(bytes) {
        assert!(slim_bytes(&slim).is_ok_and(|again| again == slim));
    }
});
