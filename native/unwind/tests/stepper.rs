//! Single steps over stacks written out by hand: what no program on this machine does, arm64 above all.

use perfleet_unwind::stepper::{Bx, Regs, StackPiece, Stop, step, unwind};
use perfleet_unwind::{Arch, BX_LOST, Cfa, Fp, Ra, Rule, SCRATCH, SignalFrame};

const BASE: u64 = 0x7fff_0000;

/// `words` are (offset in bytes from BASE, value).
fn stack(bytes: usize, words: &[(u64, u64)]) -> Vec<u8> {
    let mut stack = vec![0; bytes];
    for (at, value) in words {
        stack[*at as usize..*at as usize + 8].copy_from_slice(&value.to_le_bytes());
    }
    stack
}

fn leaf() -> Regs {
    Regs { ip: 0x1000, sp: BASE, fp: BASE + 64, fp_lost: false, lr: 0x2000, bx: Bx::Lost, scratch: None, exact: true }
}

#[test]
fn arm64_leaf_without_a_frame_returns_by_the_link_register() {
    let rule = Rule { ra: Ra::Lr as u8, ..Rule::plain(Cfa::Sp) };
    let stack = StackPiece { start: BASE, bytes: &[] };
    let caller = step(Arch::Arm64, &rule, &leaf(), &stack).expect("the leaf has a caller");
    assert_eq!(caller, Regs { ip: 0x2000, lr: 0, exact: false, ..leaf() });
    assert_eq!(caller.lookup_pc(), 0x1fff);
    // Only a leaf can: whoever called something has saved the register.
    assert_eq!(step(Arch::Arm64, &rule, &caller, &stack), Err(Stop::LostRegister));
}

#[test]
fn arm64_frame_with_a_signed_return_address() {
    // stp x29, x30, [sp, #-48]!
    let rule = Rule { fp: Fp::AtCfa as u8, cfa_offset: 48, fp_offset: -48, extra: -40, ..Rule::plain(Cfa::Sp) };
    let bytes = stack(64, &[(0, BASE + 200), (8, 0x002a_0000_0040_1234)]);
    let caller = step(Arch::Arm64, &rule, &leaf(), &StackPiece { start: BASE, bytes: &bytes }).expect("a caller");
    assert_eq!((caller.ip, caller.sp, caller.fp), (0x40_1234, BASE + 48, BASE + 200));
}

/// The fields of `struct rt_sigframe` one by one: 128 bytes of siginfo, ucontext up to the signal mask, 1024 bits of mask, then the
/// registers aligned to 16 bytes after an address.
#[test]
fn arm64_signal_frame() {
    let registers = (128_u64 + 8 + 8 + 24 + 128).next_multiple_of(16) + 8;
    let at = SignalFrame::of(Arch::Arm64);
    assert_eq!([at.fp, at.lr, at.sp, at.ip], [registers + 29 * 8, registers + 30 * 8, registers + 31 * 8, registers + 32 * 8]);
    let bytes = stack(600, &[(at.ip, 0x5000), (at.sp, BASE + 4096), (at.fp, BASE + 4200), (at.lr, 0x6000)]);
    let interrupted = step(Arch::Arm64, &Rule::SIGNAL, &leaf(), &StackPiece { start: BASE, bytes: &bytes }).expect("a frame");
    let expected = Regs { ip: 0x5000, sp: BASE + 4096, fp: BASE + 4200, fp_lost: false, lr: 0x6000, bx: Bx::Lost, scratch: None, exact: true };
    assert_eq!(interrupted, expected);
    assert_eq!(interrupted.lookup_pc(), 0x5000);
}

#[test]
fn linkage_table_before_and_after_its_push() {
    let rule = Rule { cfa_offset: 8, extra: 11, ..Rule::plain(Cfa::Plt) };
    let bytes = stack(32, &[(0, 0x3000), (8, 0x4000)]);
    for (ip, caller) in [(0x1020, 0x3000), (0x102a, 0x3000), (0x102b, 0x4000)] {
        let regs = Regs { ip, ..leaf() };
        let found = step(Arch::X86_64, &rule, &regs, &StackPiece { start: BASE, bytes: &bytes }).expect("a caller");
        assert_eq!(found.ip, caller, "{ip:#x}");
    }
}

#[test]
fn cfa_in_memory() {
    // OpenSSL: breg7(rsp)+16; deref; plus_uconst 8
    let rule = Rule { cfa_offset: 16, extra: 8, ..Rule::plain(Cfa::DerefSp) };
    let bytes = stack(128, &[(16, BASE + 88), (88, 0x3000)]);
    let caller = step(Arch::X86_64, &rule, &leaf(), &StackPiece { start: BASE, bytes: &bytes }).expect("a caller");
    assert_eq!((caller.ip, caller.sp), (0x3000, BASE + 96));
}

#[test]
fn rbx_is_found_where_a_callee_saved_it() {
    let saves = Rule { cfa_offset: 32, bx: 2, ..Rule::plain(Cfa::Sp) };
    let uses = Rule { cfa_offset: 16, ..Rule::plain(Cfa::Bx) };
    let bytes = stack(256, &[(16, BASE + 100), (24, 0x3000), (108, 0x4000)]);
    let memory = StackPiece { start: BASE, bytes: &bytes };
    let walk = |saves: Rule| unwind(Arch::X86_64, leaf(), &memory, 3, |pc| if pc == 0x1000 { saves } else { uses });
    let found = walk(saves);
    assert_eq!(found.frames.iter().map(|frame| frame.ip).collect::<Vec<_>>(), [0x1000, 0x3000, 0x4000]);
    assert_eq!(walk(Rule { bx: BX_LOST, ..saves }).stop, Stop::LostRegister);
}

#[test]
fn a_lost_frame_pointer_is_not_the_end_of_the_stack() {
    let rule = Rule { cfa_offset: 16, fp: Fp::Undefined as u8, ..Rule::plain(Cfa::Sp) };
    let bytes = stack(64, &[(8, 0x3000)]);
    let memory = StackPiece { start: BASE, bytes: &bytes };
    let caller = step(Arch::X86_64, &rule, &leaf(), &memory).expect("a caller");
    assert_eq!(step(Arch::X86_64, &Rule::FRAME_POINTER, &caller, &memory), Err(Stop::LostRegister));
    let outermost = Regs { fp: 0, ..leaf() };
    assert_eq!(step(Arch::X86_64, &Rule::FRAME_POINTER, &outermost, &memory), Err(Stop::End));
}

#[test]
fn a_stack_does_not_grow_downwards_and_ends_where_its_piece_does() {
    let memory = StackPiece { start: BASE, bytes: &[0; 64] };
    let at = |cfa_offset| step(Arch::X86_64, &Rule { cfa_offset, ..Rule::plain(Cfa::Sp) }, &leaf(), &memory);
    assert_eq!(at(-8), Err(Stop::NoProgress));
    assert_eq!(at(0), Err(Stop::NoProgress));
    assert_eq!(at(1000), Err(Stop::Memory(BASE + 992)));
    assert_eq!(at(16), Err(Stop::End), "a return address of zero");
}

/// `lea (%rsp), %r11; and $-64, %rsp`: the CFA is in r11 as long as the function itself runs.
#[test]
fn x86_64_leaf_with_the_cfa_in_a_scratch_register() {
    let r11 = SCRATCH.iter().position(|&number| number == 11).expect("r11 is one of them");
    let rule = Rule { cfa_offset: 8, extra: r11 as i32, ..Rule::plain(Cfa::Scratch) };
    let bytes = stack(512, &[(256, 0x40_1234)]);
    let piece = StackPiece { start: BASE, bytes: &bytes };
    let mut scratch = [0; SCRATCH.len()];
    scratch[r11] = BASE + 256;
    let caller = step(Arch::X86_64, &rule, &Regs { scratch: Some(scratch), ..leaf() }, &piece).expect("a caller");
    assert_eq!((caller.ip, caller.sp, caller.scratch), (0x40_1234, BASE + 264, None));
    assert_eq!(step(Arch::X86_64, &rule, &caller, &piece), Err(Stop::LostRegister));
    let beyond = Rule { extra: 6, ..rule };
    assert_eq!(step(Arch::X86_64, &beyond, &Regs { scratch: Some(scratch), ..leaf() }, &piece), Err(Stop::UnknownRule));
}
