//! The rule at one address, straight from the file: what a table of millions of rows would be made for, when few are asked for.
//!
//! `.eh_frame_hdr` has a sorted table of the entries' first addresses (LSB 5.0, "Exception Frames"), which leads to one entry, whose
//! program is run up to the address.

use crate::cfi::Cfi;
use crate::compile::{Storage, bases};
use crate::elf::Elf;
use crate::entries::{Eh, Entries, Entry};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::source::{Source, read};
use crate::table::{Rule, Skipped};
use crate::translate;
use crate::window::{Deadline, Window};
use gimli::{BaseAddresses, UnwindContext};
use std::time::Duration;

/// What is read of the sections at once.
const BLOCK: u64 = 4 << 10;
/// Entries and CIEs that are longer are not run here; real ones have tens of bytes, seldom thousands.
const MAX_ENTRY_BYTES: u64 = 16 << 10;
const MAX_TIME: Duration = Duration::from_millis(100);
/// version 1; pointer to `.eh_frame`: 4 bytes, relative to itself; count: 4 bytes; table: 4 bytes each, relative to the header
const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Where things are in one file. The file itself comes with each call.
pub struct Lookup {
    elf: Elf,
    bases: BaseAddresses,
    /// ELF address of `.eh_frame_hdr`, which the table is relative to
    header: u64,
    /// Of the table in the file, and its rows
    table: u64,
    count: u64,
    /// Of `.eh_frame`: offset in the file, bytes, ELF address
    offset: u64,
    size: u64,
    address: u64,
    context: UnwindContext<usize, Storage>,
}

impl Lookup {
    /// None for a file without such a table.
    pub fn open(source: &(impl Source + ?Sized), limits: &Limits) -> Result<Option<Lookup>> {
        let source: &dyn Source = &source;
        let elf = Elf::parse(source)?;
        let Some(segment) = elf.eh_frame_header() else { return Ok(None) };
        let (at, header, length) = (segment.offset, segment.address, segment.file_size);
        if length < 12 {
            return Ok(None);
        }
        let head = read(source, ".eh_frame_hdr", at, 12, 12)?;
        if head[..4] != FORM {
            return Ok(None);
        }
        let count = u64::from(int(&head, 8)).min((length - 12) / 8);
        let (offset, size, address) = match elf.section(".eh_frame") {
            Some(section) => (section.offset, section.size, section.address),
            None => {
                let address = header.wrapping_add(4).wrapping_add_signed((int(&head, 4) as i32).into());
                let Some(range) = elf.file_range(address) else { return Ok(None) };
                (range.start, range.end.saturating_sub(range.start), address)
            }
        };
        if count == 0 || size > limits.max_section_bytes {
            return Ok(None);
        }
        let bases = bases(&elf);
        Ok(Some(Lookup { elf, bases, header, table: at.saturating_add(12), count, offset, size, address, context: UnwindContext::new_in() }))
    }

    /// Entries in the file: what a table of it costs grows with them.
    pub fn entries(&self) -> u64 {
        self.count
    }

    /// The rule that the file's table has at `pc`. None where only the whole table says what holds: no entry is in charge, or it is
    /// none of those that are run here.
    pub fn rule(&mut self, source: &(impl Source + ?Sized), pc: u64) -> Result<Option<Rule>> {
        let source: &dyn Source = &source;
        let Some(entry) = self.find(source, pc)? else { return Ok(None) };
        let Some(offset) = entry.checked_sub(self.address).and_then(|offset| u32::try_from(offset).ok()) else { return Ok(None) };
        let (deadline, arch) = (Deadline::new(MAX_TIME), self.elf.arch);
        let window = Window::of_file(".eh_frame", source, self.offset, self.size, u64::MAX, deadline)?.in_blocks_of(BLOCK);
        let cfi = Cfi { window, address: self.address, listed: None };
        let mut entries = Entries::<Eh>::new(cfi, self.bases.clone(), arch, deadline).up_to(MAX_ENTRY_BYTES);
        let Some(Entry { section, bases, fde }) = entries.entry(offset)? else { return Ok(None) };
        if fde.initial_address() == 0 || !fde.contains(pc) {
            return Ok(None);
        }
        let Ok(mut rows) = fde.rows(&section, &bases, &mut self.context) else { return Ok(Some(Rule::UNKNOWN)) };
        let (register, signal) = (fde.cie().return_address_register(), fde.is_signal_trampoline());
        loop {
            match rows.next_row() {
                Ok(Some(row)) if row.contains(pc) => {
                    return Ok(Some(translate::rule(arch, &section, row, register, signal, &mut Skipped::default())));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(_) => return Ok(Some(Rule::UNKNOWN)),
            }
        }
    }

    /// The ELF address of the last entry that begins at or below `pc`.
    fn find(&self, source: &dyn Source, pc: u64) -> Result<Option<u64>> {
        let target = pc.wrapping_sub(self.header) as i64;
        let (mut low, mut high) = (0, self.count);
        let mut row = [0; 8];
        // Rows before `low` begin at or below it, those from `high` on above.
        while low < high {
            let middle = low.midpoint(high);
            source.read_at(self.table.saturating_add(middle * 8), &mut row).map_err(|cause| Error::Read { what: ".eh_frame_hdr", cause })?;
            if i64::from(int(&row, 0) as i32) <= target {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(last) = low.checked_sub(1) else { return Ok(None) };
        source.read_at(self.table.saturating_add(last * 8), &mut row).map_err(|cause| Error::Read { what: ".eh_frame_hdr", cause })?;
        Ok(Some(self.header.wrapping_add_signed((int(&row, 4) as i32).into())))
    }
}

fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
