//! Code that returns from a signal handler and has no CFI, as in musl and Go: found by its instructions.

use crate::elf::Elf;
use crate::error::Result;
use crate::pieces::{Known, Origin, Piece, gaps};
use crate::source::{Source, read};
use crate::table::Arch;

/// Bytes of code without CFI that are looked through in a file
const MAX_SEARCHED_BYTES: u64 = 32 << 20;
const BLOCK: u64 = 1 << 20;
/// Segments with code that are looked through; linkers make one or two. Each costs a pass over the pieces.
const MAX_SEGMENTS: usize = 16;

/// `rt_sigreturn`, as an instruction sequence of each architecture. The kernel itself knows the trampoline by nothing else, and
/// nor do gdb and libgcc.
fn code(arch: Arch) -> &'static [u8] {
    match arch {
        // mov $15, %rax; syscall
        Arch::X86_64 => &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05],
        // mov x8, #139; svc #0
        Arch::Arm64 => &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4],
    }
}

/// The trampolines in the parts of the code that no piece covers, in ascending order. A handler returns to the first instruction,
/// and a return address is looked up one byte before, so that byte belongs to the trampoline too.
pub fn find(source: &dyn Source, elf: &Elf, pieces: &[Piece]) -> Result<Vec<Piece>> {
    let code = code(elf.arch);
    let mut found = Vec::new();
    let mut left = MAX_SEARCHED_BYTES;
    for segment in elf.code().take(MAX_SEGMENTS) {
        // A margin keeps the sums below from wrapping.
        let Some(end) = segment.address.checked_add(segment.file_size).filter(|&end| end < u64::MAX - 2 * BLOCK) else { continue };
        let mut ranges = Vec::new();
        gaps(pieces, segment.address, end, |start, end| {
            if end - start >= code.len() as u64 {
                ranges.push((start, end));
            }
        });
        for (start, end) in ranges {
            let mut from = start;
            while from < end && left > 0 {
                // Blocks overlap by less than the sequence, so that none is found twice or missed.
                let size = (end - from).min(BLOCK + code.len() as u64 - 1).min(left);
                let Ok(block) = read(source, "code", segment.offset.wrapping_add(from - segment.address), size, size) else { break };
                for at in memchr::memmem::find_iter(&block, code) {
                    let at = from + at as u64;
                    let piece = Piece { start: at.saturating_sub(1), end: at + code.len() as u64, origin: Origin::Known(Known::SignalTrampoline) };
                    found.push(piece);
                }
                left -= size.min(left);
                from += BLOCK;
            }
        }
    }
    found.sort_by_key(|piece| piece.start);
    crate::pieces::separate(&mut found);
    Ok(found)
}
