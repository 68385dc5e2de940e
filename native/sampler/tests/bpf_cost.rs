//! The cost of the BPF program, as it measures itself, against what the kernel counts when it is made to.
#![cfg(feature = "bpf")]

mod support;

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

use libbpf_sys::{BPF_STATS_RUN_TIME, bpf_enable_stats};
use support::{Output, assert_books, my_turn, sampler, skipped};

/// Stats of windows: from the second one on the kernel counts; from the third one to the last both are compared.
const COUNTING: usize = 2;
const FROM: usize = 3;
const TO: usize = 6;

/// Milliseconds that the kernel counted of BPF programs of a process.
fn counted(pid: u32) -> f64 {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let times = texts.filter_map(|text| text.lines().find_map(|line| line.strip_prefix("run_time_ns:")?.trim().parse::<f64>().ok()));
    times.sum::<f64>() / 1e6
}

#[test]
fn what_the_program_measures_is_what_the_kernel_counts() {
    if skipped("what_the_program_measures_is_what_the_kernel_counts") {
        return;
    }
    let _turn = my_turn();
    let mut burn = Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
    let mut child = sampler(&["--rung", "1", "--rate", "997", "--window", "1"]);
    let mut stdin = child.stdin.take();
    let mut out = child.stdout.take().unwrap();
    let (mut output, mut counting, mut kernel) = (Output::new(), None, Vec::new());
    while output.read(&mut out) {
        if output.stats.len() == COUNTING && counting.is_none() {
            // SAFETY: takes no pointers; the descriptor belongs to nobody else.
            counting = Some(unsafe { OwnedFd::from_raw_fd(bpf_enable_stats(BPF_STATS_RUN_TIME)) });
        }
        if output.stats.len() == FROM + kernel.len() && kernel.len() <= TO - FROM {
            kernel.push(counted(child.id()));
        }
        if output.stats.len() >= TO {
            drop(stdin.take());
        }
    }
    let _ = burn.kill();
    let _ = burn.wait();
    assert!(child.wait().unwrap().success());
    assert_books(&output);
    let own = |stats: usize| output.stats[stats - 1]["bpfMs"].as_f64().unwrap();
    // Later it tells the larger one of both.
    assert!(own(COUNTING) > 0.0, "{:?}", output.stats);
    let (measured, counted) = (own(TO) - own(FROM), kernel[TO - FROM] - kernel[0]);
    println!("{measured} ms measured, {counted:.1} ms counted");
    assert!(measured > counted / 3.0 && measured < counted * 3.0, "{measured} ms against {counted} ms");
}
