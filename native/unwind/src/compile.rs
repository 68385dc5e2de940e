//! From a binary to its table.
//!
//! Two passes, so that memory stays near that of the result. The first notes which addresses each entry is in charge of (24 bytes
//! an entry); sorted and cut so that none overlaps, they are the order in which the second pass runs the programs and appends the
//! rows.

use crate::cfi::{self, Cfi};
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::go;
use crate::limits::Limits;
use crate::pieces::{Origin, Piece, fill, separate};
use crate::plt;
use crate::rows::Rows;
use crate::source::Source;
use crate::table::{Rule, Skipped, Table};
use crate::trampoline;
use crate::translate::{self, Bytes};
use gimli::{
    BaseAddresses, CommonInformationEntry, DebugFrame, EhFrame, FrameDescriptionEntry, LittleEndian, UnwindContext, UnwindContextStorage,
    UnwindOffset, UnwindSection, UnwindTableRow, Vendor,
};
use std::time::Instant;

/// Most real programs remember one state; gimli's own storage ends at three.
struct Storage;

impl UnwindContextStorage<usize> for Storage {
    type Rules = [(gimli::Register, gimli::RegisterRule<usize>); 128];
    type Stack = Box<[UnwindTableRow<usize, Self>; 16]>;
}

/// The table of an ELF file; one without rows when the file has no CFI.
///
/// `.debug_frame` counts where `.eh_frame` is silent; in a Go binary it says where the frame pointer is to be trusted (`go`).
pub fn compile(source: &(impl Source + ?Sized), limits: &Limits) -> Result<Table> {
    compile_dyn(&source, limits)
}

fn compile_dyn(source: &dyn Source, limits: &Limits) -> Result<Table> {
    let elf = Elf::parse(source)?;
    let go = elf.is_go(source);
    let mut compiler = Compiler { limits, go, started: Instant::now(), program_bytes: 0, skipped: Skipped::default() };

    let address_of = |name| elf.section(name).map_or(0, |section| section.address);
    let bases = |cfi: &Cfi| {
        let bases = BaseAddresses::default().set_text(address_of(".text")).set_got(address_of(".got"));
        bases.set_eh_frame_hdr(elf.eh_frame_header().map_or(0, |segment| segment.address)).set_eh_frame(cfi.address)
    };
    let vendor = match elf.arch {
        crate::Arch::X86_64 => Vendor::Default,
        crate::Arch::Arm64 => Vendor::AArch64,
    };

    let eh = cfi::eh_frame(source, &elf, limits)?;
    let eh = eh.as_ref().map(|cfi| {
        let mut section = EhFrame::new(&cfi.bytes, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(vendor);
        Entries { cfi, section, bases: bases(cfi), origin: Origin::EhFrame }
    });
    let debug = cfi::debug_frame(source, &elf, limits)?;
    let debug = debug.as_ref().map(|cfi| {
        let mut section = DebugFrame::new(&cfi.bytes, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(vendor);
        Entries { cfi, section, bases: bases(cfi), origin: Origin::DebugFrame }
    });

    let mut pieces = match &eh {
        Some(entries) => compiler.pieces(entries)?,
        None => Vec::new(),
    };
    if let Some(entries) = &debug {
        fill(&mut pieces, &compiler.pieces(entries)?);
    }
    fill(&mut pieces, &plt::find(source, &elf));
    let trampolines = trampoline::find(source, &elf, &pieces)?;
    fill(&mut pieces, &trampolines);

    let mut eh = eh.as_ref().map(|entries| Runner::new(entries, elf.arch));
    let mut debug = debug.as_ref().map(|entries| Runner::new(entries, elf.arch));
    let mut rows = Rows::new(limits.max_rows);
    for piece in pieces {
        match (piece.origin, &mut eh, &mut debug) {
            (Origin::EhFrame(offset), Some(runner), _) => compiler.run(runner, offset, &piece, &mut rows)?,
            (Origin::DebugFrame(offset), _, Some(runner)) => compiler.run(runner, offset, &piece, &mut rows)?,
            (Origin::Known(known), ..) => rows.push(piece.start, piece.end, known.rule(elf.arch))?,
            // Pieces of a section come from that section.
            _ => {}
        }
    }
    Ok(Table { arch: elf.arch, rows: rows.finish(), skipped: compiler.skipped, go })
}

/// A section and how gimli reads it.
struct Entries<'a, Section> {
    cfi: &'a Cfi,
    section: Section,
    bases: BaseAddresses,
    origin: fn(u32) -> Origin,
}

impl<'a, Section: UnwindSection<Bytes<'a>>> Entries<'a, Section> {
    /// Neighbours mostly share their CIE: the last one is kept in `cie`.
    fn entry(&self, offset: u32, cie: &mut Option<CommonInformationEntry<Bytes<'a>>>) -> gimli::Result<FrameDescriptionEntry<Bytes<'a>>> {
        self.section.fde_from_offset(&self.bases, (offset as usize).into(), |section, bases, at| {
            let wanted: usize = UnwindOffset::into(at);
            if let Some(known) = cie.as_ref().filter(|known| known.offset() == wanted) {
                return Ok(known.clone());
            }
            let found = section.cie_from_offset(bases, at)?;
            *cie = Some(found.clone());
            Ok(found)
        })
    }
}

struct Runner<'a, Section> {
    entries: &'a Entries<'a, Section>,
    context: UnwindContext<usize, Storage>,
    cie: Option<CommonInformationEntry<Bytes<'a>>>,
    arch: crate::Arch,
}

impl<'a, Section> Runner<'a, Section> {
    fn new(entries: &'a Entries<'a, Section>, arch: crate::Arch) -> Self {
        Runner { entries, context: UnwindContext::new_in(), cie: None, arch }
    }
}

struct Compiler<'a> {
    limits: &'a Limits,
    go: bool,
    started: Instant,
    program_bytes: u64,
    skipped: Skipped,
}

impl Compiler<'_> {
    fn pieces<'a, Section: UnwindSection<Bytes<'a>>>(&mut self, entries: &Entries<'a, Section>) -> Result<Vec<Piece>> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut cie = None;
        let (mut count, mut malformed) = (0_usize, 0_u64);
        let whole = entries.cfi.entries(|offset| {
            count += 1;
            if count > self.limits.max_fdes {
                return Err(Error::TooLarge { what: "entries of CFI", found: count as u64, limit: self.limits.max_fdes as u64 });
            }
            if count.is_multiple_of(4096) {
                self.check_time()?;
            }
            match entries.entry(offset, &mut cie) {
                // An entry at 0 describes a function that the linker dropped.
                Ok(fde) if fde.initial_address() == 0 || fde.len() == 0 => {}
                Ok(fde) if fde.end_address() > fde.initial_address() => {
                    pieces.push(Piece { start: fde.initial_address(), end: fde.end_address(), origin: (entries.origin)(offset) });
                }
                _ => malformed += 1,
            }
            Ok(())
        })?;
        self.skipped.malformed += malformed + u64::from(!whole);
        self.skipped.overlapping += separate(&mut pieces);
        Ok(pieces)
    }

    /// Runs the program of the entry at `offset` and appends its rows as far as `piece` goes.
    fn run<'a, Section: UnwindSection<Bytes<'a>>>(
        &mut self,
        runner: &mut Runner<'a, Section>,
        offset: u32,
        piece: &Piece,
        rows: &mut Rows,
    ) -> Result<()> {
        let Runner { entries, context, cie, arch } = runner;
        let Ok(fde) = entries.entry(offset, cie) else {
            self.skipped.malformed += 1;
            return rows.push(piece.start, piece.end, Rule::UNKNOWN);
        };
        self.charge(fde.entry_len() as u64 + fde.cie().entry_len() as u64)?;
        let Ok(mut table) = fde.rows(&entries.section, &entries.bases, context) else {
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
                        let rule = translate::rule(*arch, &entries.section, row, return_register, signal, &mut self.skipped);
                        if self.go && !entries.cfi.eh {
                            go::push(rows, start, end, rule, *arch)?;
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
        if before >> 17 != self.program_bytes >> 17 { self.check_time() } else { Ok(()) }
    }

    fn check_time(&self) -> Result<()> {
        let (spent, limit) = (self.started.elapsed(), self.limits.max_time);
        if spent > limit {
            let (found, limit) = (spent.as_millis() as u64, limit.as_millis() as u64);
            return Err(Error::TooLarge { what: "milliseconds to compile CFI", found, limit });
        }
        Ok(())
    }
}
