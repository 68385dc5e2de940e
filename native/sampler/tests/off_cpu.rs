//! Blocked time on the real kernel, against what a program says of itself.

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use support::decode::Window;
use support::programs::Program;
use support::{Output, assert_books, my_turn, sample_while, skipped};

/// Two threads that wait in three ways, and say afterwards how long (clock around each wait) and how much CPU time they used. `sleeps`
/// waits for 20 ms at a time, longer than a period; `short_sleeps` for 0.3 ms; `waits` on a condition (futex) for 30 ms. Their stacks
/// are of different depths, so that each is a place of its own.
const WAITER: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static uint64_t now(clockid_t id) { struct timespec t; clock_gettime(id, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static volatile uint64_t sink;
static uint64_t total[3];
static double squares[3];
static int times[3];
static void add(int which, uint64_t ns) { total[which] += ns; squares[which] += (double)ns * ns; times[which]++; }
#define KEEP(x) __asm__ volatile("" : "+r"(x))
static void nap(long ns) { struct timespec t = {0, ns}; nanosleep(&t, 0); }
__attribute__((noinline)) long sleeps(long n) { uint64_t b = now(CLOCK_MONOTONIC); nap(20000000); add(0, now(CLOCK_MONOTONIC) - b); KEEP(n); return n; }
__attribute__((noinline)) long short_sleeps(long n) { volatile char far[512]; far[0] = 1; uint64_t b = now(CLOCK_MONOTONIC); nap(300000); add(1, now(CLOCK_MONOTONIC) - b); KEEP(n); return n; }
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
__attribute__((noinline)) long waits(long n) {
  struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_nsec += 30000000; if (t.tv_nsec > 999999999) { t.tv_nsec -= 1000000000; t.tv_sec++; }
  uint64_t b = now(CLOCK_MONOTONIC);
  pthread_mutex_lock(&mutex); while (!pthread_cond_timedwait(&cond, &mutex, &t)); pthread_mutex_unlock(&mutex);
  add(2, now(CLOCK_MONOTONIC) - b); KEEP(n); return n;
}
__attribute__((noinline)) void burn(void) { for (int i = 0; i < 3000000; i++) sink = sink * 3 + i; }
static uint64_t end;
static void *other(void *_) { pthread_setname_np(pthread_self(), "other"); long n = 0; while (now(CLOCK_MONOTONIC) < end) n += waits(n); return 0; }
int main(int argc, char **argv) {
  pthread_t thread; char line[16]; long n = 0;
  if (!fgets(line, sizeof line, stdin)) return 1;
  end = now(CLOCK_MONOTONIC) + atoi(argv[1]) * 1000000ull;
  pthread_create(&thread, 0, other, 0);
  while (now(CLOCK_MONOTONIC) < end) { n += sleeps(n); burn(); for (int i = 0; i < 40; i++) n += short_sleeps(n); }
  pthread_join(thread, 0);
  for (int i = 0; i < 3; i++) printf("%llu %d %.0f ", (unsigned long long)total[i], times[i], squares[i]);
  printf("%llu\n", (unsigned long long)now(CLOCK_PROCESS_CPUTIME_ID));
  fflush(stdout);
  return fgets(line, sizeof line, stdin) ? 0 : 1;
}
"#;

/// Nanoseconds, number and sum of squares of each kind of wait, and nanoseconds of CPU time.
struct Said {
    waits: [(f64, f64, f64); 3],
    cpu: f64,
}

const FUNCTIONS: [&str; 3] = ["sleeps", "short_sleeps", "waits"];
const SHORTEST_NS: [f64; 3] = [20e6, 0.3e6, 25e6];
/// What the kernel's part of each stack has to show.
const KERNEL: [&str; 3] = ["nanosleep", "nanosleep", "futex"];

fn run(program: &Program, args: &[&str]) -> (Output, Said) {
    let mut child = Command::new(&program.path).arg("1500").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let mut line = String::new();
    let output = sample_while(&[&["--pid", &pid, "--off-cpu", "--window", "1", "--rung", "1"], args].concat(), || {
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(b"go\n").unwrap();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    });
    child.stdin.as_mut().unwrap().write_all(b"end\n").unwrap();
    child.wait().unwrap();
    let numbers: Vec<f64> = line.split_whitespace().map(|text| text.parse().unwrap()).collect();
    (output, Said { waits: std::array::from_fn(|i| (numbers[3 * i], numbers[3 * i + 1], numbers[3 * i + 2])), cpu: numbers[9] })
}

/// Which of FUNCTIONS a stack is in.
fn function(program: &Program, window: &Window, stack: u32) -> Option<usize> {
    let names = window.stacks[stack as usize].iter().map(|&frame| program.name(window, frame));
    names.into_iter().find_map(|name| FUNCTIONS.iter().position(|function| *function == name))
}

fn agrees(program: &Program, rate: f64, args: &[&str]) {
    let (output, said) = run(program, &[&["--rate", &rate.to_string()], args].concat());
    assert_books(&output);
    assert!(output.hello["features"].as_array().unwrap().iter().any(|name| name == "off-cpu"), "{}", output.hello);
    let stats = &output.stats.last().unwrap()["offCpu"];
    assert_eq!((&stats["mapFull"], &stats["stackless"], &stats["overBudget"]), (&0.into(), &0.into(), &0.into()), "{stats}");
    let mut seen = [0f64; 3];
    let mut blocks = [0u32; 3];
    let mut kernel: HashMap<(usize, &str), f64> = HashMap::new();
    for window in &output.windows {
        for row in &window.blocked {
            let Some(which) = function(program, window, row.stack) else { continue };
            assert_eq!(&*row.thread == "other", which == 2, "{}", row.thread);
            seen[which] += row.ns as f64;
            blocks[which] += row.count;
            let names: Vec<&str> = window.stacks[row.stack as usize].iter().map(|&frame| &*window.frames.function[frame as usize]).collect();
            assert!(names[0].starts_with("__schedule"), "{names:?}");
            if names.iter().any(|name| name.contains(KERNEL[which])) {
                *kernel.entry((which, KERNEL[which])).or_default() += row.ns as f64;
            }
        }
    }
    let period = 1e9 / rate;
    for (which, name) in FUNCTIONS.iter().enumerate() {
        let (ns, times, squares) = said.waits[which];
        // None is shorter than what was asked for, so none has a smaller chance than this, and a block of length d adds at most
        // d * d * (1 / chance - 1) to the variance: five times its root. The program counts the system call and its way back, too:
        // 5 %, for machines with more to do, and 10 us for each.
        let chance = (SHORTEST_NS[which] / period).min(1.0);
        let spread = 5.0 * (squares * (1.0 / chance - 1.0)).sqrt();
        let (low, high) = (ns * 0.95 - times * 10_000.0 - spread, ns * 1.01 + spread);
        assert!(
            (low..=high).contains(&seen[which]),
            "{name}: {} ns of {ns} in {} of {times} waits, bounds {low} to {high}",
            seen[which],
            blocks[which]
        );
        assert_eq!(kernel.get(&(which, KERNEL[which])), Some(&seen[which]), "{name}");
    }
    // Most of the short ones are not walked.
    assert!(f64::from(blocks[1]) < said.waits[1].1 / 3.0 + 50.0, "{blocks:?} of {:?}", said.waits);
    // The profile of CPU time is what it would be without.
    let ticks: u64 = output.windows.iter().flat_map(|window| &window.samples).map(|sample| u64::from(sample.count)).sum();
    let expected = said.cpu / period;
    assert!((ticks as f64 - expected).abs() < 5.0 * expected.sqrt() + 0.1 * expected, "{ticks} ticks, {expected} expected");
}

#[test]
fn blocked_time_is_what_the_program_says() {
    if skipped("blocked_time_is_what_the_program_says") {
        return;
    }
    let _turn = my_turn();
    let program = Program::compile("waiter", WAITER, "c", &["gcc", "-O2", "-fomit-frame-pointer", "-Wl,--build-id", "-pthread"]).unwrap();
    agrees(&program, 199.0, &[]);
    agrees(&program, 199.0, &["--walk-by-calls"]);
}

/// Two threads that wait for longer than windows last: `naps` until it has slept (it says how long), `stays` until the program ends,
/// which is after the sampler has.
const SLEEPER: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
static uint64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
#define KEEP(x) __asm__ volatile("" : "+r"(x))
static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
__attribute__((noinline)) long stays(long n) { pthread_mutex_lock(&never); KEEP(n); return n; }
__attribute__((noinline)) uint64_t naps(void) {
  uint64_t b = now(); struct timespec t = {3, 300000000}; nanosleep(&t, 0); uint64_t e = now(); KEEP(e); return e - b;
}
static void *other(void *_) { pthread_setname_np(pthread_self(), "other"); stays(1); return 0; }
int main(void) {
  pthread_t thread; char line[16];
  pthread_mutex_lock(&never);
  if (!fgets(line, sizeof line, stdin)) return 1;
  pthread_create(&thread, 0, other, 0);
  printf("%llu\n", (unsigned long long)naps());
  fflush(stdout);
  return fgets(line, sizeof line, stdin) ? 0 : 1;
}
"#;

#[test]
fn a_block_is_told_window_by_window_before_it_ends_and_once_in_all() {
    if skipped("a_block_is_told_window_by_window_before_it_ends_and_once_in_all") {
        return;
    }
    let _turn = my_turn();
    let program = Program::compile("sleeper", SLEEPER, "c", &["gcc", "-O2", "-fomit-frame-pointer", "-Wl,--build-id", "-pthread"]).unwrap();
    let mut child = Command::new(&program.path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let (mut line, begin) = (String::new(), Instant::now());
    let output = sample_while(&["--pid", &pid, "--off-cpu", "--window", "1", "--rung", "1", "--rate", "99"], || {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    });
    let longest = begin.elapsed().as_nanos() as f64;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_books(&output);
    let slept: f64 = line.trim().parse().unwrap();
    let mut parts: HashMap<&str, Vec<f64>> = HashMap::new();
    for window in &output.windows {
        let mut here: HashMap<&str, f64> = HashMap::new();
        for row in &window.blocked {
            let frames = window.stacks[row.stack as usize].iter();
            let names: Vec<&str> = frames.map(|&frame| program.name(window, frame)).collect();
            let Some(which) = ["naps", "stays"].into_iter().find(|which| names.contains(which)) else { continue };
            assert_eq!(&*row.thread == "other", which == "stays", "{}", row.thread);
            *here.entry(which).or_default() += row.ns as f64;
        }
        for (which, ns) in here {
            parts.entry(which).or_default().push(ns);
        }
    }
    let stats = &output.stats.last().unwrap()["offCpu"];
    let sum = |which: &str| parts.get(which).map_or(0.0, |parts| parts.iter().sum::<f64>());
    // Both are new places, whose first block is certain to be chosen: what is told is what was, but for the system calls' way.
    assert!((slept * 0.99..=slept * 1.01).contains(&sum("naps")), "{} of {slept} ns: {parts:?}, {stats}", sum("naps"));
    // It began before the nap and had not ended when the sampler did.
    assert!(sum("stays") >= slept * 0.99, "{} of {slept} ns: {parts:?}, {stats}", sum("stays"));
    assert!(sum("stays") <= longest, "{} of {longest} ns: {parts:?}, {stats}", sum("stays"));
    // A window of a second has ended before they did.
    assert!(parts["naps"].len() >= 2 && parts["stays"].len() >= 2, "{parts:?}");
    assert_eq!((&stats["late"], &stats["stackless"]), (&0.into(), &0.into()), "{stats}");
}

#[test]
fn nothing_is_blocked_unless_it_is_asked_for() {
    if skipped("nothing_is_blocked_unless_it_is_asked_for") {
        return;
    }
    let _turn = my_turn();
    let output = sample_while(&["--rate", "99", "--window", "1"], || {
        Command::new("sleep").arg("0.1").status().unwrap();
    });
    assert!(output.windows.iter().all(|window| window.blocked.is_empty()));
    let other = sample_while(&["--rate", "99", "--window", "1", "--rung", "2", "--off-cpu"], || {
        Command::new("sleep").arg("0.1").status().unwrap();
    });
    assert_eq!(other.hello["reason"], "blocked time is left out: only rung 1 knows it");
}
