//! Unwind tables of any bytes: no panic, no hang, and rows that keep their invariants; single rules likewise.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perfleet_unwind::{Cfa, Limits, Lookup, compile};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = compile(bytes, &Limits::default()) {
        assert!(table.rows.is_sorted_by(|a, b| a.pc < b.pc && a.rule != b.rule));
        assert!(table.rows.last().is_none_or(|row| row.rule.cfa == Cfa::None as u8));
        if let Ok(Some(mut lookup)) = Lookup::open(bytes, &Limits::default()) {
            for row in table.rows.iter().take(100) {
                let _ = lookup.rule(bytes, row.pc);
            }
        }
    }
});
