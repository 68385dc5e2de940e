//! Binaries that lie: never a panic, a hang or an allocation that their size does not explain.

use perfleet_unwind::stepper::{Bx, Regs, StackPiece, Stop, unwind};
use perfleet_unwind::{Arch, Cfa, Error, Limits, Lookup, Row, RowSink, Rule, Source, Table, compile, compile_into};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Counts what a thread holds, so that tests beside this one do not matter.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are plain thread-local cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators)
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn well_formed(table: &Table) {
    assert!(table.rows.is_sorted_by(|a, b| a.pc < b.pc && a.rule != b.rule));
    assert!(table.rows.last().is_none_or(|row| row.rule.cfa == Cfa::None as u8));
}

const SEEDS: &[&str] = &["seeds/x86-64", "seeds/arm64", "seeds/debug-frame-zlib"];

fn seed(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where bytes decide something: the headers and the CFI, most of the time.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(12) {
        let length = bytes.len();
        let at = match random.below(3) {
            0 => random.below(64 + 56 * 8),
            1 => length - 1 - random.below(length.min(64 * 40)),
            _ => random.below(length),
        };
        let Some(byte) = bytes.get_mut(at) else { continue };
        *byte = match random.below(4) {
            0 => random.next() as u8,
            1 => *byte ^ (1 << random.below(8)),
            2 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            _ => byte.wrapping_add(1),
        };
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
}

#[test]
fn mutated_binaries() {
    for name in SEEDS {
        let seed = seed(name);
        let table = compile(seed.as_slice(), &Limits::default()).expect("the seed itself is good");
        assert!(table.rows.len() > 5, "{name}: {} rows", table.rows.len());
        let mut random = Random(seed.len() as u64);
        let (mut tables, mut errors) = (0, 0);
        for _ in 0..2_000 {
            let mut bytes = seed.clone();
            mutate(&mut bytes, &mut random);
            let held = HELD.get();
            PEAK.set(held);
            match compile(bytes.as_slice(), &Limits::default()) {
                Ok(table) => {
                    well_formed(&table);
                    if let Ok(Some(mut lookup)) = Lookup::open(bytes.as_slice(), &Limits::default()) {
                        table.rows.iter().take(50).for_each(|row| drop(lookup.rule(bytes.as_slice(), row.pc)));
                    }
                    tables += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    errors += 1;
                }
            }
            // Headers, sections, entries and rows, each no more than a multiple of the bytes that describe it; gimli's stack of rows
            // takes the most.
            let most = 4 << 20;
            assert!(PEAK.get() - held < most, "{} bytes for a file of {}", PEAK.get() - held, bytes.len());
        }
        assert!(tables > 200 && errors > 20, "{name}: {tables} tables, {errors} errors: the mutations try too little");
    }
}

/// A file that is as long as it says, but only in name: no byte of it is there to be read.
struct Endless(Vec<u8>);

impl Source for Endless {
    fn size(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        buffer.fill(0);
        for (index, byte) in buffer.iter_mut().enumerate().take(self.0.len().saturating_sub(offset as usize)) {
            *byte = self.0[offset as usize + index];
        }
        Ok(())
    }
}

/// Offsets of fields in the seeds' headers
fn section_header(bytes: &[u8], name: &str) -> usize {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (table, count) = (word(40), half(60));
    let names = word(table + 64 * half(62) + 24);
    (0..count)
        .map(|index| table + 64 * index)
        .find(|&header| {
            let at = names + u32::from_le_bytes(bytes[header..header + 4].try_into().expect("four bytes")) as usize;
            bytes[at..].starts_with(name.as_bytes()) && bytes[at + name.len()] == 0
        })
        .expect("the section is there")
}

#[test]
fn a_section_larger_than_the_limit_is_an_error_and_not_read() {
    let mut bytes = seed(SEEDS[0]);
    let header = section_header(&bytes, ".eh_frame");
    bytes[header + 32..header + 40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    PEAK.set(HELD.get());
    let held = HELD.get();
    let result = compile(&Endless(bytes), &Limits::default());
    assert!(matches!(result, Err(Error::TooLarge { what: ".eh_frame", .. })), "{result:?}");
    assert!(PEAK.get() - held < 1 << 20);
}

#[test]
fn each_limit_holds() {
    let bytes = seed(SEEDS[0]);
    let whole = compile(bytes.as_slice(), &Limits::default()).expect("the seed is good");
    let with = |limits: Limits| compile(bytes.as_slice(), &limits);
    let default = Limits::default();
    for limits in [
        Limits { max_rows: whole.rows.len() - 1, ..default },
        Limits { max_fdes: 2, ..default },
        Limits { max_section_bytes: 16, ..default },
        Limits { max_program_bytes: 100, ..default },
        Limits { max_time: Duration::ZERO, ..default },
    ] {
        assert!(matches!(with(limits), Err(Error::TooLarge { .. })), "{limits:?}");
    }
    assert_eq!(with(Limits { max_rows: whole.rows.len(), ..default }).expect("just enough"), whole);
    let packed = seed("seeds/debug-frame-zlib");
    let result = compile(packed.as_slice(), &Limits { max_unpacked_bytes: 100, ..default });
    assert!(matches!(result, Err(Error::TooLarge { what: ".debug_frame", .. })), "{result:?}");
}

/// The first seed with another `.eh_frame`: a CIE with a program of so many bytes, and `count` entries that use it, each with
/// `program` at its end.
fn with_entries(cie_program: usize, count: u64, program: &[u8]) -> Vec<u8> {
    let mut bytes = seed(SEEDS[0]);
    let start = bytes.len();
    let header = section_header(&bytes, ".eh_frame");
    // CIE: version 1, augmentation "", code 1, data -8, return address 16; cfa = rsp + 8, return address at cfa - 8; no-operations
    let mut cie = vec![0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1];
    cie.resize(cie.len() + cie_program, 0);
    bytes.extend((cie.len() as u32).to_le_bytes());
    bytes.extend(&cie);
    for index in 0..count {
        let here = (bytes.len() - start) as u32;
        bytes.extend((20 + program.len() as u32).to_le_bytes());
        bytes.extend((here + 4).to_le_bytes());
        bytes.extend((0x1000 + index * 16).to_le_bytes());
        bytes.extend(16_u64.to_le_bytes());
        bytes.extend(program);
    }
    let size = (bytes.len() - start) as u64;
    bytes[header + 24..header + 32].copy_from_slice(&(start as u64).to_le_bytes());
    bytes[header + 32..header + 40].copy_from_slice(&size.to_le_bytes());
    bytes
}

struct CountRows(u64, u64);

impl RowSink for CountRows {
    fn row(&mut self, _: Row) -> Result<(), Error> {
        self.0 += 1;
        if self.0 < self.1 { Ok(()) } else { Err(Error::TooLarge { what: "rows of the test", found: self.0, limit: self.1 }) }
    }
}

/// Neither the section nor the rows are held: entries cost what `Limits` says of them.
#[test]
fn a_large_section_is_not_held_in_memory() {
    // advance 1, cfa offset 16, then no-operations
    let mut program = vec![0x41, 0x0e, 16];
    program.resize(300, 0);
    let count = 100_000;
    let bytes = with_entries(0, count, &program);
    assert!(bytes.len() > 30 << 20);
    let held = HELD.get();
    PEAK.set(held);
    let mut rows = CountRows(0, u64::MAX);
    compile_into(bytes.as_slice(), &Limits::default(), &mut rows).expect("the section is good");
    assert!(rows.0 >= 2 * count, "{} rows", rows.0);
    // A growing list doubles, and is there twice while it moves.
    let most = count as isize * 24 * 4 + (1 << 20);
    assert!(PEAK.get() - held < most, "{} bytes", PEAK.get() - held);
    let result = compile_into(bytes.as_slice(), &Limits::default(), &mut CountRows(0, 1000));
    assert!(matches!(result, Err(Error::TooLarge { what: "rows of the test", found: 1000, .. })), "{result:?}");
}

/// Many entries that share a CIE with a long program: their product, not their sum, is the work.
#[test]
fn long_programs_of_many_entries_are_cut() {
    let bytes = with_entries(200_000, 200_000, &[]);
    let begun = Instant::now();
    let result = compile(bytes.as_slice(), &Limits::default());
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn not_elf() {
    for bytes in [&b""[..], b"\x7fELF", &[0; 64], b"#!/bin/sh\nexec something else that is longer than a header of an ELF file\n"] {
        assert!(compile(bytes, &Limits::default()).is_err());
    }
}

/// Any rule over any stack: the walk ends.
#[test]
fn random_rules_over_random_stacks() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..64).flat_map(|_| (0x1000 + random.next() % 600).to_le_bytes()).collect();
        let stack = StackPiece { start: 0x1000, bytes: &bytes };
        let regs = Regs {
            ip: random.next(),
            sp: 0x1000 + random.next() % 512,
            fp: 0x1000 + random.next() % 512,
            fp_lost: random.below(2) == 0,
            lr: random.next() % 2,
            bx: Bx::At(0x1000 + random.next() % 512),
            scratch: (random.below(2) == 0).then(|| [0x1000 + random.next() % 512; 6]),
            exact: true,
        };
        let arch = if random.below(2) == 0 { Arch::X86_64 } else { Arch::Arm64 };
        let walk = unwind(arch, regs, &stack, 100, |_| Rule {
            cfa: random.below(13) as u8,
            fp: random.below(6) as u8,
            ra: random.below(3) as u8,
            bx: random.below(256) as u8,
            cfa_offset: random.below(64) as i32 - 16,
            fp_offset: random.below(64) as i32 - 32,
            extra: random.below(64) as i32 - 32,
        });
        assert!((1..=100).contains(&walk.frames.len()));
    }
    let everything = StackPiece { start: u64::MAX - 7, bytes: &[0; 8] };
    let regs = Regs { ip: 1, sp: u64::MAX - 3, fp: u64::MAX, fp_lost: false, lr: 0, bx: Bx::Lost, scratch: None, exact: false };
    assert!(matches!(unwind(Arch::X86_64, regs, &everything, 9, |_| Rule::FRAME_POINTER).stop, Stop::Memory(_)));
}
