//! Ground truth: programs whose stack is known, stopped and walked.
//!
//! `every_instruction` runs a program one instruction at a time and keeps the true stack of return addresses by watching calls and
//! returns; the walk must find exactly that one at each instruction, in prologues, in epilogues, in the procedure linkage table
//! and in the C library.

#![cfg(target_arch = "x86_64")]

#[path = "support/build.rs"]
mod build;
#[path = "support/mapped.rs"]
mod mapped;
#[path = "support/tracee.rs"]
mod tracee;

use build::{Compiler, build};
use mapped::Mapped;
use perfleet_unwind::Rule;
use perfleet_unwind::stepper::{Regs, Stop};
use std::process::Command;
use tracee::{Stopped, Tracee};

const LIBC: &str = "libc.so.6";

/// Walks from where the program stopped: the names, leaf first, and why the walk ended.
fn walk(tracee: &Tracee) -> (Vec<String>, Stop) {
    let mapped = Mapped::of(tracee);
    let frames = mapped.unwind(tracee.regs(), tracee);
    (mapped.names(&frames), frames.stop)
}

/// A call or return at `bytes`, without what stands before the opcode.
fn is_call(bytes: &[u8]) -> bool {
    let bytes = without_prefixes(bytes);
    bytes[0] == 0xe8 || (bytes[0] == 0xff && (bytes[1] >> 3) & 7 == 2)
}

fn is_return(bytes: &[u8]) -> bool {
    matches!(without_prefixes(bytes)[0], 0xc2 | 0xc3)
}

fn without_prefixes(bytes: &[u8]) -> &[u8] {
    let prefixes = bytes.iter().take_while(|&&byte| matches!(byte, 0x40..=0x4f | 0x66 | 0x67 | 0xf2 | 0xf3 | 0x2e | 0x3e)).count();
    &bytes[prefixes.min(bytes.len() - 2)..]
}

/// Runs from one breakpoint to the next by single steps. `known` are the functions at the first one, leaf first. Returns how many
/// instructions were checked, and the functions that were the leaf at any.
fn every_instruction(tracee: &mut Tracee, known: &[&str]) -> (usize, Vec<String>) {
    assert_eq!(tracee.run(), Stopped::Trap);
    let (names, stop) = walk(tracee);
    assert_eq!(names, known);
    assert_eq!(stop, Stop::End);
    steps(tracee)
}

/// Goes on from a breakpoint to the next one.
fn steps(tracee: &mut Tracee) -> (usize, Vec<String>) {
    let mut mapped = Mapped::of(tracee);
    let start = mapped.unwind(tracee.regs(), tracee);
    // Return addresses, outermost first
    let mut truth: Vec<u64> = start.frames[1..].iter().rev().map(|frame| frame.ip).collect();
    let mut leaves = Vec::new();
    let mut count = 0;
    let mut wrong = Vec::new();
    loop {
        let before = tracee.regs();
        let mut bytes = [0; 16];
        tracee.read(before.ip, &mut bytes).expect("code can be read");
        if bytes[0] == 0xcc {
            break;
        }
        // The end of the child of vfork is told by a signal that the program does not handle.
        let mut stopped = tracee.step();
        while stopped == Stopped::Signal(libc::SIGCHLD) {
            stopped = tracee.step();
        }
        assert_eq!(stopped, Stopped::Trap);
        let now = tracee.regs();
        if is_call(&bytes) && now.sp == before.sp - 8 {
            truth.push(perfleet_unwind::stepper::Memory::read_u64(tracee, now.sp).expect("the stack can be read"));
        } else if is_return(&bytes) {
            assert_eq!(truth.pop(), Some(now.ip), "a return goes to where its call said");
        }
        if mapped.rule(now.ip) == Rule::NONE {
            mapped.refresh(tracee);
        }
        check(&mapped, now, tracee, &truth, &mut wrong);
        count += 1;
        assert!(count < 300_000, "the second breakpoint is not reached");
        let leaf = mapped.name(now.ip);
        if !leaves.contains(&leaf) {
            leaves.push(leaf);
        }
    }
    assert!(wrong.is_empty(), "{} of {count} walks are wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    (count, leaves)
}

fn check(mapped: &Mapped, regs: Regs, tracee: &Tracee, truth: &[u64], wrong: &mut Vec<String>) {
    let walked = mapped.unwind(regs, tracee);
    let same = walked.stop == Stop::End && walked.frames[1..].iter().rev().map(|frame| frame.ip).eq(truth.iter().copied());
    if !same {
        let rule = mapped.rule(regs.ip);
        wrong.push(format!("{:#x} {:?} {:?}: {rule:?}", regs.ip, mapped.names(&walked), walked.stop));
    }
}

/// Builds `chain.c` and checks every instruction between its breakpoints.
fn chain(test: &str, compiler: &Compiler, start: &[&str]) {
    let Some(program) = build(test, compiler, "chain.c") else { return };
    let mut tracee = Tracee::start(&mut Command::new(program));
    let known: Vec<&str> = ["leaf", "with_alloca", "realigned", "many_registers", "main"].iter().chain(start).copied().collect();
    let (count, leaves) = every_instruction(&mut tracee, &known);
    assert!(count > 2_000, "{count} instructions");
    assert!(leaves.iter().any(|name| name == "compare"), "qsort called back: {leaves:?}");
    println!("{test}: {count} instructions");
}

const DYNAMIC: &[&str] = &[LIBC, "__libc_start_main", "_start"];
const STATIC: &[&str] = &["__libc_start_call_main", "__libc_start_main_impl", "_start"];

#[test]
fn gcc_position_independent_lazily_bound() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer", "-pie", "-fPIE", "-Wl,-z,lazy"] };
    chain("gcc_position_independent_lazily_bound", &compiler, DYNAMIC);
}

#[test]
fn gcc_bound_at_start() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer", "-no-pie", "-Wl,-z,now", "-fcf-protection"] };
    chain("gcc_bound_at_start", &compiler, DYNAMIC);
}

#[test]
fn gcc_with_vfork() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-DWITH_VFORK"] };
    chain("gcc_with_vfork", &compiler, DYNAMIC);
}

#[test]
fn gcc_for_size() {
    chain("gcc_for_size", &Compiler { program: "gcc", options: &["-Os", "-Wl,-z,lazy"] }, DYNAMIC);
}

#[test]
fn gcc_static() {
    chain("gcc_static", &Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer", "-static"] }, STATIC);
}

#[test]
fn gcc_static_position_independent() {
    chain("gcc_static_position_independent", &Compiler { program: "gcc", options: &["-O2", "-static-pie", "-fPIE"] }, STATIC);
}

#[test]
fn clang() {
    chain("clang", &Compiler { program: "clang", options: &["-O2", "-fomit-frame-pointer", "-Wl,-z,lazy"] }, DYNAMIC);
}

/// Without symbols for the C library's own code its frames have the name of the file.
#[test]
fn cpp_with_virtual_calls_and_templates() {
    let test = "cpp_with_virtual_calls_and_templates";
    let compiler = Compiler { program: "g++", options: &["-O2", "-fomit-frame-pointer", "-Wl,-z,lazy"] };
    let Some(program) = build(test, &compiler, "classes.cpp") else { return };
    let mut tracee = Tracee::start(&mut Command::new(program));
    let known = [["leaf", "_ZN6Square4areaEi", "main"].as_slice(), DYNAMIC].concat();
    let (count, _) = every_instruction(&mut tracee, &known);
    assert!(count > 5_000, "{count} instructions");
}

#[test]
fn rust() {
    let compiler = Compiler { program: "rustc", options: &["--edition=2024", "-O", "-Cforce-frame-pointers=no", "-Cdebuginfo=0"] };
    let Some(program) = build("rust", &compiler, "chain.rs") else { return };
    let mut tracee = Tracee::start(&mut Command::new(program));
    assert_eq!(tracee.run(), Stopped::Trap);
    let (names, stop) = walk(&tracee);
    assert_eq!(names[..2], ["leaf", "middle"]);
    assert!(names.iter().any(|name| name == "caught"), "{names:?}");
    assert_eq!(names[names.len() - 4..], ["main", LIBC, "__libc_start_main", "_start"]);
    assert_eq!(stop, Stop::End);
    let (count, _) = steps(&mut tracee);
    assert!(count > 5_000, "{count} instructions");
}

#[test]
fn signal_handler_in_the_middle() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer"] };
    let Some(program) = build("signal_handler_in_the_middle", &compiler, "signal.c") else { return };
    for arguments in [&[][..], &["own stack"]] {
        let mut tracee = Tracee::start(Command::new(&program).args(arguments));
        assert_eq!(tracee.run(), Stopped::Signal(libc::SIGILL));
        assert_eq!(tracee.deliver(libc::SIGILL), Stopped::Trap);
        let (names, stop) = walk(&tracee);
        let known = [["handler", LIBC, "faults", "trigger", "main"].as_slice(), DYNAMIC].concat();
        assert_eq!((names, stop), (known.iter().map(|&name| name.to_owned()).collect(), Stop::End), "{arguments:?}");
    }
}

#[test]
fn noreturn_tail() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer", "-fno-reorder-functions", "-fno-toplevel-reorder"] };
    let Some(program) = build("noreturn_tail", &compiler, "noreturn.c") else { return };
    let mut tracee = Tracee::start(&mut Command::new(program));
    assert_eq!(tracee.run(), Stopped::Trap);
    let mapped = Mapped::of(&tracee);
    let frames = mapped.unwind(tracee.regs(), &tracee);
    assert_eq!(mapped.names(&frames), [["fatal", "fails", "runs", "main"].as_slice(), DYNAMIC].concat());
    assert_eq!(frames.stop, Stop::End);
    let beyond: Vec<_> = frames.frames.iter().filter(|frame| mapped.name(frame.ip) != mapped.name(frame.lookup_pc())).collect();
    assert!(!beyond.is_empty(), "no return address lies past its function: the program does not test what it should");
}

/// Other linkers than GNU's describe no procedure linkage table, and GNU's does not if told so.
#[test]
fn linkage_table_without_cfi() {
    let compiler = Compiler { program: "gcc", options: &["-O2", "-Wl,-z,lazy,--no-ld-generated-unwind-info"] };
    chain("linkage_table_without_cfi", &compiler, DYNAMIC);
}

/// musl is built without CFI: the walk ends where its start-up code called `main`. Its trampoline under a signal handler is found by
/// its instructions.
#[test]
fn musl() {
    let compiler = Compiler { program: "musl-gcc", options: &["-O2", "-fomit-frame-pointer", "-static", "-fasynchronous-unwind-tables"] };
    let Some(program) = build("musl", &compiler, "signal.c") else { return };
    let mut tracee = Tracee::start(&mut Command::new(program));
    assert_eq!(tracee.run(), Stopped::Signal(libc::SIGILL));
    assert_eq!(tracee.deliver(libc::SIGILL), Stopped::Trap);
    let (names, stop) = walk(&tracee);
    // The trampoline has no name.
    assert_eq!(names[..5], ["handler", "musl", "faults", "trigger", "main"]);
    assert_eq!((names.len(), stop), (6, Stop::NoRule), "{names:?}");
}

#[test]
fn thread() {
    let Some(program) = build("thread", &Compiler { program: "gcc", options: &["-O2", "-fomit-frame-pointer", "-pthread"] }, "thread.c") else {
        return;
    };
    let mut tracee = Tracee::start(&mut Command::new(program));
    assert_eq!(tracee.run(), Stopped::Trap);
    let (names, stop) = walk(&tracee);
    assert_eq!(names, ["work", "body", LIBC, LIBC]);
    assert_eq!(stop, Stop::End);
}
