use super::*;

fn name(text: &str) -> (&'static str, String, String) {
    let CodeName { kind, function, file } = parse_name(text);
    (kind, function, file)
}

fn seeds() -> Vec<Vec<u8>> {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds-perf-map");
    std::fs::read_dir(seeds).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect()
}

#[test]
fn reads_v8_names() {
    assert_eq!(name("JS:*hot /a/b.js:3:7"), ("v8js", "hot".into(), "/a/b.js".into()));
    assert_eq!(name("LazyCompile:~ file:///x.mjs:1:1"), ("v8js", "(anonymous)".into(), "file:///x.mjs".into()));
    assert_eq!(name("Builtin:ArrayMap"), ("v8js", "Builtin:ArrayMap".into(), "".into()));
    assert_eq!(name("java.lang.String::hashCode"), ("jit", "java.lang.String::hashCode".into(), "".into()));
    assert_eq!(name(&"ü".repeat(5000)).1, "ü".repeat(1024));
}

#[test]
fn the_later_entry_wins_and_gaps_have_no_name() {
    let mut map = PerfMap::default();
    map.add(b"1000 100 old\n2000 10 other\nnonsense\nffffffffffffffff 10 over\n", 0);
    map.add(b"1000 80 new\n", 0);
    assert_eq!(map.lookup(0x1010, 1).unwrap().function, "new");
    assert_eq!(map.lookup(0x1090, 1).unwrap().function, "old");
    assert!(map.lookup(0x1fff, 1).is_none());
    assert!(map.lookup(0xfff, 1).is_none());
}

/// Read at the times 100 (the first time), 200 and 300.
#[test]
fn an_address_that_is_used_again_keeps_its_name_for_samples_before() {
    let mut map = PerfMap::default();
    map.add(b"1000 100 first\n", 0);
    map.add(b"1000 100 second\n", 100);
    // The third covers a part only, and begins elsewhere.
    map.add(b"1040 20 third\n", 200);
    let name = |address, time| &*map.lookup(address, time).unwrap().function;
    assert_eq!([name(0x1050, 50), name(0x1050, 99)], ["first", "first"]);
    assert_eq!([name(0x1050, 150), name(0x1050, 199)], ["second", "second"]);
    assert_eq!([name(0x1050, 250), name(0x1050, 9999)], ["third", "third"]);
    assert_eq!([name(0x1070, 250), name(0x1030, 250)], ["second", "second"], "beside the third");
    let mut late = PerfMap::default();
    late.add(b"1000 100 alone\n", 100);
    assert_eq!(late.lookup(0x1000, 50).unwrap().function, "alone", "written down a moment late");
}

#[test]
fn is_the_same_wherever_a_reading_ended() {
    for seed in seeds() {
        let mut whole = PerfMap::default();
        whole.add(&seed, 0);
        for cut in 0..seed.len() {
            let mut parts = PerfMap::default();
            parts.add(&seed[..cut], 0);
            parts.add(&seed[cut..], 0);
            for address in (0..0x40).map(|i| 0x3e_a100_0000 + i * 0x20) {
                assert_eq!(parts.lookup(address, 1), whole.lookup(address, 1), "cut at {cut}, {address:x}");
            }
        }
    }
}

#[test]
fn a_line_without_end_is_not_held() {
    let mut map = PerfMap::default();
    for _ in 0..100 {
        map.add(&[b'f'; 1000], 0);
    }
    assert!(map.rest.len() <= 4096);
    map.add(b"\n1000 10 after\n", 0);
    assert_eq!(map.lookup(0x1000, 0).unwrap().function, "after");
}

/// As many as are kept, and one more.
#[test]
fn says_when_there_are_more_than_are_kept() {
    let mut map = PerfMap::default();
    map.add(&b"1 1 a\n".repeat(1_000_000), 0);
    assert!(!map.is_full());
    map.add(b"2 1 b\n", 0);
    assert!(map.is_full() && map.lookup(2, 0).is_none());
}

#[test]
fn any_change_of_a_byte_is_read_or_passed_over() {
    for seed in seeds() {
        for at in 0..seed.len() {
            for value in [0, b'\n', b' ', b'f', 0xff] {
                let mut bytes = seed.clone();
                bytes[at] = value;
                let mut map = PerfMap::default();
                map.add(&bytes, 7);
                for address in [0, 0x3e_a100_0010, u64::MAX] {
                    map.lookup(address, 3);
                }
            }
        }
    }
}
