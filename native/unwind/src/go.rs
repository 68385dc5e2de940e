//! Rows of Go code.
//!
//! `.debug_frame` of the Go linker says how far the stack pointer is from the CFA, and nothing of the frame pointer, which Go code
//! keeps in every function with a frame. On its way to the system stack (`runtime.systemstack`) only the chain of frame pointers
//! leads on. So rows of Go code trust the frame pointer wherever a frame stands, and the stack pointer where none does: in functions
//! without a frame, in prologues and before the return.

use crate::error::Result;
use crate::rows::Rows;
use crate::table::{Arch, BX_LOST, Cfa, Fp, Rule};

/// Length of `mov %rsp, %rbp`, which comes after `push %rbp` (Go 1.21 and later)
const SET_FRAME_POINTER_BYTES: u64 = 3;

pub fn push(rows: &mut Rows, start: u64, end: u64, rule: Rule, arch: Arch) -> Result<()> {
    let no_frame = match arch {
        Arch::X86_64 => 8,
        Arch::Arm64 => 0,
    };
    if rule.cfa != Cfa::Sp as u8 {
        return rows.push(start, end, rule);
    }
    let rule = Rule { bx: if arch == Arch::X86_64 { BX_LOST } else { 0 }, ..rule };
    if rule.cfa_offset == no_frame {
        return rows.push(start, end, rule);
    }
    let mut start = start;
    let pushed = arch == Arch::X86_64 && rule.cfa_offset == 16;
    if pushed && rows.before(start).is_some_and(|before| before.cfa == Cfa::Sp as u8 && before.cfa_offset == no_frame) {
        let set = start.saturating_add(SET_FRAME_POINTER_BYTES).min(end);
        rows.push(start, set, Rule { fp: Fp::AtCfa as u8, fp_offset: -16, ..rule })?;
        start = set;
    }
    rows.push(start, end, Rule::FRAME_POINTER)
}
