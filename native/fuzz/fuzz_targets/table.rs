//! Binaries of any bytes as lookup tables: no hang, no broken table. A panic of a parser is an answer too, as in the child process
//! in which the symbolizer converts; what it must not do is to end without one.

#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use perfleet_symbols::table_bytes;

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // Parsers of other projects panic; `FUZZ_PANICS=1` shows where.
    QUIET.call_once(|| {
        if std::env::var_os("FUZZ_PANICS").is_none() {
            std::panic::set_hook(Box::new(|_| {}));
        }
    });
    let made = std::panic::catch_unwind(|| table_bytes(bytes));
    if let Ok(Err(error)) = made {
        let text = format!("{error:#}");
        assert!(!text.contains("lookup table"), "{text}");
    }
});
