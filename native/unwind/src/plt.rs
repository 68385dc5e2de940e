//! Procedure linkage tables, which only the GNU linker describes by CFI, and only those that bind lazily on x86-64.

use crate::elf::{Elf, Section};
use crate::pieces::{Known, Origin, Piece, separate};
use crate::source::{Source, read};
use crate::table::Arch;

/// The parts of the tables, in ascending order.
pub fn find(source: &dyn Source, elf: &Elf) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for name in [".plt", ".plt.sec", ".plt.got", ".iplt"] {
        let Some(section) = elf.section(name) else { continue };
        let mut piece = |from: u64, to: u64, known| {
            let at = |offset: u64| section.address.saturating_add(offset.min(section.size));
            if at(from) < at(to) {
                pieces.push(Piece { start: at(from), end: at(to), origin: Origin::Known(known) });
            }
        };
        match (elf.arch, binds_lazily(source, section, elf.arch)) {
            (_, false) => piece(0, section.size, Known::PltJump),
            // push link_map(%rip); jmp *resolver(%rip); entries of 16 bytes follow: jmp, push at 6, jmp at 11
            (Arch::X86_64, true) => {
                piece(0, 6, Known::PltFirst(1));
                piece(6, 16, Known::PltFirst(2));
                piece(16, section.size, Known::PltLazy);
            }
            (Arch::Arm64, true) => {
                piece(0, 4, Known::PltFirst(0));
                piece(4, 32, Known::PltFirst(2));
                piece(32, section.size, Known::PltJump);
            }
        }
    }
    separate(&mut pieces);
    pieces
}

/// A table that binds lazily begins with the way to the resolver.
fn binds_lazily(source: &dyn Source, section: &Section, arch: Arch) -> bool {
    let Ok(code) = read(source, "procedure linkage table", section.offset, section.size.min(16), 16) else { return false };
    match arch {
        Arch::X86_64 => code.starts_with(&[0xff, 0x35]),
        // stp x16, x30, [sp, #-16]!, after `bti c` if the table has it
        Arch::Arm64 => code.windows(4).step_by(4).take(2).any(|instruction| *instruction == [0xf0, 0x7b, 0xbf, 0xa9]),
    }
}
