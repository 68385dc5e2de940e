//! Unwind tables of any bytes: no panic, no hang, and rows that keep their invariants.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_unwind::{Cfa, Limits, compile};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = compile(bytes, &Limits::default()) {
        assert!(table.rows.is_sorted_by(|a, b| a.pc < b.pc && a.rule != b.rule));
        assert!(table.rows.last().is_none_or(|row| row.rule.cfa == Cfa::None as u8));
    }
});
