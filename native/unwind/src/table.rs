//! The shape of an unwind table: which rule finds the caller of the code at an address.
//!
//! A table belongs to a binary, not to a process: its addresses are ELF virtual addresses. It is the contract between the
//! compiler of tables (`compile`), the stepper in user space (`stepper`) and the BPF program, which walks the same rules; the
//! discriminants and the layout of `Rule` are fixed for that reason.
//!
//! ```text
//!   Table.rows   pc 0x1000  Sp + 8        rule of [0x1000, 0x1001)
//!                pc 0x1001  Sp + 16       rule of [0x1001, 0x1080)
//!                pc 0x1080  None          [0x1080, 0x2000) is covered by no CFI
//!                pc 0x2000  ...
//! ```
//!
//! A return address may lie one past the last instruction of its function (a call that never returns is the last
//! instruction), so a caller's rule is looked up at `return address - 1`. The address of the leaf frame, and the one that a
//! signal interrupted, is looked up as it is. `stepper::Regs::lookup_pc` does this.

/// Instruction set of a table. It fixes the meaning of `Ra` and of `Cfa::Signal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// sp = rsp, fp = rbp; the return address of a call frame is at cfa - 8.
    X86_64,
    /// sp = sp, fp = x29, lr = x30.
    Arm64,
}

/// How the canonical frame address is found: the stack pointer of the caller after the return.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cfa {
    /// No CFI covers this pc. The reader of the table decides what to do, for example to trust the frame pointer.
    None = 0,
    /// sp + cfa_offset
    Sp = 1,
    /// fp + cfa_offset
    Fp = 2,
    /// *(sp + cfa_offset) + extra
    DerefSp = 3,
    /// *(fp + cfa_offset) + extra
    DerefFp = 4,
    /// The x86-64 procedure linkage table: sp + cfa_offset + ((pc & 15) >= extra ? 8 : 0).
    Plt = 5,
    /// The return address is undefined: this is the outermost frame, the stack is complete.
    End = 6,
    /// The trampoline under a signal handler: ip, sp, fp (and lr) are in the ucontext at known offsets from sp, see
    /// `SignalFrame`. The ip found is the interrupted instruction, not a return address.
    Signal = 7,
    /// A chain of frame pointers: cfa = fp + 16, return address at fp + 8, caller's frame pointer at fp; fp = 0 ends the stack.
    FramePointer = 8,
    /// CFI covers this pc with a rule that `Rule` cannot express. The stack is cut here; the frame pointer must not be trusted.
    Unknown = 9,
    /// x86-64: rbx + cfa_offset, see `Rule::bx`. The resolver of lazily bound functions (`_dl_runtime_resolve` of glibc), under which a
    /// short-lived program spends much of its life, realigns the stack and keeps the CFA there.
    Bx = 10,
    /// x86-64: SCRATCH[extra] + cfa_offset. Assembly of OpenSSL keeps the CFA in such registers in the beginnings and ends of its
    /// functions. A callee may change them, so they are known in the leaf frame only; elsewhere the stack is cut.
    Scratch = 11,
}

/// DWARF numbers of rax, rcx, rsi, r9, r10, r11, see `Cfa::Scratch`.
pub const SCRATCH: [u16; 6] = [0, 2, 4, 9, 10, 11];

/// How the caller's frame pointer (rbp, x29) is found.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fp {
    /// It is still in the register.
    Same = 0,
    /// *(cfa + fp_offset)
    AtCfa = 1,
    /// Lost or not expressible: zero from here on. The walk goes on until a rule needs it.
    Undefined = 2,
    /// *(fp + fp_offset)
    AtFp = 3,
    /// *(sp + fp_offset), with the sp of this frame
    AtSp = 4,
}

/// How the return address is found.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ra {
    /// x86-64: *(cfa - 8). arm64: *(cfa + extra).
    AtCfa = 0,
    /// Still in the link register `lr`: x30, or rdi on x86-64, where vfork of the C library keeps it. It is known in the leaf
    /// frame and right after a signal frame only; elsewhere `lr` is 0 and the stack is cut.
    Lr = 1,
}

/// How to go from a frame to its caller. What a variant has no use for is 0. 16 bytes, no padding, so that equal rules have equal bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    /// A `Cfa`
    pub cfa: u8,
    /// An `Fp`
    pub fp: u8,
    /// A `Ra`
    pub ra: u8,
    /// x86-64: where the caller's rbx is: `BX_SAME`, `BX_LOST`, or else in memory at cfa - 8 * bx. A walk need not read it: it remembers
    /// the address, and reads when a rule asks for rbx (`Cfa::Bx`). Always 0 on arm64.
    pub bx: u8,
    /// Bytes, see `Cfa`; 0 where the variant has none
    pub cfa_offset: i32,
    /// Bytes, see `Fp`; 0 where the variant has none
    pub fp_offset: i32,
    /// Second offset of `DerefSp` and `DerefFp` the threshold of `Plt`, the register of `Scratch`; on arm64 the offset of `Ra::AtCfa`. 0 elsewhere.
    /// (A `Deref` rule with `Ra::AtCfa` is not expressible on arm64.)
    pub extra: i32,
}

/// rbx is still in the register.
pub const BX_SAME: u8 = 0;
/// rbx is lost, or where `Rule::bx` cannot say.
pub const BX_LOST: u8 = 255;

const _: () = assert!(size_of::<Rule>() == 16);

/// A rule and where it begins: it holds up to the next row. The last row of a table is always `Cfa::None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// ELF virtual address
    pub pc: u64,
    pub rule: Rule,
}

/// The unwind rules of one binary.
///
/// Invariants: `rows` is strictly ascending by pc, neighbours have different rules, gaps are rows of `Cfa::None`, and the last row
/// is one (unless there are no rows).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub arch: Arch,
    pub rows: Vec<Row>,
    pub skipped: Skipped,
    /// The binary holds code of the Go compiler, which keeps frame pointers and has no CFI of its own in `.eh_frame`.
    pub go: bool,
}

/// What there is to say of a table besides its rows, see `Table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiled {
    pub arch: Arch,
    pub skipped: Skipped,
    pub go: bool,
}

/// What the CFI held and the table does not, counted by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Entries that could not be parsed; the rest of the section is lost with an entry whose length cannot be trusted.
    pub malformed: u64,
    /// Entries cut or dropped because another one covers the same code.
    pub overlapping: u64,
    /// Rows whose CFA is a register other than sp and fp
    pub cfa_register: u64,
    /// Rows whose CFA is an expression of another form
    pub cfa_expression: u64,
    /// Rows whose return address is where `Ra` cannot say
    pub return_address: u64,
    /// Rows whose frame pointer is where `Fp` cannot say (the row is in the table with `Fp::Undefined`)
    pub frame_pointer: u64,
    /// Rows with an offset outside i32
    pub offset: u64,
}

impl Rule {
    /// A rule of a variant without offsets.
    pub const fn plain(cfa: Cfa) -> Rule {
        Rule { cfa: cfa as u8, fp: Fp::Same as u8, ra: Ra::AtCfa as u8, bx: BX_SAME, cfa_offset: 0, fp_offset: 0, extra: 0 }
    }

    pub const NONE: Rule = Rule::plain(Cfa::None);
    pub const END: Rule = Rule::plain(Cfa::End);
    pub const SIGNAL: Rule = Rule::plain(Cfa::Signal);
    pub const FRAME_POINTER: Rule = Rule::plain(Cfa::FramePointer);
    pub const UNKNOWN: Rule = Rule::plain(Cfa::Unknown);
}

impl Table {
    /// The rule that holds at an ELF virtual address; `Rule::NONE` outside the table.
    pub fn rule(&self, pc: u64) -> Rule {
        match self.rows.partition_point(|row| row.pc <= pc) {
            0 => Rule::NONE,
            after => self.rows[after - 1].rule,
        }
    }
}

/// Where the kernel put the interrupted registers, as offsets in bytes from the sp of the trampoline (`Cfa::Signal`).
///
/// x86-64: sp is the address of `struct ucontext` (arch/x86/include/uapi/asm/sigcontext.h, asm-generic/ucontext.h).
/// arm64: sp is the address of `struct rt_sigframe`, 128 bytes of siginfo and the ucontext
/// (arch/arm64/kernel/signal.c, arch/arm64/include/uapi/asm/sigcontext.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalFrame {
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// rdi on x86-64, as in `Ra::Lr`
    pub lr: u64,
    /// rbx; none on arm64
    pub bx: u64,
}

impl SignalFrame {
    pub const fn of(arch: Arch) -> SignalFrame {
        match arch {
            Arch::X86_64 => SignalFrame { ip: 168, sp: 160, fp: 120, lr: 104, bx: 128 },
            Arch::Arm64 => SignalFrame { ip: 568, sp: 560, fp: 544, lr: 552, bx: 0 },
        }
    }
}
