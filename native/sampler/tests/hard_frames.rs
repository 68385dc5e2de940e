//! Frames that are not like others, walked by the kernel: each program spins in a function whose callers are known.

mod support;

use std::process::Command;

use support::decode::{Sample, Window};
use support::programs::{Entries, Program, user_frames};
use support::{assert_books, my_turn, run_until, skipped};

/// Does what its argument says; whatever that is, `spin` is the leaf.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <alloca.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#define APART __attribute__((noinline, noclone))
volatile uint64_t sink;
volatile int always = 1;
APART uint64_t spin(uint64_t x) { for (int i = 0; i < 20000; i++) x = x * 6364136223846793005ULL + 1; return x; }
/* Its frame is found by rbp: its size is known when it runs. */
APART uint64_t with_alloca(size_t size, uint64_t x) {
  char *room = alloca(size);
  __asm__ volatile("" ::"r"(room) : "memory");
  x = spin(x);
  __asm__ volatile("" ::"r"(room) : "memory");
  return x + 1;
}
void handler(int signal) { while (always) sink = spin(sink + signal); }
APART void trigger(void) { raise(SIGUSR1); __asm__ volatile(""); }
APART void on_signal(int flags) {
  static char stack[1 << 16];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGUSR1, &action, 0);
  trigger();
  __asm__ volatile("");
}
/* Two processes on one stack; the parent waits. */
APART void vforks(void) {
  if (vfork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (always) sink = spin(sink);
    _exit(0);
  }
}
APART __attribute__((noreturn)) void fatal(void) { for (;;) sink = spin(sink); }
/* A call is its last instruction: it returns to whatever comes behind it. */
APART __attribute__((noreturn)) void fails(void) { sink++; fatal(); }
int main(int argc, char **argv) {
  const char *what = argv[argc - 1];
  if (!strcmp(what, "alloca")) while (always) sink = with_alloca(1000 + (sink & 511), sink);
  if (!strcmp(what, "signal")) on_signal(0);
  if (!strcmp(what, "own stack")) on_signal(SA_ONSTACK);
  if (!strcmp(what, "vfork")) vforks();
  if (!strcmp(what, "noreturn")) fails();
  return 0;
}
"#;

const OWN: [&str; 8] = ["with_alloca", "handler", "trigger", "on_signal", "vforks", "fatal", "fails", "main"];

fn build(name: &str, compiler: &[&str]) -> Option<Program> {
    Program::compile(name, SOURCE, "c", &[compiler, &["-O2", "-fomit-frame-pointer"]].concat())
}

/// All samples in `spin` have these callers of the program's own, and `complete` says yes to their outermost frame.
fn has_callers(program: &Program, what: &str, callers: &[&str], mut complete: impl FnMut(&Window, &Sample) -> bool) {
    let running = program.start(&[what]);
    // Of a program that waits for another one, the other one's.
    let runs = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut pid = running.pid();
    while what == "vfork" && pid == running.pid() {
        pid = Some(runs(running.0.id()).trim().to_owned()).filter(|child| !child.is_empty()).unwrap_or(pid);
    }
    // Those that user space walks, of a copy of one stack, do not reach the other one: the table is there soon, and then the kernel does.
    let (samples, first) = if what == "own stack" { (500, 2) } else { (150, 0) };
    let output = run_until(samples, &["--rung", "1", "--rate", "499", "--window", "1", "--duration", "30", "--pid", &pid]);
    assert_books(&output);
    let (mut all, mut right, mut other) = (0, 0, Vec::new());
    let samples = |window: usize| output.windows[window].samples.iter().map(move |sample| (window, sample));
    for (index, sample) in (0..output.windows.len()).flat_map(samples) {
        let window = &output.windows[index];
        let names: Vec<&str> = user_frames(window, sample).map(|frame| program.name(window, frame)).collect();
        if names.first() != Some(&"spin") {
            continue;
        }
        let own: Vec<&str> = names.iter().copied().filter(|name| OWN.contains(name)).collect();
        let cut = window.stack_flags[sample.stack as usize] & 1 == 1;
        if index < first {
            assert!(cut || own == callers, "{what}: {own:?} is not marked as cut");
            continue;
        }
        all += sample.count;
        if own == callers && complete(window, sample) {
            right += sample.count;
        } else {
            other = names;
        }
    }
    assert!(all >= 100, "{what}: {all} samples in spin: {}", output.stats.last().unwrap());
    assert!(right * 100 >= all * 97, "{what}: {right} of {all}, others as {other:?}: {}", output.stats.last().unwrap());
}

fn to_its_first_frame() -> impl FnMut(&Window, &Sample) -> bool {
    let mut entries = Entries::default();
    move |window, sample| entries.is_complete(window, sample)
}

const KINDS: [(&str, &[&str]); 5] = [
    ("alloca", &["with_alloca", "main"]),
    ("signal", &["handler", "trigger", "on_signal", "main"]),
    ("own stack", &["handler", "trigger", "on_signal", "main"]),
    ("vfork", &["vforks", "main"]),
    ("noreturn", &["fatal", "fails", "main"]),
];

#[test]
fn frames_of_every_kind_are_walked() {
    if skipped("frames_of_every_kind_are_walked") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = build("kinds", &["gcc"]) else { return println!("SKIP frames_of_every_kind…: no gcc") };
    for (what, callers) in KINDS {
        has_callers(&program, what, callers, to_its_first_frame());
    }
}

/// What is left of the tables of a program's own code is in its debug information.
#[test]
fn a_program_with_debug_frame_alone_is_walked() {
    if skipped("a_program_with_debug_frame_alone_is_walked") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = build("debug-frame", &["gcc", "-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]) else {
        return println!("SKIP a_program_with_debug_frame…: no gcc");
    };
    let sections = Command::new("readelf").arg("-S").arg("--wide").arg(&program.path).output().unwrap();
    assert!(String::from_utf8_lossy(&sections.stdout).contains(".debug_frame"));
    has_callers(&program, "alloca", &["with_alloca", "main"], to_its_first_frame());
    has_callers(&program, "noreturn", &["fatal", "fails", "main"], to_its_first_frame());
}

#[test]
fn a_stripped_program_is_walked() {
    if skipped("a_stripped_program_is_walked") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = build("stripped", &["gcc", "-static"]) else { return println!("SKIP a_stripped_program…: no gcc") };
    assert!(Command::new("strip").arg("--strip-all").arg(&program.path).status().unwrap().success());
    has_callers(&program, "signal", &["handler", "trigger", "on_signal", "main"], to_its_first_frame());
}

/// musl has no CFI of its own: the walk ends where its start-up code called `main`.
#[test]
fn a_program_of_musl_is_walked_to_its_main() {
    if skipped("a_program_of_musl_is_walked_to_its_main") {
        return;
    }
    let _turn = my_turn();
    let Some(program) = build("musl", &["musl-gcc", "-static", "-fasynchronous-unwind-tables"]) else {
        return println!("SKIP a_program_of_musl…: no musl-gcc");
    };
    for (what, callers) in KINDS.iter().filter(|(what, _)| ["alloca", "noreturn"].contains(what)) {
        has_callers(&program, what, callers, |_, _| true);
    }
}
