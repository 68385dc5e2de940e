//! Single rules straight from a file against the file's table.

use perfleet_unwind::{Limits, Lookup, Rule, compile};
use std::path::Path;

/// Looks up so many addresses, spread over the file, at the first and the last byte of rows. How many the lookup had an answer to.
fn same_as_the_table(bytes: &[u8], addresses: usize) -> (usize, usize) {
    let table = compile(bytes, &Limits::default()).expect("the file has a table");
    let mut lookup = Lookup::open(bytes, &Limits::default()).unwrap().expect("the file has a search table");
    let (mut asked, mut answered) = (0, 0);
    for pair in table.rows.windows(2).step_by((table.rows.len() / addresses).max(1)) {
        for pc in [pair[0].pc, pair[1].pc - 1] {
            asked += usize::from(table.rule(pc) != Rule::NONE);
            if let Some(rule) = lookup.rule(bytes, pc).unwrap() {
                answered += 1;
                assert_eq!(rule, table.rule(pc), "{pc:#x}");
            } else {
                assert!(lookup.entries() > 0);
            }
        }
    }
    (asked, answered)
}

/// Of the rows that say something; the rest are procedure linkage tables of other linkers and the like.
fn file(path: impl AsRef<Path>, percent: usize) {
    let path = path.as_ref();
    let Ok(mut bytes) = std::fs::read(path) else { return println!("SKIP {}: not installed", path.display()) };
    let (asked, answered) = same_as_the_table(&bytes, 20_000);
    assert!(answered * 100 >= asked * percent, "{}: {answered} of {asked}", path.display());
    bytes[40..48].fill(0); // e_shoff
    bytes[60..64].fill(0); // e_shnum, e_shstrndx
    let (asked, answered) = same_as_the_table(&bytes, 2_000);
    assert!(answered * 100 >= asked * percent, "{} without section headers: {answered} of {asked}", path.display());
}

#[test]
fn rules_are_those_of_the_table() {
    file("/lib/x86_64-linux-gnu/libc.so.6", 98);
    file("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 98);
    file("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 98);
    file(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/node/bin/node"), 98);
    file("/usr/aarch64-linux-gnu/lib/libc.so.6", 98);
}

/// Where no entry is in charge the table may know more.
#[test]
fn says_nothing_outside_of_entries() {
    let bytes = std::fs::read("/proc/self/exe").unwrap();
    let table = compile(bytes.as_slice(), &Limits::default()).unwrap();
    let mut lookup = Lookup::open(bytes.as_slice(), &Limits::default()).unwrap().unwrap();
    for pc in [0, table.rows[0].pc - 1, table.rows.last().unwrap().pc, u64::MAX] {
        assert_eq!(lookup.rule(bytes.as_slice(), pc).unwrap(), None, "{pc:#x}");
    }
    assert_ne!(lookup.rule(bytes.as_slice(), table.rows[0].pc).unwrap(), Some(Rule::NONE));
    assert!(Lookup::open(&b"nonsense"[..], &Limits::default()).is_err());
}
