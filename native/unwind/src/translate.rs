//! From a row of CFI, as gimli runs it, to a `Rule`.

use crate::table::{Arch, BX_LOST, BX_SAME, Cfa, Fp, Ra, Rule, SCRATCH, Skipped};
use gimli::{CfaRule, EndianSlice, LittleEndian, Reader, Register, RegisterRule, UnwindContextStorage, UnwindSection, UnwindTableRow};

pub type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// DWARF numbers of registers (System V ABI, AMD64 supplement, figure 3.36; DWARF for the Arm 64-bit architecture, 4.1).
struct Registers {
    sp: Register,
    fp: Register,
    ra: Register,
    /// The only register besides that a return address is known to be kept in, see `Ra::Lr`
    lr: Register,
}

const X86_64: Registers = Registers { sp: Register(7), fp: Register(6), ra: Register(16), lr: Register(5) };
const ARM64: Registers = Registers { sp: Register(31), fp: Register(29), ra: Register(30), lr: Register(30) };

const RBX: Register = Register(3);

/// The return address of x86-64, relative to the CFA: what `call` pushed.
const X86_64_RETURN: i64 = -8;

/// The address that an expression computes, in the forms that compilers and assembly libraries write.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    /// register + offset
    At(Register, i64),
    /// *(register + offset) + extra
    Deref(Register, i64, i64),
    /// See `Cfa::Plt`: offset, threshold
    Plt(i64, i64),
}

/// The rule of `row`. What a rule cannot say is counted in `skipped`, and is `Rule::UNKNOWN` if the caller cannot be found without.
pub fn rule<'a, Section, S>(
    arch: Arch,
    section: &Section,
    row: &UnwindTableRow<usize, S>,
    return_register: Register,
    signal: bool,
    skipped: &mut Skipped,
) -> Rule
where
    Section: UnwindSection<Bytes<'a>>,
    S: UnwindContextStorage<usize>,
{
    let registers = match arch {
        Arch::X86_64 => &X86_64,
        Arch::Arm64 => &ARM64,
    };
    if signal && arch == Arch::Arm64 {
        return Rule::SIGNAL;
    }
    if return_register != registers.ra {
        skipped.return_address += 1;
        return Rule::UNKNOWN;
    }
    let saved_ra = row.register(registers.ra);
    if matches!(saved_ra, Some(RegisterRule::Undefined)) {
        return Rule::END;
    }
    let Some(cfa) = cfa(section, row.cfa(), skipped) else { return Rule::UNKNOWN };
    if signal && cfa == Address::Deref(registers.sp, 160, 0) {
        return Rule::SIGNAL;
    }
    let (ra, ra_offset) = match (arch, saved_ra) {
        (Arch::X86_64, Some(RegisterRule::Offset(X86_64_RETURN))) => (Ra::AtCfa, 0),
        (Arch::Arm64, Some(RegisterRule::Offset(offset))) => (Ra::AtCfa, offset),
        (Arch::Arm64, None | Some(RegisterRule::SameValue)) => (Ra::Lr, 0),
        (_, Some(RegisterRule::Register(register))) if register == registers.lr => (Ra::Lr, 0),
        _ => {
            skipped.return_address += 1;
            return Rule::UNKNOWN;
        }
    };
    let (cfa, cfa_offset, extra) = match cfa {
        Address::At(register, offset) if register == registers.sp => (Cfa::Sp, offset, ra_offset),
        Address::At(register, offset) if register == registers.fp => (Cfa::Fp, offset, ra_offset),
        Address::At(RBX, offset) if arch == Arch::X86_64 => (Cfa::Bx, offset, 0),
        Address::At(register, offset) => {
            let scratch = SCRATCH.iter().position(|&number| arch == Arch::X86_64 && ra == Ra::AtCfa && register.0 == number);
            let Some(scratch) = scratch else {
                skipped.cfa_register += 1;
                return Rule::UNKNOWN;
            };
            (Cfa::Scratch, offset, scratch as i64)
        }
        Address::Deref(register, offset, extra) if arch == Arch::X86_64 && register == registers.sp => (Cfa::DerefSp, offset, extra),
        Address::Deref(register, offset, extra) if arch == Arch::X86_64 && register == registers.fp => (Cfa::DerefFp, offset, extra),
        Address::Plt(offset, threshold) if arch == Arch::X86_64 => (Cfa::Plt, offset, threshold),
        _ => {
            skipped.cfa_expression += 1;
            return Rule::UNKNOWN;
        }
    };
    let (fp, fp_offset) = frame_pointer(section, row.register(registers.fp), registers, skipped);
    let offsets = (i32::try_from(cfa_offset), i32::try_from(fp_offset), i32::try_from(extra));
    let (Ok(cfa_offset), Ok(fp_offset), Ok(extra)) = offsets else {
        skipped.offset += 1;
        return Rule::UNKNOWN;
    };
    let bx = if arch == Arch::X86_64 { saved_bx(row.register(RBX)) } else { BX_SAME };
    Rule { cfa: cfa as u8, fp: fp as u8, ra: ra as u8, bx, cfa_offset, fp_offset, extra }
}

fn cfa<'a>(section: &impl UnwindSection<Bytes<'a>>, rule: &CfaRule<usize>, skipped: &mut Skipped) -> Option<Address> {
    match rule {
        CfaRule::RegisterAndOffset { register, offset } => Some(Address::At(*register, *offset)),
        CfaRule::Expression(expression) => {
            let address = expression.get(section).ok().and_then(|expression| address(expression.0));
            skipped.cfa_expression += u64::from(address.is_none());
            address
        }
    }
}

fn frame_pointer<'a>(
    section: &impl UnwindSection<Bytes<'a>>,
    rule: Option<RegisterRule<usize>>,
    registers: &Registers,
    skipped: &mut Skipped,
) -> (Fp, i64) {
    match rule {
        None | Some(RegisterRule::SameValue) => return (Fp::Same, 0),
        Some(RegisterRule::Offset(offset)) => return (Fp::AtCfa, offset),
        Some(RegisterRule::Undefined) => return (Fp::Undefined, 0),
        Some(RegisterRule::Expression(expression)) => match expression.get(section).ok().and_then(|expression| address(expression.0)) {
            Some(Address::At(register, offset)) if register == registers.fp => return (Fp::AtFp, offset),
            Some(Address::At(register, offset)) if register == registers.sp => return (Fp::AtSp, offset),
            _ => {}
        },
        _ => {}
    }
    skipped.frame_pointer += 1;
    (Fp::Undefined, 0)
}

/// `Rule::bx`
fn saved_bx(rule: Option<RegisterRule<usize>>) -> u8 {
    match rule {
        None | Some(RegisterRule::SameValue) => BX_SAME,
        Some(RegisterRule::Offset(offset)) if offset % 8 == 0 && (-8 * i64::from(BX_LOST) < offset && offset < 0) => (offset / -8) as u8,
        _ => BX_LOST,
    }
}

/// Recognises an expression. Nothing is run: a form that is not known is none.
fn address(mut code: Bytes) -> Option<Address> {
    const DEREF: u8 = 0x06;
    let (register, offset) = register_and_offset(&mut code)?;
    if let Some(threshold) = plt_threshold(code.slice()) {
        return (register == X86_64.sp).then_some(Address::Plt(offset, threshold));
    }
    let offset = offset.checked_add(constant(&mut code)?)?;
    if code.is_empty() {
        return Some(Address::At(register, offset));
    }
    if code.read_u8().ok()? != DEREF {
        return None;
    }
    let extra = constant(&mut code)?;
    code.is_empty().then_some(Address::Deref(register, offset, extra))
}

/// DW_OP_breg0..31 or DW_OP_bregx
fn register_and_offset(code: &mut Bytes) -> Option<(Register, i64)> {
    let register = match code.read_u8().ok()? {
        operation @ 0x70..=0x8f => u16::from(operation - 0x70),
        0x92 => u16::try_from(code.read_uleb128().ok()?).ok()?,
        _ => return None,
    };
    Some((Register(register), code.read_sleb128().ok()?))
}

/// DW_OP_plus_uconst, if it is next; 0 if not
fn constant(code: &mut Bytes) -> Option<i64> {
    if code.slice().first() != Some(&0x23) {
        return Some(0);
    }
    code.skip(1).ok()?;
    i64::try_from(code.read_uleb128().ok()?).ok()
}

/// What linkers write for the lazy PLT after `breg7(rsp) + 8`: `breg16(rip)+0; lit15; and; lit(threshold); ge; lit3; shl; plus`.
/// Source: binutils, bfd/elfxx-x86.c and elf64-x86-64.c (`elf_x86_64_eh_frame_lazy_plt`).
fn plt_threshold(code: &[u8]) -> Option<i64> {
    match code {
        [0x80, 0, 0x3f, 0x1a, literal @ 0x30..=0x4f, 0x2a, 0x33, 0x24, 0x22] => Some(i64::from(literal - 0x30)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(code: &[u8]) -> Option<Address> {
        address(EndianSlice::new(code, LittleEndian))
    }

    #[test]
    fn forms_of_expressions() {
        let (rsp, rbp) = (Register(7), Register(6));
        // breg6 -8; deref: gcc, a realigned stack
        assert_eq!(parsed(&[0x76, 0x78, 0x06]), Some(Address::Deref(rbp, -8, 0)));
        // breg7 8; deref; plus_uconst 8: OpenSSL
        assert_eq!(parsed(&[0x77, 8, 0x06, 0x23, 8]), Some(Address::Deref(rsp, 8, 8)));
        // breg7 160; deref: a signal frame
        assert_eq!(parsed(&[0x77, 0xa0, 0x01, 0x06]), Some(Address::Deref(rsp, 160, 0)));
        // breg6 0: where a register is saved
        assert_eq!(parsed(&[0x76, 0]), Some(Address::At(rbp, 0)));
        // bregx 7, 16; plus_uconst 4
        assert_eq!(parsed(&[0x92, 7, 16, 0x23, 4]), Some(Address::At(rsp, 20)));
        assert_eq!(parsed(&[0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22]), Some(Address::Plt(8, 11)));
    }

    #[test]
    fn other_expressions_are_none() {
        // empty; cut short; breg7, deref, deref; an offset that overflows; trailing operation
        for code in
            [&[][..], &[0x77], &[0x77, 0, 0x06, 0x06], &[0x77, 8, 0x23, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[0x77, 8, 0x22]]
        {
            assert_eq!(parsed(code), None, "{code:x?}");
        }
    }
}
