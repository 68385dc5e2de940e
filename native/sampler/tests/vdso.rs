//! The kernel's code in every process has names.

mod support;

use support::programs::Program;
use support::{assert_books, my_turn, run_until, skipped};

/// A coarse clock: the vdso answers for it on any machine, however the others are read.
const CLOCK: &str = r#"
#include <time.h>
static volatile long sum;
int main(void) { struct timespec t; for (;;) { clock_gettime(CLOCK_MONOTONIC_COARSE, &t); sum += t.tv_nsec; } }
"#;

#[test]
fn functions_of_the_vdso_are_named() {
    if skipped("functions_of_the_vdso_are_named") {
        return;
    }
    let _turn = my_turn();
    let program = Program::compile("clock", CLOCK, "c", &["gcc", "-O2"]).unwrap();
    for rung in ["1", "2"] {
        let running = program.start(&[]);
        let output = run_until(100, &["--rung", rung, "--rate", "499", "--window", "1", "--duration", "20", "--pid", &running.pid()]);
        assert_books(&output);
        let (mut all, mut named, mut nameless) = (0, 0, 0);
        for window in &output.windows {
            for sample in &window.samples {
                let stack = &window.stacks[sample.stack as usize];
                let is = |function: &str| stack.iter().any(|&frame| window.frames.function[frame as usize] == function);
                all += sample.count;
                // arm64's name, and those of others.
                named += if is("__vdso_clock_gettime") || is("__kernel_clock_gettime") { sample.count } else { 0 };
                let is_nameless = |&frame: &u32| window.frames.file[frame as usize] == "[vdso]" && window.frames.function[frame as usize].is_empty();
                nameless += if stack.iter().any(is_nameless) { sample.count } else { 0 };
            }
        }
        assert!(named > all / 4, "rung {rung}: {named} of {all}, {nameless} without a name");
    }
}
