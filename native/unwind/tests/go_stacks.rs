//! Ground truth for Go programs: their code has no CFI and keeps frame pointers, but for leaves and the beginnings of functions.

#![cfg(target_arch = "x86_64")]

#[path = "support/build.rs"]
mod build;
#[path = "support/mapped.rs"]
mod mapped;
#[path = "support/tracee.rs"]
mod tracee;

use build::{Compiler, build};
use mapped::Mapped;
use perfleet_unwind::stepper::{Regs, Stop};
use perfleet_unwind::{Arch, Rule};
use std::path::Path;
use std::process::Command;
use tracee::{Stopped, Tracee};

/// Without CFI it is Go code, which has frame pointers.
fn walk_go(mapped: &Mapped, tracee: &Tracee, regs: Regs) -> Vec<String> {
    let frames = perfleet_unwind::stepper::unwind(Arch::X86_64, regs, tracee, 512, |pc| match mapped.rule(pc) {
        Rule::NONE => Rule::FRAME_POINTER,
        rule => rule,
    });
    assert_eq!(frames.stop, Stop::End);
    mapped.names(&frames)
}

/// Runs a Go program to a breakpoint. The runtime of Go sends itself signals.
fn run_go(tracee: &mut Tracee) {
    let mut stopped = tracee.run();
    while let Stopped::Signal(signal) = stopped {
        stopped = tracee.deliver(signal);
    }
    assert_eq!(stopped, Stopped::Trap);
}

fn start_go(program: &Path, argument: Option<&str>) -> Tracee {
    let mut command = Command::new(program);
    Tracee::start(command.args(argument).env("GODEBUG", "asyncpreemptoff=1").env("GOMAXPROCS", "1"))
}

/// A goroutine is walked by frame pointers, down to `runtime.goexit`, its first frame.
#[test]
fn go() {
    let Some(program) = build("go", &Compiler { program: "go", options: &["build"] }, "chain.go") else { return };
    let names = |argument| {
        let mut tracee = start_go(&program, argument);
        run_go(&mut tracee);
        walk_go(&Mapped::of(&tracee), &tracee, tracee.regs())
    };
    let plain = names(None);
    let known = ["runtime.breakpoint", "main.leaf", "main.middle", "main.main", "runtime.main", "runtime.goexit"];
    assert_eq!(functions(&plain), known);
    let sorting = names(Some("stop in the sort"));
    assert_eq!(functions(&sorting)[..2], ["runtime.breakpoint", "main.numbers.Less"]);
    assert_eq!(functions(&sorting)[sorting.len() - 4..], ["main.middle", "main.main", "runtime.main", "runtime.goexit"]);
}

/// On the system stack of the runtime, which the frame pointers lead back from to the stack of the goroutine.
#[test]
fn go_on_the_system_stack() {
    let Some(program) = build("go_on_the_system_stack", &Compiler { program: "go", options: &["build"] }, "chain.go") else { return };
    let mut tracee = start_go(&program, Some("collect"));
    let mapped = Mapped::of(&tracee);
    let stop = mapped.function("runtime.stopTheWorldWithSema").expect("a function of the runtime");
    tracee.break_at(stop);
    run_go(&mut tracee);
    let regs = Regs { ip: stop, ..tracee.regs() };
    let names = walk_go(&mapped, &tracee, regs);
    let names = functions(&names);
    assert_eq!(names[0], "runtime.stopTheWorldWithSema");
    assert!(names.contains(&"runtime.systemstack"), "{names:?}");
    assert_eq!(names[names.len() - 4..], ["runtime.GC", "main.main", "runtime.main", "runtime.goexit"]);
}

/// A stripped Go binary says nothing of functions without a frame: the caller of such a leaf is missed, and only it.
#[test]
fn go_stripped() {
    let Some(program) = build("go_stripped", &Compiler { program: "go", options: &["build", "-ldflags=-s -w"] }, "chain.go") else {
        return;
    };
    let mut tracee = start_go(&program, None);
    run_go(&mut tracee);
    assert_eq!(walk_go(&Mapped::of(&tracee), &tracee, tracee.regs()).len(), 5);
}

/// Without the suffix of the calling convention.
fn functions(names: &[String]) -> Vec<&str> {
    names.iter().map(|name| name.trim_end_matches(".abi0")).collect()
}
