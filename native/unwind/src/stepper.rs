//! The walk over a stack, as the BPF program does it: the same rules, the same checks, one frame at a time.

use crate::table::{Arch, BX_LOST, BX_SAME, Cfa, Fp, Ra, Rule, SCRATCH, SignalFrame};

/// What a walk knows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regs {
    /// Instruction pointer: the next instruction of the leaf frame, a return address elsewhere
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// `fp` is not what the frame had in the register: a rule said that it is lost. `fp` is 0 then.
    pub fp_lost: bool,
    /// x30 on arm64, rdi on x86-64; 0 where it is not known, see `Ra::Lr`
    pub lr: u64,
    pub bx: Bx,
    /// The registers of `SCRATCH`, which are known in the leaf frame of x86-64 only
    pub scratch: Option<[u64; SCRATCH.len()]>,
    /// `ip` is the next instruction to run (the leaf, or interrupted by a signal) and not a return address
    pub exact: bool,
}

/// rbx, which few rules ask for: a walk remembers where it is rather than what it is. `Lost` on arm64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bx {
    Value(u64),
    /// In memory at this address
    At(u64),
    Lost,
}

impl Regs {
    /// The address to look a rule up at. A return address may be one past the end of its function: a call that never returns
    /// (`abort`) can be the last instruction.
    pub fn lookup_pc(&self) -> u64 {
        if self.exact { self.ip } else { self.ip.wrapping_sub(1) }
    }
}

/// Reads the target's memory.
pub trait Memory {
    /// The little-endian word at `address`, or `None` where there is none to be had.
    fn read_u64(&self, address: u64) -> Option<u64>;
}

/// A piece of a stack, copied from the target.
#[derive(Clone, Copy, Debug)]
pub struct StackPiece<'a> {
    /// Address of the first byte
    pub start: u64,
    pub bytes: &'a [u8],
}

impl Memory for StackPiece<'_> {
    fn read_u64(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let word = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }
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

/// A stack, leaf first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    pub frames: Vec<Regs>,
    /// The stack is complete if this is `Stop::End`; otherwise it is cut after the last frame.
    pub stop: Stop,
}

/// Walks from `regs` on. `rule_at` gives the rule of an address of the process (`Regs::lookup_pc`) and what it knows of code without
/// CFI (`Rule::FRAME_POINTER`); `Rule::NONE` ends the walk.
pub fn unwind(arch: Arch, regs: Regs, memory: &impl Memory, max_depth: usize, mut rule_at: impl FnMut(u64) -> Rule) -> Frames {
    let mut frames = Vec::new();
    let mut regs = regs;
    loop {
        if frames.len() >= max_depth {
            return Frames { frames, stop: Stop::Depth };
        }
        frames.push(regs);
        match step(arch, &rule_at(regs.lookup_pc()), &regs, memory) {
            Ok(caller) => regs = caller,
            Err(stop) => return Frames { frames, stop },
        }
    }
}

/// The registers of the caller, or why there are none.
pub fn step(arch: Arch, rule: &Rule, regs: &Regs, memory: &impl Memory) -> Result<Regs, Stop> {
    let read = |base: u64, offset: i32| {
        let address = base.wrapping_add_signed(offset.into());
        memory.read_u64(address).ok_or(Stop::Memory(address))
    };
    let fp = || if regs.fp_lost { Err(Stop::LostRegister) } else { Ok(regs.fp) };
    let cfa = match rule.cfa {
        c if c == Cfa::None as u8 => return Err(Stop::NoRule),
        c if c == Cfa::End as u8 => return Err(Stop::End),
        c if c == Cfa::Signal as u8 => return signal_frame(arch, regs, memory),
        c if c == Cfa::FramePointer as u8 => return frame_pointer(arch, regs, memory),
        c if c == Cfa::Sp as u8 => regs.sp.wrapping_add_signed(rule.cfa_offset.into()),
        c if c == Cfa::Fp as u8 => fp()?.wrapping_add_signed(rule.cfa_offset.into()),
        c if c == Cfa::DerefSp as u8 => read(regs.sp, rule.cfa_offset)?.wrapping_add_signed(rule.extra.into()),
        c if c == Cfa::DerefFp as u8 => read(fp()?, rule.cfa_offset)?.wrapping_add_signed(rule.extra.into()),
        c if c == Cfa::Plt as u8 => {
            let pushed = if (regs.ip & 15) as i64 >= i64::from(rule.extra) { 8 } else { 0 };
            regs.sp.wrapping_add_signed(rule.cfa_offset.into()).wrapping_add(pushed)
        }
        c if c == Cfa::Bx as u8 => {
            let bx = match regs.bx {
                Bx::Value(value) => value,
                Bx::At(address) => read(address, 0)?,
                Bx::Lost => return Err(Stop::LostRegister),
            };
            bx.wrapping_add_signed(rule.cfa_offset.into())
        }
        c if c == Cfa::Scratch as u8 => {
            let scratch = regs.scratch.ok_or(Stop::LostRegister)?;
            let register = usize::try_from(rule.extra).ok().and_then(|register| scratch.get(register)).ok_or(Stop::UnknownRule)?;
            register.wrapping_add_signed(rule.cfa_offset.into())
        }
        _ => return Err(Stop::UnknownRule),
    };
    let in_register = rule.ra == Ra::Lr as u8;
    // A function that pushed nothing has the stack pointer of its caller, but only the leaf can be one.
    if cfa < regs.sp || (cfa == regs.sp && !in_register) {
        return Err(Stop::NoProgress);
    }
    let ip = match (arch, in_register) {
        (_, true) if regs.lr == 0 => return Err(Stop::LostRegister),
        (_, true) => regs.lr,
        (Arch::X86_64, false) => read(cfa, -8)?,
        (Arch::Arm64, false) => read(cfa, rule.extra)?,
    };
    let (fp, fp_lost) = match rule.fp {
        f if f == Fp::Same as u8 => (regs.fp, regs.fp_lost),
        f if f == Fp::AtCfa as u8 => (read(cfa, rule.fp_offset)?, false),
        f if f == Fp::AtFp as u8 => (read(fp()?, rule.fp_offset)?, false),
        f if f == Fp::AtSp as u8 => (read(regs.sp, rule.fp_offset)?, false),
        _ => (0, true),
    };
    let bx = match rule.bx {
        BX_SAME => regs.bx,
        BX_LOST => Bx::Lost,
        words => Bx::At(cfa.wrapping_sub(8 * u64::from(words))),
    };
    call_frame(arch, Regs { ip, sp: cfa, fp, fp_lost, lr: 0, bx, scratch: None, exact: false })
}

fn call_frame(arch: Arch, caller: Regs) -> Result<Regs, Stop> {
    match code_address(arch, caller.ip) {
        // Start-up code without CFI has nothing to return to.
        0 => Err(Stop::End),
        ip => Ok(Regs { ip, ..caller }),
    }
}

/// Return addresses of arm64 may be signed in the bits above those of an address (pointer authentication). User space has 48 bits
/// of address unless a program asks for more.
fn code_address(arch: Arch, address: u64) -> u64 {
    match arch {
        Arch::X86_64 => address,
        Arch::Arm64 => address & 0x0000_ffff_ffff_ffff,
    }
}

fn frame_pointer(arch: Arch, regs: &Regs, memory: &impl Memory) -> Result<Regs, Stop> {
    if regs.fp == 0 {
        return Err(if regs.fp_lost { Stop::LostRegister } else { Stop::End });
    }
    let read = |address: u64| memory.read_u64(address).ok_or(Stop::Memory(address));
    let fp = read(regs.fp)?;
    let ip = read(regs.fp.wrapping_add(8))?;
    // Code that is walked by frame pointers need not keep rbx for its caller.
    call_frame(arch, Regs { ip, sp: regs.fp.wrapping_add(16), fp, fp_lost: false, lr: 0, bx: Bx::Lost, scratch: None, exact: false })
}

fn signal_frame(arch: Arch, regs: &Regs, memory: &impl Memory) -> Result<Regs, Stop> {
    let at = SignalFrame::of(arch);
    let read = |offset: u64| {
        let address = regs.sp.wrapping_add(offset);
        memory.read_u64(address).ok_or(Stop::Memory(address))
    };
    let bx = match arch {
        Arch::X86_64 => Bx::At(regs.sp.wrapping_add(at.bx)),
        Arch::Arm64 => Bx::Lost,
    };
    Ok(Regs { ip: read(at.ip)?, sp: read(at.sp)?, fp: read(at.fp)?, fp_lost: false, lr: read(at.lr)?, bx, scratch: None, exact: true })
}
