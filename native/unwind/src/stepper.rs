//! The walk over a stack, as the BPF program does it.

use crate::table::{Arch, Rule};

/// What a walk knows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regs {
    /// Instruction pointer: the next instruction of the leaf frame, a return address elsewhere
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// x30 on arm64, rdi on x86-64; 0 where it is not known, see `Ra::Lr`
    pub lr: u64,
    /// `ip` is the next instruction to run (the leaf, or interrupted by a signal) and not a return address
    pub exact: bool,
}

impl Regs {
    /// The address to look a rule up at. A return address may be one past the end of its function.
    pub fn lookup_pc(&self) -> u64 {
        if self.exact { self.ip } else { self.ip.wrapping_sub(1) }
    }
}

/// Reads the target's memory.
pub trait Memory {
    /// The little-endian word at `address`, or `None` where there is none to be had.
    fn read_u64(&self, address: u64) -> Option<u64>;
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The outermost frame was reached: the stack is complete.
    End,
    /// No table covers the address.
    NoRule,
    /// The rule of the address cannot be expressed (`Cfa::Unknown`), or is not one of this version.
    UnknownRule,
    /// A register that the rule needs was lost on the way.
    LostRegister,
    /// The word at this address is not to be had (outside the piece of the stack).
    Memory(u64),
    /// The frame would not be above the one it called.
    NoProgress,
    /// `max_depth` frames were found.
    Depth,
}

/// The caller's registers, or why there are none.
pub fn step(_arch: Arch, _rule: &Rule, _regs: &Regs, _memory: &impl Memory) -> Result<Regs, Stop> {
    Err(Stop::NoRule)
}
