use super::*;

/// A file as the specification has it.
struct Writer(Vec<u8>);

impl Writer {
    fn new(flags: u64) -> Writer {
        let mut out = Writer(Vec::new());
        for word in [0x4a69_5444u32, 1, 40, 62, 0, 4711] {
            out.0.extend(word.to_le_bytes());
        }
        out.words(&[77, flags]);
        out
    }

    fn words(&mut self, words: &[u64]) {
        words.iter().for_each(|word| self.0.extend(word.to_le_bytes()));
    }

    fn record(&mut self, id: u32, time: u64, words: &[u64], rest: &[u8]) {
        let size = 16 + 8 * words.len() + rest.len();
        self.0.extend(id.to_le_bytes());
        self.0.extend((size as u32).to_le_bytes());
        self.words(&[time]);
        self.words(words);
        self.0.extend(rest);
    }

    fn load(&mut self, time: u64, address: u64, size: u64, name: &str) {
        let code = vec![0x90; size as usize];
        self.record(0, time, &[4711 << 32 | 4711, address, address, size, 1], &[name.as_bytes(), b"\0", &code].concat());
    }
}

fn read(dump: &mut JitDump, bytes: &[u8]) -> Result<Vec<Code>, Error> {
    let mut codes = Vec::new();
    dump.read_on(&bytes, |code| codes.push(code)).map(|()| codes)
}

#[test]
fn reads_records_as_the_file_grows() {
    let mut file = Writer::new(0);
    file.record(2, 1, &[0x1000, 1, 0x1000, 7], b"/src/a.js\0");
    file.load(1, 0x1000, 64, "first");
    file.record(3, 2, &[], b"");
    file.record(1, 3, &[0, 0, 0x1000, 0x5000, 64, 1], b"");
    let first = Code { time: 1, address: 0x1000, size: 64, what: What::Compiled { name: "first".into(), file: "/src/a.js".into() } };
    let moved = Code { time: 3, address: 0x5000, size: 64, what: What::Moved { from: 0x1000 } };
    let expected = [first, moved];
    assert_eq!(read(&mut JitDump::default(), &file.0).unwrap(), expected);
    // Whatever the moment at which it is looked at.
    for cut in 0..file.0.len() {
        let mut dump = JitDump::default();
        let mut codes = read(&mut dump, &file.0[..cut]).unwrap();
        codes.extend(read(&mut dump, &file.0).unwrap());
        assert_eq!(codes, expected, "cut at {cut}");
    }
}

#[test]
fn an_address_has_the_name_that_it_had_then() {
    let mut file = Writer::new(0);
    file.load(100, 0x1000, 64, "old");
    file.load(200, 0x1000, 32, "new");
    file.load(300, 0x1010, 16, "newest");
    file.record(1, 400, &[0, 0, 0x1010, 0x9000, 16, 1], b"");
    let mut symbols = Symbols::default();
    JitDump::default().read_on(&&file.0[..], |code| symbols.add(code)).unwrap();
    let name = |address, time| symbols.lookup(address, time).map(|symbol| &*symbol.name);
    assert_eq!([name(0x1000, 150), name(0x1000, 200), name(0x1018, 250), name(0x1018, 300)], [Some("old"), Some("new"), Some("new"), Some("newest")]);
    assert_eq!(name(0x1030, 250), Some("old"), "beyond the newer code");
    assert_eq!(name(0x1000, 50), Some("old"), "written down a moment late");
    assert_eq!([name(0x9008, 500), name(0x9010, 500), name(0xfff, 500)], [Some("newest"), None, None]);
}

#[test]
fn times_of_a_processor_are_no_times() {
    let mut file = Writer::new(1);
    file.load(1 << 60, 0x1000, 64, "code");
    assert_eq!(read(&mut JitDump::default(), &file.0).unwrap()[0].time, 0);
}

#[test]
fn what_is_no_dump_is_refused_and_never_read_again() {
    let mut dump = JitDump::default();
    assert_eq!(read(&mut dump, &[1; 100]), Err(Error::NotADump));
    assert_eq!(read(&mut dump, &[1; 100]), Ok(Vec::new()));
    let mut file = Writer::new(0);
    file.record(0, 1, &[1, 2], b"");
    assert_eq!(read(&mut JitDump::default(), &file.0), Err(Error::Damaged));
    file.0[44..48].copy_from_slice(&3u32.to_le_bytes());
    assert_eq!(read(&mut JitDump::default(), &file.0), Err(Error::Damaged));
    let mut grown = Writer::new(0);
    grown.0.resize(4096, 0);
    assert_eq!(read(&mut JitDump::default(), &grown.0), Ok(Vec::new()));
}

#[test]
fn any_change_of_a_byte_is_read_or_refused() {
    let mut file = Writer::new(0);
    file.record(2, 1, &[0x1000, 1, 0x1000, 7], b"/src/a.js\0");
    file.load(1, 0x1000, 64, "first");
    file.record(1, 3, &[0, 0, 0x1000, 0x5000, 64, 1], b"");
    for at in 0..file.0.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = file.0.clone();
            bytes[at] = value;
            let mut symbols = Symbols::default();
            let _ = JitDump::default().read_on(&&bytes[..], |code| symbols.add(code));
            symbols.lookup(0x1010, 2);
        }
    }
}

#[test]
fn the_mark_is_a_mapping_of_the_dump() {
    assert!(is_dump("/tmp/jit-4711.dump") && is_dump("/app/jit-1.dump"));
    assert!(!is_dump("/tmp/jit-.dump") && !is_dump("/tmp/jit-x.dump") && !is_dump("/tmp/perf-1.map"));
}

#[test]
fn reads_the_seeds_of_the_fuzzer() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds-jitdump");
    for seed in std::fs::read_dir(seeds).unwrap() {
        let bytes = std::fs::read(seed.unwrap().path()).unwrap();
        assert_eq!(read(&mut JitDump::default(), &bytes).unwrap().len(), 2);
    }
}
