//! From a binary to its table.
//!
//! Two passes, so that memory stays near that of the result. The first notes which addresses each entry is in charge of (24 bytes
//! an entry); sorted and cut so that none overlaps, they are the order in which the second pass runs the programs and makes the
//! rows, which thereby come in ascending order and need not be kept.

use crate::cfi;
use crate::elf::Elf;
use crate::entries::{Cursor, Debug, Eh, Entries, Entry, Kind};
use crate::error::{Error, Result};
use crate::go;
use crate::limits::Limits;
use crate::pieces::{Origin, Piece, fill, separate};
use crate::plt;
use crate::rows::{RowSink, Rows};
use crate::source::Source;
use crate::table::{Arch, Compiled, Row, Rule, Skipped, Table};
use crate::trampoline;
use crate::translate;
use crate::window::Deadline;
use gimli::{BaseAddresses, UnwindContext, UnwindContextStorage, UnwindTableRow};

/// Most real programs remember one state; gimli's own storage ends at three.
pub struct Storage;

impl UnwindContextStorage<usize> for Storage {
    type Rules = [(gimli::Register, gimli::RegisterRule<usize>); 128];
    type Stack = Box<[UnwindTableRow<usize, Self>; 16]>;
}

/// The table of an ELF file; one without rows when the file has no CFI.
pub fn compile(source: &(impl Source + ?Sized), limits: &Limits) -> Result<Table> {
    let mut rows: Vec<Row> = Vec::new();
    let Compiled { arch, skipped, go } = compile_into(source, limits, &mut rows)?;
    rows.shrink_to_fit();
    Ok(Table { arch, rows, skipped, go })
}

/// Gives the rows of an ELF file's table to `sink`, without holding them, nor the file's CFI: that takes 24 bytes an entry, and no
/// more.
///
/// `.debug_frame` counts where `.eh_frame` is silent; in a Go binary it says where the frame pointer is to be trusted (`go`).
pub fn compile_into(source: &(impl Source + ?Sized), limits: &Limits, sink: &mut dyn RowSink) -> Result<Compiled> {
    compile_dyn(&source, limits, sink)
}

fn compile_dyn(source: &dyn Source, limits: &Limits, sink: &mut dyn RowSink) -> Result<Compiled> {
    let elf = Elf::parse(source)?;
    let arch = elf.arch;
    let go = elf.is_go(source);
    let deadline = Deadline::new(limits.max_time);
    let mut compiler = Compiler { limits, arch, go, deadline, program_bytes: 0, skipped: Skipped::default() };

    let bases = bases(&elf);
    let eh = cfi::eh_frame(source, &elf, limits, deadline)?;
    let mut eh = eh.map(|cfi| Runner::<Eh>::new(Entries::new(cfi, bases.clone(), arch, deadline)));
    let debug = cfi::debug_frame(source, &elf, limits, deadline)?;
    let mut debug = debug.map(|cfi| Runner::<Debug>::new(Entries::new(cfi, bases, arch, deadline)));

    let mut pieces = match &mut eh {
        Some(runner) => compiler.pieces(&mut runner.entries, Origin::EhFrame)?,
        None => Vec::new(),
    };
    if let Some(runner) = &mut debug {
        fill(&mut pieces, &compiler.pieces(&mut runner.entries, Origin::DebugFrame)?);
    }
    fill(&mut pieces, &plt::find(source, &elf));
    let trampolines = trampoline::find(source, &elf, &pieces)?;
    fill(&mut pieces, &trampolines);

    let mut rows = Rows::new(sink, limits.max_rows);
    for piece in pieces {
        match (piece.origin, &mut eh, &mut debug) {
            (Origin::EhFrame(offset), Some(runner), _) => compiler.run(runner, offset, &piece, &mut rows)?,
            (Origin::DebugFrame(offset), _, Some(runner)) => compiler.run(runner, offset, &piece, &mut rows)?,
            (Origin::Known(known), ..) => rows.push(piece.start, piece.end, known.rule(arch))?,
            // Pieces of a section come from that section.
            _ => {}
        }
    }
    rows.finish()?;
    Ok(Compiled { arch, skipped: compiler.skipped, go })
}

/// What pointers of CFI may be relative to.
pub fn bases(elf: &Elf) -> BaseAddresses {
    let address_of = |name| elf.section(name).map_or(0, |section| section.address);
    BaseAddresses::default()
        .set_text(address_of(".text"))
        .set_got(address_of(".got"))
        .set_eh_frame_hdr(elf.eh_frame_header().map_or(0, |segment| segment.address))
}

struct Runner<'a, K> {
    entries: Entries<'a, K>,
    context: UnwindContext<usize, Storage>,
}

impl<'a, K> Runner<'a, K> {
    fn new(entries: Entries<'a, K>) -> Self {
        Runner { entries, context: UnwindContext::new_in() }
    }
}

struct Compiler<'a> {
    limits: &'a Limits,
    arch: Arch,
    go: bool,
    deadline: Deadline,
    program_bytes: u64,
    skipped: Skipped,
}

impl Compiler<'_> {
    fn pieces<K: Kind>(&mut self, entries: &mut Entries<K>, origin: fn(u32) -> Origin) -> Result<Vec<Piece>> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut cursor = Cursor::default();
        let mut count = 0_usize;
        while let Some(offset) = entries.next(&mut cursor)? {
            count += 1;
            if count > self.limits.max_fdes {
                return Err(Error::TooLarge { what: "entries of CFI", found: count as u64, limit: self.limits.max_fdes as u64 });
            }
            if count.is_multiple_of(4096) {
                self.deadline.check()?;
            }
            match entries.entry(offset)?.map(|entry| (entry.fde.initial_address(), entry.fde.len(), entry.fde.end_address())) {
                // An entry at 0 describes a function that the linker dropped.
                Some((0, ..) | (_, 0, _)) => {}
                Some((start, _, end)) if end > start => pieces.push(Piece { start, end, origin: origin(offset) }),
                _ => self.skipped.malformed += 1,
            }
        }
        self.skipped.malformed += u64::from(cursor.broken);
        self.skipped.overlapping += separate(&mut pieces);
        Ok(pieces)
    }

    /// Runs the program of the entry at `offset` and appends its rows as far as `piece` goes.
    fn run<K: Kind>(&mut self, runner: &mut Runner<K>, offset: u32, piece: &Piece, rows: &mut Rows) -> Result<()> {
        let Runner { entries, context } = runner;
        let Some(Entry { section, bases, fde }) = entries.entry(offset)? else {
            self.skipped.malformed += 1;
            return rows.push(piece.start, piece.end, Rule::UNKNOWN);
        };
        self.charge(fde.entry_len() as u64 + fde.cie().entry_len() as u64)?;
        let Ok(mut table) = fde.rows(&section, &bases, context) else {
            self.skipped.malformed += 1;
            return rows.push(piece.start, piece.end, Rule::UNKNOWN);
        };
        let return_register = fde.cie().return_address_register();
        let signal = fde.is_signal_trampoline();
        loop {
            match table.next_row() {
                Ok(Some(row)) => {
                    let (start, end) = (row.start_address().max(piece.start), row.end_address().min(piece.end));
                    if start < end {
                        let rule = translate::rule(self.arch, &section, row, return_register, signal, &mut self.skipped);
                        if self.go && !K::EH {
                            go::push(rows, start, end, rule, self.arch)?;
                        } else {
                            rows.push(start, end, rule)?;
                        }
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    self.skipped.malformed += 1;
                    return rows.push(rows.end.max(piece.start), piece.end, Rule::UNKNOWN);
                }
            }
        }
    }

    fn charge(&mut self, bytes: u64) -> Result<()> {
        let before = self.program_bytes;
        self.program_bytes += bytes;
        let limit = self.limits.max_program_bytes;
        if self.program_bytes > limit {
            return Err(Error::TooLarge { what: "bytes of CFA programs", found: self.program_bytes, limit });
        }
        // About once a millisecond
        if before >> 17 != self.program_bytes >> 17 { self.deadline.check() } else { Ok(()) }
    }
}
